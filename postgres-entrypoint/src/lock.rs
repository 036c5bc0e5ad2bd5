//! One writer at a time on the volume.
//!
//! PostgreSQL's own guard, the process id in `postmaster.pid`, says nothing between containers: each has its own process
//! numbers, and every `postmaster` is number 1. So the entry point locks a file beside the data directory. On EFS and
//! other NFS 4 servers Linux turns this lock into one on the server, which holds between hosts, and which the server
//! gives up by itself some time after a host has vanished.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::clock;
use crate::error::StartError;
use crate::log::Log;

/// How soon a lock that was given up is noticed; on EFS each attempt is one small request.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// How often it is said that somebody else has the lock.
const SAY_EVERY: Duration = Duration::from_secs(30);

/// Waits until no other process holds the lock, and takes it.
///
/// The lock belongs to the open file, which every child inherits, and `postgres` itself: it is held until the last of
/// them has ended, a backend that outlives a killed postmaster included. The file must never be removed, or the next
/// start would lock another one.
///
/// # Errors
/// [`StartError::Volume`] when the file cannot be made; [`StartError::Lock`] when the file system has no locks.
pub(crate) fn acquire(path: &Path, log: Log) -> Result<File, StartError> {
    let mut file = open(path)?;
    let lock_error = |error| StartError::Lock {
        path: path.to_owned(),
        error,
    };
    let mut said: Option<Instant> = None;
    while let Err(error) = file.try_lock() {
        match error {
            TryLockError::WouldBlock => {}
            TryLockError::Error(error) => return Err(lock_error(error)),
        }
        if said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            said = Some(Instant::now());
            let holder = holder(&mut file);
            log.warn(&format!(
                "waiting for {}: another PostgreSQL uses this volume ({holder}); this one starts when that has ended",
                path.display()
            ));
        }
        thread::sleep(TRY_EVERY);
    }
    if said.is_some() {
        log.info("the other PostgreSQL has ended");
    }
    name_holder(&mut file).map_err(lock_error)?;
    // Rust closes its files when another program is executed; this one must stay open.
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|error| lock_error(error.into()))?;
    Ok(file)
}

fn open(path: &Path) -> Result<File, StartError> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|error| StartError::Volume {
        path: path.to_owned(),
        volume: path.parent().unwrap_or(path).to_owned(),
        error,
    })
}

/// What the holder wrote; it may not have come to that yet.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(1024).read_to_string(&mut text));
    match (read, text.trim()) {
        (Ok(_), holder) if !holder.is_empty() => holder.to_owned(),
        _ => "it did not say which".to_owned(),
    }
}

/// Writes who holds the lock, for [`holder`].
fn name_holder(file: &mut File) -> io::Result<()> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut text = format!("host {}", host.trim());
    // http://169.254.170.2/v4/TASK-CONTAINER
    // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
    let metadata = env::var("ECS_CONTAINER_METADATA_URI_V4").unwrap_or_default();
    if let Some((task, _)) = metadata.rsplit('/').next().and_then(|last| last.split_once('-')) {
        text += &format!(", ECS task {task}");
    }
    text += &format!(", since {}\n", clock::now());
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
