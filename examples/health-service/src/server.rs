//! From a listener to the last answer.
//!
//! hyper reads the requests: what is no HTTP it answers with 400, a head that is too long with 431
//! or 414. Bodies are not read: where one comes, the connection ends with the answer.

#[cfg(test)]
mod tests;

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

/// The one path.
const PATH: &str = "/healthz";
/// What a connection has in memory of a request at most: the least that hyper takes.
const HEAD_BYTES: usize = 8192;
/// How long nothing is accepted after that has failed, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For the head of a request, and without one.
    pub(crate) head: Duration,
    /// For a connection with all its requests.
    pub(crate) connection: Duration,
    /// At the end, for answers that are under way.
    pub(crate) grace: Duration,
    /// Connections at a time; more of them wait to be accepted.
    pub(crate) connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            connection: Duration::from_secs(60),
            grace: Duration::from_secs(2),
            connections: 256,
        }
    }
}

/// Answers requests until `stop`, then lets answers that are under way end.
pub(crate) async fn serve(listener: TcpListener, limits: Limits, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            (socket, place) = accept(&listener, &places) => open(socket, place, limits, &graceful),
        }
    }
    drop(listener);
    // Who does not take the answer by then is cut off.
    let _ended = time::timeout(limits.grace, graceful.shutdown()).await;
}

/// The next client, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so that there always is a permit in the end.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return (socket, place),
            Err(_) => time::sleep(PAUSE).await,
        }
    }
}

/// Answers the requests of one client, beside all others.
fn open(
    socket: TcpStream,
    place: Option<OwnedSemaphorePermit>,
    limits: Limits,
    graceful: &GracefulShutdown,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES);
    let connection = http.serve_connection(
        TokioIo::new(socket),
        service_fn(async |request| Ok::<_, Infallible>(answer(&request))),
    );
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _place = place;
        // Whatever goes wrong is the client's: the connection is closed, the others go on.
        let _ended = time::timeout(limits.connection, connection).await;
    });
}

/// What a request is answered with.
fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, text) = match (request.uri().path(), request.method()) {
        // RFC 9112, section 3.2: a request of HTTP/1.1 has one Host field.
        _ if request.version() == Version::HTTP_11 && hosts(request) != 1 => {
            (StatusCode::BAD_REQUEST, "one Host field is needed\n")
        }
        (PATH, &Method::GET | &Method::HEAD) => (StatusCode::OK, "ok\n"),
        (PATH, _) => (StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n"),
        _ => (StatusCode::NOT_FOUND, "there is only /healthz\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if status == StatusCode::METHOD_NOT_ALLOWED {
        fields.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

fn hosts(request: &Request<Incoming>) -> usize {
    request.headers().get_all(HOST).iter().count()
}
