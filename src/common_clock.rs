//! One clock for all instances: that of the database, which they share.
//!
//! What is stored or compared across instances (when a session ends, a grace window, a token's expiry) is by this clock, so
//! that a machine whose own clock is off signs nobody out. SQLite is on the same machine, whose clock is then the only one.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::{Store, StoreError};

/// How often the database's clock is looked at. Quartz drifts by some microseconds in that time; what this finds is a clock
/// that was set.
const FOLLOW_EVERY: Duration = Duration::from_secs(10);
/// A machine whose clock is further off than this is said to be: `GET /ready`, `clock_ahead_seconds`. Time servers keep it
/// within milliseconds, and other parties (TLS, AWS signatures) begin to refuse it at minutes.
const TOLERATED: TimeDelta = TimeDelta::seconds(30);

/// Brings `clock` to the database's.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
pub async fn follow_once(clock: &Clock, store: &Store) -> Result<(), StoreError> {
    let before = clock.now();
    if let Some(shown) = store.time().await? {
        let was_off = is_off(clock);
        clock.follow(before, shown, clock.now());
        if is_off(clock) && !was_off {
            tracing::warn!(
                ahead_seconds = clock.machine_is_ahead_by().num_seconds(),
                "the machine's clock is off; the database's is used instead"
            );
        }
    }
    Ok(())
}

/// Keeps `clock` at the database's, until `stop` is cancelled.
pub async fn follow(clock: Clock, store: Store, stop: CancellationToken) {
    while stop.run_until_cancelled(sleep(FOLLOW_EVERY)).await.is_some() {
        // A database that is away is told of elsewhere; the clock goes on as it was.
        let _ = follow_once(&clock, &store).await;
    }
}

/// Whether the machine's own clock is further from the database's than is tolerated.
pub fn is_off(clock: &Clock) -> bool {
    clock.machine_is_ahead_by().abs() > TOLERATED
}
