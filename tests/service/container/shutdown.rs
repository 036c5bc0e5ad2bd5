//! Stopping the container without losing a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::support::{Client, Container, PASSWORD, Proxy, fresh_database, read_answer};

const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Default)]
struct Load {
    /// Set by the load balancer once the health check has failed twice.
    looks_away: AtomicBool,
    served: AtomicU64,
    failed: AtomicU64,
}

impl Load {
    async fn request(&self, client: &Client) {
        let answer = client.try_send(Method::GET, "/hello?name=Ada").await;
        let is_good = answer.is_ok_and(|answer| answer.status == 200);
        let counter = if is_good { &self.served } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// R16: clients on kept and on new connections, behind a load balancer that sends until a health check fails twice.
#[tokio::test]
async fn no_request_fails_under_load_while_the_container_stops() {
    let mut container = Container::start(&[
        ("DRAIN_SECONDS", "4"),
        ("RUST_LOG", "warn,slipway=info,slipway::access=off"),
    ])
    .await;
    let load = Arc::new(Load::default());
    let kept = container.client();
    let address = container.address;
    let clients: Vec<_> = (0..12)
        .map(|number| {
            let (load, kept) = (Arc::clone(&load), kept.clone());
            tokio::spawn(async move {
                while !load.looks_away.load(Ordering::Relaxed) {
                    if number % 3 == 0 {
                        load.request(&Client::new(&format!("http://{address}"))).await;
                        sleep(Duration::from_millis(5)).await;
                    } else {
                        load.request(&kept).await;
                    }
                }
            })
        })
        .collect();
    while load.served.load(Ordering::Relaxed) < 100 {
        sleep(Duration::from_millis(10)).await;
    }
    container.process.signal("TERM");
    let mut failed_checks = 0;
    while failed_checks < 2 {
        let health = container.client().get("/health").await;
        failed_checks += u32::from(health.status == 503);
        sleep(Duration::from_millis(200)).await;
    }
    load.looks_away.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let status = container.process.exit(PATIENCE).await;
    let (served, failed) = (load.served.load(Ordering::Relaxed), load.failed.load(Ordering::Relaxed));
    println!("{served} requests were served, {failed} failed");
    assert!(status.success(), "{status}");
    assert_eq!(failed, 0);
}

/// R16
#[tokio::test]
async fn on_sigterm_health_turns_503_at_once_and_idle_connections_do_not_hold_up_the_exit() {
    let mut container = Container::start(&[("DRAIN_SECONDS", "2")]).await;
    let client = container.client();
    let mut idle = container.connect().await;
    idle.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut idle).await.unwrap().status, 200);
    container.process.signal("TERM");
    container.process.await_line("shutting down").await;
    for probe in ["/health", "/ready"] {
        assert_eq!(client.get(probe).await.assert_problem(503), "draining");
    }
    assert_eq!(client.get("/hello").await.status, 200);
    assert!(
        container.process.exit(PATIENCE).await.success(),
        "{}",
        container.process.output()
    );
    assert!(
        !container.process.output().contains("\"level\":\"ERROR\""),
        "{}",
        container.process.output()
    );
}

/// R16: nginx ends only when it has answered, and the server only after nginx.
#[tokio::test]
async fn a_request_under_way_is_answered_although_the_drain_is_over() {
    let (proxy, database) = Proxy::before(&fresh_database().await).await;
    let mut container = Container::start(&[("DATABASE_URL", &database), ("DRAIN_SECONDS", "0")]).await;
    proxy.stall();
    let login = tokio::spawn({
        let mut client = container.client();
        async move { client.login("nobody", PASSWORD).await }
    });
    sleep(Duration::from_millis(500)).await;
    container.process.signal("TERM");
    container.process.await_line("shutting down").await;
    proxy.restore();
    assert_eq!(login.await.unwrap().assert_problem(401), "invalid_credentials");
    assert!(container.process.exit(PATIENCE).await.success());
}

#[tokio::test]
async fn a_second_signal_ends_everything_at_once() {
    let mut container = Container::start(&[("DRAIN_SECONDS", "60")]).await;
    container.process.signal("TERM");
    container.process.await_line("shutting down").await;
    container.process.signal("TERM");
    assert_eq!(container.process.exit(PATIENCE).await.code(), Some(1));
    Container::await_free_port(container.address).await;
}

/// R16: the server, which has not seen this request yet when it is asked to stop, waits until nginx has no more for it.
#[tokio::test]
async fn a_request_that_is_still_being_sent_when_the_container_stops_is_answered() {
    let mut container = Container::start(&[("DRAIN_SECONDS", "0")]).await;
    let mut stream = container.connect().await;
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    container.process.signal("TERM");
    container.process.await_line("shutting down").await;
    sleep(Duration::from_millis(500)).await;
    stream.write_all(b"}").await.unwrap();
    let answer = read_answer(&mut stream).await.expect("the connection was cut");
    assert_eq!(answer.assert_problem(422), "invalid_input");
    assert!(container.process.exit(PATIENCE).await.success());
}

/// F36: tools that rotate logs send them from habit.
#[tokio::test]
async fn sighup_and_sigusr1_are_ignored_with_a_line() {
    let mut container = Container::start(&[]).await;
    for name in ["HUP", "USR1"] {
        container.process.signal(name);
        container.process.await_line(&format!("\"signal\":\"SIG{name}\"")).await;
        assert_eq!(container.client().get("/health").await.status, 200);
    }
    container.process.signal("TERM");
    assert!(container.process.exit(PATIENCE).await.success());
}
