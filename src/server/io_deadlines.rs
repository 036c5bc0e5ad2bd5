//! A connection that must make progress.
//!
//! hyper's own header timeout runs while a keep-alive connection is idle, too, so one number would have to be both the
//! long time that a proxy may keep a connection and the short time that a slow client gets (slowloris). Here the short
//! one starts with the first byte of a request, and with the connection itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Sleep, sleep};

use super::listener::AwaitReadable;

/// From the first byte of a request to the last of its headers.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long the other side may refuse to take a byte of an answer.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// Tells the stream what its request is doing, and the connection what its stream is. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestPhase(Arc<Phase>);

#[derive(Debug, Default)]
struct Phase {
    /// Counts the beginnings and ends of answers, so it is odd while one is being made.
    answers: AtomicU64,
    /// Whether the request had a body. What remains of it must never be read as a request; hyper closes such a connection,
    /// and this does not depend on it.
    has_body: AtomicBool,
    /// Set by a read that waits when there is nothing else to do, and cleared by each write.
    is_idle: AtomicBool,
}

impl RequestPhase {
    /// The head of a request has arrived and it is being answered, until the guard is dropped.
    pub(super) fn answering(&self, has_body: bool) -> Answering {
        self.0.has_body.store(has_body, Ordering::Release);
        self.0.answers.fetch_add(1, Ordering::Release);
        Answering(self.clone())
    }

    /// Whether there is nothing to do but to wait for the next request: the last one had no body, all of its answer was
    /// written, and nothing was read since. Only then may hyper be taken from the stream.
    pub(super) fn is_idle(&self) -> bool {
        self.0.is_idle.load(Ordering::Acquire)
    }
}

/// A request is being answered while this lives.
pub(super) struct Answering(RequestPhase);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.answers.fetch_add(1, Ordering::Release);
    }
}

/// A stream whose reads of a request's head, and whose writes, must get on.
pub(super) struct IoDeadlines<S> {
    stream: S,
    phase: RequestPhase,
    /// Runs from the first byte of a head on.
    reading_head: Option<Pin<Box<Sleep>>>,
    /// The phase in which that byte came.
    reading_since: u64,
    writing: Option<Pin<Box<Sleep>>>,
    /// What was read from the stream and is to be read again.
    unread: Bytes,
}

impl<S> IoDeadlines<S> {
    pub(super) fn new(stream: S, phase: RequestPhase) -> Self {
        Self {
            stream,
            phase,
            // A new connection that says nothing is cut off like one that says half a request.
            reading_head: Some(deadline(HEAD_DEADLINE)),
            reading_since: 0,
            writing: None,
            unread: Bytes::new(),
        }
    }

    /// The stream, for another reader who begins with these bytes.
    pub(super) fn with_unread(self, unread: Bytes) -> Self {
        Self { unread, ..self }
    }

    /// The stream itself, without deadlines.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AwaitReadable> IoDeadlines<S> {
    /// Waits for something to read, or for the end of the stream.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_readable(cx)
    }
}

impl<S: Read + Unpin> Read for IoDeadlines<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.unread.is_empty() {
            let length = this.unread.len().min(buffer.remaining());
            buffer.put_slice(&this.unread.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let phase = this.phase.0.answers.load(Ordering::Acquire);
        if phase != this.reading_since {
            // That head is complete: what follows is its body, which the request deadline covers, or idle time.
            this.reading_since = phase;
            this.reading_head = None;
        }
        let result = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let is_answering = phase % 2 == 1;
        let is_answered = phase > 0 && !is_answering && !this.phase.0.has_body.load(Ordering::Acquire);
        let is_idle = result.is_pending() && is_answered && this.reading_head.is_none();
        this.phase.0.is_idle.store(is_idle, Ordering::Release);
        if is_answering {
            return result;
        }
        match result {
            Poll::Ready(result) => {
                this.reading_head.get_or_insert_with(|| deadline(HEAD_DEADLINE));
                Poll::Ready(result)
            }
            Poll::Pending => poll_deadline(&mut this.reading_head, cx),
        }
    }
}

impl<S: Write + Unpin> IoDeadlines<S> {
    fn poll_write_progress<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.writing = None;
            return result;
        }
        self.writing.get_or_insert_with(|| deadline(WRITE_STALL));
        poll_deadline(&mut self.writing, cx)
    }
}

impl<S: Write + Unpin> Write for IoDeadlines<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.phase.0.is_idle.store(false, Ordering::Release);
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_write_progress(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.phase.0.is_idle.store(false, Ordering::Release);
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.poll_write_progress(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.poll_write_progress(result, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn deadline(after: Duration) -> Pin<Box<Sleep>> {
    Box::pin(sleep(after))
}

/// Pending until the deadline, then an error.
fn poll_deadline<T>(deadline: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    let is_over = deadline
        .as_mut()
        .is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
    if is_over {
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    } else {
        Poll::Pending
    }
}
