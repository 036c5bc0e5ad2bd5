//! The children of PID 1: its own, and every process in the container whose parent has ended.

use std::io;

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for all children, so that none stays behind as a zombie.
///
/// Nothing else in this process may wait for children: whoever asks first takes the answer away from the other.
#[derive(Debug)]
pub(super) struct Children {
    changes: Signal,
}

impl Children {
    /// To be called before the first child is started.
    pub(super) fn watch() -> io::Result<Self> {
        Ok(Self {
            changes: signal(SignalKind::child())?,
        })
    }

    /// Waits for the end of `child` and reaps all others that end meanwhile. May be dropped and called again.
    pub(super) async fn end_of(&mut self, child: Pid) -> WaitStatus {
        loop {
            while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
                if pid == child {
                    return status;
                }
                tracing::debug!(pid = pid.as_raw_nonzero(), "reaped a process that was left behind");
            }
            self.changes.recv().await;
        }
    }
}
