//! Connections to a file of SQLite's.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::{DatabaseConnection, SqlxSqliteConnector};

use super::STATEMENT_LIMIT;
use super::connection::{Connection, Driver};
use super::connector::{not_understood, unavailable};
use crate::config::SqliteUrl;
use crate::store::StoreError;

/// How long SQLite waits for another writer: as long as PostgreSQL may take for a statement.
const BUSY_TIMEOUT: Duration = STATEMENT_LIMIT;

/// A file, or a database in memory.
#[derive(Clone)]
pub(super) struct SqliteConnector {
    options: SqliteConnectOptions,
}

impl SqliteConnector {
    /// Makes the folder and the file where they are missing.
    ///
    /// # Errors
    /// When the driver does not understand the URL.
    pub(super) fn new(url: &SqliteUrl) -> Result<Self, StoreError> {
        let path = &url.path;
        let file = url.file();
        if let Some(file) = &file {
            // Whether this worked shows when the file is opened, with a better message.
            let _ = keep_to_ourselves(file, url.may_be_made());
        }
        let complete = match file {
            Some(_) if !path.contains('?') => format!("sqlite:{path}?mode=rwc"),
            _ => format!("sqlite:{path}"),
        };
        let options: SqliteConnectOptions = complete.parse().map_err(not_understood)?;
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            // FULL and not NORMAL: a commit that was acknowledged survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .disable_statement_logging();
        Ok(Self { options })
    }

    /// # Errors
    /// What SQLite says.
    pub(super) async fn connect(&self) -> Result<Connection, StoreError> {
        let db = self.options.connect().await.map_err(unavailable)?;
        Ok(Connection::new(Driver::Sqlite(db), false, None))
    }

    /// A connection of sea-orm's own pool.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) async fn connect_for_migrations(&self) -> Result<DatabaseConnection, StoreError> {
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(self.options.clone()).await.map_err(unavailable)?;
        Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
    }
}

/// Only this user may read what is in the file: it holds password hashes. SQLite gives the files that it puts beside it
/// (`-wal`, `-shm`) the permissions of the file itself; those that an earlier version left behind are put right.
fn keep_to_ourselves(file: &Path, may_be_made: bool) -> io::Result<()> {
    if may_be_made {
        if let Some(folder) = file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // One that exists is not opened: to close it would end the locks that this process has on it (POSIX).
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        let path = PathBuf::from(path);
        match fs::metadata(&path) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            }
            _ => {}
        }
    }
    Ok(())
}
