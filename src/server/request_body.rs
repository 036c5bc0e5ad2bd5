//! The body of a request, which tells whether all of it has arrived.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use hyper::body::{Body, Bytes, Incoming};

/// Whether a body has arrived, for the one who answers.
pub(super) struct Arrival(Arc<AtomicBool>);

impl Arrival {
    /// Whether nothing of the body is still to come.
    pub(super) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body on its way to its reader.
struct Watched {
    incoming: Incoming,
    is_complete: Arc<AtomicBool>,
}

/// The body as a handler gets it, and its arrival, which is known when the handler has let go of it.
pub(super) fn watch(incoming: Incoming) -> (poem::Body, Arrival) {
    if incoming.is_end_stream() {
        return (poem::Body::empty(), Arrival(Arc::new(AtomicBool::new(true))));
    }
    let is_complete = Arc::new(AtomicBool::new(false));
    let watched = Watched {
        incoming,
        is_complete: Arc::clone(&is_complete),
    };
    (poem::Body::from_bytes_stream(watched), Arrival(is_complete))
}

impl Stream for Watched {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
            if frame.is_none() || self.incoming.is_end_stream() {
                self.is_complete.store(true, Ordering::Release);
            }
            match frame {
                // Trailers mean nothing to any handler.
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Watched {
    /// A small body that no handler wants has usually arrived together with the head.
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut *self).poll_next(&mut cx) {}
    }
}
