//! Whether this instance is on its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once when a shutdown begins: from then on `GET /health` and `GET /ready` answer 503 and every response closes
/// its connection, while requests are still served. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// Begins to drain.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether draining has begun.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
