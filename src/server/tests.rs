//! Stops of a whole listener, with answers that have no end of their own.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use futures_util::stream;
use poem::endpoint::make;
use poem::http::header;
use poem::{Body, EndpointExt, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::config::{Config, Listen, Options};
use crate::draining::Draining;
use crate::http::{Pipeline, Routes};

const PATIENCE: Duration = Duration::from_secs(30);

/// Server-sent events as an adopter would write them: until the drain ends.
fn events(draining: Draining) -> Response {
    let ticks = stream::unfold(draining, |draining| async move {
        tokio::select! {
            () = draining.ended() => None,
            () = sleep(Duration::from_millis(10)) => Some((Ok::<_, std::io::Error>("data: tick\n\n"), draining)),
        }
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .body(Body::from_bytes_stream(ticks))
}

/// R33: an open stream ends at once and cleanly when the drain is over, and so holds up no stop.
#[tokio::test]
async fn an_endless_answer_that_watches_for_the_stop_goes_on_while_the_server_drains_and_then_ends_cleanly() {
    let draining = Draining::default();
    let config = Config::from_options(&Options::parse_from([
        "slipway",
        "--jwt-secret=0123456789abcdef0123456789ABCDEF",
    ]))
    .unwrap();
    let of_handler = draining.clone();
    let endpoint = make(move |_| std::future::ready(events(of_handler.clone())));
    let routes = Routes::new([("/events", vec!["GET".to_owned()])]);
    let pipeline = Pipeline::new(&config, routes, Arc::default(), draining.clone());
    pipeline.open(endpoint.boxed());
    let pipeline = Arc::new(pipeline);
    let answer = move |request, peer| {
        let pipeline = Arc::clone(&pipeline);
        async move { pipeline.answer(request, peer).await }
    };
    let listen = Listen::parse("LISTEN", "127.0.0.1:0").unwrap();
    let listener = Listener::bind("LISTEN", &listen).await.unwrap();
    let address = listener.address().unwrap();
    let (connections, stop) = (TaskTracker::new(), CancellationToken::new());
    tokio::spawn(serve_connections(
        Arc::new(listener),
        answer,
        10,
        connections.clone(),
        stop.clone(),
    ));

    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut read = Vec::new();
    let mut read_ticks = async |count| {
        while String::from_utf8_lossy(&read).matches("tick").count() < count {
            assert_ne!(client.read_buf(&mut read).await.unwrap(), 0, "it ended too early");
        }
    };
    timeout(PATIENCE, read_ticks(3)).await.unwrap();
    draining.begin();
    timeout(PATIENCE, read_ticks(6)).await.unwrap();

    // As App::stop does.
    draining.end();
    stop.cancel();
    connections.close();
    timeout(PATIENCE, client.read_to_end(&mut read)).await.unwrap().unwrap();
    assert!(read.ends_with(b"\r\n0\r\n\r\n"), "the last chunk says that it is whole");
    timeout(PATIENCE, connections.wait()).await.unwrap();
}
