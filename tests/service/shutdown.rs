//! Stopping without losing a request, and keeping idle connections long enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::{Client, PASSWORD, Proxy, ServerProcess, Storage, TestServer, fresh_database};

/// Opens a connection and makes one request on it, which leaves it idle.
async fn idle_connection(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    request_health(&mut stream).await;
    stream
}

async fn request_health(stream: &mut TcpStream) {
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(Duration::from_secs(5), stream.read(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8_lossy(&buffer[..length]);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer:?}");
}

/// R15: longer than the load balancer keeps it (60 s), so it is never closed under a request.
#[tokio::test]
async fn a_connection_that_was_idle_for_65_seconds_is_still_good() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let mut stream = idle_connection(&server.app.address.unwrap().to_string()).await;
    sleep(Duration::from_secs(65)).await;
    request_health(&mut stream).await;
}

/// Slowloris: half a request does not hold a connection for long, however slowly it trickles.
#[tokio::test]
async fn a_request_that_trickles_in_is_cut_off_while_an_idle_connection_is_kept() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let address = server.app.address.unwrap().to_string();
    let mut idle = idle_connection(&address).await;
    let mut slow = idle_connection(&address).await;
    let mut silent = TcpStream::connect(&address).await.unwrap();
    let started = Instant::now();
    let trickle = async {
        for byte in b"GET /health HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            .iter()
            .cycle()
        {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(20), trickle)
        .await
        .expect("cut off after 10 s");
    assert!(started.elapsed() > Duration::from_secs(8), "{:?}", started.elapsed());
    let end = timeout(Duration::from_secs(5), silent.read(&mut [0; 16]))
        .await
        .expect("a silent connection is closed");
    assert!(matches!(end, Ok(0) | Err(_)));
    request_health(&mut idle).await;
}

/// R16
#[tokio::test]
async fn on_sigterm_health_turns_503_requests_are_still_served_and_idle_connections_do_not_hold_up_the_exit() {
    let mut process = ServerProcess::start(&[("DRAIN_SECONDS", "2"), ("ARGON2_MEMORY_KIB", "64")]);
    let mut client = process.client().await;
    client.register("ada").await;
    let url = process.await_line("Demo page").await;
    let address = url.split("//").nth(1).unwrap().trim_end_matches('/').to_owned();
    let _idle: Vec<_> = [idle_connection(&address).await, idle_connection(&address).await].into();
    process.signal("TERM");
    process.await_line("shutting down").await;
    let started = Instant::now();
    for probe in ["/health", "/ready"] {
        assert_eq!(client.get(probe).await.assert_problem(503), "draining");
    }
    let me = client.me().await;
    assert_eq!((me.status, me.header("connection")), (200, Some("close")));
    assert_eq!(client.refresh().await.status, 200);
    let status = process.exit(Duration::from_secs(20)).await;
    assert!(status.success(), "{status}");
    println!(
        "exited {:?} after the signal with a drain of 2 s and two idle connections",
        started.elapsed()
    );
}

/// R16
#[tokio::test]
async fn no_request_fails_under_load_while_an_instance_drains() {
    let mut process = ServerProcess::start(&[("DRAIN_SECONDS", "3"), ("RUST_LOG", "warn")]);
    let client = process.client().await;
    let (served, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..16)
        .map(|_| {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            let (served, failed) = (Arc::clone(&served), Arc::clone(&failed));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.try_send(Method::GET, "/hello?name=Ada").await;
                    let counter = if answer.is_ok_and(|answer| answer.status == 200) {
                        &served
                    } else {
                        &failed
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while served.load(Ordering::Relaxed) < 100 {
        sleep(Duration::from_millis(10)).await;
    }
    process.signal("TERM");
    // The load balancer needs two failed checks in 5 s intervals; here it looks away after 2 of 3 s.
    sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::Relaxed);
    for client in load {
        client.await.unwrap();
    }
    let status = process.exit(Duration::from_secs(20)).await;
    println!(
        "{} requests were served, {} failed",
        served.load(Ordering::Relaxed),
        failed.load(Ordering::Relaxed)
    );
    assert!(status.success(), "{status}");
    assert_eq!(failed.load(Ordering::Relaxed), 0);
}

/// R16: requests under way finish even when the drain is over.
#[tokio::test]
async fn a_request_under_way_when_the_server_stops_is_answered() {
    let (proxy, database) = Proxy::before(&fresh_database().await).await;
    let mut process = ServerProcess::start(&[("DATABASE_URL", &database)]);
    let client = process.client().await;
    proxy.stall();
    let login = tokio::spawn({
        let mut client = client.on_another_device();
        async move { client.login("nobody", PASSWORD).await }
    });
    sleep(Duration::from_millis(500)).await;
    process.signal("TERM");
    process.await_line("shutting down").await;
    proxy.restore();
    assert_eq!(login.await.unwrap().assert_problem(401), "invalid_credentials");
    assert!(process.exit(Duration::from_secs(20)).await.success());
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once_with_a_failure() {
    let mut process = ServerProcess::start(&[("DRAIN_SECONDS", "60")]);
    let client: Client = process.client().await;
    process.signal("INT");
    process.await_line("shutting down").await;
    assert_eq!(client.get("/health").await.status, 503);
    process.signal("INT");
    let status = process.exit(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(1));
}

/// F36: tools that rotate logs send them from habit.
#[tokio::test]
async fn sighup_and_sigusr1_are_ignored_with_a_line() {
    let mut process = ServerProcess::start(&[]);
    let client = process.client().await;
    for name in ["HUP", "USR1"] {
        process.signal(name);
        process.await_line(&format!("signal=\"SIG{name}\"")).await;
        assert_eq!(client.get("/health").await.status, 200);
    }
    process.signal("TERM");
    assert!(process.exit(Duration::from_secs(20)).await.success());
}
