//! What each error looks like to a client, and which errors each operation documents.

use std::collections::BTreeSet;
use std::time::Duration;

use poem::http::{HeaderName, HeaderValue};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses};
use poem_openapi::types::Type;

use crate::auth::{AuthError, Limit, Refusal};
use crate::problem::{CONTENT_TYPE, Code, ErrorItem, ErrorItemCode, Problem, ProblemDetails, whole_seconds};
use crate::store::StoreError;

/// When to come back after the database was away: about as long as a restart takes.
const DATABASE_RETRY: Duration = Duration::from_secs(5);
/// When to come back after the queue for password hashes or connections was too long: it drains within a second or two.
const BUSY_RETRY: Duration = Duration::from_secs(2);

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let code = match error {
            AuthError::InvalidCredentials => Code::InvalidCredentials,
            AuthError::UsernameTaken => Code::UsernameTaken,
            AuthError::UsernameReserved => return username_reserved(),
            AuthError::WeakPassword { field } => return password_easily_guessed(field),
            AuthError::WrongPassword => Code::WrongPassword,
            AuthError::AccountDisabled => Code::AccountDisabled,
            AuthError::InvalidAccessToken => Code::InvalidAccessToken,
            AuthError::ExpiredAccessToken => Code::AccessTokenExpired,
            AuthError::EndedSession | AuthError::InvalidRefreshToken => Code::SessionEnded,
            AuthError::RefreshTokenReused => Code::RefreshTokenReused,
            AuthError::NoSuchSession => Code::NoSuchSession,
            AuthError::RateLimited(refusal) => return rate_limited(&refusal),
            AuthError::Busy => {
                let detail = "Too many sign-ins are being checked at the moment. Try again a little later.";
                return Self::new(Code::Busy).with_detail(detail).retry_after(BUSY_RETRY);
            }
            AuthError::Cryptography(reason) => {
                tracing::error!(reason, "cryptography failed");
                Code::InternalError
            }
            AuthError::Store(error) => return error.into(),
        };
        Self::new(code)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::new(Code::Busy).retry_after(BUSY_RETRY),
            StoreError::Unavailable(reason) => {
                tracing::warn!(%reason, "the database is unavailable");
                Self::new(Code::DatabaseUnavailable).retry_after(DATABASE_RETRY)
            }
            StoreError::Value(reason) => {
                tracing::warn!(%reason, "a value cannot be stored");
                Self::new(Code::InvalidInput)
                    .with_detail("A value cannot be stored, such as a text with a NUL character.")
            }
            StoreError::Taken | StoreError::AnotherService(_) | StoreError::Other(_) => {
                tracing::error!(%error, "a query failed");
                Self::internal()
            }
        }
    }
}

fn username_reserved() -> Problem {
    let detail = "this name is reserved. Choose another one.";
    Problem::new(Code::UsernameReserved).with_errors(vec![ErrorItem::at("#/username", ErrorItemCode::Reserved, detail)])
}

fn password_easily_guessed(field: &str) -> Problem {
    let code = Code::PasswordEasilyGuessed;
    // The code's own words are those of the field `password`.
    let (_, reason) = code.detail().split_once(": ").unwrap_or_default();
    let item = ErrorItem::at(format!("#/{field}"), ErrorItemCode::EasilyGuessed, reason);
    Problem::new(code)
        .with_detail(format!("{field}: {reason}"))
        .with_errors(vec![item])
}

/// 400: a cookie of ours with a value that we never set.
pub(super) fn unreadable_cookie(name: &str) -> Problem {
    Problem::new(Code::UnreadableCookie).with_detail(format!(
        "The cookie {name} cannot be read, so nothing was done. Delete it, and sign in again if need be."
    ))
}

/// 429 with `Retry-After` and the RateLimit fields of draft-ietf-httpapi-ratelimit-headers.
fn rate_limited(refusal: &Refusal) -> Problem {
    let list = |item: fn(&Limit) -> String| refusal.limits.iter().map(item).collect::<Vec<_>>().join(", ");
    let policy = list(|limit| format!("\"{}\";q={};w={}", limit.name, limit.quota, limit.window.as_secs()));
    let state = list(|limit| {
        let resets_in = whole_seconds(limit.resets_in);
        format!("\"{}\";r={};t={resets_in}", limit.name, limit.remaining)
    });
    let detail = match whole_seconds(refusal.retry_after) {
        1 => "Too many attempts. Try again in a second.".to_owned(),
        seconds => format!("Too many attempts. Try again in {seconds} seconds."),
    };
    let mut problem = Problem::new(Code::RateLimited)
        .with_detail(detail)
        .retry_after(refusal.retry_after);
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            problem = problem.with_header(HeaderName::from_static(name), value);
        }
    }
    problem
}

/// What the document shows for a code.
pub(super) fn example(code: Code) -> Problem {
    match code {
        Code::InvalidInput => {
            let item = ErrorItem::at("#/password", ErrorItemCode::Invalid, "must be 8 to 128 characters.");
            Problem::new(code).with_errors(vec![item])
        }
        Code::UsernameReserved => username_reserved(),
        Code::PasswordEasilyGuessed => password_easily_guessed("password"),
        Code::NotReady => Problem::new(code).with_errors(vec![ErrorItem::of_dependency("cache")]),
        _ => Problem::new(code),
    }
}

/// Declares the error type of an operation: the codes that its documentation lists, around a [`Problem`] that any lower
/// error turns into. Those that every operation can have, and those of a bearer token, are added in `document.rs`.
macro_rules! documented_errors {
    ($(#[$doc:meta])* $name:ident { $($code:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name(crate::problem::Problem);

        impl $name {
            const CODES: &[crate::problem::Code] = &[$(crate::problem::Code::$code),*];
        }

        impl<E: Into<crate::problem::Problem>> From<E> for $name {
            fn from(error: E) -> Self {
                let problem = error.into();
                debug_assert!(
                    crate::api::errors::is_common(problem.code) || Self::CODES.contains(&problem.code),
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
                crate::api::errors::meta(concat!($(stringify!($code), " "),*), Self::CODES)
            }

            fn register(registry: &mut poem_openapi::registry::Registry) {
                <crate::problem::ProblemDetails as poem_openapi::types::Type>::register(registry);
            }
        }
    };
}
pub(super) use documented_errors;

/// Whether operations need not name it: what every one of them can answer, and what its bearer token causes.
pub(super) fn is_common(code: Code) -> bool {
    code.status().is_server_error() || Code::OF_BEARER.contains(&code)
}

/// The error responses of an operation with these `codes`. Their names stand for the descriptions, which `document.rs`
/// writes: here they would have to be constants.
pub(super) fn meta(names: &'static str, codes: &[Code]) -> MetaResponses {
    let statuses: BTreeSet<u16> = codes.iter().map(|code| code.status().as_u16()).collect();
    let response = |status| MetaResponse {
        description: names,
        status: Some(status),
        status_range: None,
        // So that the document has the schema.
        content: vec![MetaMediaType {
            content_type: CONTENT_TYPE,
            schema: ProblemDetails::schema_ref(),
        }],
        headers: Vec::new(),
    };
    MetaResponses {
        responses: statuses.into_iter().map(response).collect(),
    }
}
