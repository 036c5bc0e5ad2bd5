//! What a request can fail with.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer that is not a success.
pub(crate) enum Error {
    /// No or no valid proof of who asks.
    Unauthorized,
    /// The username exists.
    Taken,
    /// The database, the cache or a hash failed.
    Internal(String),
}

#[derive(Serialize)]
struct Body {
    detail: &'static str,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "not signed in"),
            Self::Taken => (StatusCode::CONFLICT, "the username is taken"),
            Self::Internal(reason) => {
                tracing::error!(reason, "internal error");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error")
            }
        };
        (status, Json(Body { detail })).into_response()
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(database) if database.is_unique_violation() => Self::Taken,
            _ => Self::Internal(error.to_string()),
        }
    }
}

impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        Self::Internal(error.to_string())
    }
}
