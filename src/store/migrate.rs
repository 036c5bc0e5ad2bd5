//! Bringing the schema up to date.

use std::collections::HashSet;

use migration::{Migrator, MigratorTrait, SchemaManager};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, TransactionTrait};

use super::{Store, StoreError};

/// The key of the advisory lock, any constant that other programs on the same database do not use: "slipway" in ASCII.
const LOCK_KEY: i64 = 0x73_6c69_7077_6179;
/// Where sea-orm-migration keeps what was applied.
const TABLE: &str = "seaql_migrations";

/// What [`migrate`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrated {
    /// Nothing was missing.
    Nothing,
    /// The schema was changed, or another instance changed it at the same moment.
    Schema,
}

/// Applies the migrations that are missing. Instances that start at the same moment take turns: on PostgreSQL an
/// advisory lock that is held for the transaction admits one, and the others then find nothing left to do. A schema
/// that a newer version has migrated further is used as it is, so that a deploy can be rolled back (R21).
///
/// # Errors
/// [`StoreError::Unavailable`] when the database is or the lock is not had within two minutes; [`StoreError::Other`]
/// when a migration fails, in which case PostgreSQL undoes the whole of it.
pub async fn migrate(store: &Store) -> Result<Migrated, StoreError> {
    // One transaction and so one connection for all of it: a second one would stay open for ten minutes, at 8 MB.
    let transaction = store.db.begin().await?;
    if is_up_to_date(&transaction).await? {
        transaction.rollback().await?;
        return Ok(Migrated::Nothing);
    }
    if store.db.get_database_backend() != DbBackend::Postgres {
        transaction.rollback().await?;
        // SQLite admits one writer, and each server has a file of its own.
        Migrator::up(&store.db, None).await?;
        return Ok(Migrated::Schema);
    }
    // A migration may take as long as it needs, waiting for others may not.
    transaction
        .execute_unprepared(&format!(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '120s'; SELECT pg_advisory_xact_lock({LOCK_KEY})"
        ))
        .await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await?;
    Ok(Migrated::Schema)
}

/// Whether every migration that this version knows was applied. Others may have been, too.
async fn is_up_to_date(db: &DatabaseTransaction) -> Result<bool, DbErr> {
    // Asked first, because a SELECT that fails is an error in PostgreSQL's log on each first start.
    if !SchemaManager::new(db).has_table(TABLE).await? {
        return Ok(false);
    }
    let applied = applied(db).await?;
    Ok(Migrator::migrations()
        .iter()
        .all(|migration| applied.contains(migration.name())))
}

async fn applied(db: &DatabaseTransaction) -> Result<HashSet<String>, DbErr> {
    let query = format!("SELECT version FROM {TABLE}");
    let rows = db
        .query_all_raw(sea_orm::Statement::from_string(db.get_database_backend(), query))
        .await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}
