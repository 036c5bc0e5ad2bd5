//! Statements of sea-orm on a [`Connection`].

use sea_orm::entity::prelude::async_trait;
use sea_orm::sea_query::Values;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, AssertSqlSafe, Postgres, Sqlite, query_with};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;

use super::connection::{Connection, Driver};

/// A statement with its values, for one of the drivers.
macro_rules! query {
    ($database:ty, $statement:expr, $is_shared:expr) => {{
        let values = $statement.values.clone().unwrap_or(Values(Vec::new()));
        let query: Query<'_, $database, _> = query_with(AssertSqlSafe($statement.sql.as_str()), SqlxValues(values));
        // Not by name where others would find it in the session, or theirs would be found instead of it.
        query.persistent(!$is_shared)
    }};
}

#[async_trait::async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        self.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut session = self.session().await?;
        let before = session.begin_statement();
        let result = match &mut session.driver {
            Driver::Postgres(db) => query!(Postgres, statement, self.is_shared())
                .execute(db)
                .await
                .map(ExecResult::from),
            Driver::Sqlite(db) => query!(Sqlite, statement, self.is_shared())
                .execute(db)
                .await
                .map(ExecResult::from),
        };
        session.end_statement(before, &result);
        result.map_err(execution_failed)
    }

    /// Refused: a text of several statements could open a transaction that [`Connection`] knows nothing of.
    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("unprepared statements are for migrations".to_owned()))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut session = self.session().await?;
        let before = session.begin_statement();
        let row = match &mut session.driver {
            Driver::Postgres(db) => {
                let row = query!(Postgres, statement, self.is_shared()).fetch_optional(db).await;
                row.map(|row| row.map(QueryResult::from))
            }
            Driver::Sqlite(db) => {
                let row = query!(Sqlite, statement, self.is_shared()).fetch_optional(db).await;
                row.map(|row| row.map(QueryResult::from))
            }
        };
        session.end_statement(before, &row);
        row.map_err(query_failed)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut session = self.session().await?;
        let before = session.begin_statement();
        let rows = match &mut session.driver {
            Driver::Postgres(db) => query!(Postgres, statement, self.is_shared())
                .fetch_all(db)
                .await
                .map(to_results),
            Driver::Sqlite(db) => query!(Sqlite, statement, self.is_shared())
                .fetch_all(db)
                .await
                .map(to_results),
        };
        session.end_statement(before, &rows);
        rows.map_err(query_failed)
    }
}

fn to_results<R: Into<QueryResult>>(rows: Vec<R>) -> Vec<QueryResult> {
    rows.into_iter().map(Into::into).collect()
}

fn execution_failed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn query_failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
