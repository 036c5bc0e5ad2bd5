//! The `users` table.

use sea_orm::entity::prelude::*;

/// An account.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// UUIDv7, so that new rows are neighbours in the index.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The name as it was registered.
    pub username: String,
    /// The name in lower case: two names that differ only in case are the same account.
    #[sea_orm(unique)]
    pub username_key: String,
    /// A PHC string with algorithm, parameters, salt and hash.
    pub password_hash: String,
    /// When the account was registered.
    pub created_at: DateTimeUtc,
    /// The newest session that there was when all were ended last: that one and every older one is over, whatever its
    /// own row says. See [`Model::has_ended`].
    pub sessions_ended_through: Option<Uuid>,
    /// When that was, for the copy in the cache and the cleanup.
    pub sessions_ended_at: Option<DateTimeUtc>,
    /// Until when the password is good that an operator has chosen; it has to be changed before anything else is done.
    /// `None` for a password of the user's own.
    pub password_expires_at: Option<DateTimeUtc>,
    /// Since when nobody can sign in to the account.
    pub disabled_at: Option<DateTimeUtc>,
    /// Since when the account is deleted. Its name and password are gone; the row stays until its last access token has
    /// expired, because it is what tells every instance to refuse that token.
    pub deleted_at: Option<DateTimeUtc>,
    /// Where the account is signed in.
    #[sea_orm(has_many)]
    pub sessions: HasMany<super::session::Entity>,
}

impl Model {
    /// Whether `session` was ended together with all others of the account. Ids ascend from session to session, so this
    /// compares no clocks (see [`Store::start_session`](super::Store::start_session)).
    pub fn has_ended(&self, session: Uuid) -> bool {
        self.sessions_ended_through.is_some_and(|last| session <= last)
    }
}

impl ActiveModelBehavior for ActiveModel {}
