//! The connection to the database: what becomes of it when clients hang up, when the database stalls, moves, fills up or
//! stops, and how it is reached in the first place.

mod exhaustion;
mod fail_over;
mod files;
mod hang_ups;
mod poolers;
mod start;
mod stop;
mod values;

use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio::time::sleep;

use crate::support::count;

/// Sessions with the database of `db` that are in a transaction and do nothing.
const IDLE_IN_TRANSACTION: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
/// Sessions of the server with the database of `db`.
const OF_SERVER: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'slipway'";
/// Ends these sessions, as a restart of the database does.
const END_THEM: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'slipway'";

/// Waits until `query` counts what `is_expected`.
async fn await_count(db: &DatabaseConnection, query: &str, is_expected: impl Fn(i64) -> bool) {
    let mut found = 0;
    for _ in 0..400 {
        found = count(db, query).await;
        if is_expected(found) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{found} after 20 s: {query}");
}
