//! Looks at the database from beside the server, all the while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use tokio::time::{sleep, timeout};

use crate::report::Report;

/// No transaction of the server lies idle for that long: it has a statement under way, or it ends.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// The same where a link can vanish without a word to either end: the database ends the transaction by itself after 12 s
/// (idle_in_transaction_session_timeout, src/store/pool/postgres.rs), and is asked twice a second.
pub(crate) const LONGEST_PAUSE_ON_A_VANISHED_LINK: Duration = Duration::from_secs(14);

/// Connections that are in a transaction and do nothing in it, each with the moment since when.
const IDLE_IN_TRANSACTION: &str = "SELECT pid || ' since ' || state_change || ', after ' || query FROM pg_stat_activity \
                                   WHERE state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()";

/// Reports each connection that is left in a transaction (R31: whatever is done on it afterwards is never committed).
/// Runs until it is dropped.
pub(crate) async fn watch_for_open_transactions(database_url: String, longest: Duration, report: Report) {
    let mut seen = HashMap::<String, Instant>::new();
    let mut db = None;
    loop {
        sleep(Duration::from_millis(500)).await;
        // While the database is stopped, time does not pass for its transactions.
        let Ok(Ok(now)) = timeout(Duration::from_secs(2), idle_in_transaction(&mut db, &database_url)).await else {
            (db, seen) = (None, HashMap::new());
            continue;
        };
        seen.retain(|connection, _| now.contains(connection));
        for connection in now {
            let since = *seen.entry(connection.clone()).or_insert_with(Instant::now);
            if since.elapsed() > longest {
                report.broken(&format!("a connection was left in a transaction: {connection}"));
                seen.clear();
            }
        }
    }
}

async fn idle_in_transaction(db: &mut Option<DatabaseConnection>, url: &str) -> Result<Vec<String>, DbErr> {
    let connection = match db.take() {
        Some(connection) => connection,
        None => Database::connect(url).await?,
    };
    let query = Statement::from_string(connection.get_database_backend(), IDLE_IN_TRANSACTION);
    let rows = connection.query_all_raw(query).await?;
    *db = Some(connection);
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
