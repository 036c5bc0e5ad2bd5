//! Opening connections.

use std::fmt;

use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr, sqlx};

use super::connection::Connection;
use super::postgres::PostgresConnector;
use super::sqlite::SqliteConnector;
use crate::config::DatabaseUrl;
use crate::store::StoreError;

/// Where connections lead, and what is set on each.
#[derive(Clone)]
pub(super) enum Connector {
    Postgres(PostgresConnector),
    Sqlite(Box<SqliteConnector>),
}

/// The drivers' options would show the password.
impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({:?})", self.backend())
    }
}

impl Connector {
    /// # Errors
    /// When the driver does not understand the URL.
    pub(super) fn new(url: &DatabaseUrl) -> Result<Self, StoreError> {
        match url {
            DatabaseUrl::Postgres(url) => PostgresConnector::new(url).map(Self::Postgres),
            DatabaseUrl::Sqlite(url) => Ok(Self::Sqlite(Box::new(SqliteConnector::new(url)?))),
        }
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
            Self::Postgres(postgres) => postgres.connect().await,
            Self::Sqlite(sqlite) => sqlite.connect().await,
        }
    }

    /// A connection for migrations, which sea-orm wants to be one of its own pool's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the database's reason.
    pub(super) async fn connect_for_migrations(&self) -> Result<DatabaseConnection, StoreError> {
        match self {
            Self::Postgres(postgres) => postgres.connect_for_migrations().await,
            Self::Sqlite(sqlite) => sqlite.connect_for_migrations().await,
        }
    }

    /// Whether nothing may be left behind in a session with the database.
    pub(super) fn are_sessions_shared(&self) -> bool {
        matches!(self, Self::Postgres(postgres) if postgres.are_sessions_shared())
    }

    /// Takes note of a proof that sessions are shared.
    pub(super) fn sessions_are_shared(&self) {
        if let Self::Postgres(postgres) = self {
            postgres.sessions_are_shared();
        }
    }
}

pub(in crate::store) fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}

pub(super) fn not_understood(error: sqlx::Error) -> StoreError {
    StoreError::Other(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}
