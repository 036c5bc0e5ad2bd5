//! What the answers that sign somebody in have in common.

use chrono::{DateTime, Utc};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::auth::SignedIn;

/// What a signed-in client sends with its requests.
#[derive(Object)]
#[oai(example)]
pub(super) struct AccessToken {
    /// A JWT for the `Authorization` header.
    pub(super) access_token: String,
    pub(super) token_type: TokenType,
    /// Seconds for which the access token is valid, counted from when it was made: renew it a little earlier.
    pub(super) expires_in: i64,
    /// Whether the password was made by an operator for one sign-in: then every operation but `POST /password`, `GET /me`
    /// and signing out is refused with 403 `password_change_required`.
    pub(super) password_change_required: bool,
    pub(super) user: User,
}

/// How the access token is sent (RFC 6750).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub(super) enum TokenType {
    Bearer,
}

/// An account.
#[derive(Object)]
#[oai(example)]
pub(super) struct User {
    /// Stays the same for the life of the account.
    pub(super) id: Uuid,
    /// The name as it was registered.
    pub(super) username: String,
    /// When it was registered.
    pub(super) created_at: DateTime<Utc>,
    /// The session of this request, one of `GET /sessions`.
    pub(super) session_id: Uuid,
}

impl From<SignedIn> for AccessToken {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            expires_in: signed_in.expires_in.num_seconds(),
            access_token: signed_in.access_token,
            token_type: TokenType::Bearer,
            password_change_required: signed_in.user.password_expires_at.is_some(),
            user: User {
                id: signed_in.user.id,
                username: signed_in.user.username,
                created_at: signed_in.user.created_at,
                session_id: signed_in.session.id,
            },
        }
    }
}

impl Example for AccessToken {
    fn example() -> Self {
        Self {
            access_token: "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl".to_owned(),
            token_type: TokenType::Bearer,
            expires_in: 600,
            password_change_required: false,
            user: User::example(),
        }
    }
}

impl Example for User {
    fn example() -> Self {
        Self {
            id: Uuid::from_u128(0x0193_5c2a_7d6e_7c3a_9f00_5d2c_4b1a_8e77),
            username: "ada".to_owned(),
            created_at: example_time(0),
            session_id: Uuid::from_u128(0x0193_5c2a_7d70_7b11_8a40_1c9f_63d2_0b5e),
        }
    }
}

/// Some day in 2026, and so many seconds later.
pub(super) fn example_time(later: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_690_000 + later, 0).unwrap_or_default()
}
