//! Very many connections, and very slow ones.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::PATIENCE;
use crate::support::{Client, Container, ServerProcess, Storage, TestServer};

/// As many as this, where the system lets one process open so many.
const MANY: usize = 10_000;
/// What other tests in this process may need.
const RESERVED_DESCRIPTORS: usize = 1_000;

/// Lets this process, and those that it starts, open as many files as it may; returns how many connections those are.
fn as_many_as_allowed(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let allowed = limit
        .maximum
        .map_or(usize::MAX, |maximum| usize::try_from(maximum).unwrap());
    wanted.min(allowed.saturating_sub(RESERVED_DESCRIPTORS))
}

/// Connections on each of which `start` was sent.
async fn open(address: SocketAddr, count: usize, start: &[u8]) -> Vec<TcpStream> {
    stream::iter(0..count)
        .map(|_| async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(start).await.unwrap();
            stream
        })
        .buffer_unordered(64)
        .collect()
        .await
}

/// Waits until the other side has closed all of them.
async fn await_closed(connections: Vec<TcpStream>) {
    let closing = stream::iter(connections).for_each_concurrent(None, |mut connection| async move {
        let _ = connection.read_to_end(&mut Vec::new()).await;
    });
    timeout(PATIENCE, closing).await.expect("some are still open");
}

async fn assert_served(client: &Client, url: &str) {
    assert_eq!(
        client.get("/hello").await.status,
        200,
        "on a connection that was open before"
    );
    assert_eq!(Client::new(url).get("/hello").await.status, 200, "on a new one");
}

#[tokio::test]
async fn ten_thousand_half_requests_are_cut_off_and_others_are_served_meanwhile() {
    let count = as_many_as_allowed(MANY);
    let connections = (count + 100).to_string();
    let process = ServerProcess::start(&[("MAX_CONNECTIONS", &connections), ("RUST_LOG", "warn")]);
    let client = process.client().await;
    let url = process.await_line("Demo page").await;
    let url = url.split_whitespace().last().unwrap().trim_end_matches('/').to_owned();
    let address = url.replace("http://localhost", "127.0.0.1").parse().unwrap();
    let half = open(address, count, b"GET /hello HTTP/1.1\r\nX: ").await;
    println!("{} half requests are open at once", half.len());
    assert_served(&client, &url).await;
    await_closed(half).await;
    assert_served(&client, &url).await;
}

/// nginx has room for 4,096 connections, its own to the server included.
#[tokio::test]
async fn three_thousand_half_requests_to_nginx_are_cut_off_and_others_are_served_meanwhile() {
    let count = as_many_as_allowed(3_000);
    let container = Container::start(&[]).await;
    let client = container.client();
    let half = open(container.address, count, b"GET /hello HTTP/1.1\r\nX: ").await;
    assert_served(&client, &format!("http://{}", container.address)).await;
    await_closed(half).await;
    assert_served(&client, &format!("http://{}", container.address)).await;
}

/// The connections that a server admits are its last line: who waits behind them is served when they are cut off.
#[tokio::test]
async fn a_server_without_a_free_connection_serves_again_when_the_slow_ones_are_cut_off() {
    let server = TestServer::start_with(Storage::SqliteAndMemory, &["--max-connections=20"]).await;
    let _half = open(server.app.address.unwrap(), 40, b"GET /hello HTTP/1.1\r\nX: ").await;
    assert_eq!(server.client().get("/hello").await.status, 200);
}

#[tokio::test]
async fn a_body_that_trickles_in_is_given_up_within_the_request_deadline() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let mut slow = TcpStream::connect(server.app.address.unwrap()).await.unwrap();
    let head = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n";
    slow.write_all(head).await.unwrap();
    let (mut reader, mut writer) = slow.split();
    let mut answer = [0; 12];
    let trickling = async {
        while writer.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = trickling => panic!("cut off without an answer"),
        read = timeout(PATIENCE, reader.read_exact(&mut answer)) => { read.expect("it was never given up").unwrap(); }
    }
    assert_eq!(&answer, b"HTTP/1.1 503");
    assert_eq!(server.client().get("/hello").await.status, 200);
}

/// A client that asks for much and takes nothing holds no more of the answer than one buffer, and not for long.
#[tokio::test]
async fn a_client_that_does_not_take_its_answers_is_cut_off() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let mut greedy = TcpStream::connect(server.app.address.unwrap()).await.unwrap();
    let (_reader, mut writer) = greedy.split();
    let started = Instant::now();
    let asking = async {
        let request = b"GET /docs/swagger-ui.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
        while writer.write_all(&request).await.is_ok() {}
    };
    timeout(PATIENCE, asking).await.expect("it was never cut off");
    println!("cut off after {:?}", started.elapsed());
    assert_eq!(server.client().get("/hello").await.status, 200);
}
