//! Connections to PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions, Connection as _, Executor, PgConnection, Row};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxPostgresConnector};
use tokio::time::timeout;

use super::connection::{Connection, Driver};
use super::connector::{not_understood, unavailable};
use super::sharing::are_sessions_shared;
use super::{ATTEMPT_LIMIT, STATEMENT_LIMIT};
use crate::config::PostgresUrl;
use crate::store::StoreError;

/// How long opening a connection may take, with TLS and authentication. Several hosts share it.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// What a session is asked: who serves it, and whether it takes writes. "on" on a standby, and where that is the default.
pub(super) const WHO_AND_WHETHER: &str = "SELECT pg_backend_pid(), current_setting('transaction_read_only') = 'off'";

/// Servers, in the order in which they are tried, and what is known of the way to them. Clones share what they learn.
#[derive(Clone)]
pub(super) struct PostgresConnector {
    targets: Vec<PgConnectOptions>,
    must_be_writable: bool,
    sessions: Arc<AtomicU8>,
}

/// Whose the session behind a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Sessions {
    /// Not found out yet, so nothing is left behind in one.
    Unknown,
    Own,
    /// A pooler gives it to others in between.
    Shared,
}

impl PostgresConnector {
    /// # Errors
    /// When the driver does not understand the URL.
    pub(super) fn new(url: &PostgresUrl) -> Result<Self, StoreError> {
        let options = |host| -> Result<PgConnectOptions, sqlx::Error> {
            let options: PgConnectOptions = url.of_host(host).expose().parse()?;
            let options = match options.get_application_name() {
                None => options.application_name("slipway"),
                Some(_) => options,
            };
            // Nothing is in the start-up packet that nobody asks for: RDS Proxy takes no options in it
            // (psycopg/psycopg2#1577), and PgBouncer no extra_float_digits.
            Ok(options.extra_float_digits(None).disable_statement_logging())
        };
        let targets: Result<_, sqlx::Error> = url.hosts.iter().map(options).collect();
        Ok(Self {
            targets: targets.map_err(not_understood)?,
            must_be_writable: url.must_be_writable,
            sessions: Arc::new(AtomicU8::new(Sessions::Unknown as u8)),
        })
    }

    /// A connection to the first server that takes writes; to one that does not only when there is no other.
    ///
    /// # Errors
    /// What the last server that was tried said.
    pub(super) async fn connect(&self) -> Result<Connection, StoreError> {
        let limit = CONNECT_LIMIT / u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        let (mut reader, mut failure) = (None, took_too_long());
        for target in &self.targets {
            let connected = timeout(limit, self.connect_to(target)).await;
            match connected.unwrap_or_else(|_| Err(took_too_long())) {
                Ok((connection, true)) => return Ok(connection),
                Ok((connection, false)) => reader = reader.or(Some(connection)),
                Err(error) => failure = error,
            }
        }
        match reader {
            Some(reader) if !self.must_be_writable => Ok(reader),
            Some(_) => Err(takes_no_writes()),
            None => Err(unavailable(failure)),
        }
    }

    /// A connection of sea-orm's own pool, on which nothing is set.
    ///
    /// # Errors
    /// What the last server that was tried said.
    pub(super) async fn connect_for_migrations(&self) -> Result<DatabaseConnection, StoreError> {
        let mut failure = took_too_long();
        for target in &self.targets {
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_LIMIT);
            let pool = match pool.connect_with(target.clone()).await {
                Ok(pool) => pool,
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            return Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool));
        }
        Err(unavailable(failure))
    }

    /// Whether nothing may be left behind in a session.
    pub(super) fn are_sessions_shared(&self) -> bool {
        self.sessions.load(Ordering::Relaxed) != Sessions::Own as u8
    }

    /// Takes note of a proof that sessions are shared.
    pub(super) fn sessions_are_shared(&self) {
        if self.sessions.swap(Sessions::Shared as u8, Ordering::Relaxed) != Sessions::Shared as u8 {
            tracing::info!("a pooler shares the sessions with the database: no statement is kept prepared");
        }
    }

    /// A connection to this server, and whether it takes writes.
    async fn connect_to(&self, target: &PgConnectOptions) -> Result<(Connection, bool), sqlx::Error> {
        let mut db = target.connect().await?;
        if self.sessions.load(Ordering::Relaxed) == Sessions::Unknown as u8 {
            self.find_out(target, &mut db).await?;
        }
        let is_shared = self.are_sessions_shared();
        let statements = if is_shared {
            WHO_AND_WHETHER.to_owned()
        } else {
            set_up()
        };
        let row = db.fetch_one(AssertSqlSafe(statements)).await?;
        let (session, is_writable) = (row.try_get(0)?, row.try_get(1)?);
        Ok((Connection::new(Driver::Postgres(db), is_shared, session), is_writable))
    }

    /// Finds out whether sessions are shared, with a second connection that is closed again.
    async fn find_out(&self, target: &PgConnectOptions, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        // Where there is only one to be had it stays open.
        let Ok(mut second) = target.connect().await else {
            return Ok(());
        };
        let are_shared = are_sessions_shared(db, &mut second).await?;
        let _ = second.close().await;
        if are_shared {
            self.sessions_are_shared();
        } else {
            self.sessions.store(Sessions::Own as u8, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Set by a statement and not in the start-up packet, see [`PostgresConnector::new`]. A statement that takes longer is
/// cancelled by the server; and should a transaction ever be left open, the server ends it, whatever its own configuration
/// says (R31).
fn set_up() -> String {
    let (statement, idle) = limits();
    format!("SET statement_timeout = {statement}; SET idle_in_transaction_session_timeout = {idle}; {WHO_AND_WHETHER}")
}

/// The same for one transaction alone, which it begins.
pub(super) fn begin_in_shared_session() -> String {
    let (statement, idle) = limits();
    format!("BEGIN; SET LOCAL statement_timeout = {statement}; SET LOCAL idle_in_transaction_session_timeout = {idle}")
}

/// For a statement, and for a transaction between its statements, in milliseconds.
fn limits() -> (u128, u128) {
    (STATEMENT_LIMIT.as_millis(), (2 * ATTEMPT_LIMIT).as_millis())
}

fn took_too_long() -> sqlx::Error {
    let text = format!("no connection within {} s", CONNECT_LIMIT.as_secs());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
}

fn takes_no_writes() -> StoreError {
    let text = "no server takes writes".to_owned();
    StoreError::Unavailable(DbErr::Conn(RuntimeErr::Internal(text)))
}
