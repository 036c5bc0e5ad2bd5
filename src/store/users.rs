//! Queries on accounts.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect, Set,
    TransactionTrait,
};
use uuid::Uuid;

use super::sessions::{NewSession, insert_session, revoke_sessions_of};
use super::{Store, StoreError, session, user};

/// A change of password that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct PasswordChange<'a> {
    /// Whose.
    pub user_id: Uuid,
    /// The hash that must still be the stored one.
    pub previous: &'a str,
    /// The hash to replace it.
    pub next: &'a str,
    /// The one session that does not end.
    pub kept_session: Uuid,
    /// The present moment.
    pub now: DateTime<Utc>,
}

impl Store {
    /// Adds an account together with its first session: either both exist afterwards or neither.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when the username exists in any case of its letters.
    pub async fn insert_user_with_session(
        &self,
        user: user::Model,
        session: NewSession,
    ) -> Result<(user::Model, session::Model), StoreError> {
        let transaction = self.db.begin().await?;
        let user: user::ActiveModel = user.into();
        let user = user.insert(&transaction).await?;
        let session = insert_session(&transaction, session).await?;
        transaction.commit().await?;
        Ok((user, session))
    }

    /// The account of that name, in any case of its letters.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is.
    pub async fn user_by_name(&self, username_key: &str) -> Result<Option<user::Model>, StoreError> {
        let query = user::Entity::find().filter(user::COLUMN.username_key.eq(username_key));
        Ok(query.one(&self.db).await?)
    }

    /// The account of that id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is.
    pub async fn user_by_id(&self, id: Uuid) -> Result<Option<user::Model>, StoreError> {
        self.users.get(id).await
    }

    /// Replaces the password hash, but only while it is still `previous`: two changes at once do not overwrite one
    /// another. Tells whether it did.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is.
    pub async fn replace_password_hash(&self, id: Uuid, previous: &str, next: &str) -> Result<bool, StoreError> {
        replace_password_hash(&self.db, id, previous, next).await
    }

    /// Replaces the password hash and ends the other sessions: either both or neither, so that an answer that was lost
    /// cannot leave somebody signed in with a password that is no longer. Returns the ids of the sessions that were
    /// live; `None` when the hash is not `previous` any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is.
    pub async fn change_password(&self, change: PasswordChange<'_>) -> Result<Option<Vec<Uuid>>, StoreError> {
        let PasswordChange { user_id, now, .. } = change;
        let transaction = self.db.begin().await?;
        if !replace_password_hash(&transaction, user_id, change.previous, change.next).await? {
            return Ok(None);
        }
        let ended = revoke_sessions_of(&transaction, user_id, Some(change.kept_session), now).await?;
        transaction.commit().await?;
        Ok(Some(ended))
    }

    /// The password hash of an account, after any change of it that is under way: the row is locked for a moment, which
    /// waits for a transaction that has changed it. (SQLite has one writer at a time, and whoever asks has just written.)
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is.
    pub async fn password_hash_after_changes(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        let query = user::Entity::find_by_id(id).lock_shared();
        Ok(query.one(&self.db).await?.map(|user| user.password_hash))
    }
}

pub(super) async fn find(db: DatabaseConnection, ids: Vec<Uuid>) -> Result<Vec<(Uuid, user::Model)>, DbErr> {
    let query = user::Entity::find().filter(user::COLUMN.id.is_in(ids));
    let users = query.all(&db).await?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

async fn replace_password_hash(
    db: &impl ConnectionTrait,
    id: Uuid,
    previous: &str,
    next: &str,
) -> Result<bool, StoreError> {
    let update = user::Entity::update_many()
        .set(user::ActiveModel {
            password_hash: Set(next.to_owned()),
            ..Default::default()
        })
        .filter(user::COLUMN.id.eq(id))
        .filter(user::COLUMN.password_hash.eq(previous));
    Ok(update.exec(db).await?.rows_affected == 1)
}
