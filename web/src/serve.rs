//! From a listener to its last response.

use crate::{State, router};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

/// How long the head of a request may take, and how long a connection may be without one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long responses that are under way at shutdown may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// Connections at most, besides those of streams; more of them wait to be accepted.
const MAX_CONNECTIONS: usize = 256;
/// How long nothing is accepted after that has failed for want of something, such as descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// Answers requests until `shutdown`, then ends the streams and lets other responses end.
///
/// Needs a Tokio runtime with I/O and time; one thread is enough. A client that does not take its
/// response, or does not end its request, does not hold up the end for more than five seconds.
///
/// # Errors
/// None so far: what goes wrong with a connection is logged, and the others go on.
pub async fn serve(
    listener: TcpListener,
    state: State,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let connections = Connections::new(&state);
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            (socket, place) = connections.accept(&listener) => connections.open(socket, place),
        }
    }
    drop(listener);
    state.close();
    let ended = time::timeout(GRACE, connections.graceful.shutdown()).await;
    if ended.is_err() {
        tracing::info!("clients that did not take their response were cut off");
    }
    Ok(())
}

/// What all connections share.
struct Connections {
    places: Arc<Semaphore>,
    service: TowerToHyperService<Router>,
    http: http1::Builder,
    graceful: GracefulShutdown,
}

impl Connections {
    fn new(state: &State) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT);
        let places = state.streams().max.saturating_add(MAX_CONNECTIONS);
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            service: TowerToHyperService::new(router(state.clone())),
            http,
            graceful: GracefulShutdown::new(),
        }
    }

    /// The next client, once there is a place for it.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, Option<OwnedSemaphorePermit>) {
        // The semaphore is never closed, so that there always is a permit in the end.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            match listener.accept().await {
                Ok((socket, _)) => return (socket, place),
                Err(error) if is_of_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Answers the requests of one client.
    fn open(&self, socket: TcpStream, place: Option<OwnedSemaphorePermit>) {
        let io = TokioIo::new(socket);
        let connection = self.http.serve_connection(io, self.service.clone());
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
}

/// Whether only the client that was to be accepted is the worse for it.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
