//! What can go wrong in the database, as far as callers can tell it apart.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// An error of the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Every connection was in use for too long. Clients see 503 with `Retry-After`.
    #[error("no connection to the database was free in time")]
    Busy,
    /// The database cannot be reached, is starting up or shutting down, or does not answer in time. Clients see 503 with
    /// `Retry-After`.
    #[error("the database is unavailable: {}", reason(.0))]
    Unavailable(DbErr),
    /// A row with the same unique value exists. Clients see what the caller makes of it, such as 409 for a username.
    #[error("the value is taken")]
    Taken,
    /// A value is none that the database takes, such as a text with a NUL on PostgreSQL (SQLSTATE class 22). Clients see 422.
    #[error("a value cannot be stored: {}", reason(.0))]
    Value(DbErr),
    /// The database holds tables of the names of ours that we have not made. Nothing was done to them.
    #[error("the database holds a table {0} of another service")]
    AnotherService(&'static str),
    /// Anything else is a defect of ours. Clients see 500.
    #[error("database error: {}", reason(.0))]
    Other(DbErr),
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            return Self::Taken;
        }
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(error),
            DbErr::Exec(RuntimeErr::SqlxError(said)) | DbErr::Query(RuntimeErr::SqlxError(said)) => {
                if is_transient(said) {
                    Self::Unavailable(error)
                } else if is_about_a_value(said) {
                    Self::Value(error)
                } else {
                    Self::Other(error)
                }
            }
            _ => Self::Other(error),
        }
    }
}

/// The database's own words where it has said something: neither the layers above nor the line of its source.
fn reason(error: &DbErr) -> String {
    let (DbErr::Conn(inner) | DbErr::Exec(inner) | DbErr::Query(inner)) = error else {
        return error.to_string();
    };
    match inner {
        RuntimeErr::SqlxError(inner) => match &**inner {
            sqlx::Error::Database(said) => match said.code() {
                Some(code) => format!("{} ({code})", said.message()),
                None => said.message().to_owned(),
            },
            inner => inner.to_string(),
        },
        RuntimeErr::Internal(text) => text.clone(),
    }
}

/// PostgreSQL's SQLSTATE class 22, data exception. SQLite takes any value.
fn is_about_a_value(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    error
        .code()
        .is_some_and(|code| code.len() == 5 && code.starts_with("22"))
}

/// Whether the same statement may succeed on another connection or a little later.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_transient_code(&code)),
        _ => false,
    }
}

/// PostgreSQL's SQLSTATE classes 08 (connection), 53 (resources), 57 (operator intervention: shutdown, starting up,
/// statement timeout) and 40 (serialization), 25006 (read-only while failing over), 55P03 (a lock that was not had in time), and SQLite's BUSY (5), IOERR (10)
/// and FULL (13) with their extended codes in the upper bytes.
fn is_transient_code(code: &str) -> bool {
    if code.len() == 5 && code.parse::<u32>().map_or(true, |number| number >= 1000) {
        return ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
            || ["25006", "55P03"].contains(&code);
    }
    code.parse::<u32>()
        .is_ok_and(|number| matches!(number & 0xff, 5 | 10 | 13))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_that_pass_by_themselves_are_transient() {
        for code in [
            "57P03", "08006", "53300", "57014", "40001", "25006", "55P03", "5", "517", "13", "778",
        ] {
            assert!(is_transient_code(code), "{code}");
        }
        for code in ["23505", "42601", "22P02", "1", "2067"] {
            assert!(!is_transient_code(code), "{code}");
        }
    }
}
