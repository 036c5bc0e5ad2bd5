//! What an error says about the connection on which it happened.

use sea_orm::sqlx;
use sea_orm::sqlx::postgres::PgDatabaseError;

/// Something that concerns the connection, and not only the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is gone. Whether the statement under way was executed, nobody knows.
    Lost,
    /// The server has ended the session, before the statement under way or instead of it.
    Ended,
    /// The server takes no writes: it was the writer once, or is not yet.
    ReadOnly,
    /// A table was changed under a prepared statement, which does not return what it was prepared for.
    StalePlan,
    /// The session has no such prepared statement, or has it already: somebody else's statements are in it.
    ForeignStatement,
    /// The database gave this transaction up for another one and asks for a repetition.
    Conflict,
}

impl Fault {
    /// `None` for an error that says nothing about the connection.
    pub(super) fn of(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Some(Self::Lost)
            }
            sqlx::Error::Database(error) => {
                let error = error.try_downcast_ref::<PgDatabaseError>()?;
                Self::of_code(error.code(), error.routine())
            }
            _ => None,
        }
    }

    /// By PostgreSQL's SQLSTATE (its manual, appendix A) and the function that raised the error.
    fn of_code(code: &str, routine: Option<&str>) -> Option<Self> {
        match code {
            // Shut down by an administrator, and idle for too long. In both cases the server ends the statement under way,
            // if there is one, before it commits it (ProcessInterrupts in its postgres.c).
            "57P01" | "57P05" => Some(Self::Ended),
            // A crash, a start, a dropped database, and a transaction that was idle for too long.
            "57P02" | "57P03" | "57P04" | "25P03" => Some(Self::Lost),
            "25006" => Some(Self::ReadOnly),
            // The code is that of every unsupported feature, and the message is translated.
            "0A000" if routine == Some("RevalidateCachedQuery") => Some(Self::StalePlan),
            "26000" | "42P05" => Some(Self::ForeignStatement),
            "40001" | "40P01" => Some(Self::Conflict),
            // Connection exceptions. Poolers say them when they have lost the server.
            _ if code.starts_with("08") => Some(Self::Lost),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_concern_the_connection_are_told_from_those_of_a_statement() {
        for (code, fault) in [
            ("57P01", Some(Fault::Ended)),
            ("57P02", Some(Fault::Lost)),
            ("08006", Some(Fault::Lost)),
            ("25006", Some(Fault::ReadOnly)),
            ("42P05", Some(Fault::ForeignStatement)),
            ("40P01", Some(Fault::Conflict)),
            // A statement that was too slow, a row that exists, a table that does not.
            ("57014", None),
            ("23505", None),
            ("42P01", None),
        ] {
            assert_eq!(Fault::of_code(code, None), fault, "{code}");
        }
    }

    #[test]
    fn only_a_plan_that_became_stale_makes_an_unsupported_feature_a_fault() {
        let stale = Fault::of_code("0A000", Some("RevalidateCachedQuery"));
        assert_eq!(stale, Some(Fault::StalePlan));
        assert_eq!(Fault::of_code("0A000", Some("transformLockingClause")), None);
    }
}
