//! The entry point of the PostgreSQL image: PID 1 until it becomes `postgres`.
//!
//! It lets one writer at a time touch the volume, refuses data of another major version, makes the data directory on the
//! first start, keeps the application's password in step with the secret, and then replaces itself by `postgres`. It may
//! be killed at any moment: the next start finishes or repeats what this one began.
//!
//! Everything comes from the environment, see [`settings`]. Arguments are handed on to `postgres`.

mod account;
mod clock;
mod data_directory;
mod durable;
mod error;
mod lock;
mod log;
mod postgres;
mod scram;
mod settings;
mod signals;

use std::convert::Infallible;
use std::process::ExitCode;

use data_directory::DataDirectory;
use error::StartError;
use log::Log;
use settings::Settings;

fn main() -> ExitCode {
    let log = Log::from_environment();
    match start(log) {
        Ok(never) => match never {},
        Err(error) => {
            log.error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Returns only when `postgres` could not be started.
fn start(log: Log) -> Result<Infallible, StartError> {
    signals::end_the_process_when_asked(log)?;
    let settings = Settings::from_environment()?;
    let _held_by_every_child = lock::acquire(&settings.beside_data("lock"), log)?;

    let major = postgres::major_version()?;
    match DataDirectory::find(&settings, &major)? {
        DataDirectory::Absent => data_directory::create(&settings, &major, log)?,
        DataDirectory::Present => account::update_password(&settings, log)?,
    }
    log.info(&format!("starting PostgreSQL {major} on {}", settings.data.display()));
    Err(postgres::become_server(&settings))
}
