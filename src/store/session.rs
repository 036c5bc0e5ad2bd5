//! The `sessions` table.

use sea_orm::entity::prelude::*;

/// One sign-in on one device. Holds no token: a refresh token is derived from `id`, `generation` and the server's
/// secret, so a stolen copy of this table signs nobody in (R5).
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// UUIDv7; the `sid` claim of the session's access tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose session it is.
    pub user_id: Uuid,
    /// How often the refresh token was rotated; only the token of this generation rotates the session again.
    pub generation: i64,
    /// When `generation` last changed: the grace window for the previous token starts here.
    pub rotated_at: DateTimeUtc,
    /// The oldest generation whose token is forgiven until `grace_until`: the one that was current when the first of
    /// several quick rotations replaced it.
    pub grace_generation: i64,
    /// When the grace window ends that the first of those rotations opened.
    pub grace_until: DateTimeUtc,
    /// When the user signed in.
    pub created_at: DateTimeUtc,
    /// When the session ends unless it is refreshed before.
    pub expires_at: DateTimeUtc,
    /// When the session ends in any case (R4).
    pub absolute_expires_at: DateTimeUtc,
    /// When the session was ended before its time.
    pub revoked_at: Option<DateTimeUtc>,
    /// The browser's name for itself at sign-in, shown to the user in the list of sessions.
    pub user_agent: String,
    /// The client's address at sign-in, shown to the user in the list of sessions.
    pub ip: String,
    /// Whose session it is.
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
