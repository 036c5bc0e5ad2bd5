//! Whether this instance alone has lost the database.
//!
//! A database that is away takes no instance with it: `GET /health` stays 200 and all of them wait for it. But one whose way to
//! the database is gone (a route, a name that it resolves to where the database was) would refuse requests for ever while the
//! others serve. The cache tells the two cases apart, since all of them meet there.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cache::Cache;
use crate::store::{Store, StoreError};

/// How often the database is asked.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How long it must have answered others and not this instance: more than a moment in which a fail-over is seen by some and
/// not yet by others.
const LOST_FOR: Duration = Duration::from_secs(30);
/// How long the mark of an instance that the database answered is believed: three of its rounds, and less than `LOST_FOR`, so
/// that an instance does not believe its own.
const ANSWERED_FOR: Duration = Duration::from_secs(15);
/// Where that mark is.
const ANSWERS: &str = "database:answers";

/// Returns when the database has answered other instances for [`LOST_FOR`], and not this one. Never when the cache is not
/// shared or away, or when the database answers nobody.
pub(crate) async fn watch(store: &Store, cache: &Cache) {
    if !matches!(cache, Cache::Valkey(_)) {
        std::future::pending::<()>().await;
    }
    watch_with(|| store.ping(), cache).await;
}

async fn watch_with<F>(ping: impl Fn() -> F, cache: &Cache)
where
    F: Future<Output = Result<(), StoreError>>,
{
    let mut lost_since = None;
    loop {
        match ping().await {
            // Busy is our own fault, and passes.
            Ok(()) | Err(StoreError::Busy) => {
                lost_since = None;
                let _ = cache.mark(&[ANSWERS.to_owned()], ANSWERED_FOR).await;
            }
            Err(_) => {
                let since = *lost_since.get_or_insert_with(Instant::now);
                // Asked all the time: a database that comes back for others first is not lost for us.
                if !matches!(cache.marked([ANSWERS]).await, Ok([true])) {
                    lost_since = None;
                } else if since.elapsed() >= LOST_FOR {
                    return;
                }
            }
        }
        sleep(ASK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use sea_orm::{DbErr, RuntimeErr};
    use tokio::time::timeout;

    use super::*;
    use crate::cache::MemoryCache;
    use crate::clock::Clock;

    fn unavailable() -> StoreError {
        StoreError::Unavailable(DbErr::Conn(RuntimeErr::Internal("gone".to_owned())))
    }

    const LONG: Duration = Duration::from_secs(3600);

    /// A cache in which another instance says all the time that the database answers it, if it does.
    fn shared_with_one_that(is_answered: bool) -> Cache {
        let cache = MemoryCache::new(Clock::manual());
        if is_answered {
            cache.mark(&[ANSWERS.to_owned()], LONG).unwrap();
        }
        Cache::Memory(cache)
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_the_database_does_not_answer_while_it_answers_others_is_cut_off() {
        let begun = Instant::now();
        watch_with(async || Err(unavailable()), &shared_with_one_that(true)).await;
        assert_eq!(begun.elapsed(), LOST_FOR);
    }

    #[tokio::test(start_paused = true)]
    async fn no_instance_is_cut_off_from_a_database_that_answers_nobody() {
        let cache = shared_with_one_that(false);
        let watching = watch_with(async || Err(unavailable()), &cache);
        assert!(timeout(LONG, watching).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_is_answered_now_and_then_or_has_no_connection_free_is_not_cut_off() {
        let cache = shared_with_one_that(true);
        let is_answered = Arc::<AtomicBool>::default();
        let now_and_then = async || match is_answered.fetch_not(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(unavailable()),
        };
        assert!(timeout(LONG, watch_with(now_and_then, &cache)).await.is_err());
        assert!(
            timeout(LONG, watch_with(async || Err(StoreError::Busy), &cache))
                .await
                .is_err()
        );
    }
}
