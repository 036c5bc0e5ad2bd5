//! What to do about an error of the database at the start.

use std::io;

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::StoreError;

/// What a person who starts the server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What to do, as an imperative.
    pub fix: &'static str,
    /// Whether waiting may be enough, as it is for a database that is starting up.
    pub may_pass: bool,
}

impl StoreError {
    /// How to fix it.
    pub fn advice(&self) -> Advice {
        let error = match self {
            Self::Unavailable(error) | Self::Value(error) | Self::Other(error) => error,
            Self::AnotherService(_) => return OF_ITS_OWN,
            Self::Busy | Self::Taken => return ELSEWHERE,
        };
        let (DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error)) = error else {
            return ELSEWHERE;
        };
        let RuntimeErr::SqlxError(error) = error else {
            return Advice {
                may_pass: matches!(self, Self::Unavailable(_)),
                ..ELSEWHERE
            };
        };
        match &**error {
            sqlx::Error::Database(error) => of_code(&error.code().unwrap_or_default()),
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => NOT_THERE,
            sqlx::Error::Tls(_) => fix("check that the server speaks TLS, and sslmode and sslrootcert of the URL"),
            sqlx::Error::Configuration(_) => fix("correct the URL"),
            _ => NOT_THERE,
        }
    }
}

/// Nothing answers there.
const NOT_THERE: Advice = Advice {
    fix: "check that the database runs and that host and port are right",
    may_pass: true,
};
/// Most likely of the service that this one takes the place of.
const OF_ITS_OWN: Advice = fix(
    "give slipway a database of its own; to take the accounts along, run `slipway import --from` that other one \
     (docs/MOVING-OVER.md)",
);
/// An error that has nothing to do with how the database is reached.
const ELSEWHERE: Advice = fix("see the database's log");

const fn fix(fix: &'static str) -> Advice {
    Advice { fix, may_pass: false }
}

const fn wait_or(fix: &'static str) -> Advice {
    Advice { fix, may_pass: true }
}

/// By PostgreSQL's SQLSTATE (its manual, appendix A), or SQLite's result code.
fn of_code(code: &str) -> Advice {
    match code {
        "28P01" => fix("check user and password of the URL"),
        "28000" => fix("check the user of the URL, and what pg_hba.conf of the server demands of it (such as TLS)"),
        "3D000" => fix("create the database, or check its name in the URL"),
        "42501" => fix("as the owner of the database run GRANT CREATE ON SCHEMA public TO the role of the URL"),
        "42P07" => OF_ITS_OWN,
        "53300" => wait_or("raise max_connections of the server, or lower DATABASE_MAX_CONNECTIONS of its clients"),
        "55P03" => wait_or("wait for the instance that migrates, or end the transaction that holds the table"),
        "57P03" => wait_or("wait until the server has started"),
        "25006" => wait_or("name the server that takes writes"),
        // SQLITE_CANTOPEN and SQLITE_READONLY, with whatever is in the upper bytes.
        _ if is_of_sqlite(code, &[14, 8]) => fix("check that the folder exists and can be written to"),
        _ if is_of_sqlite(code, &[5, 6]) => wait_or("end the program that has locked the file"),
        _ if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => {
            wait_or("check that the database runs and that host and port are right")
        }
        _ => ELSEWHERE,
    }
}

/// SQLSTATEs have five characters; SQLite's codes that have as many are not among these.
fn is_of_sqlite(code: &str, primary: &[u32]) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| primary.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_person_can_change_does_not_pass() {
        for code in ["28P01", "28000", "3D000", "42501", "42P07", "42601", "14", "8"] {
            assert!(!of_code(code).may_pass, "{code}");
        }
        for code in ["53300", "55P03", "57P03", "57P01", "08006", "25006", "5"] {
            assert!(of_code(code).may_pass, "{code}");
        }
    }

    #[test]
    fn advice_on_a_password_is_given_only_for_a_password() {
        for code in ["53300", "42501", "42P07", "3D000", "55P03", "14"] {
            assert!(!of_code(code).fix.contains("password"), "{code}");
        }
        assert!(of_code("28P01").fix.contains("password"));
    }
}
