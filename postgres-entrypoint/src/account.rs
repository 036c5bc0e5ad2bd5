//! The application's role and database, and the file in the data directory that remembers them.
//!
//! The file holds the role, the database and the password's verifier, a line each. It spares a start in single-user mode
//! whenever the password is the one of last time. It lies inside the data directory because it tells about that one: a
//! directory that was brought from elsewhere has none, and gets its password set.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::StartError;
use crate::log::Log;
use crate::postgres::{self, Durability};
use crate::scram::Verifier;
use crate::settings::Settings;

const FILE_NAME: &str = "application-role";

/// Makes role and database in the new data directory `data`, of which nothing is on disk yet. The role is no superuser; it
/// owns the database.
pub(crate) fn create(settings: &Settings, data: &Path) -> Result<(), StartError> {
    let Settings { role, database, .. } = settings;
    let verifier = verifier(settings)?;
    let statements = [
        format!("CREATE ROLE \"{role}\" LOGIN PASSWORD '{}'", verifier.as_str()),
        // Nobody else writes now, so the files can be copied: half the time of writing them to the log as well.
        format!("CREATE DATABASE \"{database}\" OWNER \"{role}\" STRATEGY file_copy"),
    ];
    postgres::execute(settings, data, &statements, Durability::None)?;
    remember(settings, data, &verifier)
}

/// Sets the role's password when it is not the one of last time, so that a new secret takes a restart and nothing else.
/// A kill between the two steps makes the next start set it again.
pub(crate) fn update_password(settings: &Settings, log: Log) -> Result<(), StartError> {
    let Settings { data, role, .. } = settings;
    if let Some(known) = Known::read(data) {
        known.check_names(settings)?;
        if known.verifier.is_of(&settings.password) {
            return Ok(());
        }
    }
    log.info(&format!("setting the password of role {role}, which has changed"));
    let verifier = verifier(settings)?;
    let statement = format!("ALTER ROLE \"{role}\" PASSWORD '{}'", verifier.as_str());
    postgres::execute(settings, data, &[statement], Durability::Commit)?;
    remember(settings, data, &verifier)
}

/// What the file says.
struct Known {
    role: String,
    database: String,
    verifier: Verifier,
}

impl Known {
    /// `None` when there is no file, or not all of it.
    fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join(FILE_NAME)).ok()?;
        let mut lines = text.lines();
        let (role, database, verifier) = (lines.next()?, lines.next()?, lines.next()?);
        Some(Self {
            role: role.to_owned(),
            database: database.to_owned(),
            verifier: Verifier::from_text(verifier),
        })
    }

    fn check_names(&self, settings: &Settings) -> Result<(), StartError> {
        if self.role == settings.role && self.database == settings.database {
            return Ok(());
        }
        Err(StartError::OtherAccount {
            path: settings.data.clone(),
            role: self.role.clone(),
            database: self.database.clone(),
            asked_role: settings.role.clone(),
            asked_database: settings.database.clone(),
        })
    }
}

fn verifier(settings: &Settings) -> Result<Verifier, StartError> {
    Verifier::new(&settings.password).ok_or(StartError::NoRandomNumbers)
}

/// Writes the file whole or not at all.
fn remember(settings: &Settings, data: &Path, verifier: &Verifier) -> Result<(), StartError> {
    let path = data.join(FILE_NAME);
    let new = path.with_extension("new");
    let text = format!("{}\n{}\n{}\n", settings.role, settings.database, verifier.as_str());
    let mut options = File::options();
    let written = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, &path));
    written.map_err(|error| StartError::File { path, error })
}
