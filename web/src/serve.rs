//! From a listener to its last response.

use crate::{State, router};
use std::{future::Future, io, time::Duration};
use tokio::net::TcpListener;

/// How long responses that are under way at shutdown may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// Answers requests until `shutdown`, then ends the streams and lets other responses end.
///
/// A client that does not take its response does not hold up the end for more than five seconds.
///
/// # Errors
/// The listener could not be used any more.
pub async fn serve(
    listener: TcpListener,
    state: State,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let closing = state.clone();
    let end = async move {
        shutdown.await;
        closing.close();
    };
    let grace = state.clone();
    let overdue = async move {
        grace.closed().await;
        tokio::time::sleep(GRACE).await;
    };
    let served = axum::serve(listener, router(state)).with_graceful_shutdown(end);
    tokio::select! {
        ended = served => ended,
        () = overdue => Ok(()),
    }
}
