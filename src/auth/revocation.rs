//! Which sessions were ended while their access tokens are still valid.
//!
//! The database knows; the cache holds a copy of the last minutes, so that a request costs no query: a mark for each session
//! that was ended by itself, and one for each account that has ended all it had, about which the database is asked. An
//! instance trusts the copy while it knows that nothing is missing from it:
//! - A cache that was emptied has lost the copy's own mark, too.
//! - One that was restarted from a snapshot, or is a replica that took over, may have lost the last revocations and kept
//!   that mark. Both cost the connection, so each new connection counts as a miss.
//! - A revocation that could not be told, by an instance that is perhaps gone by now, is missing whatever the mark says, so
//!   each start counts as one, too.
//!
//! After a miss the copy is made again from the database, which is asked until then, and while the cache is away.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ACCESS_TOKEN_LIFETIME, Identity};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::store::{Ended, Store, StoreError};
use crate::telemetry::{CacheLookup, Metrics};

/// The mark that says that the copy in the cache is whole.
const COPY_IS_WHOLE: &str = "revoked:whole";
/// It expires so that a prefix that nobody uses any more leaves nothing; the next copy is a few queries.
const WHOLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Rows that are read at a time for a copy: some 200 KB of ids.
const PAGE: u64 = 10_000;
/// How often a copy that missed a revocation is made again until that works.
const REPAIR_EVERY: Duration = Duration::from_secs(1);
/// The same while the server stops and has no second to wait for the next attempt.
const REPAIR_EVERY_AT_STOP: Duration = Duration::from_millis(100);
/// Clocks of instances and databases differ a little.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(30);

/// Tells and asks which sessions were ended. Clones share their state.
#[derive(Clone, Debug)]
pub(super) struct Revocations {
    clock: Clock,
    store: Store,
    cache: Cache,
    metrics: Arc<Metrics>,
    repairs: Arc<Repairs>,
}

/// Whether the copy must be made again. Misses are counted, so that one during a repair is not taken for repaired by it.
#[derive(Debug)]
struct Repairs {
    missed: AtomicU64,
    repaired: AtomicU64,
}

/// A revocation under way. Unless it ends in [`Announcement::make`] and the cache takes part, the copy counts as
/// incomplete: after an error, or when the client went away, nobody knows what the database did.
pub(super) struct Announcement<'a> {
    revocations: &'a Revocations,
    is_made: bool,
}

impl Announcement<'_> {
    /// Tells all instances that these, as the database has it, are over.
    pub(super) async fn make(mut self, ended: &[Ended]) {
        let keys: Vec<String> = ended.iter().copied().map(key).collect();
        self.is_made = self.revocations.cache.mark(&keys, lifetime()).await.is_ok();
    }
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        if !self.is_made {
            self.revocations.repairs.miss();
        }
    }
}

impl Repairs {
    /// At the start: nobody knows what was missed before.
    fn due_at_once() -> Self {
        Self {
            missed: AtomicU64::new(1),
            repaired: AtomicU64::new(0),
        }
    }

    fn miss(&self) {
        self.missed.fetch_add(1, Ordering::AcqRel);
    }

    /// The number of misses so far, if there was one since the last repair. Each of `connections` counts as one.
    fn due(&self, connections: u64) -> Option<u64> {
        let missed = self.missed.load(Ordering::Acquire) + connections;
        (missed != self.repaired.load(Ordering::Acquire)).then_some(missed)
    }

    fn repaired(&self, missed: u64) {
        self.repaired.store(missed, Ordering::Release);
    }
}

impl Revocations {
    pub(super) fn new(clock: Clock, store: Store, cache: Cache, metrics: Arc<Metrics>) -> Self {
        Self {
            clock,
            store,
            cache,
            metrics,
            repairs: Arc::new(Repairs::due_at_once()),
        }
    }

    /// Begins to end sessions; to be called before the database is asked to.
    pub(super) fn begin(&self) -> Announcement<'_> {
        Announcement {
            revocations: self,
            is_made: false,
        }
    }

    /// Whether the session in which a request is made is over.
    pub(super) async fn is_revoked(&self, identity: &Identity) -> Result<bool, StoreError> {
        let session = identity.session_id;
        let keys = [Ended::Session(session), Ended::Account(identity.user_id)].map(key);
        match self.cache.marked([&keys[0], &keys[1], COPY_IS_WHOLE]).await {
            Ok([true, _, _]) => {
                self.metrics.cache_lookup(CacheLookup::Hit);
                Ok(true)
            }
            // Some of the account's sessions are over, perhaps any number of them, and the database knows which.
            Ok([false, true, _]) => {
                self.metrics.cache_lookup(CacheLookup::Hit);
                self.is_revoked_in_store(session).await
            }
            // Looked at after the answer: a connection that is new by then counts, and so does a miss.
            Ok([false, false, true]) if self.repair_due().is_none() => {
                self.metrics.cache_lookup(CacheLookup::Miss);
                Ok(false)
            }
            Ok([false, false, is_whole]) => {
                self.metrics.cache_lookup(CacheLookup::Miss);
                if !is_whole {
                    self.repairs.miss();
                }
                self.is_revoked_in_store(session).await
            }
            Err(_) => {
                self.metrics.cache_lookup(CacheLookup::Error);
                self.is_revoked_in_store(session).await
            }
        }
    }

    /// Makes the copy again whenever something was missed, until `stop` is cancelled.
    pub(super) async fn maintain(&self, stop: CancellationToken) {
        let mut ticks = interval(REPAIR_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.repair_if_due().await;
        }
    }

    /// Tells the cache what it missed, if that works within this time; for the end of a stop, when nothing is revoked any
    /// more.
    pub(super) async fn tell_what_is_untold(&self, within: Duration) {
        let telling = async {
            while !self.repair_if_due().await {
                sleep(REPAIR_EVERY_AT_STOP).await;
            }
        };
        if timeout(within, telling).await.is_err() {
            tracing::warn!(
                "the cache could not be told of ended sessions; until an instance that starts or connects to it does so, \
                 others may accept access tokens of these for as long as they live"
            );
        }
    }

    /// Tells whether nothing is missing any more.
    async fn repair_if_due(&self) -> bool {
        let Some(missed) = self.repair_due() else { return true };
        let is_whole = self.copy_from_store().await.is_some();
        if is_whole {
            self.repairs.repaired(missed);
        }
        is_whole
    }

    fn repair_due(&self) -> Option<u64> {
        self.repairs.due(self.cache.connections())
    }

    async fn is_revoked_in_store(&self, session: Uuid) -> Result<bool, StoreError> {
        let found = self.store.session_with_user(session).await?;
        Ok(found.is_none_or(|(session, user)| session.was_ended(&user)))
    }

    /// `None` when the database or the cache did not take part.
    ///
    /// However long it takes and whatever happens to the cache meanwhile, the mark of the whole copy is made from one that
    /// was there before the copy's first part: a cache that was emptied in between has lost that one.
    async fn copy_from_store(&self) -> Option<()> {
        let begun = format!("revoked:copy:{}", Uuid::now_v7());
        self.cache.mark(slice::from_ref(&begun), WHOLE_FOR).await.ok()?;
        let since = self.clock.now() - lifetime();
        self.copy_pages(
            |last| self.store.sessions_revoked_since(since, last, PAGE),
            Ended::Session,
        )
        .await?;
        self.copy_pages(
            |last| self.store.accounts_ended_since(since, last, PAGE),
            Ended::Account,
        )
        .await?;
        let is_whole = self.cache.rename_mark(&begun, COPY_IS_WHOLE).await.ok()?;
        is_whole.then_some(())
    }

    async fn copy_pages<F>(&self, read: impl Fn(Option<Uuid>) -> F, ended: fn(Uuid) -> Ended) -> Option<()>
    where
        F: Future<Output = Result<Vec<Uuid>, StoreError>>,
    {
        let mut last = None;
        loop {
            let page = read(last).await.ok()?;
            let keys: Vec<String> = page.iter().map(|id| key(ended(*id))).collect();
            self.cache.mark(&keys, lifetime()).await.ok()?;
            last = page.last().copied();
            if last.is_none() {
                return Some(());
            }
        }
    }
}

fn key(ended: Ended) -> String {
    match ended {
        Ended::Session(id) => format!("revoked:{id}"),
        Ended::Account(id) => format!("revoked:of:{id}"),
    }
}

/// No access token of a session outlives this after the session was ended.
fn lifetime() -> Duration {
    (ACCESS_TOKEN_LIFETIME + CLOCK_SKEW).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_session_is_remembered_for_longer_than_any_access_token_of_it_lives() {
        assert_eq!(lifetime(), Duration::from_secs(10 * 60 + 30));
    }
}
