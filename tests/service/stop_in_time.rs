//! A stop ends within DRAIN_SECONDS + 12 s, whatever the database, the cache or a client does (R33).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::{
    Client, Container, FullPipe, PASSWORD, PrivateServices, Proxy, SECRET, ServerProcess, children_of, free_port,
    fresh_database, redis_url, send_signal,
};

/// What the contract says, after the drain.
const STOP_WITHIN: Duration = Duration::from_secs(12);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(8);

/// Ends by itself and in time after SIGTERM, without a drain.
async fn assert_stops_in_time(process: &mut ServerProcess) {
    process.signal("TERM");
    let asked = Instant::now();
    let status = process.exit(STOP_WITHIN + SLACK).await;
    assert!(
        status.success(),
        "{status} after {:?}\n{}",
        asked.elapsed(),
        process.output()
    );
}

/// A sign-in that is still under way a moment later.
async fn sign_in_under_way(client: &Client) -> JoinHandle<()> {
    let mut client = client.on_another_device();
    let sign_in = tokio::spawn(async move { drop(client.login("ada", PASSWORD).await) });
    sleep(Duration::from_millis(300)).await;
    assert!(!sign_in.is_finished());
    sign_in
}

/// F4: SIGTERM did not end it for as long as anybody watched, 400 s.
#[tokio::test]
async fn a_frozen_database_does_not_hold_up_the_stop() {
    let services = PrivateServices::start();
    for (username, is_asked_before) in [("ada", false), ("bob", true)] {
        let mut process = ServerProcess::start(&[("DATABASE_URL", services.database_url())]);
        let mut client = process.client().await;
        client.register(username).await;
        services.freeze_database();
        if is_asked_before {
            // Its connection is returned to the pool without an answer.
            assert_eq!(client.login(username, PASSWORD).await.status, 503);
        }
        let under_way = sign_in_under_way(&client).await;
        assert_stops_in_time(&mut process).await;
        under_way.await.unwrap();
        services.thaw_database();
    }
}

/// Packets that vanish: nobody closes the connections.
#[tokio::test]
async fn a_database_that_is_cut_off_does_not_hold_up_the_stop() {
    let (proxy, database) = Proxy::before(&fresh_database().await).await;
    let mut process = ServerProcess::start(&[("DATABASE_URL", &database)]);
    let mut client = process.client().await;
    client.register("ada").await;
    proxy.stall();
    let _under_way = sign_in_under_way(&client).await;
    assert_stops_in_time(&mut process).await;
}

#[tokio::test]
async fn a_database_that_has_never_answered_does_not_hold_up_the_stop() {
    let (proxy, database) = Proxy::before(&fresh_database().await).await;
    proxy.stall();
    let mut process = ServerProcess::start_in_production(&database, free_port(), &[]);
    process.await_line("the database does not answer yet").await;
    assert_stops_in_time(&mut process).await;
}

#[tokio::test]
async fn a_database_that_has_never_answered_does_not_hold_up_the_stop_of_a_container() {
    let (proxy, database) = Proxy::before(&fresh_database().await).await;
    proxy.stall();
    let settings = [
        ("SLIPWAY_ENV", "production"),
        ("DATABASE_URL", database.as_str()),
        ("JWT_SECRET", SECRET),
    ];
    let mut container = Container::launch("", &settings, &[]);
    container.process.await_line("the database does not answer yet").await;
    assert_stops_in_time(&mut container.process).await;
    Container::await_free_port(container.address).await;
}

#[tokio::test]
async fn a_cache_that_is_cut_off_does_not_hold_up_the_stop() {
    let (proxy, cache) = Proxy::before(&redis_url()).await;
    let database = fresh_database().await;
    let mut process = ServerProcess::start(&[("DATABASE_URL", &database), ("REDIS_URL", &cache)]);
    let mut client = process.client().await;
    client.register("ada").await;
    proxy.stall();
    assert_eq!(client.me().await.status, 200);
    assert_stops_in_time(&mut process).await;
}

/// A client that sends half a body and waits, and one that asks for much and reads nothing.
async fn slow_clients(address: SocketAddr) -> [TcpStream; 2] {
    let mut half = TcpStream::connect(address).await.unwrap();
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    half.write_all(head.as_bytes()).await.unwrap();
    let mut deaf = TcpStream::connect(address).await.unwrap();
    let much = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    deaf.write_all(much.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    [half, deaf]
}

#[tokio::test]
async fn clients_that_send_or_read_slowly_do_not_hold_up_the_stop() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut process = ServerProcess::start(&[("LISTEN", &address.to_string())]);
    process.await_line("Demo page").await;
    let _clients = slow_clients(address).await;
    assert_stops_in_time(&mut process).await;
}

#[tokio::test]
async fn slow_clients_and_a_database_that_is_cut_off_do_not_hold_up_the_stop_of_a_container() {
    let (proxy, database) = Proxy::before(&fresh_database().await).await;
    let settings = [("DATABASE_URL", database.as_str()), ("JWT_SECRET", SECRET)];
    let mut container = Container::start(&settings).await;
    let mut client = container.client();
    client.await_ready().await;
    client.register("ada").await;
    let _clients = slow_clients(container.address).await;
    proxy.stall();
    let _under_way = sign_in_under_way(&client).await;
    assert_stops_in_time(&mut container.process).await;
    Container::await_free_port(container.address).await;
}

/// R32, R33: then the exit cannot write its last lines, either, and the net under it ends the wait.
#[tokio::test]
async fn a_database_that_is_cut_off_and_a_log_that_nobody_reads_do_not_hold_up_the_stop() {
    let (proxy, database) = Proxy::before(&fresh_database().await).await;
    let (address, pipe) = (format!("127.0.0.1:{}", free_port()), FullPipe::new());
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("LISTEN", &address),
        ("METRICS_LISTEN", "off"),
        ("JWT_SECRET", SECRET),
    ];
    let mut process = ServerProcess::run_into(pipe.both_streams(), &[], &[], &settings);
    let client = Client::new(&format!("http://{address}"));
    client.await_ready().await;
    proxy.stall();
    let _under_way = sign_in_under_way(&client).await;
    process.signal("TERM");
    process.exit(STOP_WITHIN + SLACK).await;
}

/// An nginx that obeys no signal but SIGKILL.
#[tokio::test]
async fn a_frozen_nginx_does_not_hold_up_the_stop() {
    let mut container = Container::start(&[]).await;
    for (master, ..) in children_of(container.process.pid()) {
        for (worker, ..) in children_of(master) {
            send_signal(worker, "STOP");
        }
        send_signal(master, "STOP");
    }
    assert_stops_in_time(&mut container.process).await;
    Container::await_free_port(container.address).await;
}
