//! Where log lines go: standard output, written by a thread of its own.
//!
//! Whatever becomes of standard output (the disk is full, its reader has gone or stands still), whoever logs only adds to
//! what waits: nobody who serves ever waits for a write (R32). What finds no room or cannot be written is dropped and
//! counted, and one line says so when lines can be written again.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use serde_json::json;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::log_writer::Backlog;
use super::plain_line::PlainLines;
use crate::config::LogFormat;

/// The target of the lines that say what was answered, one for each request.
pub const ACCESS_LOG: &str = "slipway::access";

/// How long a panic may hold up the thread that panicked: for its line to be added, and again for it to be written, which
/// comes too late when the process is about to be aborted.
const PANIC_PATIENCE: Duration = Duration::from_millis(100);

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Of a server, whose logs are what it prints.
    Stdout,
    /// Of a command that prints what it was asked for.
    Stderr,
}

impl LogStream {
    /// Whether a person reads it.
    pub(super) fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }
}

/// A stream for log lines. Clones share it.
///
/// A system call for each line of the access log would cost as much as all else about the line, so such a line waits some
/// milliseconds for others. Any other line goes out at once and takes those before it along, so that what explains a
/// crash is never held.
#[derive(Clone, Debug)]
pub struct LogOutput {
    backlog: Arc<Backlog>,
    plain: PlainLines,
}

impl LogOutput {
    /// To that stream, with lines of its own in `format`.
    ///
    /// # Errors
    /// When the system has no descriptor or no thread left.
    pub fn new(stream: LogStream, format: LogFormat) -> io::Result<Self> {
        // A descriptor of its own: Rust's own handle holds lines back, and a lock while it writes.
        let descriptor = match stream {
            LogStream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            LogStream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        Self::to(File::from(descriptor?), format)
    }

    fn to(output: impl Write + Send + 'static, format: LogFormat) -> io::Result<Self> {
        let (backlog, plain) = (Arc::<Backlog>::default(), PlainLines(format));
        let written = Arc::clone(&backlog);
        let writer = thread::Builder::new().name("log".to_owned());
        writer.spawn(move || written.write_to(output, plain))?;
        Ok(Self { backlog, plain })
    }

    /// Writes a line that is whole, with its end, and need not go out at once.
    pub fn access_line(&self, line: &[u8]) {
        self.backlog.push(line, true);
    }

    /// Waits until everything is written or dropped, but no longer than `patience`.
    pub fn flush(&self, patience: Duration) {
        self.backlog.flush(patience);
    }

    /// The lines that were dropped since the start.
    pub fn dropped_lines(&self) -> &Counter {
        self.backlog.dropped()
    }

    /// Logs a panic, from its hook. The panic may have come out of whatever makes log lines, so this goes past it, waits
    /// for no lock and cannot panic.
    pub(super) fn panicked(&self, message: &str, place: Option<String>) {
        let line = self
            .plain
            .line(Level::ERROR, &format!("panic: {message}"), ("place", json!(place)));
        self.backlog.try_push(line.as_bytes(), PANIC_PATIENCE);
        self.backlog.try_flush(PANIC_PATIENCE);
    }
}

impl<'output> MakeWriter<'output> for LogOutput {
    type Writer = LogLine<'output>;

    fn make_writer(&'output self) -> Self::Writer {
        LogLine {
            output: self,
            may_wait: false,
        }
    }

    fn make_writer_for(&'output self, about: &Metadata<'_>) -> Self::Writer {
        LogLine {
            output: self,
            may_wait: about.target() == ACCESS_LOG,
        }
    }
}

/// Writes one line, which cannot fail. Nothing is locked while it lives.
#[derive(Debug)]
pub struct LogLine<'output> {
    output: &'output LogOutput,
    may_wait: bool,
}

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.output.backlog.push(line, self.may_wait);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
