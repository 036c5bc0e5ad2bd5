//! DATABASE_URL, read once and checked: what is wrong with it is said before anything is tried, and never with a part of
//! it that could be a secret.

mod percent;
mod postgres;

use std::fmt;
use std::path::PathBuf;

pub use postgres::{Host, PostgresUrl};

use super::ConfigError;

/// Where users and sessions are kept.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `postgres://…`
    Postgres(PostgresUrl),
    /// `sqlite:…`
    Sqlite(SqliteUrl),
}

/// A file of SQLite's, or a database in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteUrl {
    /// What stands behind `sqlite:` or `sqlite://`, with parameters such as `?mode=ro`.
    pub path: String,
}

impl DatabaseUrl {
    /// Reads `postgres://…` or `sqlite:…`.
    ///
    /// # Errors
    /// What is wrong with it, without any part of a user, a password or a value.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.trim_start_matches("//").to_owned();
            return Ok(Self::Sqlite(SqliteUrl { path }));
        }
        let schemes = ["postgres://", "postgresql://"];
        let url = match schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) {
            Some(rest) => PostgresUrl::parse(rest).map(Self::Postgres),
            None => Err("is not understood: use postgres://user:password@host/name or sqlite:path/to/file".to_owned()),
        };
        url.map_err(|reason| ConfigError(format!("DATABASE_URL {reason}")))
    }
}

impl SqliteUrl {
    /// The file; `None` when the database is in memory.
    pub fn file(&self) -> Option<PathBuf> {
        let (path, parameters) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let in_memory = path.is_empty() || path == ":memory:" || parameters.contains("mode=memory");
        (!in_memory).then(|| percent::decoded(path).unwrap_or_else(|_| path.to_owned()).into())
    }

    /// Whether a file that is missing is made.
    pub fn may_be_made(&self) -> bool {
        self.path
            .split_once('?')
            .is_none_or(|(_, parameters)| parameters.contains("mode=rwc"))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => url.fmt(f),
            Self::Sqlite(url) => url.fmt(f),
        }
    }
}
