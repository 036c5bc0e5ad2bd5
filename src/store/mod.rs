//! Users and sessions in a database: PostgreSQL or SQLite, through the same queries.

mod connect;
mod error;
mod lookup;
mod migrate;
pub mod session;
mod sessions;
pub mod user;
mod users;

use sea_orm::{DatabaseConnection, DbBackend};

use lookup::Lookup;

pub use connect::connect;
pub use error::StoreError;
pub use migrate::{Migrated, migrate};
pub use sessions::{NewSession, Rotation};
pub use users::PasswordChange;

/// The database, with the queries that the server makes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: DatabaseConnection,
    users: Lookup<user::Model>,
    sessions: Lookup<(session::Model, user::Model)>,
}

/// Connections of the pool, for the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolStatus {
    /// Connections that are open.
    pub open: u32,
    /// Open connections that nobody uses at the moment.
    pub idle: u32,
}

impl Store {
    /// A store on an open connection pool. To be called on the runtime that will use it.
    pub fn new(db: DatabaseConnection) -> Self {
        let (for_users, for_sessions) = (db.clone(), db.clone());
        Self {
            db,
            users: Lookup::start(move |ids| users::find(for_users.clone(), ids)),
            sessions: Lookup::start(move |ids| sessions::find_with_users(for_sessions.clone(), ids)),
        }
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when none comes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.db.ping().await?)
    }

    /// How many connections are open and idle.
    pub fn pool_status(&self) -> PoolStatus {
        let (open, idle) = match self.db.get_database_backend() {
            DbBackend::Postgres => {
                let pool = self.db.get_postgres_connection_pool();
                (pool.size(), pool.num_idle())
            }
            DbBackend::Sqlite => {
                let pool = self.db.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            }
            _ => (0, 0),
        };
        PoolStatus {
            open,
            idle: u32::try_from(idle).unwrap_or(u32::MAX),
        }
    }

    /// Closes every connection; queries under way finish first.
    pub async fn close(self) {
        // An error here means that the connections are gone already.
        let _ = self.db.close().await;
    }
}
