//! Opening connections.

use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{self, ConnectOptions, Executor};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr, SqlxPostgresConnector, SqlxSqliteConnector};
use tokio::time::timeout;

use super::connection::{Connection, Driver};
use super::{ATTEMPT_LIMIT, STATEMENT_LIMIT};
use crate::config::DatabaseConfig;
use crate::store::StoreError;

/// How long opening a connection may take, with TLS and authentication.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long SQLite waits for another writer: not longer than PostgreSQL may take for a statement.
const BUSY_TIMEOUT: Duration = STATEMENT_LIMIT;

/// Where connections lead, and what is set on each.
#[derive(Clone)]
pub(super) enum Connector {
    Postgres(PgConnectOptions),
    Sqlite(SqliteConnectOptions),
}

/// The driver's options would show the password.
impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({:?})", self.backend())
    }
}

impl Connector {
    /// # Errors
    /// When the URL is not understood.
    pub(super) fn new(config: &DatabaseConfig) -> Result<Self, StoreError> {
        let Some(path) = config.sqlite_path() else {
            let options: PgConnectOptions = config.url.expose().parse().map_err(not_understood)?;
            let options = options.application_name("slipway").extra_float_digits(None);
            return Ok(Self::Postgres(options.disable_statement_logging()));
        };
        if let Some(folder) = Path::new(path).parent() {
            // It will hold password hashes. Whether this worked shows when the file is opened, with a better message.
            let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        }
        let url = match path {
            _ if path.contains('?') || path == ":memory:" => format!("sqlite:{path}"),
            _ => format!("sqlite:{path}?mode=rwc"),
        };
        let options: SqliteConnectOptions = url.parse().map_err(not_understood)?;
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            // FULL and not NORMAL: a commit that was acknowledged survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        Ok(Self::Sqlite(options.disable_statement_logging()))
    }

    pub(super) fn backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    /// A connection that is ready for work.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the database's reason.
    pub(super) async fn connect(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Postgres(options) => {
                let connected = timeout(CONNECT_LIMIT, async {
                    let mut db = options.connect().await?;
                    db.execute(sqlx::AssertSqlSafe(session_settings())).await?;
                    Ok(db)
                });
                let db = connected.await.unwrap_or_else(|_| Err(took_too_long()));
                db.map(Driver::Postgres).map(Connection::new).map_err(unavailable)
            }
            Self::Sqlite(options) => {
                let db = options.connect().await.map_err(unavailable)?;
                Ok(Connection::new(Driver::Sqlite(db)))
            }
        }
    }

    /// A connection for migrations, which sea-orm wants to be one of its own pool's. Nothing is set on it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the database's reason.
    pub(super) async fn connect_for_migrations(&self) -> Result<DatabaseConnection, StoreError> {
        match self {
            Self::Postgres(options) => {
                let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_LIMIT);
                let pool = pool.connect_with(options.clone()).await.map_err(unavailable)?;
                Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
            }
            Self::Sqlite(options) => {
                let pool = SqlitePoolOptions::new().max_connections(1);
                let pool = pool.connect_with(options.clone()).await.map_err(unavailable)?;
                Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
            }
        }
    }
}

/// Set by a statement and not in the start-up packet, which RDS Proxy and PgBouncer refuse with any option in it.
///
/// A statement that takes longer is cancelled by the server; and should a transaction ever be left open, the server ends
/// it, whatever its own configuration says.
fn session_settings() -> String {
    format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
        STATEMENT_LIMIT.as_millis(),
        (2 * ATTEMPT_LIMIT).as_millis()
    )
}

fn took_too_long() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("no connection within {} s", CONNECT_LIMIT.as_secs()),
    ))
}

fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}

fn not_understood(error: sqlx::Error) -> StoreError {
    StoreError::Other(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}
