//! Users and sessions in a database: PostgreSQL or SQLite, through the same queries.

mod account_states;
mod advice;
mod deletions;
mod endings;
mod error;
mod import;
mod lookup;
mod migrate;
mod pool;
pub mod session;
mod sessions;
pub mod user;
mod users;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, RuntimeErr};

use crate::config::DatabaseConfig;
use crate::telemetry::DatabasePool;
use lookup::Lookup;
use pool::Pool;

pub use account_states::AccountChange;
pub use advice::Advice;
pub use endings::{Ended, ROWS_AT_ONCE};
pub use error::StoreError;
pub use import::{Imported, OtherAccount, OtherService};
pub use migrate::{Migrated, migrate};
pub use pool::WORK_LIMIT;
pub use sessions::{NewSession, Rotation, Started};
pub use users::{PasswordChange, PasswordChanged};

/// The database, with the queries that the server makes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    users: Lookup<user::Model>,
    sessions: Lookup<(session::Model, user::Model)>,
}

/// Opens the pool and waits for a first connection. To be called on the runtime that will use it.
///
/// # Errors
/// [`StoreError::Unavailable`] with the database's reason, without the URL or the password.
pub async fn connect(config: &DatabaseConfig) -> Result<Store, StoreError> {
    Ok(Store::new(Pool::open(config).await?))
}

impl Store {
    fn new(pool: Pool) -> Self {
        let (for_users, for_sessions) = (pool.clone(), pool.clone());
        Self {
            pool,
            users: Lookup::start(move |ids| {
                let pool = for_users.clone();
                async move { pool.read(ids, |db, ids| Box::pin(users::find(db, ids))).await }
            }),
            sessions: Lookup::start(move |ids| {
                let pool = for_sessions.clone();
                async move {
                    pool.read(ids, |db, ids| Box::pin(sessions::find_with_users(db, ids)))
                        .await
                }
            }),
        }
    }

    /// Asks the database whether it is ready for writing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no answer comes or it takes no writes, [`StoreError::Busy`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.pool.is_writable().await? {
            return Ok(());
        }
        let read_only = "it takes no writes".to_owned();
        Err(StoreError::Unavailable(DbErr::Conn(RuntimeErr::Internal(read_only))))
    }

    /// What the database's clock shows; `None` for SQLite, which has that of this machine.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn time(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.pool.read((), |db, ()| Box::pin(time(db))).await
    }

    /// The connections, and what became of others.
    pub fn pool_status(&self) -> DatabasePool {
        self.pool.status()
    }

    /// Waits for queries under way for as long as `patience`, and closes every connection. What is asked for afterwards
    /// is refused as unavailable.
    pub async fn close(&self, patience: Duration) {
        self.pool.close(patience).await;
    }
}

async fn time(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, StoreError> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    // Not `now()`, which is when the transaction began.
    let now = Query::select().expr(Expr::cust("clock_timestamp()")).take();
    let row = db.query_one(&now).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
}
