//! Queries on accounts.

use sea_orm::{ActiveModelTrait, EntityTrait, QueryFilter, Set, TransactionTrait};
use uuid::Uuid;

use super::sessions::{NewSession, insert_session};
use super::{Store, StoreError, session, user};

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
        Ok(user::Entity::find_by_id(id).one(&self.db).await?)
    }

    /// Replaces the password hash, but only while it is still `previous`: two changes at once do not overwrite one
    /// another. Tells whether it did.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is.
    pub async fn replace_password_hash(&self, id: Uuid, previous: &str, next: &str) -> Result<bool, StoreError> {
        let update = user::Entity::update_many()
            .set(user::ActiveModel {
                password_hash: Set(next.to_owned()),
                ..Default::default()
            })
            .filter(user::COLUMN.id.eq(id))
            .filter(user::COLUMN.password_hash.eq(previous));
        Ok(update.exec(&self.db).await?.rows_affected == 1)
    }
}
