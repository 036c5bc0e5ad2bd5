use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::http::{parse_requests, read_answer};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nset-cookie: t=2; Path=/; HttpOnly\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn requests_are_read_by_their_lengths() {
    let requests = parse_requests(b"3\nabc2\nde").unwrap();
    assert_eq!(requests, [Request(b"abc".to_vec()), Request(b"de".to_vec())]);
    assert!(parse_requests(b"4\nabc").unwrap_err().contains("cut short"));
    assert!(parse_requests(b"abc").unwrap_err().contains("expected a length"));
}

#[test]
fn the_cookie_of_an_answer_replaces_that_of_the_request() {
    let answer = read_answer(&mut BufReader::new(ANSWER)).unwrap();
    let mut request = Request(b"POST /refresh HTTP/1.1\r\nCookie: t=1\r\nHost: a\r\n\r\n".to_vec());
    request.take_cookie(&answer);
    assert_eq!(request.0, b"POST /refresh HTTP/1.1\r\nCookie: t=2\r\nHost: a\r\n\r\n");
}

#[test]
fn an_answer_that_is_cut_short_is_an_error() {
    for length in [0, 10, ANSWER.len() - 1] {
        assert!(read_answer(&mut BufReader::new(&ANSWER[..length])).is_err(), "{length}");
    }
}

#[test]
fn quantiles_are_values_that_were_measured() {
    let sorted: Vec<u32> = (1..=1000).collect();
    assert_eq!(
        [0.5, 0.99, 0.999, 1.0].map(|share| quantile(&sorted, share)),
        [500, 990, 999, 1000]
    );
    assert_eq!(quantile(&[], 0.5), 0);
}

/// A server that stalls once delays the requests behind it, and that must be seen although they wait unsent.
#[test]
fn waiting_before_a_request_could_be_sent_counts_as_latency() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || stall_once(listener.accept().unwrap().0));
    let plan = Plan {
        address,
        rate: 100.0,
        duration: Duration::from_secs(1),
        connections: 1,
        rotates: false,
        requests: Mutex::new(VecDeque::from([Request(b"GET / HTTP/1.1\r\n\r\n".to_vec())])),
        taken: AtomicU64::new(0),
    };
    let tally = plan.send(Instant::now());
    let late = tally.latencies.iter().filter(|latency| **latency > 100_000).count();
    // Half a second holds up 50 requests, 40 of which for more than a tenth of a second.
    assert!(late >= 35, "only {late} were late");
    assert_eq!(tally.errors, 0);
}

fn stall_once(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    let mut line = String::new();
    let mut has_stalled = false;
    while std::io::BufRead::read_line(&mut reader, &mut line).unwrap_or(0) > 0 {
        if line.ends_with("\r\n\r\n") {
            if !std::mem::replace(&mut has_stalled, true) {
                thread::sleep(Duration::from_millis(500));
            }
            line.clear();
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    }
}
