//! Opening the database.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database};

use super::{Store, StoreError};
use crate::config::DatabaseConfig;

/// How long a request waits for a free connection, a third of its deadline (10 s).
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A statement that runs longer is cancelled by the server, before the request's deadline.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(8);
/// A connection that lay idle for this long is tested before it is used: the database may have restarted meanwhile.
const TEST_IF_IDLE_FOR: Duration = Duration::from_secs(1);
/// How long SQLite waits for another writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the pool and waits for a first connection.
///
/// # Errors
/// The driver's error, without the URL or the password.
pub async fn connect(config: &DatabaseConfig) -> Result<Store, StoreError> {
    let url = config.url.expose();
    let sqlite_path = config.sqlite_path();
    if let Some(folder) = sqlite_path.and_then(|path| Path::new(path).parent()) {
        // It will hold password hashes. Whether this worked shows when the file is opened, with a better message.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    }
    let url = match sqlite_path {
        Some(path) if !path.contains('?') && path != ":memory:" => format!("sqlite:{path}?mode=rwc"),
        _ => url.to_owned(),
    };
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(config.max_connections)
        .min_connections(1)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(Duration::from_secs(600))
        .test_before_acquire(false)
        .test_before_acquire_if_idle_for(TEST_IF_IDLE_FOR)
        .sqlx_logging(false);
    if sqlite_path.is_some_and(|path| path.starts_with(":memory:")) {
        // Each connection would have a database of its own, and it would end with the connection.
        options
            .max_connections(1)
            .idle_timeout(None::<Duration>)
            .max_lifetime(None::<Duration>);
    }
    if sqlite_path.is_some() {
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                // FULL and not NORMAL: a commit that was acknowledged survives a power cut.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true)
        });
    } else {
        options
            .statement_timeout(STATEMENT_TIMEOUT)
            .set_application_name("slipway");
    }
    Ok(Store::new(Database::connect(options).await?))
}
