//! Which sessions were ended while their access tokens are still valid.
//!
//! The database knows; the cache holds a copy of the last minutes, so that a request costs no query. The copy is
//! trusted only while its own mark stands: a cache that was restarted or emptied has lost it, and then the copy is
//! made anew from the database. While the cache is away, or may have missed something, the database is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ACCESS_TOKEN_LIFETIME;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::store::{Store, StoreError};
use crate::telemetry::{CacheLookup, Metrics};

/// The mark that says that the copy in the cache is whole.
const COPY_IS_WHOLE: &str = "revoked:whole";
/// It expires so that a prefix that nobody uses any more leaves nothing; the next copy is one query.
const WHOLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a copy that missed a revocation is made anew until that works.
const REPAIR_EVERY: Duration = Duration::from_secs(1);
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

/// Whether the copy must be made anew. Counted, so that a miss during a repair is not taken for mended by it.
#[derive(Debug, Default)]
struct Repairs {
    missed: AtomicU64,
    mended: AtomicU64,
}

/// A revocation under way. Unless it ends in [`Announcement::make`] and the cache takes part, the copy counts as
/// incomplete: after an error, or when the client went away, nobody knows what the database did.
pub(super) struct Announcement<'a> {
    revocations: &'a Revocations,
    is_made: bool,
}

impl Announcement<'_> {
    /// Tells all instances that these sessions, which the database has as revoked, are over.
    pub(super) async fn make(mut self, sessions: &[Uuid]) {
        let keys: Vec<String> = sessions.iter().map(key).collect();
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
    fn miss(&self) {
        self.missed.fetch_add(1, Ordering::AcqRel);
    }

    /// The number of misses so far, if there was one since the last repair.
    fn due(&self) -> Option<u64> {
        let missed = self.missed.load(Ordering::Acquire);
        (missed != self.mended.load(Ordering::Acquire)).then_some(missed)
    }

    fn mended(&self, missed: u64) {
        self.mended.store(missed, Ordering::Release);
    }
}

impl Revocations {
    pub(super) fn new(clock: Clock, store: Store, cache: Cache, metrics: Arc<Metrics>) -> Self {
        Self {
            clock,
            store,
            cache,
            metrics,
            repairs: Arc::default(),
        }
    }

    /// Begins to end sessions; to be called before the database is asked to.
    pub(super) fn begin(&self) -> Announcement<'_> {
        Announcement {
            revocations: self,
            is_made: false,
        }
    }

    /// Whether the session is over.
    pub(super) async fn is_revoked(&self, session: Uuid) -> Result<bool, StoreError> {
        match self.cache.marked([key(&session).as_str(), COPY_IS_WHOLE]).await {
            Ok([true, _]) => {
                self.metrics.cache_lookup(CacheLookup::Hit);
                Ok(true)
            }
            Ok([false, true]) if self.repairs.due().is_none() => {
                self.metrics.cache_lookup(CacheLookup::Miss);
                Ok(false)
            }
            Ok([false, is_whole]) => {
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

    /// Makes the copy anew whenever something was missed, until `stop` is cancelled.
    pub(super) async fn maintain(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(REPAIR_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Some(missed) = self.repairs.due()
                && self.copy_from_store().await.is_some()
            {
                self.repairs.mended(missed);
            }
        }
    }

    async fn is_revoked_in_store(&self, session: Uuid) -> Result<bool, StoreError> {
        let found = self.store.session_with_user(session).await?;
        Ok(found.is_none_or(|(session, _)| session.revoked_at.is_some()))
    }

    /// `None` when the database or the cache did not take part.
    async fn copy_from_store(&self) -> Option<()> {
        let since = self.clock.now() - lifetime();
        let revoked = self.store.sessions_revoked_since(since).await.ok()?;
        let keys: Vec<String> = revoked.iter().map(key).collect();
        self.cache.mark(&keys, lifetime()).await.ok()?;
        self.cache.mark(&[COPY_IS_WHOLE.to_owned()], WHOLE_FOR).await.ok()
    }
}

fn key(session: &Uuid) -> String {
    format!("revoked:{session}")
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
