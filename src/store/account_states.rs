//! Accounts that are disabled, deleted or given another password: what an operator does, and what ends all sessions.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use uuid::Uuid;

use super::endings::end_all_sessions;
use super::{Ended, Store, StoreError, session, user};

/// What becomes of an account.
#[derive(Clone, Debug)]
pub enum AccountChange {
    /// Nobody can sign in any more.
    Disable,
    /// Its name and password are gone, and its row goes with [`Store::delete_deleted_users`].
    Delete,
    /// It has this password hash, and the password is good until then.
    GiveOneTimePassword(String, DateTime<Utc>),
    /// All that it was signed in with is over, and nothing else.
    EndSessions,
}

impl Store {
    /// Changes an account that is not deleted and ends all its sessions: both or neither.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn change_account(
        &self,
        id: Uuid,
        change: AccountChange,
        now: DateTime<Utc>,
    ) -> Result<Vec<Ended>, StoreError> {
        self.pool
            .transaction((id, change, now), |db, (id, change, now)| {
                Box::pin(change_account(db, id, change, now))
            })
            .await
    }

    /// Lets an account that was disabled sign in again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn enable_account(&self, id: Uuid) -> Result<(), StoreError> {
        self.pool.write(id, |db, id| Box::pin(enable_account(db, id))).await
    }

    /// At most `limit` accounts in the order of their names, those behind `after`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn users_after(&self, after: &str, limit: u64) -> Result<Vec<user::Model>, StoreError> {
        let page = user::Entity::find()
            .filter(user::COLUMN.username_key.gt(after))
            .filter(user::COLUMN.deleted_at.is_null())
            .order_by_asc(user::Column::UsernameKey)
            .limit(limit);
        self.pool
            .read(page, |db, page| Box::pin(async move { Ok(page.all(db).await?) }))
            .await
    }

    /// Deletes the rows of at most `limit` accounts that were deleted before `before` and whose sessions are gone, and
    /// tells how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn delete_deleted_users(&self, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        self.pool
            .write((before, limit), |db, (before, limit)| {
                Box::pin(delete_deleted_users(db, before, limit))
            })
            .await
    }
}

async fn change_account(
    db: &impl ConnectionTrait,
    id: Uuid,
    change: AccountChange,
    now: DateTime<Utc>,
) -> Result<Vec<Ended>, StoreError> {
    let nothing = user::ActiveModel::default;
    let values = match change {
        AccountChange::EndSessions => None,
        AccountChange::Disable => Some(user::ActiveModel {
            disabled_at: Set(Some(now)),
            ..nothing()
        }),
        AccountChange::GiveOneTimePassword(hash, until) => Some(user::ActiveModel {
            password_hash: Set(hash),
            password_expires_at: Set(Some(until)),
            ..nothing()
        }),
        AccountChange::Delete => Some(user::ActiveModel {
            username: Set(String::new()),
            // No name has a colon, so that this one is nobody's.
            username_key: Set(format!("deleted:{id}")),
            password_hash: Set("!".to_owned()),
            deleted_at: Set(Some(now)),
            ..nothing()
        }),
    };
    if let Some(values) = values {
        user::Entity::update_many()
            .set(values)
            .filter(user::COLUMN.id.eq(id))
            .filter(user::COLUMN.deleted_at.is_null())
            .exec(db)
            .await?;
    }
    let (ended, _) = end_all_sessions(db, id, None, now).await?;
    Ok(ended)
}

async fn enable_account(db: &impl ConnectionTrait, id: Uuid) -> Result<(), StoreError> {
    let update = user::Entity::update_many().set(user::ActiveModel {
        disabled_at: Set(None),
        ..Default::default()
    });
    update.filter(user::COLUMN.id.eq(id)).exec(db).await?;
    Ok(())
}

async fn delete_deleted_users(db: &impl ConnectionTrait, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
    let has_sessions = Query::select()
        .expr(Expr::val(1))
        .from(session::Entity)
        .and_where(
            Expr::col((session::Entity, session::Column::UserId)).eq(Expr::col((user::Entity, user::Column::Id))),
        )
        .take();
    let ids: Vec<Uuid> = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::COLUMN.deleted_at.lt(before))
        .filter(Expr::exists(has_sessions).not())
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let deleted = user::Entity::delete_many().filter(user::COLUMN.id.is_in(ids));
    Ok(deleted.exec(db).await?.rows_affected)
}
