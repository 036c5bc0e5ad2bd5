//! Where log lines go: standard output, those about the requests of one pass of the event loop in one piece.

use std::io::{self, Stdout, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// The target of the lines that say what was answered, one for each request.
pub const ACCESS_LOG: &str = "slipway::access";

/// What a pipe takes in one piece (`PIPE_BUF`, pipe(7)): some fifteen lines of the access log.
const MOST_HELD_BYTES: usize = 4096;

/// Standard output for log lines.
///
/// A system call for each line of the access log would cost as much as all else about the line. So a line of it is held
/// until the thread that answers requests has no other to answer and would sleep, or until there are 4 KiB of them. Any
/// other line goes out at once and takes those before it along, so that what explains a crash is never held. An instance
/// that is killed by SIGKILL loses the access log of its last pass.
#[derive(Debug)]
pub struct LogOutput<W = Stdout> {
    lines: Arc<Mutex<Lines<W>>>,
}

impl LogOutput {
    /// To standard output. Something must call [`LogOutput::flush`] whenever a thread of the runtime goes to sleep.
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }
}

impl<W: Write> LogOutput<W> {
    fn to(output: W) -> Self {
        let held = Vec::new();
        Self {
            lines: Arc::new(Mutex::new(Lines { held, output })),
        }
    }

    /// Writes the lines that are held. That nobody can read them is no reason to stop serving.
    pub fn flush(&self) {
        let _ = self.lines().write_out();
    }

    fn lines(&self) -> MutexGuard<'_, Lines<W>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Clone for LogOutput<W> {
    fn clone(&self) -> Self {
        Self {
            lines: Arc::clone(&self.lines),
        }
    }
}

impl<'output, W: Write + 'output> MakeWriter<'output> for LogOutput<W> {
    type Writer = LogLine<'output, W>;

    fn make_writer(&'output self) -> Self::Writer {
        LogLine {
            lines: self.lines(),
            may_wait: false,
        }
    }

    fn make_writer_for(&'output self, about: &Metadata<'_>) -> Self::Writer {
        LogLine {
            lines: self.lines(),
            may_wait: about.target() == ACCESS_LOG,
        }
    }
}

#[derive(Debug)]
struct Lines<W> {
    held: Vec<u8>,
    output: W,
}

impl<W: Write> Lines<W> {
    fn write_out(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let result = self.output.write_all(&self.held);
        self.held.clear();
        result
    }
}

/// Writes one line.
#[derive(Debug)]
pub struct LogLine<'output, W> {
    lines: MutexGuard<'output, Lines<W>>,
    may_wait: bool,
}

impl<W: Write> Write for LogLine<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.held.len() + line.len() > MOST_HELD_BYTES {
            self.lines.write_out()?;
        }
        self.lines.held.extend_from_slice(line);
        if !self.may_wait {
            self.lines.write_out()?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, by piece.
    #[derive(Default)]
    struct Pieces(Vec<String>);

    impl Write for Pieces {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.push(String::from_utf8(piece.to_vec()).unwrap());
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged<W: Write + Send + 'static>(output: &LogOutput<W>, log: impl FnOnce()) {
        let logs = tracing_subscriber::fmt()
            .without_time()
            .with_level(false)
            .with_target(false);
        let subscriber = logs.with_ansi(false).with_writer(output.clone()).finish();
        tracing::subscriber::with_default(subscriber, log);
    }

    fn pieces(output: &LogOutput<Pieces>) -> Vec<String> {
        output.lines().output.0.clone()
    }

    #[test]
    fn lines_of_the_access_log_wait_and_go_out_in_one_piece() {
        let output = LogOutput::to(Pieces::default());
        logged(&output, || {
            tracing::info!(target: ACCESS_LOG, "the first");
            tracing::info!(target: ACCESS_LOG, "the second");
        });
        assert!(pieces(&output).is_empty());
        output.flush();
        output.flush();
        assert_eq!(pieces(&output), ["the first\nthe second\n"]);
    }

    #[test]
    fn any_other_line_goes_out_at_once_behind_those_that_wait() {
        let output = LogOutput::to(Pieces::default());
        logged(&output, || {
            tracing::info!(target: ACCESS_LOG, "a request");
            tracing::info!("an event");
        });
        assert_eq!(pieces(&output), ["a request\nan event\n"]);
    }

    #[test]
    fn no_more_waits_than_a_pipe_takes_in_one_piece() {
        let output = LogOutput::to(Pieces::default());
        logged(&output, || {
            for number in 0..1000 {
                tracing::info!(target: ACCESS_LOG, "request {number}");
            }
        });
        output.flush();
        let sizes: Vec<usize> = pieces(&output).iter().map(String::len).collect();
        let (last, full) = sizes.split_last().unwrap();
        assert!(full.iter().all(|size| (4080..=4096).contains(size)), "{sizes:?}");
        assert!(*last <= 4096, "{sizes:?}");
        let lines: Vec<String> = pieces(&output).concat().lines().map(String::from).collect();
        assert_eq!(lines.len(), 1000);
        assert_eq!((lines[0].as_str(), lines[999].as_str()), ("request 0", "request 999"));
    }

    #[test]
    fn lines_that_cannot_be_written_are_dropped() {
        let output = LogOutput::to(Full);
        logged(&output, || {
            for _ in 0..1000 {
                tracing::info!(target: ACCESS_LOG, "a request");
            }
        });
        assert!(output.lines().held.len() <= MOST_HELD_BYTES);
        output.flush();
        assert!(output.lines().held.is_empty());
    }
}
