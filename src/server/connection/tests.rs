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
        drop(self.stream);
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

/// RFC 9112, section 9.6: the answer says that it is the last one, and what is still sent destroys it for no client.
#[tokio::test]
async fn a_client_that_goes_on_sending_after_the_early_answer_gets_it() {
    let mut client = Client::connected().await;
    client
        .send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
        .await;
    client.stream.readable().await.unwrap();
    for _ in 0..20 {
        client.send(&"x".repeat(100_000)).await;
        sleep(Duration::from_millis(5)).await;
    }
    let answer = client.read_to_end().await;
    assert!(
        answer.ends_with("/early.") && answer.contains("connection: close"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_small_body_that_nobody_reads_leaves_the_connection_open() {
    let mut client = Client::connected().await;
    for _ in 0..3 {
        client
            .send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
            .await;
        let answer = client.read_until("/early.").await;
        assert!(!answer.contains("close"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_sends_more_requests_behind_its_last_one_gets_the_answer_to_that() {
    let mut client = Client::connected().await;
    let last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    client.send(&(last.to_owned() + &get("/behind"))).await;
    client.stream.readable().await.unwrap();
    for _ in 0..20 {
        client.send(&get("/behind")).await;
        sleep(Duration::from_millis(5)).await;
    }
    assert!(client.read_to_end().await.ends_with("/last."));
}
