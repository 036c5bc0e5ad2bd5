//! A volume, and containers that are started on it one after another or at once.

mod container;
mod programs;
mod volume;

pub(crate) use container::{Container, descendants};
pub(crate) use programs::{is_root, server_user_name};
pub(crate) use volume::{PASSWORD, Volume};

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Far more than anything takes, so that a busy machine breaks nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
pub(crate) fn await_that(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_in_time(condition), "{what}: not within {PATIENCE:?}");
}

fn holds_in_time(mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if condition() {
            return true;
        }
        sleep(Duration::from_millis(20));
    }
    false
}
