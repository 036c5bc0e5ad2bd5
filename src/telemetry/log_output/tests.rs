use std::io::ErrorKind;
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use super::super::log_writer::MOST_WAITING_BYTES;
use super::*;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Standard output as a test wants it.
#[derive(Clone, Default)]
struct Terminal(Arc<(Mutex<Screen>, Condvar)>);

#[derive(Default)]
struct Screen {
    /// What was written, by piece.
    pieces: Vec<String>,
    /// Writes wait while this is set.
    stands_still: bool,
    /// A write is waiting for that.
    is_stuck: bool,
    /// The next errors, the last one first.
    errors: Vec<ErrorKind>,
    /// How many bytes still fit before the disk is full.
    room: Option<usize>,
}

impl Terminal {
    fn change(&self, change: impl FnOnce(&mut Screen)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn await_stuck(&self) {
        let screen = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(screen, |screen| !screen.is_stuck).unwrap());
    }

    fn pieces(&self) -> Vec<String> {
        self.0.0.lock().unwrap().pieces.clone()
    }

    fn lines(&self) -> Vec<String> {
        self.pieces().concat().lines().map(String::from).collect()
    }
}

impl Write for Terminal {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut screen = self.0.0.lock().unwrap();
        screen.is_stuck = screen.stands_still;
        self.0.1.notify_all();
        screen = self.0.1.wait_while(screen, |screen| screen.stands_still).unwrap();
        screen.is_stuck = false;
        if let Some(error) = screen.errors.pop() {
            return Err(error.into());
        }
        let length = screen.room.map_or(piece.len(), |room| room.min(piece.len()));
        if length == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        screen.room = screen.room.map(|room| room - length);
        screen.pieces.push(String::from_utf8(piece[..length].to_vec()).unwrap());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn output_to(terminal: &Terminal) -> LogOutput {
    LogOutput::to(terminal.clone(), LogFormat::Json).unwrap()
}

fn logged(output: &LogOutput, log: impl FnOnce()) {
    let logs = tracing_subscriber::fmt()
        .without_time()
        .with_level(false)
        .with_target(false);
    let subscriber = logs.with_ansi(false).with_writer(output.clone()).finish();
    tracing::subscriber::with_default(subscriber, log);
}

fn requests(output: &LogOutput, count: usize) {
    logged(output, || {
        for number in 0..count {
            tracing::info!(target: ACCESS_LOG, "request {number}");
        }
    });
}

/// The number in `{"message":"N log lines were dropped","lines":N}`.
fn dropped(line: &str) -> Option<u64> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let lines = line["lines"].as_u64()?;
    assert_eq!(line["message"], format!("{lines} log lines were dropped"));
    assert_eq!(
        (&line["level"], &line["target"]),
        (&"WARN".into(), &"slipway::telemetry".into())
    );
    Some(lines)
}

#[test]
fn lines_of_the_access_log_go_out_together_in_few_pieces() {
    let terminal = Terminal::default();
    let output = output_to(&terminal);
    requests(&output, 1000);
    output.flush(PATIENCE);
    assert_eq!(terminal.lines().len(), 1000);
    assert_eq!(
        (terminal.lines()[0].as_str(), terminal.lines()[999].as_str()),
        ("request 0", "request 999")
    );
    assert!(terminal.pieces().len() < 500, "{}", terminal.pieces().len());
}

#[test]
fn a_line_of_the_access_log_goes_out_by_itself_when_nothing_follows() {
    let terminal = Terminal::default();
    let output = output_to(&terminal);
    requests(&output, 1);
    let started = Instant::now();
    while terminal.pieces().is_empty() && started.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(terminal.pieces(), ["request 0\n"]);
}

#[test]
fn any_other_line_takes_those_before_it_along() {
    let terminal = Terminal::default();
    let output = output_to(&terminal);
    logged(&output, || {
        tracing::info!(target: ACCESS_LOG, "a request");
        tracing::info!("an event");
    });
    output.flush(PATIENCE);
    assert_eq!(terminal.lines(), ["a request", "an event"]);
}

/// R32: whoever logs does not wait, and what waits is bounded.
#[test]
fn while_the_reader_stands_still_lines_are_dropped_and_then_counted_where_they_are_missing() {
    let terminal = Terminal::default();
    let output = output_to(&terminal);
    terminal.change(|screen| screen.stands_still = true);
    requests(&output, 1);
    terminal.await_stuck();
    let line = "x".repeat(100);
    let fitting = MOST_WAITING_BYTES / (line.len() + 1);
    logged(&output, || (0..fitting + 50).for_each(|_| tracing::info!("{line}")));
    assert_eq!(output.dropped_lines().get(), 50);
    output.flush(Duration::from_millis(20));
    terminal.change(|screen| screen.stands_still = false);
    output.flush(PATIENCE);
    logged(&output, || tracing::info!("the end"));
    output.flush(PATIENCE);

    let lines = terminal.lines();
    assert_eq!(lines.len(), 1 + fitting + 1 + 1);
    assert_eq!(
        (lines[0].as_str(), lines[fitting].as_str()),
        ("request 0", line.as_str())
    );
    assert_eq!(dropped(&lines[fitting + 1]), Some(50));
    assert_eq!(lines[fitting + 2], "the end");
}

#[test]
fn what_a_full_disk_does_not_take_is_counted_and_the_torn_line_is_ended() {
    let terminal = Terminal::default();
    let output = output_to(&terminal);
    terminal.change(|screen| screen.room = Some("request 0\nreq".len()));
    requests(&output, 5);
    output.flush(PATIENCE);
    logged(&output, || tracing::info!("lost, too"));
    output.flush(PATIENCE);
    assert_eq!(output.dropped_lines().get(), 5);
    terminal.change(|screen| screen.room = None);
    logged(&output, || tracing::info!("there is room again"));
    output.flush(PATIENCE);
    let lines = terminal.lines();
    assert_eq!((lines[0].as_str(), lines[1].as_str()), ("request 0", "req"));
    assert_eq!(
        (dropped(&lines[2]), lines[3].as_str()),
        (Some(5), "there is room again")
    );
}

#[test]
fn an_output_that_is_interrupted_or_was_made_non_blocking_loses_nothing() {
    let terminal = Terminal::default();
    let output = output_to(&terminal);
    terminal.change(|screen| screen.errors = vec![ErrorKind::WouldBlock, ErrorKind::Interrupted]);
    requests(&output, 2);
    output.flush(PATIENCE);
    assert_eq!(terminal.lines(), ["request 0", "request 1"]);
    assert_eq!(output.dropped_lines().get(), 0);
}

#[test]
fn the_end_waits_for_the_last_line_and_for_no_reader_that_stands_still() {
    let terminal = Terminal::default();
    let output = output_to(&terminal);
    terminal.change(|screen| screen.stands_still = true);
    requests(&output, 3);
    terminal.await_stuck();
    let started = Instant::now();
    output.flush(Duration::from_millis(50));
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert!(terminal.pieces().is_empty());
    terminal.change(|screen| screen.stands_still = false);
    output.flush(PATIENCE);
    assert_eq!(terminal.lines().len(), 3);
}

/// R32: the hook runs on a thread that may be in the middle of anything.
#[test]
fn a_panic_is_logged_whatever_its_thread_holds_and_whatever_the_reader_does() {
    let terminal = Terminal::default();
    let output = output_to(&terminal);
    output.panicked("at first", Some("src/x.rs:1:2".to_owned()));
    output.flush(PATIENCE);
    let line: serde_json::Value = serde_json::from_str(&terminal.lines()[0]).unwrap();
    assert_eq!(
        (&line["message"], &line["place"]),
        (&"panic: at first".into(), &"src/x.rs:1:2".into())
    );

    output
        .backlog
        .while_locked(|| output.panicked("while its thread holds the lock", None));
    assert_eq!(output.dropped_lines().get(), 1);

    terminal.change(|screen| screen.stands_still = true);
    output.panicked("while the reader stands still", None);
    terminal.change(|screen| screen.stands_still = false);
    output.flush(PATIENCE);
    assert!(terminal.lines()[1].contains("while the reader stands still"));
}
