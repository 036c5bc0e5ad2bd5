//! Deletes sessions that ended, and accounts that were deleted, in the background.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ACCESS_TOKEN_LIFETIME, Auth};
use crate::store::{Ended, ROWS_AT_ONCE, StoreError};

/// Ended sessions are deleted in batches of this size, so that no lock is long and no statement large.
const CLEANUP_BATCH: u64 = 500;
/// How often ended sessions are looked for.
const CLEANUP_EVERY: Duration = Duration::from_secs(15 * 60);
/// A start has more urgent things to do, and another connection to PostgreSQL for this would be kept for ten minutes.
const FIRST_CLEANUP_AFTER: Duration = Duration::from_secs(60);
/// An ended session is kept until its last access token has expired, because its row is what tells a cache that was
/// emptied to refuse that token.
const KEEP_ENDED: TimeDelta = TimeDelta::minutes(2 * ACCESS_TOKEN_LIFETIME.num_minutes());
const _: () = assert!(KEEP_ENDED.num_minutes() > ACCESS_TOKEN_LIFETIME.num_minutes());
/// For how long the sessions are looked for that an account ended all at once: many times as long as deleting them takes,
/// and what is left nevertheless, after a day without any instance, expires.
const LOOK_FOR_ENDED_ALL_AT_ONCE: TimeDelta = TimeDelta::days(1);

impl Auth {
    /// Deletes ended sessions now and then, until `stop` is cancelled.
    pub(super) async fn delete_ended_sessions(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval_at(Instant::now() + FIRST_CLEANUP_AFTER, CLEANUP_EVERY);
        let mut next = async || {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.cleanup_due.notified() => {}
            }
        };
        while stop.run_until_cancelled(next()).await.is_some() {
            match self.delete_ended_sessions_once().await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "deleted ended sessions and what was left of deleted accounts"),
                Err(error) => tracing::warn!(%error, "could not delete ended sessions; trying again later"),
            }
        }
    }

    /// Has the cleanup begin at once when an account's row has ended more sessions than those whose own rows say so, too.
    pub(super) fn clean_up_soon_after(&self, ended: &[Ended]) {
        if ended.len() as u64 > ROWS_AT_ONCE {
            self.cleanup_due.notify_one();
        }
    }

    async fn delete_ended_sessions_once(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let (before, since) = (now - KEEP_ENDED, now - LOOK_FOR_ENDED_ALL_AT_ONCE);
        let ended = batch_after_batch(|| self.store.delete_ended_sessions(before, CLEANUP_BATCH)).await?;
        let at_once = batch_after_batch(|| self.store.delete_sessions_ended_all_at_once(since, CLEANUP_BATCH)).await?;
        let accounts = batch_after_batch(|| self.store.delete_deleted_users(before, CLEANUP_BATCH)).await?;
        Ok(ended + at_once + accounts)
    }
}

/// Deletes until a batch is not full, and tells how many that were.
async fn batch_after_batch<F>(delete: impl Fn() -> F) -> Result<u64, StoreError>
where
    F: Future<Output = Result<u64, StoreError>>,
{
    let mut deleted = 0;
    loop {
        let batch = delete().await?;
        deleted += batch;
        if batch < CLEANUP_BATCH {
            return Ok(deleted);
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;
    use tempfile::TempDir;

    use super::*;
    use crate::auth::refresh_token::RefreshTokens;
    use crate::auth::{Device, Password, SignedIn, Username};
    use crate::cache::Cache;
    use crate::clock::Clock;
    use crate::config::{Config, Options};
    use crate::store::{self, NewSession};

    /// Everything on SQLite, with a clock that the test moves.
    struct Fixture {
        auth: Auth,
        clock: Clock,
        ada: SignedIn,
        _folder: TempDir,
    }

    impl Fixture {
        async fn with_one_session() -> Self {
            let (clock, folder) = (Clock::manual(), TempDir::new().unwrap());
            let database = format!("--database-url=sqlite:{}", folder.path().join("slipway.db").display());
            let secret = "--jwt-secret=0123456789abcdef0123456789ABCDEF";
            let config = Config::from_options(&Options::parse_from(["slipway", secret, &database])).unwrap();
            let store = store::connect(&config.database).await.unwrap();
            store::migrate(&store).await.unwrap();
            let cache = Cache::open(&config.cache, &clock, &Arc::default()).unwrap();
            let auth = Auth::new(&config, clock.clone(), store, cache, Arc::default());
            let username = Username::try_from("ada".to_owned()).unwrap();
            let password = Password::try_from("correct horse".to_owned()).unwrap();
            let ada = auth.register(&username, &password, &Device::default()).await.unwrap();
            Self {
                auth,
                clock,
                ada,
                _folder: folder,
            }
        }

        async fn add_sessions_of_one_minute(&self, count: u64) {
            let now = self.clock.now();
            for _ in 0..count {
                let (_, refresh_verifier) = RefreshTokens::for_new_session().unwrap();
                let session = NewSession {
                    refresh_verifier,
                    id: self.auth.session_ids.next(now),
                    created_at: now,
                    expires_at: now + TimeDelta::minutes(1),
                    absolute_expires_at: now + TimeDelta::minutes(1),
                    user_agent: String::new(),
                    ip: String::new(),
                };
                let session = self
                    .auth
                    .store
                    .start_session(&self.ada.user, session, u32::MAX)
                    .await
                    .unwrap();
                assert!(session.is_some());
            }
        }

        async fn deleted(&self) -> u64 {
            self.auth.delete_ended_sessions_once().await.unwrap()
        }
    }

    #[tokio::test]
    async fn batch_after_batch_is_deleted_until_only_living_sessions_are_left() {
        let fixture = Fixture::with_one_session().await;
        for count in [CLEANUP_BATCH - 1, 2 * CLEANUP_BATCH] {
            fixture.add_sessions_of_one_minute(count).await;
            fixture.clock.step(KEEP_ENDED + TimeDelta::minutes(1));
            assert_eq!(fixture.deleted().await, 0, "they ended not long enough ago");
            fixture.clock.step(TimeDelta::seconds(1));
            assert_eq!(fixture.deleted().await, count);
        }
        let ada = fixture.ada.session.id;
        assert!(fixture.auth.store.session_with_user(ada).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_session_that_was_signed_out_is_kept_while_an_access_token_of_it_may_live() {
        let fixture = Fixture::with_one_session().await;
        let identity = fixture.auth.authenticate(&fixture.ada.access_token).await.unwrap();
        fixture.auth.logout_all(&identity).await.unwrap();
        fixture.clock.step(ACCESS_TOKEN_LIFETIME);
        assert_eq!(fixture.deleted().await, 0);
        fixture.clock.step(KEEP_ENDED);
        assert_eq!(fixture.deleted().await, 1);
    }
}
