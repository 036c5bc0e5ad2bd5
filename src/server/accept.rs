//! The accept loop, with the limits that poem's own server lacks.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use poem::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::listener::{Listener, Stream};
use crate::http::Peer;

/// With so many connections open, those that are idle let go of their buffers: 17 KB each in all. To make them anew for
/// each request costs a little of its time, so with fewer they keep them. nginx keeps 128 to us.
const CROWD: usize = 256;
/// How long to wait when no connection can be accepted, as when descriptors have run out: some will be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often it is logged that none can be accepted.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Serves the connections of `listener` until `stop` is cancelled; then accepts no more, closes idle connections and
/// lets the others finish their request. `connections` holds one task for each that is still open.
pub(crate) async fn serve_connections<F>(
    listener: Arc<Listener>,
    answer: impl Fn(Request, Peer) -> F + Clone + Send + Sync + 'static,
    max_connections: usize,
    connections: TaskTracker,
    stop: CancellationToken,
) where
    F: Future<Output = Response> + Send,
{
    let permits = Arc::new(Semaphore::new(max_connections));
    let mut failures = Failures::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept(&listener, &permits, &mut failures) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else {
            return;
        };
        let (answer, stop, permits) = (answer.clone(), stop.clone(), Arc::clone(&permits));
        connections.spawn(async move {
            let connection = Connection {
                answer: |request| answer(request, peer),
                is_frugal: || max_connections - permits.available_permits() >= CROWD,
                stop,
            };
            match stream {
                Stream::Tcp(stream) => connection.serve(TokioIo::new(stream)).await,
                Stream::Unix(stream) => connection.serve(TokioIo::new(stream)).await,
            }
            drop(permit);
        });
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &Listener,
    permits: &Arc<Semaphore>,
    failures: &mut Failures,
) -> Option<(Stream, Peer, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Some((stream, peer, permit)),
            Err(error) => {
                if let Some(times) = failures.report(Instant::now()) {
                    tracing::warn!(%error, times, "cannot accept a connection; trying again");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Attempts to accept a connection that failed. There may be twenty a second for as long as descriptors have run out.
#[derive(Debug, Default)]
struct Failures {
    unreported: u64,
    reported_at: Option<Instant>,
}

impl Failures {
    /// Counts one, and returns how many there were since the last report when another one is due.
    fn report(&mut self, now: Instant) -> Option<u64> {
        self.unreported += 1;
        if self.reported_at.is_some_and(|at| now - at < REPORT_EVERY) {
            return None;
        }
        self.reported_at = Some(now);
        Some(std::mem::take(&mut self.unreported))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F33: not one line for each attempt.
    #[test]
    fn failures_are_reported_once_a_second_with_their_number() {
        let mut failures = Failures::default();
        let begun = Instant::now();
        let after = |milliseconds| begun + Duration::from_millis(milliseconds);
        assert_eq!(failures.report(begun), Some(1), "the first one at once");
        let within_a_second: Vec<_> = (1..20).map(|turn| failures.report(after(turn * 50))).collect();
        assert_eq!(within_a_second, [None; 19]);
        assert_eq!(failures.report(after(1000)), Some(20));
        assert_eq!(failures.report(after(60_000)), Some(1));
    }
}
