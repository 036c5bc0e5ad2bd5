//! Why an account or session operation was refused.

use super::Refusal;
use crate::store::StoreError;

/// An error of the auth layer.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Login with an unknown name or a wrong password; which of the two is not told. Clients see 401.
    #[error("the username or password is wrong")]
    InvalidCredentials,
    /// Register with a name that exists in any case of its letters. Clients see 409.
    #[error("the username is taken")]
    UsernameTaken,
    /// Register with a name that others would take for the operator. Clients see 422.
    #[error("the username is reserved")]
    UsernameReserved,
    /// A new password that is one of the first to be guessed. Clients see 422.
    #[error("the password is easily guessed")]
    WeakPassword {
        /// Where it was typed.
        field: &'static str,
    },
    /// Login with the right password of an account that an operator has disabled. Clients see 403.
    #[error("the account is disabled")]
    AccountDisabled,
    /// Change of password, or deletion of the account, with a wrong current one. Clients see 403, because 401 would make them refresh and retry.
    #[error("the current password is wrong")]
    WrongPassword,
    /// A bearer token that is malformed, forged, or of another issuer, audience or type. Clients see 401.
    #[error("the access token is not valid")]
    InvalidAccessToken,
    /// A bearer token of ours whose time is over. Clients see 401.
    #[error("the access token has expired")]
    ExpiredAccessToken,
    /// A bearer token of ours whose session, or account, has ended. Clients see 401.
    #[error("the session of the access token has ended")]
    EndedSession,
    /// A refresh cookie that is missing or forged, or of a session that has ended. Clients see 401.
    #[error("the session has ended")]
    InvalidRefreshToken,
    /// A refresh token that was used before and not just now: somebody holds a copy, so the session is ended for both.
    /// Clients see 401.
    #[error("the refresh token was used before, so the session was ended")]
    RefreshTokenReused,
    /// There is no live session of that id, or it is somebody else's. Clients see 404.
    #[error("there is no such session")]
    NoSuchSession,
    /// Too many attempts. Clients see 429 with `Retry-After`.
    #[error("too many attempts")]
    RateLimited(Refusal),
    /// Too many password hashes wait for a core. Clients see 503 with `Retry-After`.
    #[error("too many password hashes are waiting")]
    Busy,
    /// A hash could not be made or the system has no random numbers. Clients see 500.
    #[error("cryptography failed: {0}")]
    Cryptography(String),
    /// The database. Clients see 503 with `Retry-After` when it is unavailable, else 500.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthError {
    /// The system gave none.
    pub(super) fn no_random_numbers() -> Self {
        Self::Cryptography("the system has no random numbers".to_owned())
    }
}
