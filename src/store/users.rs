//! Queries on accounts.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Set};
use uuid::Uuid;

use super::sessions::{NewSession, insert_session, revoke_sessions_of};
use super::{Store, StoreError, session, user};

/// A change of password that is about to be made.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// Whose.
    pub user_id: Uuid,
    /// The hash that must still be the stored one.
    pub previous: String,
    /// The hash to replace it.
    pub next: String,
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
        self.pool
            .transaction((user, session), |db, (user, session)| {
                Box::pin(insert_user_with_session(db, user, session))
            })
            .await
    }

    /// The account of that name, in any case of its letters.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn user_by_name(&self, username_key: &str) -> Result<Option<user::Model>, StoreError> {
        self.pool
            .read(username_key.to_owned(), |db, key| Box::pin(user_by_name(db, key)))
            .await
    }

    /// The account of that id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn user_by_id(&self, id: Uuid) -> Result<Option<user::Model>, StoreError> {
        self.users.get(id).await
    }

    /// Replaces the password hash, but only while it is still `previous`: two changes at once do not overwrite one
    /// another. Tells whether it did.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn replace_password_hash(&self, id: Uuid, previous: &str, next: &str) -> Result<bool, StoreError> {
        let replacement = (id, previous.to_owned(), next.to_owned());
        self.pool
            .write(replacement, |db, (id, previous, next)| {
                Box::pin(replace_password_hash(db, id, previous, next))
            })
            .await
    }

    /// Replaces the password hash and ends the other sessions: either both or neither, so that an answer that was lost
    /// cannot leave somebody signed in with a password that is no longer. Returns the ids of the sessions that were
    /// live; `None` when the hash is not `previous` any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn change_password(&self, change: PasswordChange) -> Result<Option<Vec<Uuid>>, StoreError> {
        self.pool
            .transaction(change, |db, change| Box::pin(change_password(db, change)))
            .await
    }

    /// The password hash of an account, after any change of it that is under way: the row is locked for a moment, which
    /// waits for a transaction that has changed it. (SQLite has one writer at a time, and whoever asks has just written.)
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn password_hash_after_changes(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        self.pool
            .read(id, |db, id| Box::pin(password_hash_after_changes(db, id)))
            .await
    }
}

async fn insert_user_with_session(
    db: &impl ConnectionTrait,
    user: user::Model,
    session: NewSession,
) -> Result<(user::Model, session::Model), StoreError> {
    let user: user::ActiveModel = user.into();
    let user = user.insert(db).await?;
    let session = insert_session(db, session).await?;
    Ok((user, session))
}

async fn user_by_name(db: &impl ConnectionTrait, username_key: String) -> Result<Option<user::Model>, StoreError> {
    let query = user::Entity::find().filter(user::COLUMN.username_key.eq(username_key));
    Ok(query.one(db).await?)
}

async fn change_password(db: &impl ConnectionTrait, change: PasswordChange) -> Result<Option<Vec<Uuid>>, StoreError> {
    let PasswordChange { user_id, now, .. } = change;
    if !replace_password_hash(db, user_id, change.previous, change.next).await? {
        return Ok(None);
    }
    let ended = revoke_sessions_of(db, user_id, Some(change.kept_session), now).await?;
    Ok(Some(ended))
}

async fn password_hash_after_changes(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<String>, StoreError> {
    let query = user::Entity::find_by_id(id).lock_shared();
    Ok(query.one(db).await?.map(|user| user.password_hash))
}

pub(super) async fn find(db: &impl ConnectionTrait, ids: Vec<Uuid>) -> Result<Vec<(Uuid, user::Model)>, StoreError> {
    let query = user::Entity::find().filter(user::COLUMN.id.is_in(ids));
    let users = query.all(db).await?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

async fn replace_password_hash(
    db: &impl ConnectionTrait,
    id: Uuid,
    previous: String,
    next: String,
) -> Result<bool, StoreError> {
    let update = user::Entity::update_many()
        .set(user::ActiveModel {
            password_hash: Set(next),
            ..Default::default()
        })
        .filter(user::COLUMN.id.eq(id))
        .filter(user::COLUMN.password_hash.eq(previous));
    Ok(update.exec(db).await?.rows_affected == 1)
}
