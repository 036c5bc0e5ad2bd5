//! Deleting sessions that ended.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select};
use uuid::Uuid;

use super::{Store, StoreError, session, user};

impl Store {
    /// Deletes at most `limit` sessions that ended before `before`, and tells how many. Small batches keep locks short
    /// on a large table.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn delete_ended_sessions(&self, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        let is_ended = session::COLUMN
            .expires_at
            .lt(before)
            .or(session::COLUMN.revoked_at.lt(before));
        self.delete_sessions(session::Entity::find().filter(is_ended), limit)
            .await
    }

    /// Deletes at most `limit` sessions that were ended with all others of their account at `since` or later and whose
    /// own rows do not say so, and tells how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn delete_sessions_ended_all_at_once(&self, since: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        let last = Expr::col((user::Entity, user::Column::SessionsEndedThrough));
        let ended = session::Entity::find()
            .inner_join(user::Entity)
            .filter(user::COLUMN.sessions_ended_at.gte(since))
            .filter(session::COLUMN.revoked_at.is_null())
            .filter(Expr::col((session::Entity, session::Column::Id)).lte(last));
        self.delete_sessions(ended, limit).await
    }

    async fn delete_sessions(&self, ended: Select<session::Entity>, limit: u64) -> Result<u64, StoreError> {
        let batch = ended.select_only().column(session::Column::Id).limit(limit);
        self.pool
            .write(batch, |db, batch| Box::pin(delete_sessions(db, batch)))
            .await
    }
}

async fn delete_sessions(db: &impl ConnectionTrait, batch: Select<session::Entity>) -> Result<u64, StoreError> {
    let ids: Vec<Uuid> = batch.into_tuple().all(db).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let deleted = session::Entity::delete_many()
        .filter(session::COLUMN.id.is_in(ids))
        .exec(db)
        .await?;
    Ok(deleted.rows_affected)
}
