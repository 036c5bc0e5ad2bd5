//! The accept loop: HTTP/1.1 over hyper, with the limits that poem's own server lacks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::io_deadlines::{IoDeadlines, RequestPhase};
use super::listener::{Listener, Stream};
use crate::http::Peer;

/// How long a connection may be idle between requests: longer than nginx keeps its own to us and than the load balancer
/// keeps its (60 s both, nix/timeouts.nix), so that it is never closed while the other side sends a request on it (R15).
pub const KEEP_ALIVE: Duration = Duration::from_secs(90);
/// The largest head of a request, and so the most that a connection buffers; nginx in front allows 16 KiB.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The most headers of a request; browsers send about 20.
const MAX_HEADERS: usize = 64;
/// How long to wait when no connection can be accepted, as when descriptors have run out: some will be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the connections of `listener` until `stop` is cancelled; then accepts no more, closes idle connections and
/// lets the others finish their request. `connections` holds one task for each that is still open.
pub(crate) async fn serve_connections<F>(
    listener: Listener,
    answer: impl Fn(Request, Peer) -> F + Clone + Send + Sync + 'static,
    max_connections: usize,
    connections: TaskTracker,
    stop: CancellationToken,
) where
    F: Future<Output = Response> + Send,
{
    let permits = Arc::new(Semaphore::new(max_connections));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else {
            return;
        };
        let (answer, stop) = (answer.clone(), stop.clone());
        connections.spawn(async move {
            match stream {
                Stream::Tcp(stream) => serve(TokioIo::new(stream), peer, answer, stop).await,
                Stream::Unix(stream) => serve(TokioIo::new(stream), peer, answer, stop).await,
            }
            drop(permit);
        });
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &Listener,
    permits: &Arc<Semaphore>,
) -> Option<(Stream, Peer, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Some((stream, peer, permit)),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve<S, F>(stream: S, peer: Peer, answer: impl Fn(Request, Peer) -> F, stop: CancellationToken)
where
    S: Read + Write + Unpin,
    F: Future<Output = Response>,
{
    let phase = RequestPhase::default();
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let answering = phase.answering();
        let addresses = (LocalAddr::default(), RemoteAddr::default(), Scheme::HTTP);
        let request = Request::from((request, addresses.0, addresses.1, addresses.2));
        // hyper keeps the room for the future of a request as long as the connection lives. This one takes 10 KB.
        let answer = Box::pin(answer(request, peer));
        async move {
            let response = answer.await;
            drop(answering);
            Ok::<_, Infallible>(hyper::Response::from(response))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(KEEP_ALIVE)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(IoDeadlines::new(stream, phase.clone()), service);
    tokio::pin!(connection);
    // A connection that ends with an error was cut by the client or by a deadline: nobody is left to tell.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
