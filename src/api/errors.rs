//! What each error looks like to a client, and which errors each operation documents.

use std::time::Duration;

use poem::http::{HeaderName, HeaderValue, StatusCode};

use crate::auth::{AuthError, Limit, Refusal};
use crate::problem::Problem;
use crate::store::StoreError;

/// When to come back after the database was away: about as long as a restart takes.
const DATABASE_RETRY: Duration = Duration::from_secs(5);
/// When to come back after the queue for password hashes or connections was too long: it drains within a second or two.
const BUSY_RETRY: Duration = Duration::from_secs(2);

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::InvalidCredentials => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_credentials",
                "The username or the password is wrong.",
            ),
            AuthError::UsernameTaken => Self::new(
                StatusCode::CONFLICT,
                "username_taken",
                "This username is taken. Choose another one.",
            ),
            AuthError::UsernameReserved => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "username_reserved",
                "username: this name is reserved. Choose another one.",
            ),
            AuthError::WeakPassword { field } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "password_easily_guessed",
                format!(
                    "{field}: this one is among the first that are guessed, since it is common or made of a name, a date or a row \
                     of keys. Choose another one, such as four words that have nothing to do with one another."
                ),
            ),
            AuthError::WrongPassword => Self::new(
                StatusCode::FORBIDDEN,
                "wrong_password",
                "The current password is wrong.",
            ),
            AuthError::AccountDisabled => Self::new(
                StatusCode::FORBIDDEN,
                "account_disabled",
                "This account is disabled. Ask whoever runs this service.",
            ),
            AuthError::InvalidAccessToken => invalid_access_token(),
            AuthError::InvalidRefreshToken => Self::new(
                StatusCode::UNAUTHORIZED,
                "session_ended",
                "The session has ended. Sign in again.",
            ),
            AuthError::RefreshTokenReused => Self::new(
                StatusCode::UNAUTHORIZED,
                "refresh_token_reused",
                "This refresh token was used before, so the session was ended for safety. Sign in again.",
            ),
            AuthError::NoSuchSession => Self::new(
                StatusCode::NOT_FOUND,
                "no_such_session",
                "You have no live session with this id.",
            ),
            AuthError::RateLimited(refusal) => rate_limited(&refusal),
            AuthError::Busy => Self::unavailable(
                "busy",
                "Too many sign-ins are being checked at the moment. Try again a little later.",
                BUSY_RETRY,
            ),
            AuthError::Cryptography(reason) => {
                tracing::error!(reason, "cryptography failed");
                Self::internal()
            }
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::unavailable(
                "busy",
                "Too many requests wait for the database at the moment. Try again a little later.",
                BUSY_RETRY,
            ),
            StoreError::Unavailable(reason) => {
                tracing::warn!(%reason, "the database is unavailable");
                Self::unavailable(
                    "database_unavailable",
                    "The database does not answer at the moment. Try again a little later.",
                    DATABASE_RETRY,
                )
            }
            StoreError::Taken | StoreError::AnotherService(_) | StoreError::Other(_) => {
                tracing::error!(%error, "a query failed");
                Self::internal()
            }
        }
    }
}

/// 401 with a challenge (RFC 6750, section 3).
pub(super) fn invalid_access_token() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "invalid_access_token",
        "The access token is missing, expired or not valid. Renew it with POST /refresh, or sign in.",
    )
}

/// 403 with a one-time password, everywhere but where it is changed.
pub(super) fn password_change_required() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "password_change_required",
        "This password was made for one sign-in. Choose one of your own with POST /password.",
    )
}

/// 403: the text of all metrics is not for everybody who can register.
pub(super) fn metrics_token_required() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "metrics_token_required",
        "The text takes METRICS_TOKEN as the bearer token. An account gets the totals: ask for application/json.",
    )
}

/// 403 with REGISTRATION=closed.
pub(super) fn registration_closed() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "registration_closed",
        "Nobody can register here. Ask whoever runs this service for an account.",
    )
}

/// 400: a cookie of ours with a value that we never set.
pub(super) fn unreadable_cookie(name: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "unreadable_cookie",
        format!("The cookie {name} cannot be read, so nothing was done. Delete it, and sign in again if need be."),
    )
}

/// 429 with `Retry-After` and the RateLimit fields of draft-ietf-httpapi-ratelimit-headers.
fn rate_limited(refusal: &Refusal) -> Problem {
    let list = |item: fn(&Limit) -> String| refusal.limits.iter().map(item).collect::<Vec<_>>().join(", ");
    let policy = list(|limit| format!("\"{}\";q={};w={}", limit.name, limit.quota, limit.window.as_secs()));
    let state = list(|limit| {
        format!(
            "\"{}\";r={};t={}",
            limit.name,
            limit.remaining,
            limit.resets_in.as_secs()
        )
    });
    let mut problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        format!(
            "Too many attempts. Try again in {} seconds.",
            refusal.retry_after.as_secs().max(1)
        ),
    )
    .retry_after(refusal.retry_after);
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            problem = problem.with_header(HeaderName::from_static(name), value);
        }
    }
    problem
}

/// Declares the error type of an operation: the statuses that its documentation lists, around a [`Problem`] that any
/// lower error turns into. Errors that every operation can have are added in `document.rs`.
macro_rules! documented_errors {
    ($(#[$doc:meta])* $name:ident { $($status:literal => $description:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name(crate::problem::Problem);

        impl $name {
            const STATUSES: &[u16] = &[$($status),+];
        }

        impl<E: Into<crate::problem::Problem>> From<E> for $name {
            fn from(error: E) -> Self {
                let problem = error.into();
                let status = problem.status.as_u16();
                debug_assert!(
                    status >= 500 || Self::STATUSES.contains(&status),
                    "{problem} is not among the documented errors"
                );
                Self(problem)
            }
        }

        impl From<$name> for poem::Error {
            fn from(error: $name) -> Self {
                error.0.into()
            }
        }

        impl poem_openapi::ApiResponse for $name {
            fn meta() -> poem_openapi::registry::MetaResponses {
                let responses = [$(($status, $description)),+];
                poem_openapi::registry::MetaResponses {
                    responses: responses.map(crate::api::errors::meta).into(),
                }
            }

            fn register(registry: &mut poem_openapi::registry::Registry) {
                <crate::problem::ProblemDetails as poem_openapi::types::Type>::register(registry);
            }
        }
    };
}
pub(super) use documented_errors;

/// How one error response is documented.
pub(super) fn meta((status, description): (u16, &'static str)) -> poem_openapi::registry::MetaResponse {
    use poem_openapi::registry::{MetaMediaType, MetaResponse};
    use poem_openapi::types::Type;
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: crate::problem::CONTENT_TYPE,
            schema: crate::problem::ProblemDetails::schema_ref(),
        }],
        headers: Vec::new(),
    }
}
