//! Bringing the schema up to date.

use std::collections::HashSet;
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, TransactionTrait};
use tokio::time::timeout;

use super::{Store, StoreError};

/// The key of the advisory lock, any constant that other programs on the same database do not use: "slipway" in ASCII.
const LOCK_KEY: i64 = 0x73_6c69_7077_6179;
/// Where sea-orm-migration keeps what was applied.
const TABLE: &str = "seaql_migrations";
/// How long to wait for another instance that migrates: half an hour for a migration of a large table.
const LOCK_SECONDS: u32 = 30 * 60;
/// How often PostgreSQL looks whether the instance that migrates is still there while a statement of it runs. One that was
/// killed would hold the lock for as long as that statement takes (distributed.md D6).
const CLIENT_CHECK_SECONDS: u32 = 5;
/// How long a migration waits for requests that use a table, which wait for it in their turn: half of what they may take.
const TABLE_LOCK_SECONDS: u32 = 5;
/// How long closing the connection that migrated may take.
const GOODBYE: Duration = Duration::from_secs(1);

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
/// [`StoreError::AnotherService`] when there are tables in the way, [`StoreError::Unavailable`] when the database is or a
/// lock is not had in time; [`StoreError::Other`] when a migration fails. In these cases PostgreSQL undoes the whole of it.
pub async fn migrate(store: &Store) -> Result<Migrated, StoreError> {
    if store.pool.read((), |db, ()| Box::pin(is_up_to_date(db))).await? {
        return Ok(Migrated::Nothing);
    }
    // One of its own, which is closed again: one that has migrated keeps in PostgreSQL's memory what it read of the
    // catalogue, 11 MB instead of 6.
    let db = store.pool.connect_for_migrations().await?;
    let migrated = match store.pool.backend() {
        DbBackend::Postgres => migrate_in_one_transaction(&db, store.pool.are_sessions_shared()).await,
        // SQLite admits one writer, and each server has a file of its own.
        _ => Migrator::up(&db, None).await,
    };
    let _ = timeout(GOODBYE, db.close()).await;
    migrated?;
    Ok(Migrated::Schema)
}

/// The migrations prepare their statements by name. Where a pooler shares sessions, that is made to fit: the transaction
/// keeps one session to itself, in which no statement may be left by another client, nor by us.
async fn migrate_in_one_transaction(db: &DatabaseConnection, are_sessions_shared: bool) -> Result<(), DbErr> {
    let transaction = db.begin().await?;
    if are_sessions_shared {
        transaction.execute_unprepared("DEALLOCATE ALL").await?;
    }
    // A migration may take as long as it needs, waiting for others may not. The lock ends with the transaction, wherever
    // that is made.
    let lock = format!("SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SELECT pg_advisory_xact_lock({LOCK_KEY})");
    transaction
        .execute_unprepared(&format!(
            "SET LOCAL client_connection_check_interval = '{CLIENT_CHECK_SECONDS}s'; SET LOCAL statement_timeout = 0; {lock}"
        ))
        .await?;
    // A change of a table that waits makes everybody wait who comes after it, so it gives up soon and is tried again.
    transaction
        .execute_unprepared(&format!("SET LOCAL lock_timeout = '{TABLE_LOCK_SECONDS}s'"))
        .await?;
    Migrator::up(&transaction, None).await?;
    if are_sessions_shared {
        transaction.execute_unprepared("DEALLOCATE ALL").await?;
    }
    transaction.commit().await
}

/// Whether every migration that this version knows was applied. Others may have been, too.
async fn is_up_to_date(db: &impl ConnectionTrait) -> Result<bool, StoreError> {
    // In this order: another instance may migrate between the two questions, and commits all tables at once. Whoever sees
    // one of them sees TABLE afterwards. And not by a SELECT, which would be an error in PostgreSQL's log at each first start.
    let table_in_the_way = first_table_of(db, ["users", "sessions"]).await?;
    if !has_table(db, TABLE).await? {
        return match table_in_the_way {
            Some(table) => Err(StoreError::AnotherService(table)),
            None => Ok(false),
        };
    }
    let versions = Statement::from_string(db.get_database_backend(), format!("SELECT version FROM {TABLE}"));
    let rows = db.query_all_raw(versions).await?;
    let applied: Result<HashSet<String>, DbErr> = rows.iter().map(|row| row.try_get("", "version")).collect();
    let applied = applied?;
    Ok(Migrator::migrations()
        .iter()
        .all(|migration| applied.contains(migration.name())))
}

async fn first_table_of(
    db: &impl ConnectionTrait,
    tables: [&'static str; 2],
) -> Result<Option<&'static str>, StoreError> {
    for table in tables {
        if has_table(db, table).await? {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

async fn has_table(db: &impl ConnectionTrait, table: &'static str) -> Result<bool, StoreError> {
    let backend = db.get_database_backend();
    let query = match backend {
        DbBackend::Postgres => format!("SELECT 1 WHERE to_regclass('{table}') IS NOT NULL"),
        _ => format!("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{table}'"),
    };
    Ok(db
        .query_one_raw(Statement::from_string(backend, query))
        .await?
        .is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use sea_orm::prelude::async_trait::async_trait;
    use sea_orm::{ConnectOptions, Database, ExecResult, QueryResult};

    use super::*;

    /// A connection to an empty database, which another instance migrates after so many queries.
    struct MigratedMeanwhile {
        db: DatabaseConnection,
        queries_before: AtomicU32,
    }

    impl MigratedMeanwhile {
        async fn after(queries: u32) -> Self {
            let mut in_memory = ConnectOptions::new("sqlite::memory:");
            in_memory.max_connections(1);
            Self {
                db: Database::connect(in_memory).await.unwrap(),
                queries_before: AtomicU32::new(queries),
            }
        }

        async fn count_query(&self) {
            match self.queries_before.load(Relaxed) {
                0 => Migrator::up(&self.db, None).await.unwrap(),
                more => self.queries_before.store(more - 1, Relaxed),
            }
        }
    }

    #[async_trait]
    impl ConnectionTrait for MigratedMeanwhile {
        fn get_database_backend(&self) -> DbBackend {
            self.db.get_database_backend()
        }

        async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
            self.db.execute_raw(statement).await
        }

        async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
            self.db.execute_unprepared(sql).await
        }

        async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
            self.count_query().await;
            self.db.query_one_raw(statement).await
        }

        async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
            self.count_query().await;
            self.db.query_all_raw(statement).await
        }
    }

    #[tokio::test]
    async fn tables_that_another_instance_makes_meanwhile_are_not_those_of_another_service() {
        for queries in 0..5 {
            let db = MigratedMeanwhile::after(queries).await;
            assert!(is_up_to_date(&db).await.is_ok(), "migrated after {queries} queries");
        }
    }

    #[tokio::test]
    async fn a_table_that_was_there_before_is_in_the_way() {
        let never = MigratedMeanwhile::after(u32::MAX).await;
        assert!(!is_up_to_date(&never).await.unwrap());
        never
            .execute_unprepared("CREATE TABLE sessions (id INT)")
            .await
            .unwrap();
        let refused = is_up_to_date(&never).await;
        assert!(
            matches!(refused, Err(StoreError::AnotherService("sessions"))),
            "{refused:?}"
        );
    }
}
