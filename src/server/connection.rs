//! One connection: HTTP/1.1 over hyper.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Bytes, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use poem::http::uri::Scheme;
use poem::http::{HeaderValue, header};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Request, RequestParts, Response};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer_body::AnswerBody;
use super::io_deadlines::{IoDeadlines, RequestPhase};
use super::lingering_close::{discard_the_rest, poll_discard};
use super::listener::AwaitReadable;
use super::request_body::watch;

/// How long a connection may be idle between requests: longer than nginx keeps its own to us and than the load balancer
/// keeps its (60 s both, nix/timeouts.nix), so that it is never closed while the other side sends a request on it (R15).
pub const KEEP_ALIVE: Duration = Duration::from_secs(90);
/// The largest head of a request, and so the most that a connection buffers; nginx in front allows 16 KiB.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The most headers of a request; browsers send about 20.
const MAX_HEADERS: usize = 64;

/// How a connection is served.
pub(super) struct Connection<A, C> {
    /// Answers a request.
    pub(super) answer: A,
    /// Whether it shall keep no buffers while it is idle.
    pub(super) is_frugal: C,
    /// Ends it after the request that is under way.
    pub(super) stop: CancellationToken,
}

impl<A, F, C> Connection<A, C>
where
    A: Fn(Request) -> F,
    F: Future<Output = Response>,
    C: Fn() -> bool,
{
    /// Serves it to its end.
    pub(super) async fn serve<S>(self, stream: S)
    where
        S: Read + Write + AwaitReadable + Unpin,
    {
        let phase = RequestPhase::default();
        let mut stream = IoDeadlines::new(stream, phase.clone());
        loop {
            stream = match self.serve_until_idle(stream, &phase).await {
                Served::Idle(stream) => stream,
                Served::WhileTheClientSends(stream) => {
                    return discard_the_rest(&mut stream.into_inner(), &self.stop).await;
                }
                Served::ToItsEnd => return,
            };
            tokio::select! {
                readable = timeout(KEEP_ALIVE, poll_fn(|cx| stream.poll_readable(cx))) => match readable {
                    Ok(Ok(())) => {}
                    _ => return,
                },
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Serves until the connection has ended or, if it is to be frugal, there is nothing to do but to wait.
    async fn serve_until_idle<S>(&self, stream: IoDeadlines<S>, phase: &RequestPhase) -> Served<S>
    where
        S: Read + Write + Unpin,
    {
        // Whether an answer was given before its request had arrived.
        let is_early = AtomicBool::new(false);
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let answering = phase.answering(!request.body().is_end_stream());
            let (parts, incoming) = request.into_parts();
            let (body, arrival) = watch(incoming);
            let addresses = (LocalAddr::default(), RemoteAddr::default(), Scheme::HTTP);
            let parts = RequestParts::from((parts, addresses.0, addresses.1, addresses.2));
            // hyper keeps the room for the future of a request as long as the connection lives. This one takes 10 KB.
            let answer = Box::pin((self.answer)(Request::from_parts(parts, body)));
            let is_early = &is_early;
            async move {
                let mut response = hyper::Response::from(answer.await);
                if !arrival.is_complete() {
                    // hyper does not read the rest, so no other request can follow it.
                    is_early.store(true, Ordering::Release);
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Infallible>(response.map(|body| AnswerBody::new(body, answering)))
            }
        });
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(KEEP_ALIVE)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(stream, service);
        // On the heap, which gets it back while the connection is idle.
        let mut http = Box::new(http);
        let served = poll_fn(|cx| match Pin::new(&mut *http).poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if phase.is_idle() && (self.is_frugal)() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let result = tokio::select! {
            result = served => result,
            () = self.stop.cancelled() => {
                Pin::new(&mut *http).graceful_shutdown();
                Some((&mut *http).await)
            }
        };
        let mut parts = http.into_parts();
        let Some(result) = result else {
            // A copy, because it is empty but for a client that sends half a request behind another, and its buffer is not.
            let unread = Bytes::copy_from_slice(&parts.read_buf);
            return Served::Idle(parts.io.with_unread(unread));
        };
        let is_sending = match result {
            Ok(()) => {
                is_early.load(Ordering::Acquire) || !parts.read_buf.is_empty() || has_sent_more(&mut parts.io).await
            }
            // A head that was too large or made no sense, which hyper has answered. Any other error is a connection that
            // was cut by the client or by a deadline: nobody is left to read an answer.
            Err(error) => error.is_parse(),
        };
        if is_sending {
            Served::WhileTheClientSends(parts.io)
        } else {
            Served::ToItsEnd
        }
    }
}

/// How serving came to its end, with the stream if it is still needed.
enum Served<S> {
    /// There is nothing to do but to wait for the next request.
    Idle(IoDeadlines<S>),
    /// The last answer was written and our side shut down, while the client was still sending.
    WhileTheClientSends(IoDeadlines<S>),
    /// The connection has ended.
    ToItsEnd,
}

/// Whether there is something to read at this moment, such as a request behind the last one that is answered.
async fn has_sent_more<S: Read + Unpin>(stream: &mut S) -> bool {
    poll_fn(|cx| Poll::Ready(matches!(poll_discard(stream, cx), Poll::Ready(Ok(1..))))).await
}

#[cfg(test)]
mod tests;
