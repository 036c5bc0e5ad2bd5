//! The signals that ask the server to stop, and those that must not end it.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM (from a supervisor) and SIGINT (from a terminal) ask for a stop. SIGHUP and SIGUSR1, which tools that rotate
/// logs send from habit, are ignored.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user_1: Signal,
    has_terminal: bool,
}

impl Signals {
    /// Takes over all four: they no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            has_terminal: io::stdin().is_terminal(),
        })
    }

    /// Waits for the next one that asks for a stop, and returns its name.
    pub async fn next(&mut self) -> &'static str {
        loop {
            let ignored = tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => "SIGHUP",
                _ = self.user_1.recv() => "SIGUSR1",
            };
            if ignored == "SIGHUP" && self.has_terminal {
                // The terminal that the server was started on is closed, and no Ctrl-C can come from it any more.
                return ignored;
            }
            tracing::info!(
                signal = ignored,
                "ignored: the log goes to standard output, and no file has to be opened again"
            );
        }
    }
}
