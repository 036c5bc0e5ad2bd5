//! Queries on accounts.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Set};
use uuid::Uuid;

use super::endings::end_all_sessions;
use super::sessions::{NewSession, insert_session};
use super::{Ended, Store, StoreError, session, user};

/// A change of password that is about to be made.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// The account as it must still be.
    pub user: user::Model,
    /// The hash to replace the stored one.
    pub next: String,
    /// The session that takes the place of all others.
    pub session: NewSession,
    /// The present moment.
    pub now: DateTime<Utc>,
}

/// A change of password that was made.
#[derive(Clone, Debug)]
pub struct PasswordChanged {
    /// The account as it is now.
    pub user: user::Model,
    /// Its only session.
    pub session: session::Model,
    /// What was ended.
    pub ended: Vec<Ended>,
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

    /// Replaces the password hash, ends all sessions and begins one: all of it or nothing, so that an answer that was
    /// lost cannot leave somebody signed in with a password that is no longer. `None` when the account has another hash
    /// by now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn change_password(&self, change: PasswordChange) -> Result<Option<PasswordChanged>, StoreError> {
        self.pool
            .transaction(change, |db, change| Box::pin(change_password(db, change)))
            .await
    }

    /// The account, after any change of it that is under way: its row is locked for a moment, which waits for a
    /// transaction that has changed it. (SQLite has one writer at a time, and whoever asks has just written.)
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn user_after_changes(&self, id: Uuid) -> Result<Option<user::Model>, StoreError> {
        self.pool.read(id, |db, id| Box::pin(user_after_changes(db, id))).await
    }
}

async fn insert_user_with_session(
    db: &impl ConnectionTrait,
    user: user::Model,
    session: NewSession,
) -> Result<(user::Model, session::Model), StoreError> {
    let user: user::ActiveModel = user.into();
    let user = user.insert(db).await?;
    let session = insert_session(db, session.of(&user)).await?;
    Ok((user, session))
}

async fn user_by_name(db: &impl ConnectionTrait, username_key: String) -> Result<Option<user::Model>, StoreError> {
    let query = user::Entity::find().filter(user::COLUMN.username_key.eq(username_key));
    Ok(query.one(db).await?)
}

async fn change_password(
    db: &impl ConnectionTrait,
    change: PasswordChange,
) -> Result<Option<PasswordChanged>, StoreError> {
    let PasswordChange { user, next, now, .. } = change;
    // First, because it locks the account's row: a session that is begun with the old password is either there already,
    // for the next statement to see, or will not be.
    let update = user::Entity::update_many()
        .set(user::ActiveModel {
            password_hash: Set(next.clone()),
            password_expires_at: Set(None),
            ..Default::default()
        })
        .filter(user::COLUMN.id.eq(user.id))
        .filter(user::COLUMN.password_hash.eq(user.password_hash.as_str()));
    if update.exec(db).await?.rows_affected != 1 {
        return Ok(None);
    }
    let (ended, last) = end_all_sessions(db, user.id, None, now).await?;
    let user = user::Model {
        password_hash: next,
        password_expires_at: None,
        sessions_ended_through: last,
        sessions_ended_at: Some(now),
        ..user
    };
    let session = insert_session(db, change.session.of(&user)).await?;
    Ok(Some(PasswordChanged { user, session, ended }))
}

async fn user_after_changes(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<user::Model>, StoreError> {
    Ok(user::Entity::find_by_id(id).lock_shared().one(db).await?)
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
