//! Accounts of the service that this one takes the place of, and taking them over.
//!
//! That service's table is `users` (an integer `id`, `username`, `password_hash`, `is_active`, `created_at`), on PostgreSQL or
//! SQLite. It is only read.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryResult, Set, SqlxSqliteConnector, Statement,
};
use uuid::Uuid;

use super::pool::{open_plainly, unavailable};
use super::{Store, StoreError, user};
use crate::config::DatabaseUrl;

/// The database of the other service.
#[derive(Debug)]
pub struct OtherService(DatabaseConnection);

/// An account as it is there.
#[derive(Clone, Debug)]
pub struct OtherAccount {
    /// Its number.
    pub id: i64,
    /// Its name, which may be any text.
    pub username: String,
    /// Its password hash.
    pub password_hash: String,
    /// Whether it may sign in.
    pub is_active: bool,
    /// When it was registered, if that can be read.
    pub created_at: Option<DateTime<Utc>>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Accounts that are new here.
    pub added: u64,
    /// Accounts that were here, whose password or state was changed there.
    pub changed: u64,
    /// The names of those that were left out, because another account has the name here.
    pub left_out: Vec<String>,
}

impl OtherService {
    /// Connects to it, for reading.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the database's reason.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let db = match url {
            DatabaseUrl::Postgres(url) => open_plainly(url).await?,
            DatabaseUrl::Sqlite(url) => {
                // Nothing is made of a name that was mistyped, and neither permissions nor settings of the file change.
                let file = url.file().unwrap_or_default();
                let options = SqliteConnectOptions::new().filename(file).read_only(true);
                let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options);
                SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.await.map_err(unavailable)?)
            }
        };
        Ok(Self(db))
    }

    /// At most `limit` accounts in the order of their numbers, those behind `after`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Other`] when it has no such table.
    pub async fn accounts_after(&self, after: i64, limit: u64) -> Result<Vec<OtherAccount>, StoreError> {
        // As text, because the two databases have other types for the same columns.
        let query = "SELECT CAST(id AS BIGINT) AS id, username, COALESCE(password_hash, '') AS password_hash, \
                     CASE WHEN is_active THEN 1 ELSE 0 END AS is_active, CAST(created_at AS TEXT) AS created_at \
                     FROM users WHERE id > $1 ORDER BY id LIMIT $2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [after.into(), limit.into()];
        let statement = Statement::from_sql_and_values(self.0.get_database_backend(), query, values);
        let rows = self.0.query_all_raw(statement).await?;
        let accounts: Result<_, DbErr> = rows.iter().map(account).collect();
        Ok(accounts?)
    }
}

fn account(row: &QueryResult) -> Result<OtherAccount, DbErr> {
    let created_at: Option<String> = row.try_get("", "created_at")?;
    let is_active: i32 = row.try_get("", "is_active")?;
    Ok(OtherAccount {
        id: row.try_get("", "id")?,
        username: row.try_get("", "username")?,
        password_hash: row.try_get("", "password_hash")?,
        is_active: is_active == 1,
        created_at: created_at.as_deref().and_then(moment),
    })
}

/// A moment as PostgreSQL and SQLAlchemy on SQLite write it, with or without a time zone.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let with_zone = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z");
    let without = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|time| time.and_utc());
    with_zone.map(|time| time.to_utc()).or_else(|_| without()).ok()
}

impl Store {
    /// Adds accounts of another service, and brings those up to date that were added before and have not signed in here
    /// since. One whose name is taken here is left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn import_accounts(&self, accounts: Vec<user::Model>) -> Result<Imported, StoreError> {
        self.pool
            .transaction(accounts, |db, accounts| Box::pin(import_accounts(db, accounts)))
            .await
    }
}

async fn import_accounts(db: &impl ConnectionTrait, accounts: Vec<user::Model>) -> Result<Imported, StoreError> {
    let mut imported = Imported::default();
    let here = accounts_here(db, &accounts).await?;
    let (known, new): (Vec<_>, Vec<_>) = accounts.into_iter().partition(|account| here.contains_key(&account.id));
    if !new.is_empty() {
        let rows = new
            .iter()
            .cloned()
            .map(|account| account.into_active_model().reset_all());
        let insert = user::Entity::insert_many(rows)
            .on_conflict(OnConflict::column(user::Column::UsernameKey).do_nothing().to_owned())
            .exec_without_returning(db);
        imported.added = insert.await?;
        let added = accounts_here(db, &new).await?;
        let left_out = new.into_iter().filter(|account| !added.contains_key(&account.id));
        imported.left_out = left_out.map(|account| account.username).collect();
    }
    for account in known {
        if !here.get(&account.id).is_some_and(|here| has_changed(&account, here)) {
            continue;
        }
        let update = user::Entity::update_many().set(user::ActiveModel {
            password_hash: Set(account.password_hash),
            disabled_at: Set(account.disabled_at),
            ..Default::default()
        });
        imported.changed += update
            .filter(user::COLUMN.id.eq(account.id))
            .exec(db)
            .await?
            .rows_affected;
    }
    Ok(imported)
}

async fn accounts_here(
    db: &impl ConnectionTrait,
    accounts: &[user::Model],
) -> Result<HashMap<Uuid, user::Model>, StoreError> {
    let ids = accounts.iter().map(|account| account.id);
    let here = user::Entity::find().filter(user::COLUMN.id.is_in(ids)).all(db).await?;
    Ok(here.into_iter().map(|user| (user.id, user)).collect())
}

/// Whether an account was changed there and is not at home here yet, as it is from its first sign-in on, which gives it a
/// hash of this service.
fn has_changed(there: &user::Model, here: &user::Model) -> bool {
    let is_at_home = here.password_hash.starts_with("$argon2") || here.deleted_at.is_some();
    let is_the_same =
        here.password_hash == there.password_hash && here.disabled_at.is_some() == there.disabled_at.is_some();
    !is_at_home && !is_the_same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_both_databases_write_them() {
        let expected = DateTime::from_timestamp(1_750_000_000, 250_000_000);
        for text in [
            "2025-06-15 15:06:40.250000",
            "2025-06-15 15:06:40.25",
            "2025-06-15 15:06:40.25+00",
            "2025-06-15 17:06:40.25+02",
            "2025-06-15 20:36:40.25+05:30",
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
        assert_eq!(moment("yesterday"), None);
    }
}
