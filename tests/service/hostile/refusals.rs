//! Clients that are still sending when they are refused, as browsers and most libraries are: they send all of a body
//! before they read. Each of them reads why (RFC 9112, section 9.6).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use slipway::stop::StopDeadlines;

use super::{Both, PATIENCE, status};
use crate::support::{Storage, TestServer};

/// Of each kind so many, because some of it is a race.
const CLIENTS: usize = 3;
/// What is sent before the answer can be there: more than a head may have.
const BEGINNING: usize = 40_000;

/// On a busy machine it may take longer, and then the test finds less.
const ANSWERED_WITHIN: Duration = Duration::from_millis(200);

const JSON: &str = "Content-Type: application/json\r\n";

/// What a client that sends everything before it reads gets to see; an error is what destroyed it. It goes on sending
/// when the answer is there, which nginx gives when it has all of a body and the server as soon as it can.
async fn answer_after_sending(address: SocketAddr, request: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let (beginning, rest) = request.split_at(request.len().min(BEGINNING));
    stream.write_all(beginning).await?;
    let _ = timeout(ANSWERED_WITHIN, stream.readable()).await;
    for piece in rest.chunks(rest.len() / 5 + 1) {
        stream.write_all(piece).await?;
        sleep(Duration::from_millis(5)).await;
    }
    let mut answer = vec![0; 16 * 1024];
    let reading = async {
        let mut length = 0;
        while !String::from_utf8_lossy(&answer[..length]).contains("\r\n\r\n") {
            length += match stream.read(&mut answer[length..]).await? {
                0 => break,
                read => read,
            };
        }
        Ok::<_, std::io::Error>(length)
    };
    let length = timeout(PATIENCE, reading).await.expect("it was never answered")?;
    Ok(String::from_utf8_lossy(&answer[..length]).to_lowercase())
}

fn with_length(start: &str, length: usize) -> Vec<u8> {
    let head = format!("{start}Host: x\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; length]].concat()
}

fn in_chunks(start: &str, count: usize) -> Vec<u8> {
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let head = format!("{start}Host: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    [head, chunk.repeat(count), "0\r\n\r\n".to_owned()]
        .concat()
        .into_bytes()
}

/// 72 of 100 clients with a body of 2 MB got a reset instead of the 413.
#[tokio::test]
async fn a_client_that_is_still_sending_reads_why_it_was_refused() {
    let both = Both::start().await;
    let large = 2_000_000;
    // As much as nginx passes on.
    let small = 60_000;
    for (what, request, expected) in [
        (
            "too large",
            with_length(&format!("POST /login HTTP/1.1\r\n{JSON}"), large),
            413,
        ),
        (
            "too large in chunks",
            in_chunks(&format!("POST /login HTTP/1.1\r\n{JSON}"), 500),
            413,
        ),
        ("no JSON", with_length("POST /login HTTP/1.1\r\n", small), 415),
        ("no JSON in chunks", in_chunks("POST /login HTTP/1.1\r\n", 14), 415),
        ("no token", with_length("POST /logout-all HTTP/1.1\r\n", small), 401),
        ("no path", with_length("POST /nowhere HTTP/1.1\r\n", small), 404),
        ("no such method", with_length("PUT /login HTTP/1.1\r\n", small), 405),
        (
            "a foreign page",
            with_length("POST /logout HTTP/1.1\r\nOrigin: https://evil.example\r\n", small),
            403,
        ),
        ("an early success", with_length("POST /logout HTTP/1.1\r\n", small), 200),
        (
            "two hosts",
            with_length("POST /login HTTP/1.1\r\nHost: y\r\n", large),
            400,
        ),
        (
            "headers without end",
            format!(
                "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
                format!("X: {}\r\n", "x".repeat(4_000)).repeat(500)
            )
            .into(),
            431,
        ),
    ] {
        for (server, address) in both.addresses() {
            for _ in 0..CLIENTS {
                let answer = answer_after_sending(address, &request).await;
                let answer = answer.unwrap_or_else(|error| panic!("{what}, {server}: {error}"));
                assert_eq!(status(&answer), Some(expected), "{what}, {server}: {answer}");
            }
        }
    }
    both.assert_serving().await;
}

/// The connection ends with such an answer, and the answer says so.
#[tokio::test]
async fn an_answer_that_does_not_wait_for_its_request_is_the_last_of_its_connection() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let address = server.app.address.unwrap();
    for (request, is_last) in [
        (with_length("POST /logout HTTP/1.1\r\n", 60_000), true),
        (with_length("POST /logout HTTP/1.1\r\n", 0), false),
        (with_length(&format!("POST /login HTTP/1.1\r\n{JSON}"), 60_000), false),
    ] {
        let answer = answer_after_sending(address, &request).await.unwrap();
        assert_eq!(answer.contains("connection: close"), is_last, "{answer}");
    }
}

/// R33: nor does it hold up a stop. Before, it was gone at once and left in the dark.
#[tokio::test]
async fn a_client_that_never_stops_sending_is_cut_off_and_holds_up_no_stop() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let address = server.app.address.unwrap();
    let mut endless = TcpStream::connect(address).await.unwrap();
    let head = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n";
    endless.write_all(head).await.unwrap();
    let sending = async {
        let more = vec![b'x'; 100_000];
        let mut sent = 0_u64;
        while endless.write_all(&more).await.is_ok() {
            sent += 100_000;
        }
        sent
    };
    let sent = timeout(PATIENCE, sending).await.expect("it was never cut off");
    assert!(sent < 100_000_000, "{sent} bytes were read");

    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(head).await.unwrap();
    let (mut reader, mut writer) = slow.split();
    reader.read_exact(&mut [0; 12]).await.unwrap();
    let trickling = async {
        while writer.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let started = Instant::now();
    let (_, ()) = tokio::join!(trickling, server.app.stop(StopDeadlines::from_now()));
    let took = started.elapsed();
    // Its limits are 30 s of sending, and 12 s for the whole stop.
    assert!(took < Duration::from_secs(10), "the stop took {took:?}");
}
