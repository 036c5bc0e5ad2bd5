//! Which sessions were ended while their access tokens are still valid.
//!
//! The database knows; the cache holds a copy of the last minutes, so that a request costs no query. The copy is
//! trusted only while its own mark stands: a cache that was restarted or emptied has lost it, and then the copy is
//! made anew from the database. While the cache is away the database is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
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
    /// The cache missed something that this instance wanted to tell it.
    must_repair: Arc<AtomicBool>,
}

impl Revocations {
    pub(super) fn new(clock: Clock, store: Store, cache: Cache, metrics: Arc<Metrics>) -> Self {
        Self {
            clock,
            store,
            cache,
            metrics,
            must_repair: Arc::default(),
        }
    }

    /// Tells all instances that these sessions, which the database has as revoked, are over.
    pub(super) async fn announce(&self, sessions: &[Uuid]) {
        let keys: Vec<String> = sessions.iter().map(key).collect();
        if self.cache.mark(&keys, lifetime()).await.is_err() {
            self.must_repair.store(true, Ordering::Release);
        }
    }

    /// Whether the session is over.
    pub(super) async fn is_revoked(&self, session: Uuid) -> Result<bool, StoreError> {
        match self.cache.marked([key(&session).as_str(), COPY_IS_WHOLE]).await {
            Ok([true, _]) => {
                self.metrics.cache_lookup(CacheLookup::Hit);
                Ok(true)
            }
            Ok([false, true]) => {
                self.metrics.cache_lookup(CacheLookup::Miss);
                Ok(false)
            }
            Ok([false, false]) => {
                self.metrics.cache_lookup(CacheLookup::Miss);
                self.must_repair.store(true, Ordering::Release);
                self.is_revoked_in_store(session).await
            }
            Err(_) => {
                self.metrics.cache_lookup(CacheLookup::Error);
                self.is_revoked_in_store(session).await
            }
        }
    }

    /// Makes the copy anew whenever something was missed.
    pub(super) async fn maintain(&self) {
        let mut ticks = tokio::time::interval(REPAIR_EVERY);
        loop {
            if self.must_repair.swap(false, Ordering::AcqRel) && self.copy_from_store().await.is_none() {
                self.must_repair.store(true, Ordering::Release);
            }
            ticks.tick().await;
        }
    }

    async fn is_revoked_in_store(&self, session: Uuid) -> Result<bool, StoreError> {
        let found = self.store.session_with_user(session).await?;
        Ok(found.is_none_or(|(session, _)| session.revoked_at.is_some()))
    }

    /// `None` when the database or the cache did not take part.
    async fn copy_from_store(&self) -> Option<()> {
        let since = self.clock.now() - ACCESS_TOKEN_LIFETIME - CLOCK_SKEW;
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
