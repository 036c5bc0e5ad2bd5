//! A connection that must make progress.
//!
//! hyper's own header timeout runs while a keep-alive connection is idle, too, so one number would have to be both the
//! long time that a proxy may keep a connection and the short time that a slow client gets (slowloris). Here the short
//! one starts with the first byte of a request, and with the connection itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Instant, Sleep, sleep_until};

/// From the first byte of a request to the last of its headers.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long the other side may refuse to take a byte of an answer.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// Tells the connection what its request is doing. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestPhase(Arc<AtomicBool>);

impl RequestPhase {
    /// The head of a request has arrived and it is being answered, until the guard is dropped.
    pub(super) fn answering(&self) -> Answering {
        self.0.store(true, Ordering::Release);
        Answering(self.clone())
    }

    fn is_answering(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A request is being answered while this lives.
pub(super) struct Answering(RequestPhase);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

/// A stream whose reads of a request's head, and whose writes, must get on.
pub(super) struct IoDeadlines<S> {
    stream: S,
    phase: RequestPhase,
    reading_head: Option<Pin<Box<Sleep>>>,
    was_answering: bool,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<S> IoDeadlines<S> {
    pub(super) fn new(stream: S, phase: RequestPhase) -> Self {
        Self {
            stream,
            phase,
            // A new connection that says nothing is cut off like one that says half a request.
            reading_head: Some(Box::pin(sleep_until(Instant::now() + HEAD_DEADLINE))),
            was_answering: false,
            writing: None,
        }
    }
}

impl<S: Read + Unpin> Read for IoDeadlines<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.phase.is_answering() {
            // The rest is a body, which the request deadline covers.
            this.reading_head = None;
            this.was_answering = true;
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(result) => {
                this.was_answering = false;
                this.reading_head
                    .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + HEAD_DEADLINE)));
                Poll::Ready(result)
            }
            Poll::Pending => {
                if std::mem::take(&mut this.was_answering) {
                    // Between two requests: idle, with no hurry.
                    this.reading_head = None;
                }
                poll_deadline(&mut this.reading_head, cx)
            }
        }
    }
}

impl<S: Write + Unpin> IoDeadlines<S> {
    fn poll_write_progress<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.writing = None;
            return result;
        }
        self.writing
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + WRITE_STALL)));
        poll_deadline(&mut self.writing, cx)
    }
}

impl<S: Write + Unpin> Write for IoDeadlines<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_write_progress(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
