//! The `sessions` table.

use sea_orm::entity::prelude::*;
use uuid::{NoContext, Timestamp};

use super::user;

/// What refresh tokens of a session are verified with: a random key, and the SHA-256 of the secret that they hold. Makes no
/// token by itself.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct RefreshVerifier(Vec<u8>);

impl RefreshVerifier {
    /// Of HMAC-SHA-256.
    pub const KEY_BYTES: usize = 32;
    /// Of SHA-256.
    pub const HASH_BYTES: usize = 32;

    /// Puts both together.
    pub fn new(key: [u8; Self::KEY_BYTES], secret_hash: [u8; Self::HASH_BYTES]) -> Self {
        Self([key, secret_hash].concat())
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.0.get(..Self::KEY_BYTES).unwrap_or_default()
    }

    /// The hash of the secret; empty, which no hash is, in a row that was damaged.
    pub fn secret_hash(&self) -> &[u8] {
        self.0.get(Self::KEY_BYTES..).unwrap_or_default()
    }
}

impl std::fmt::Debug for RefreshVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One sign-in on one device. Holds no token, and nothing that one can be made of alone: a stolen copy of this table signs
/// nobody in (R5).
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// UUIDv7, greater than that of every session of the account that is over; the `sid` claim of its access tokens.
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
    /// When the session was ended before its time, if it was not ended together with all others: see
    /// [`user::Model::has_ended`].
    pub revoked_at: Option<DateTimeUtc>,
    /// The browser's name for itself at sign-in, shown to the user in the list of sessions.
    pub user_agent: String,
    /// The client's address at sign-in, shown to the user in the list of sessions.
    pub ip: String,
    /// What its refresh tokens are verified with. `None` in sessions that were begun before there was one: their tokens
    /// are made with the server's secret.
    pub refresh_verifier: Option<RefreshVerifier>,
    /// Whose session it is.
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub user: BelongsTo<super::user::Entity>,
}

impl Model {
    /// Whether it was ended before its time, by itself or with all others of its account.
    pub fn was_ended(&self, user: &user::Model) -> bool {
        self.revoked_at.is_some() || user.has_ended(self.id)
    }
}

impl ActiveModelBehavior for ActiveModel {}

/// The id of a session that begins after all up to `ended_through` were ended: `id`, unless that one is ahead (of the same
/// millisecond, or made when the clock was): then one of the millisecond behind it.
pub(super) fn next_id(id: Uuid, ended_through: Option<Uuid>) -> Uuid {
    let Some(ended_through) = ended_through.filter(|last| *last >= id) else {
        return id;
    };
    let (seconds, nanos) = ended_through
        .get_timestamp()
        .unwrap_or(Timestamp::now(NoContext))
        .to_unix();
    let millis = u64::from(nanos / 1_000_000) + 1;
    let (seconds, nanos) = (seconds + millis / 1000, millis % 1000 * 1_000_000);
    Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        seconds,
        u32::try_from(nanos).unwrap_or(0),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_id_of_a_session_is_the_one_that_was_made_for_it_while_that_is_greater_than_those_that_are_over() {
        let (before, id) = (Uuid::now_v7(), Uuid::now_v7());
        assert_eq!([next_id(id, None), next_id(id, Some(before))], [id, id]);
    }

    proptest! {
        /// R34: a clock that is ahead elsewhere makes no session that is over before it began.
        #[test]
        fn the_id_of_a_session_is_greater_than_those_that_are_over_whatever_their_clock(
            seconds in 1_700_000_000_u64..1_u64 << 38, nanos in 0_u32..1_000_000_000,
        ) {
            let over = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos));
            let ids = [(); 2].map(|()| next_id(Uuid::now_v7(), Some(over)));
            prop_assert!(over < ids[0] && over < ids[1] && ids[0] != ids[1]);
            prop_assert_eq!(ids[0].get_version_num(), 7);
        }
    }
}
