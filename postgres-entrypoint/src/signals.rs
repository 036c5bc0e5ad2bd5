//! Being asked to stop before `postgres` runs.

use std::process;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use crate::error::StartError;
use crate::log::Log;

/// From now on SIGTERM and SIGINT end the process at once, until it has become `postgres`.
///
/// The kernel throws away a signal to PID 1 that has no handler, unless the signal is blocked: so both are blocked, and a
/// thread waits for them. That needs no handler, hence no unsafe code, and the mask outlives `exec`: a signal that
/// arrives while `postgres` is being loaded is kept for it until it unblocks its own.
///
/// Ending at once is right here: in a container the children end with PID 1, and the next start repeats what they did.
pub(crate) fn end_the_process_when_asked(log: Log) -> Result<(), StartError> {
    let mut asked = SigSet::empty();
    asked.add(Signal::SIGTERM);
    asked.add(Signal::SIGINT);
    asked
        .thread_block()
        .map_err(|error| StartError::Signals(error.into()))?;
    let wait = move || {
        if let Ok(signal) = asked.wait() {
            log.info(&format!("asked to stop by {signal} before PostgreSQL ran"));
            process::exit(0);
        }
    };
    thread::Builder::new()
        .spawn(wait)
        .map(drop)
        .map_err(StartError::Signals)
}
