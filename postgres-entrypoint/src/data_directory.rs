//! The data directory: whether it is there, whether it fits, and how it is made.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Instant;

use crate::account;
use crate::durable::write_to_disk;
use crate::error::StartError;
use crate::log::Log;
use crate::postgres;
use crate::settings::Settings;

/// Whether there is data to start on.
pub(crate) enum DataDirectory {
    /// Nothing is there, or an empty folder.
    Absent,
    /// It is there, whole and of our major version.
    Present,
}

impl DataDirectory {
    /// Looks without touching anything.
    ///
    /// # Errors
    /// [`StartError::OtherMajor`] and [`StartError::NotADataDirectory`] for what this PostgreSQL must not start on.
    pub(crate) fn find(settings: &Settings, major: &str) -> Result<Self, StartError> {
        let path = &settings.data;
        let found = match fs::read_to_string(path.join("PG_VERSION")) {
            Ok(version) => version.trim().to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::without_version(path),
            Err(error) => return Err(file_error(path)(error)),
        };
        if found == major {
            return Ok(Self::Present);
        }
        Err(StartError::OtherMajor {
            path: path.clone(),
            found,
            running: major.to_owned(),
            role: settings.role.clone(),
            database: settings.database.clone(),
        })
    }

    fn without_version(path: &Path) -> Result<Self, StartError> {
        match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(Self::Absent),
            Ok(false) => Err(StartError::NotADataDirectory(path.to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::Absent),
            Err(error) => Err(file_error(path)(error)),
        }
    }
}

/// Makes the data directory with the application's role and database.
///
/// All of it happens in a folder beside it that is renamed at the end. So a data directory is either whole or not there,
/// and what a kill left behind is thrown away.
pub(crate) fn create(settings: &Settings, major: &str, log: Log) -> Result<(), StartError> {
    let begun = Instant::now();
    let (data, new) = (&settings.data, settings.beside_data("new"));
    match fs::remove_dir_all(&new) {
        Ok(()) => log.warn(&format!(
            "threw {} away: an earlier first start was stopped in the middle",
            new.display()
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(file_error(&new)(error)),
    }
    log.info(&format!(
        "making a data directory for PostgreSQL {major}, for the first start"
    ));
    postgres::initdb(&new, major)?;
    account::create(settings, &new)?;
    write_to_disk(&new).map_err(file_error(&new))?;
    fs::rename(&new, data).map_err(file_error(data))?;
    data.parent().map_or(Ok(()), sync)?;
    log.info(&format!(
        "made {} with role {} and database {} in {} ms",
        data.display(),
        settings.role,
        settings.database,
        begun.elapsed().as_millis()
    ));
    Ok(())
}

/// Makes what was renamed in `folder` survive a power cut.
fn sync(folder: &Path) -> Result<(), StartError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(file_error(folder))
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> StartError {
    let path = path.to_owned();
    move |error| StartError::File { path, error }
}
