//! Whether this instance is on its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// A shutdown in two steps. Clones share it.
///
/// While it drains, `GET /health` and `GET /ready` answer 503 and every response closes its connection, but requests are
/// still served: the load balancer needs some seconds to look elsewhere. After that what is under way has to end.
///
/// An answer that has no end of its own (server-sent events, a WebSocket) watches [`ended`](Self::ended) and then ends
/// as it would by itself. Clients that come back at once meet another instance then, and one that does not watch is cut
/// off in the middle when the stop is over.
#[derive(Clone, Debug, Default)]
pub struct Draining {
    /// Asked for each request, so no lock.
    begun: Arc<AtomicBool>,
    ended: CancellationToken,
}

impl Draining {
    /// Begins to drain.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// Whether draining has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Ends the drain, whether it has begun or not.
    pub fn end(&self) {
        self.begin();
        self.ended.cancel();
    }

    /// Waits for the end of the drain, from which on no answer may go on for long.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
