//! Closing a connection under a client that still sends.
//!
//! When a socket is closed with bytes in it that nobody has read, the other side gets a reset, which may destroy the
//! answer before the client reads it. So the answer is followed by the end of our side of the connection, and what
//! still comes is read and thrown away until the client has seen it and ends its side (RFC 9112, section 9.6).

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a client may go on sending, and how long it may be silent: nginx' own limits (`lingering_time` and
/// `lingering_timeout`). Less than an idle connection may be kept, so that a client gains nothing by it.
const LONGEST: Duration = Duration::from_secs(30);
const LONGEST_SILENCE: Duration = Duration::from_secs(5);
/// How much of it is read: 256 times what any route takes. A client that sends more is cut off.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// How long it goes on once the server stops: a second of what is left for that after the last request's deadline.
const LONGEST_WHEN_STOPPING: Duration = Duration::from_secs(1);

/// Reads and discards what the client still sends, until it has ended its side or a limit is reached. Our own side must
/// have been shut down.
pub(super) async fn discard_the_rest<S: Read + Unpin>(stream: &mut S, stop: &CancellationToken) {
    let discarding = async {
        let mut discarded = 0;
        while discarded < MOST_BYTES {
            match timeout(LONGEST_SILENCE, poll_fn(|cx| poll_discard(stream, cx))).await {
                Ok(Ok(length)) if length > 0 => discarded += length,
                _ => return,
            }
        }
    };
    let stopping = async {
        stop.cancelled().await;
        sleep(LONGEST_WHEN_STOPPING).await;
    };
    tokio::select! {
        _ = timeout(LONGEST, discarding) => {}
        () = stopping => {}
    }
}

/// Reads once and returns how much came; 0 at the end of the stream.
pub(super) fn poll_discard<S: Read + Unpin>(stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    // On the stack, so that a connection holds no buffer while it waits.
    let mut room = [MaybeUninit::uninit(); 16 * 1024];
    let mut buffer = ReadBuf::uninit(&mut room);
    ready!(Pin::new(stream).poll_read(cx, buffer.unfilled()))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;

    /// The client's end of a connection that is discarded, and how long that takes.
    fn discarded(stop: &CancellationToken) -> (DuplexStream, JoinHandle<Duration>) {
        let (client, server) = duplex(64 * 1024);
        let stop = stop.clone();
        let discarding = tokio::spawn(async move {
            let started = Instant::now();
            discard_the_rest(&mut TokioIo::new(server), &stop).await;
            started.elapsed()
        });
        (client, discarding)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_at_once_when_the_client_ends_its_side() {
        let (mut client, discarding) = discarded(&CancellationToken::new());
        client.write_all(&[b'x'; 1_000_000]).await.unwrap();
        drop(client);
        assert_eq!(discarding.await.unwrap(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_falls_silent_is_given_up() {
        let (mut client, discarding) = discarded(&CancellationToken::new());
        client.write_all(b"x").await.unwrap();
        assert_eq!(discarding.await.unwrap().as_secs(), LONGEST_SILENCE.as_secs());
    }

    /// R34: a connection that is being closed cannot be held open, not by slowness,
    #[tokio::test(start_paused = true)]
    async fn a_client_that_trickles_is_given_up() {
        let (mut client, discarding) = discarded(&CancellationToken::new());
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(discarding.await.unwrap().as_secs(), LONGEST.as_secs());
    }

    /// R34: and not by sending without end.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_stops_sending_is_given_up() {
        let (mut client, discarding) = discarded(&CancellationToken::new());
        let mut sent = 0;
        while client.write_all(&[b'x'; 1024]).await.is_ok() {
            sent += 1024;
        }
        assert!((MOST_BYTES..2 * MOST_BYTES).contains(&sent), "{sent}");
        assert_eq!(discarding.await.unwrap(), Duration::ZERO);
    }

    /// R33: nor can it hold up a stop.
    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_no_longer_than_a_second() {
        let stop = CancellationToken::new();
        let (mut client, discarding) = discarded(&stop);
        client.write_all(b"x").await.unwrap();
        sleep(Duration::from_secs(2)).await;
        stop.cancel();
        assert_eq!(discarding.await.unwrap().as_secs(), 3);
    }
}
