//! A server that is away, hangs or closes a connection: tests take its place at the socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::support::Container;

/// Binds the socket that nginx knows, in place of the server.
fn take_the_place_of_the_server(container: &Container) -> UnixListener {
    let socket = container.runtime_dir().join("http.sock");
    std::fs::remove_file(&socket).unwrap();
    UnixListener::bind(socket).unwrap()
}

/// Reads one request, which is known to come in one piece.
async fn read_request(stream: &mut UnixStream) -> String {
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn a_server_that_is_away_is_told_as_502_and_logged_without_the_query() {
    let container = Container::start(&[]).await;
    drop(take_the_place_of_the_server(&container));
    let answer = container.client().get("/hello?token=hunter2").await;
    assert_eq!(answer.assert_problem(502), "server_unavailable");
    assert_eq!(
        (answer.json()["instance"].as_str(), answer.header("retry-after")),
        (Some("/hello"), Some("1"))
    );
    let line = container.access_line(answer.header("x-request-id").unwrap()).await;
    assert_eq!((&line["status"], &line["level"]), (&502.into(), &"WARN".into()));
    let message = container.process.await_line("connect() to unix:http.sock failed").await;
    let message: serde_json::Value = serde_json::from_str(&message).unwrap();
    assert_eq!(
        (&message["target"], &message["level"]),
        (&"nginx".into(), &"ERROR".into())
    );
    assert!(!container.process.output().contains("hunter2"));
}

#[tokio::test]
async fn a_server_that_hangs_is_told_as_504() {
    let timeouts = format!(
        "timeouts = import {}/nix/timeouts.nix // {{ nginxProxyRead = 1; }};",
        env!("CARGO_MANIFEST_DIR")
    );
    let container = Container::start_configured(&timeouts, &[]).await;
    let listener = take_the_place_of_the_server(&container);
    let answer = container.client().get("/hello").await;
    assert_eq!(answer.assert_problem(504), "deadline_exceeded");
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert_eq!(
        container.access_line(answer.header("x-request-id").unwrap()).await["status"],
        504
    );
    drop(listener);
}

/// The server keeps connections longer than nginx does, so this should not happen; it does when the server restarts.
#[tokio::test]
async fn a_request_on_a_connection_that_the_server_has_closed_is_sent_again_unless_it_is_a_post() {
    let container = Container::start(&[]).await;
    let listener = take_the_place_of_the_server(&container);
    let posts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&posts);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                // One answer, and the end of the connection under the next request.
                let first = read_request(&mut stream).await;
                counted.fetch_add(usize::from(first.starts_with("POST")), Ordering::SeqCst);
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    .await
                    .unwrap();
                let second = read_request(&mut stream).await;
                counted.fetch_add(usize::from(second.starts_with("POST")), Ordering::SeqCst);
            });
        }
    });
    let client = container.client();
    for _ in 0..10 {
        assert_eq!(client.get("/hello").await.status, 200);
    }
    // The last GET left a connection on which nothing more will be answered.
    let mut statuses = Vec::new();
    for sent in 1..=6 {
        statuses.push(client.post("/logout", &json!({})).await.status);
        assert_eq!(
            posts.load(Ordering::SeqCst),
            sent,
            "a POST was sent twice: {statuses:?}"
        );
        assert_eq!(client.send(Method::GET, "/hello").await.status, 200);
    }
    assert!(
        statuses.contains(&502),
        "none of them met a closed connection: {statuses:?}"
    );
}
