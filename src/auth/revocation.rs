//! Which sessions were ended while their access tokens are still valid.
//!
//! The database knows. Every instance looks there every [`LOOK_EVERY`] for what was ended since its last look, and
//! remembers it, so that a request costs no query. What it knows is trusted until [`FRESH_FOR`] after the look began; then,
//! and whenever it is in doubt, the database is asked for each request. So no instance accepts an access token for longer
//! than that after its session was ended, whatever happens to the cache.
//!
//! The cache only makes it faster: it holds a mark for each session that was ended by itself and one for each account that
//! ended all it had, and an instance that was told so refuses them at once. A cache that is away, or at the other end of a
//! new connection (it may have been emptied, or be a replica that took over), puts what is known in doubt.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ACCESS_TOKEN_LIFETIME, Identity};
use crate::cache::{Cache, MemoryCache};
use crate::clock::Clock;
use crate::store::{Ended, Store, StoreError};
use crate::telemetry::{CacheLookup, Metrics};

/// How often the database is looked at: two queries of an index, which mostly find nothing.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a look is trusted, from its beginning: the bound that README states. A look may fail and still nothing changes.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// The pause after a look that was asked for by doubt, so that a database that fails is not asked all the time.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// How far a look goes back behind the beginning of the one before: a session's end carries the moment at which it was asked
/// for, and is seen when it is committed, after the 10 s of a request at most.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);
/// Rows that are read at a time: some 200 KB of ids.
const PAGE: u64 = 10_000;
/// Clocks of instances, which follow the database's, differ a little.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(30);

/// Tells and asks which sessions were ended. Clones share their state.
#[derive(Clone, Debug)]
pub(super) struct Revocations {
    clock: Clock,
    store: Store,
    cache: Cache,
    metrics: Arc<Metrics>,
    known: Arc<Known>,
}

/// What this instance knows by itself.
#[derive(Debug)]
struct Known {
    ended: MemoryCache,
    last_look: Mutex<Option<Look>>,
    /// Counted, so that one that comes up during a look is not taken for settled by it.
    doubts: AtomicU64,
    look_is_wanted: Notify,
}

/// A look at the database, as things were when it began.
#[derive(Clone, Copy, Debug)]
struct Look {
    begun: Instant,
    at: DateTime<Utc>,
    doubts: u64,
    connections: u64,
}

/// An ending under way. Unless it comes to [`Announcement::make`], after an error or when the client went away, nobody
/// knows what the database did, and what is known is in doubt.
pub(super) struct Announcement<'a> {
    revocations: &'a Revocations,
    is_made: bool,
}

impl Announcement<'_> {
    /// Tells all instances that these, as the database has it, are over.
    pub(super) async fn make(mut self, ended: &[Ended]) {
        let keys: Vec<String> = ended.iter().copied().map(key).collect();
        self.is_made = self.revocations.known.ended.mark(&keys, lifetime()).is_ok();
        // The others find it in the database, if not here.
        let _ = self.revocations.cache.mark(&keys, lifetime()).await;
    }
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        if !self.is_made {
            self.revocations.known.doubt();
        }
    }
}

impl Known {
    fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::AcqRel);
        self.look_is_wanted.notify_one();
    }

    fn last_look(&self) -> Option<Look> {
        *self.last_look.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looked(&self, look: Look) {
        *self.last_look.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
    }

    /// Whether nothing but what is known can have been ended, up to [`FRESH_FOR`] ago.
    fn is_trusted(&self, connections: u64) -> bool {
        self.last_look().is_some_and(|look| {
            look.begun.elapsed() < FRESH_FOR
                && look.doubts == self.doubts.load(Ordering::Acquire)
                && look.connections == connections
        })
    }
}

impl Revocations {
    pub(super) fn new(clock: Clock, store: Store, cache: Cache, metrics: Arc<Metrics>) -> Self {
        let known = Known {
            ended: MemoryCache::new(clock.clone()),
            last_look: Mutex::default(),
            doubts: AtomicU64::default(),
            look_is_wanted: Notify::default(),
        };
        Self {
            clock,
            store,
            cache,
            metrics,
            known: Arc::new(known),
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
        let keys = keys.each_ref().map(String::as_str);
        let [session_ended, account_ended] = self.known.ended.marked(keys);
        if session_ended {
            self.metrics.cache_lookup(CacheLookup::Hit);
            return Ok(true);
        }
        let Ok(marked) = self.cache.marked(keys).await else {
            self.metrics.cache_lookup(CacheLookup::Error);
            return self.is_revoked_in_store(session).await;
        };
        // Remembered, since a cache may forget what it has told.
        for (key, is_marked) in keys.iter().zip(marked) {
            if is_marked && self.known.ended.mark(&[(*key).to_owned()], lifetime()).is_err() {
                self.known.doubt();
            }
        }
        match [marked[0], account_ended || marked[1]] {
            [true, _] => {
                self.metrics.cache_lookup(CacheLookup::Hit);
                Ok(true)
            }
            // Some of the account's sessions are over, perhaps any number of them, and the database knows which.
            [false, true] => {
                self.metrics.cache_lookup(CacheLookup::Hit);
                self.is_revoked_in_store(session).await
            }
            [false, false] => {
                self.metrics.cache_lookup(CacheLookup::Miss);
                // Asked after the answer: a connection that is new by then counts.
                if self.known.is_trusted(self.cache.connections()) {
                    return Ok(false);
                }
                self.known.look_is_wanted.notify_one();
                self.is_revoked_in_store(session).await
            }
        }
    }

    /// Looks at the database again and again, until `stop` is cancelled.
    pub(super) async fn maintain(&self, stop: CancellationToken) {
        loop {
            // A database that is away is told of elsewhere.
            let _ = self.look().await;
            let pause = async {
                sleep(LEAST_PAUSE).await;
                // In time or wanted earlier.
                let _ = timeout(LOOK_EVERY - LEAST_PAUSE, self.known.look_is_wanted.notified()).await;
            };
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self) -> Result<(), LookFailed> {
        let look = Look {
            begun: Instant::now(),
            at: self.clock.now(),
            doubts: self.known.doubts.load(Ordering::Acquire),
            connections: self.cache.connections(),
        };
        let earliest = look.at - lifetime();
        // No further back than a token lives, and behind the present when the clock was set back.
        let since = self
            .known
            .last_look()
            .map_or(earliest, |last| (last.at.min(look.at) - OVERLAP).max(earliest));
        self.remember(
            |last| self.store.sessions_revoked_since(since, last, PAGE),
            Ended::Session,
        )
        .await?;
        self.remember(
            |last| self.store.accounts_ended_since(since, last, PAGE),
            Ended::Account,
        )
        .await?;
        self.known.looked(look);
        Ok(())
    }

    async fn remember<F>(&self, read: impl Fn(Option<Uuid>) -> F, ended: fn(Uuid) -> Ended) -> Result<(), LookFailed>
    where
        F: Future<Output = Result<Vec<Uuid>, StoreError>>,
    {
        let mut last = None;
        loop {
            let page = read(last).await.map_err(|_| LookFailed)?;
            let keys: Vec<String> = page.iter().map(|id| key(ended(*id))).collect();
            self.known.ended.mark(&keys, lifetime()).map_err(|_| LookFailed)?;
            last = page.last().copied();
            if (page.len() as u64) < PAGE {
                return Ok(());
            }
        }
    }

    async fn is_revoked_in_store(&self, session: Uuid) -> Result<bool, StoreError> {
        let found = self.store.session_with_user(session).await?;
        Ok(found.is_none_or(|(session, user)| session.was_ended(&user)))
    }
}

/// The database did not answer, or there was more than can be remembered. The database is asked until a look succeeds.
#[derive(Debug)]
struct LookFailed;

fn key(ended: Ended) -> String {
    match ended {
        Ended::Session(id) => format!("revoked:{id}"),
        Ended::Account(id) => format!("revoked:of:{id}"),
    }
}

/// No access token of a session outlives this after the session was ended.
const fn lifetime() -> Duration {
    let seconds = ACCESS_TOKEN_LIFETIME.num_seconds() + CLOCK_SKEW.num_seconds();
    Duration::from_secs(seconds.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_session_is_remembered_for_longer_than_any_access_token_of_it_lives() {
        assert_eq!(lifetime(), Duration::from_secs(10 * 60 + 30));
    }

    #[test]
    fn a_look_may_fail_and_the_next_one_comes_in_time() {
        assert!(2 * LOOK_EVERY < FRESH_FOR);
    }
}
