//! Why PostgreSQL is not started.

use std::io;
use std::path::PathBuf;

/// Each names what is wrong and how to mend it; none holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// One or more settings are missing or wrong.
    #[error("{}", .0.join("; "))]
    Settings(Vec<String>),

    /// The volume is not there, or not ours to write.
    #[error(
        "{path} cannot be written ({error}): mount the volume at {volume} and let the user of this container own it \
         (on EFS: an access point with its uid and gid)"
    )]
    Volume {
        path: PathBuf,
        volume: PathBuf,
        error: io::Error,
    },

    /// The file system knows no locks. Without them two tasks could write to the same data directory.
    #[error("{path} cannot be locked ({error}): use a local disk, EFS or another NFS 4 server with locks")]
    Lock { path: PathBuf, error: io::Error },

    /// The data directory is that of another major version, whose files this one cannot read.
    #[error(
        "{path} was made by PostgreSQL {found} and this image has {running}, which cannot read it; nothing was changed. \
         Either run the image with PostgreSQL {found} again, or move the rows: with that image running, \
         `pg_dump --format=custom --host=127.0.0.1 --username={role} {database} >rows.dump`; then, with this image on an \
         empty volume, `pg_restore --no-owner --host=127.0.0.1 --username={role} --dbname={database} rows.dump`"
    )]
    OtherMajor {
        path: PathBuf,
        found: String,
        running: String,
        role: String,
        database: String,
    },

    /// There are files, and they are not PostgreSQL's.
    #[error(
        "{0} is neither empty nor a data directory of PostgreSQL: mount the volume at its parent, or move the files away"
    )]
    NotADataDirectory(PathBuf),

    /// The data directory was made for another role or database.
    #[error(
        "POSTGRES_USER={asked_role} and POSTGRES_DB={asked_database}, but {path} was made for {role} and {database}: set \
         them back, or dump the rows and restore them on an empty volume"
    )]
    OtherAccount {
        path: PathBuf,
        role: String,
        database: String,
        asked_role: String,
        asked_database: String,
    },

    /// A file operation that should work did not.
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },

    /// A program of PostgreSQL is not there, or failed.
    #[error("{program} failed: {reason}")]
    Program { program: &'static str, reason: String },

    /// No salt can be made.
    #[error("the system has no random numbers for a salt")]
    NoRandomNumbers,

    /// The system refuses something that it never should.
    #[error("signals cannot be waited for: {0}")]
    Signals(io::Error),
}
