//! One connection: HTTP/1.1 over hyper.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Bytes, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Request, Response};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer_body::AnswerBody;
use super::io_deadlines::{IoDeadlines, RequestPhase};
use super::listener::AwaitReadable;

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
        while let Some(idle) = self.serve_until_idle(stream, &phase).await {
            stream = idle;
            tokio::select! {
                readable = timeout(KEEP_ALIVE, poll_fn(|cx| stream.poll_readable(cx))) => match readable {
                    Ok(Ok(())) => {}
                    _ => return,
                },
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Serves until there is nothing to do but to wait, if it is to be frugal. `None` when it has ended.
    async fn serve_until_idle<S>(&self, stream: IoDeadlines<S>, phase: &RequestPhase) -> Option<IoDeadlines<S>>
    where
        S: Read + Write + Unpin,
    {
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let answering = phase.answering(!request.body().is_end_stream());
            let addresses = (LocalAddr::default(), RemoteAddr::default(), Scheme::HTTP);
            let request = Request::from((request, addresses.0, addresses.1, addresses.2));
            // hyper keeps the room for the future of a request as long as the connection lives. This one takes 10 KB.
            let answer = Box::pin((self.answer)(request));
            async move {
                let response = hyper::Response::from(answer.await);
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
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending if phase.is_idle() && (self.is_frugal)() => Poll::Ready(Some(())),
            Poll::Pending => Poll::Pending,
        });
        // A connection that ends with an error was cut by the client or by a deadline: nobody is left to tell.
        tokio::select! {
            is_idle = served => is_idle?,
            () = self.stop.cancelled() => {
                Pin::new(&mut *http).graceful_shutdown();
                let _ = http.await;
                return None;
            }
        }
        let parts = http.into_parts();
        // A copy, because it is empty but for a client that sends half a request behind another, and its buffer is not.
        Some(parts.io.with_unread(Bytes::copy_from_slice(&parts.read_buf)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;
    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);
    const LONG: usize = 20_000_000;

    /// The client's end of a connection that keeps no buffers while it is idle.
    struct Client {
        stream: TcpStream,
        /// How often the connection was without a request.
        idle: Arc<AtomicUsize>,
        requests: Arc<AtomicUsize>,
        stop: CancellationToken,
        served: JoinHandle<()>,
    }

    impl Client {
        async fn connected() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            let (idle, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
            let stop = CancellationToken::new();
            let (counted_idle, counted_requests) = (Arc::clone(&idle), Arc::clone(&requests));
            let connection = Connection {
                answer: move |request| {
                    counted_requests.fetch_add(1, Ordering::SeqCst);
                    answer(request)
                },
                is_frugal: move || {
                    counted_idle.fetch_add(1, Ordering::SeqCst);
                    true
                },
                stop: stop.clone(),
            };
            let served = tokio::spawn(connection.serve(TokioIo::new(accepted)));
            Self {
                stream,
                idle,
                requests,
                stop,
                served,
            }
        }

        async fn send(&mut self, bytes: &str) {
            self.stream.write_all(bytes.as_bytes()).await.unwrap();
        }

        /// Reads until the answers so far end with `end`.
        async fn read_until(&mut self, end: &str) -> String {
            let mut text = Vec::new();
            let read = async {
                while !text.ends_with(end.as_bytes()) {
                    assert_ne!(
                        self.stream.read_buf(&mut text).await.unwrap(),
                        0,
                        "the end of the stream"
                    );
                }
            };
            let is_in_time = timeout(PATIENCE, read).await.is_ok();
            let text = String::from_utf8(text).unwrap();
            assert!(is_in_time, "no {end} in {}", &text[..text.len().min(1000)]);
            text
        }

        async fn read_to_end(mut self) -> String {
            let mut text = String::new();
            timeout(PATIENCE, self.stream.read_to_string(&mut text))
                .await
                .unwrap()
                .unwrap();
            self.served.await.unwrap();
            text
        }

        fn count(counter: &AtomicUsize) -> usize {
            counter.load(Ordering::SeqCst)
        }
    }

    /// `/long` is answered at length and `/slow` after a while; any other path with itself and, on `/read`, with the body.
    async fn answer(mut request: Request) -> Response {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/long" => Response::builder().body("x".repeat(LONG) + "."),
            "/slow" => {
                sleep(Duration::from_millis(100)).await;
                Response::builder().body("slow.")
            }
            "/read" => Response::builder().body(request.take_body().into_string().await.unwrap() + "."),
            _ => Response::builder().body(path + "."),
        }
    }

    fn get(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
    }

    #[tokio::test]
    async fn a_connection_that_was_idle_answers_the_next_request() {
        let mut client = Client::connected().await;
        for number in 1..=20 {
            client.send(&get(&format!("/{number}"))).await;
            client.read_until(&format!("/{number}.")).await;
            sleep(Duration::from_millis(5)).await;
            assert_eq!(Client::count(&client.idle), number, "it lets go once for each");
        }
    }

    #[tokio::test]
    async fn a_connection_is_not_idle_while_an_answer_is_made() {
        let mut client = Client::connected().await;
        client.send(&get("/slow")).await;
        client.read_until("slow.").await;
        assert_eq!(Client::count(&client.requests), 1);
    }

    #[tokio::test]
    async fn requests_that_arrive_together_are_all_answered_in_their_order() {
        let mut client = Client::connected().await;
        client.send(&[get("/1"), get("/2"), get("/3")].concat()).await;
        let answers = client.read_until("/3.").await;
        let places = ["/1.", "/2.", "/3."].map(|end| answers.find(end).unwrap());
        assert!(places.is_sorted(), "{answers}");
    }

    /// What hyper has read of the second belongs to the next reader of the stream.
    #[tokio::test]
    async fn half_a_request_behind_another_is_answered_when_its_rest_arrives() {
        let mut client = Client::connected().await;
        let second = get("/2");
        for middle in [1, 10, second.len() - 1] {
            let (begin, rest) = second.split_at(middle);
            client.send(&(get("/1") + begin)).await;
            client.read_until("/1.").await;
            sleep(Duration::from_millis(50)).await;
            client.send(rest).await;
            client.read_until("/2.").await;
        }
        assert_eq!(Client::count(&client.requests), 6);
    }

    #[tokio::test]
    async fn an_answer_that_the_client_takes_slowly_is_written_to_its_end() {
        let mut client = Client::connected().await;
        client.send(&get("/long")).await;
        sleep(Duration::from_millis(200)).await;
        assert_eq!(Client::count(&client.idle), 0);
        let answer = client.read_until("x.").await;
        assert!(answer.len() > LONG, "{}", answer.len());
        client.send(&get("/next")).await;
        client.read_until("/next.").await;
    }

    /// It would be read as a request of its own (request smuggling).
    #[tokio::test]
    async fn a_body_that_nobody_reads_is_never_taken_for_a_request() {
        let smuggled = get("/smuggled");
        let head = format!(
            "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            5 + smuggled.len()
        );
        for at_once in ["", "12345", &format!("12345{}", &smuggled[..9])] {
            let mut client = Client::connected().await;
            client.send(&(head.clone() + at_once)).await;
            client.read_until("/early.").await;
            sleep(Duration::from_millis(50)).await;
            let rest = format!("12345{smuggled}");
            // The connection may be closed by now.
            let _ = client.stream.write_all(&rest.as_bytes()[at_once.len()..]).await;
            sleep(Duration::from_millis(50)).await;
            assert_eq!(Client::count(&client.requests), 1, "{at_once}");
        }
    }

    #[tokio::test]
    async fn a_request_after_one_with_a_body_is_answered() {
        let mut client = Client::connected().await;
        for _ in 0..3 {
            client
                .send("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
                .await;
            client.send("body").await;
            client.read_until("body.").await;
            client.send(&get("/1")).await;
            client.read_until("/1.").await;
        }
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_when_it_is_stopped_and_when_the_client_leaves() {
        let mut client = Client::connected().await;
        client.send(&get("/1")).await;
        client.read_until("/1.").await;
        sleep(Duration::from_millis(50)).await;
        client.stop.cancel();
        assert_eq!(client.read_to_end().await, "");

        let mut client = Client::connected().await;
        client.send(&get("/1")).await;
        client.read_until("/1.").await;
        sleep(Duration::from_millis(50)).await;
        let Client { stream, served, .. } = client;
        drop(stream);
        timeout(PATIENCE, served).await.unwrap().unwrap();
    }
}
