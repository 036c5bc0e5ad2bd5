//! The thread that writes log lines, and the lines that wait for it.

use std::io::{ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use serde_json::json;
use tracing::Level;

use super::plain_line::PlainLines;

/// How long lines that may wait are gathered before they go out in one piece. Under load that is one system call for
/// hundreds of requests; an instance that is killed loses the lines that may wait of this time.
const GATHER_FOR: Duration = Duration::from_millis(10);
/// So many bytes go out without more waiting: what a pipe holds by default (pipe(7)).
const GATHER_BYTES: usize = 64 * 1024;
/// The most that waits while other lines are being written, of which there may be as many: some 2,000 lines of the access
/// log. More are dropped.
pub(super) const MOST_WAITING_BYTES: usize = 512 * 1024;
/// The room that is kept for lines while there are none.
const KEPT_BYTES: usize = 16 * 1024;
/// How long to wait when another program has made our output non-blocking, and it is full.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// The lines that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: Mutex<Waiting>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes who waits until everything is written.
    done: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// How many lines have found no room behind these.
    missing: u64,
    /// Whether the writer shall gather no more.
    is_urgent: bool,
    /// Whether somebody waits until they are written.
    is_flushed: bool,
    writer: Writer,
}

/// What the writer does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Writer {
    /// It waits for a line.
    #[default]
    Sleeps,
    /// It waits a moment for more.
    Gathers,
    /// It writes, for as long as that takes.
    Writes,
}

impl Backlog {
    /// Adds a line, unless too much waits already. `may_wait` says that it need not go out at once.
    pub(super) fn push(&self, line: &[u8], may_wait: bool) {
        self.push_to(self.lock(), line, may_wait);
    }

    /// The same for a thread that must not wait for the lock, because it may hold it. Tries for `patience` and then
    /// counts the line as dropped.
    pub(super) fn try_push(&self, line: &[u8], patience: Duration) {
        match self.try_until(patience, Some) {
            Some(waiting) => self.push_to(waiting, line, false),
            None => drop(self.dropped.inc()),
        }
    }

    fn push_to(&self, mut waiting: MutexGuard<'_, Waiting>, line: &[u8], may_wait: bool) {
        if waiting.lines.len() + line.len() > MOST_WAITING_BYTES {
            waiting.missing += 1;
            self.dropped.inc();
            return;
        }
        waiting.lines.extend_from_slice(line);
        let is_urgent = !may_wait || waiting.lines.len() >= GATHER_BYTES;
        let wakes = match waiting.writer {
            Writer::Sleeps => true,
            Writer::Gathers => is_urgent && !waiting.is_urgent,
            Writer::Writes => false,
        };
        waiting.is_urgent |= is_urgent;
        if waiting.writer == Writer::Sleeps {
            // So that the next line does not wake it again.
            waiting.writer = Writer::Gathers;
        }
        drop(waiting);
        if wakes {
            self.work.notify_one();
        }
    }

    /// Waits until everything is written or dropped, but no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let mut waiting = self.lock();
        waiting.is_urgent = true;
        waiting.is_flushed = true;
        self.work.notify_one();
        let is_pending = |waiting: &mut Waiting| !waiting.is_done();
        // Those who wait are told by the result; here it makes no difference.
        drop(self.done.wait_timeout_while(waiting, patience, is_pending));
    }

    /// The same for a thread that must not wait for the lock. It does not wait at all for a writer that cannot keep up.
    pub(super) fn try_flush(&self, patience: Duration) {
        self.try_until(patience, |waiting| {
            (waiting.is_done() || waiting.missing > 0).then_some(waiting)
        });
    }

    /// Lines that were not written, since the start.
    pub(super) fn dropped(&self) -> &Counter {
        &self.dropped
    }

    fn try_until<'a, T>(
        &'a self,
        patience: Duration,
        look: impl Fn(MutexGuard<'a, Waiting>) -> Option<T>,
    ) -> Option<T> {
        let give_up_at = Instant::now() + patience;
        loop {
            let waiting = match self.waiting.try_lock() {
                Ok(waiting) => Some(waiting),
                Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) => None,
            };
            if let Some(found) = waiting.and_then(&look) {
                return Some(found);
            }
            if Instant::now() >= give_up_at {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for lines and takes them, into an empty `batch`. Returns how many have found no room behind them.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        let mut waiting = self.lock();
        if waiting.is_flushed && waiting.lines.is_empty() {
            waiting.is_flushed = false;
            self.done.notify_all();
        }
        loop {
            // While lines keep coming, none of them has to wake the writer, which is a system call.
            waiting.writer = Writer::Gathers;
            let may_gather = |waiting: &mut Waiting| !waiting.is_urgent;
            let gathered = self.work.wait_timeout_while(waiting, GATHER_FOR, may_gather);
            (waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            if !waiting.lines.is_empty() {
                break;
            }
            waiting.writer = Writer::Sleeps;
            let is_empty = |waiting: &mut Waiting| waiting.lines.is_empty();
            let woken = self.work.wait_while(waiting, is_empty);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
        waiting.writer = Writer::Writes;
        waiting.is_urgent = false;
        std::mem::swap(&mut waiting.lines, batch);
        std::mem::take(&mut waiting.missing)
    }

    /// No critical section can panic half-way, so a poisoned lock does no harm.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn while_locked(&self, run: impl FnOnce()) {
        let _waiting = self.lock();
        run();
    }

    /// Writes lines for ever: the body of the writer's thread. Nothing is locked while it writes.
    pub(super) fn write_to(&self, output: impl Write, plain: PlainLines) {
        let mut out = Out {
            output,
            plain,
            missing: 0,
            is_torn: false,
        };
        let mut batch = Vec::new();
        loop {
            let missing = self.take(&mut batch);
            self.dropped.inc_by(out.write(&batch));
            out.report(missing);
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
        }
    }
}

impl Waiting {
    fn is_done(&self) -> bool {
        self.lines.is_empty() && self.writer != Writer::Writes
    }
}

/// Standard output, and what it has not taken.
struct Out<W> {
    output: W,
    plain: PlainLines,
    /// Lines that are missing in it and of which it does not say so yet.
    missing: u64,
    /// Whether it ends in the middle of a line.
    is_torn: bool,
}

impl<W: Write> Out<W> {
    /// Writes whole lines. Returns how many of them were lost.
    fn write(&mut self, lines: &[u8]) -> u64 {
        // They come behind those that are missing.
        self.report(0);
        let lost = if self.missing == 0 {
            self.attempt(lines)
        } else {
            ends(lines)
        };
        self.missing += lost;
        lost
    }

    /// Says how many lines are missing, as soon as anything can be said.
    fn report(&mut self, more: u64) {
        self.missing += more;
        let missing = self.missing;
        if missing == 0 {
            return;
        }
        let message = format!("{missing} log lines were dropped");
        let line = self.plain.line(Level::WARN, &message, ("lines", json!(missing)));
        let end_of_torn_line = if self.is_torn { "\n" } else { "" };
        if self.attempt(format!("{end_of_torn_line}{line}").as_bytes()) == 0 {
            self.missing = 0;
        }
    }

    /// Returns how many lines could not be written whole.
    fn attempt(&mut self, lines: &[u8]) -> u64 {
        let mut rest = lines;
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(0) => break,
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_AFTER),
                Err(_) => break,
            }
        }
        if rest.len() < lines.len() {
            self.is_torn = !lines[..lines.len() - rest.len()].ends_with(b"\n");
        }
        ends(rest)
    }
}

/// How many lines end in `bytes`.
fn ends(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
