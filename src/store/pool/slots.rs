//! Who may use a connection, and the connections that nobody uses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::connection::Connection;
use super::stats::{Closed, Stats};
use crate::telemetry::DatabasePool;

/// A connection that lay idle for this long is tested before it is used: the database may have restarted meanwhile, or
/// something in between forgotten it.
const TEST_IF_IDLE_FOR: Duration = Duration::from_secs(1);
/// How long a slot for which the database has no connection is withheld. Meanwhile those who wait get the connections that
/// exist; and a database that is full is not asked more than once a second and slot.
const WITHHELD_FOR: Duration = Duration::from_secs(1);

/// As many slots as there may be connections. Clones of the `Arc` share them.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    shelf: Mutex<Shelf>,
    open: Arc<AtomicUsize>,
    stats: Stats,
}

#[derive(Debug)]
struct Shelf {
    /// The one that was used last is at the end, and is used first: what is not needed stays cold.
    idle: Vec<Connection>,
    /// What did not answer since must be tested.
    test_if_seen_before: Instant,
    /// What was opened before is closed unseen.
    replace_if_opened_before: Instant,
    /// When somebody last gave a connection back that had answered.
    answered: Option<Instant>,
}

/// What is to be thought of the other connections when one is found unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// They may be as dead as this one. A dead one shows at once when it is tested.
    Test,
    /// They lead to the same wrong place, or a test of each would take as long as it took with this one.
    Replace,
}

/// The right to one connection.
#[derive(Debug)]
pub(super) struct Slot {
    permit: OwnedSemaphorePermit,
    slots: Arc<Slots>,
}

/// A connection in use. Unless it is given back it is closed, whatever becomes of the work.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) connection: Connection,
    slot: Slot,
}

/// Counts a connection as open while it lives.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

impl Slots {
    pub(super) fn new(size: usize) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            free: Arc::new(Semaphore::new(size)),
            shelf: Mutex::new(Shelf {
                idle: Vec::with_capacity(size),
                test_if_seen_before: now,
                replace_if_opened_before: now,
                answered: None,
            }),
            open: Arc::default(),
            stats: Stats::default(),
        })
    }

    /// Waits for a slot; `None` when there is none in time or the pool is closed. Those who came first get it first.
    pub(super) async fn wait(self: &Arc<Self>, patience: Duration) -> Option<Slot> {
        let permit = timeout(patience, Arc::clone(&self.free).acquire_owned()).await.ok()?;
        Some(Slot {
            permit: permit.ok()?,
            slots: Arc::clone(self),
        })
    }

    /// Whether the database has answered anybody within the given time.
    pub(super) fn have_answered_within(&self, time: Duration) -> bool {
        self.shelf().answered.is_some_and(|answered| answered.elapsed() < time)
    }

    /// Whether any connection exists, which somebody may give back.
    pub(super) fn has_any(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    pub(super) fn count_busy(&self) {
        self.stats.count_busy();
    }

    /// Thinks that of every connection that is open now.
    pub(super) fn suspect(&self, suspicion: Suspicion) {
        let mut shelf = self.shelf();
        let now = Instant::now();
        match suspicion {
            Suspicion::Test => shelf.test_if_seen_before = now,
            Suspicion::Replace => shelf.replace_if_opened_before = now,
        }
    }

    pub(super) fn status(&self) -> DatabasePool {
        let idle = self.shelf().idle.len();
        self.stats.status(self.open.load(Ordering::Relaxed), idle)
    }

    /// Closes a connection in the background.
    pub(super) fn close_one(&self, connection: Connection, reason: Closed) {
        self.stats.count_closed(reason);
        match reason {
            // Nobody would hear a goodbye.
            Closed::Lost | Closed::Silent | Closed::Unfinished => drop(connection),
            _ => drop(tokio::spawn(connection.close())),
        }
    }

    /// Gives out no slot any more. Those that were given out stay valid.
    pub(super) fn close(&self) {
        self.free.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.free.is_closed()
    }

    /// The idle connections, to be closed.
    pub(super) fn clear(&self) -> Vec<Connection> {
        std::mem::take(&mut self.shelf().idle)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// An idle connection, if there is one, and whether it must be tested.
    pub(super) fn take_idle(&self) -> Option<(Connection, bool)> {
        loop {
            let mut shelf = self.slots.shelf();
            let connection = shelf.idle.pop()?;
            if connection.opened < shelf.replace_if_opened_before {
                drop(shelf);
                self.slots.close_one(connection, Closed::Suspect);
                continue;
            }
            let seen = connection.seen;
            let must_be_tested = seen < shelf.test_if_seen_before || seen.elapsed() > TEST_IF_IDLE_FOR;
            return Some((connection, must_be_tested));
        }
    }

    pub(super) fn lease(self, mut connection: Connection) -> Lease {
        let open = &self.slots.open;
        connection.counted.get_or_insert_with(|| Open::count(open));
        connection.begin_work();
        Lease { connection, slot: self }
    }

    /// Gives the slot up for a while because no connection can be had for it.
    pub(super) fn withhold(self) {
        let Self { permit, slots } = self;
        permit.forget();
        // Weak, so that the pool of a server that ends does not live on for it.
        let free = Arc::downgrade(&slots.free);
        tokio::spawn(async move {
            sleep(WITHHELD_FOR).await;
            if let Some(free) = free.upgrade() {
                free.add_permits(1);
            }
        });
    }
}

impl Lease {
    /// Leaves the connection to the next one who needs it, and returns the slot.
    pub(super) fn give_back(self) -> Slot {
        let Self { mut connection, slot } = self;
        connection.seen = Instant::now();
        let mut shelf = slot.slots.shelf();
        shelf.answered = Some(connection.seen);
        shelf.idle.push(connection);
        drop(shelf);
        slot
    }

    /// Closes the connection, and returns the slot.
    pub(super) fn close(self, reason: Closed) -> Slot {
        let Self { connection, slot } = self;
        slot.slots.close_one(connection, reason);
        slot
    }
}

impl Open {
    fn count(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
