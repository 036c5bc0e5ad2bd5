//! What happens while the cache or the database is away, and afterwards.

use std::time::{Duration, Instant};

use crate::support::{Client, PASSWORD, Proxy, Storage, TestServer, fresh_database, fresh_key_prefix, redis_url};

/// A server that reaches Valkey through a proxy.
async fn behind_a_proxy_to_the_cache() -> (TestServer, Proxy) {
    let (proxy, url) = Proxy::before(&redis_url()).await;
    let argument = format!("--redis-url={url}");
    (
        TestServer::start_with(Storage::PostgresAndValkey, &[&argument]).await,
        proxy,
    )
}

/// A server that reaches PostgreSQL through a proxy.
async fn behind_a_proxy_to_the_database() -> (TestServer, Proxy) {
    let (proxy, url) = Proxy::before(&fresh_database().await).await;
    let argument = format!("--database-url={url}");
    (
        TestServer::start_with(Storage::PostgresAndValkey, &[&argument]).await,
        proxy,
    )
}

async fn await_cache_unavailable(client: &Client) {
    for _ in 0..100 {
        let answer = client.get("/ready").await;
        if answer.status == 503 {
            assert_eq!(answer.assert_problem(503), "not_ready");
            assert_eq!(answer.detail(), "database: ok, cache: unavailable");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server did not notice that the cache is away");
}

#[tokio::test]
async fn everything_goes_on_from_the_database_while_the_cache_is_cut_off_and_comes_back_by_itself() {
    let (server, proxy) = behind_a_proxy_to_the_cache().await;
    let mut client = server.signed_up("ada").await;
    proxy.cut();
    await_cache_unavailable(&client).await;
    assert_eq!(client.get("/health").await.status, 200);
    assert_eq!((client.me().await.status, client.refresh().await.status), (200, 200));
    assert_eq!(client.on_another_device().login("ada", PASSWORD).await.status, 200);
    proxy.restore();
    client.await_ready().await;
    assert_eq!(client.me().await.status, 200);
}

/// A circuit breaker, and not one timeout for each request.
#[tokio::test]
async fn a_cache_that_does_not_answer_delays_a_few_requests_and_not_every_one() {
    let (server, proxy) = behind_a_proxy_to_the_cache().await;
    let client = server.signed_up("ada").await;
    proxy.stall();
    await_cache_unavailable(&client).await;
    let started = Instant::now();
    for _ in 0..40 {
        assert_eq!(client.me().await.status, 200);
    }
    let elapsed = started.elapsed();
    println!("40 requests while the cache stalls took {elapsed:?}");
    // At one timeout (300 ms) a request they would take 12 s; the bound only has to tell these apart.
    assert!(elapsed < Duration::from_secs(6), "{elapsed:?}");
    proxy.restore();
    client.await_ready().await;
}

/// R10: with the cache away, the database refuses ended sessions at once.
#[tokio::test]
async fn a_session_that_is_ended_while_the_cache_is_away_stays_ended_when_it_is_back() {
    let (server, proxy) = behind_a_proxy_to_the_cache().await;
    let client = server.signed_up("ada").await;
    let other = server.another(&[&format!("--redis-url={}", redis_url())]).await;
    assert_eq!(client.at(&other.url).me().await.status, 200);
    proxy.cut();
    await_cache_unavailable(&client).await;
    assert_eq!(client.logout_all().await.status, 200);
    assert_eq!(client.me().await.status, 401);
    proxy.restore();
    client.await_ready().await;
    assert_eq!(client.me().await.status, 401);
    // The other instance reached the cache all the time; it learns as soon as this one can tell it.
    for _ in 0..100 {
        if client.at(&other.url).me().await.status == 401 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the other instance never heard of it");
}

/// R10: a cache that lost everything does not bring ended sessions back.
#[tokio::test]
async fn emptying_the_cache_brings_no_ended_session_back() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let client = server.signed_up("ada").await;
    let living = server.signed_up("bob").await;
    client.logout_all().await;
    // What an empty cache looks like to an instance: another prefix, under which nothing was ever written.
    let prefix = format!("--cache-key-prefix={}", fresh_key_prefix());
    let emptied = server.another(&[&prefix]).await;
    for _ in 0..30 {
        assert_eq!(client.at(&emptied.url).me().await.status, 401);
        assert_eq!(living.at(&emptied.url).me().await.status, 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_server_starts_and_serves_while_the_cache_is_down() {
    let (proxy, url) = Proxy::before(&redis_url()).await;
    proxy.cut();
    let database = fresh_database().await;
    let process = crate::support::ServerProcess::start(&[("DATABASE_URL", &database), ("REDIS_URL", &url)]);
    let line = process.await_line("Demo page").await;
    let mut client = Client::new(line.split_whitespace().last().unwrap().trim_end_matches('/'));
    assert_eq!(client.register("ada").await.status, 201);
    assert_eq!(client.me().await.status, 200);
    assert_eq!(client.get("/ready").await.assert_problem(503), "not_ready");
    proxy.restore();
    client.await_ready().await;
}

/// R17: a dead dependency does not get an instance replaced, and no driver's text gets out.
#[tokio::test]
async fn while_the_database_is_cut_off_requests_get_503_with_retry_after_and_health_stays_200() {
    let (server, proxy) = behind_a_proxy_to_the_database().await;
    let mut client = server.signed_up("ada").await;
    proxy.cut();
    let started = Instant::now();
    for answer in [
        client.me().await,
        client.refresh().await,
        client.on_another_device().login("ada", PASSWORD).await,
    ] {
        assert_eq!(answer.assert_problem(503), "database_unavailable");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_eq!(answer.set_cookie(), None, "R3");
    }
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "each within the request deadline of 10 s"
    );
    assert_eq!(client.get("/health").await.status, 200);
    let ready = client.get("/ready").await;
    assert_eq!(ready.assert_problem(503), "not_ready");
    assert_eq!(ready.detail(), "database: unavailable, cache: ok");
    proxy.restore();
    client.await_ready().await;
    assert_eq!((client.me().await.status, client.refresh().await.status), (200, 200));
}

/// The cache knows which sessions were ended, so a request that reads nothing else needs no query.
#[tokio::test]
async fn once_the_cache_is_trusted_an_access_token_is_checked_without_the_database() {
    let (server, proxy) = behind_a_proxy_to_the_database().await;
    let client = server.signed_up("ada").await;
    assert_eq!(client.me().await.status, 200);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    proxy.cut();
    assert_eq!(client.get("/metrics").await.status, 200);
    assert_eq!(client.me().await.assert_problem(503), "database_unavailable");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_given_up_within_the_request_deadline() {
    let (server, proxy) = behind_a_proxy_to_the_database().await;
    let client = server.signed_up("ada").await;
    proxy.stall();
    let started = Instant::now();
    let (me, health, ready) = tokio::join!(client.me(), client.get("/health"), client.get("/ready"));
    assert_eq!((me.status, health.status, ready.status), (503, 200, 503));
    assert!(me.header("retry-after").is_some());
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    proxy.restore();
    client.await_ready().await;
    assert_eq!(client.me().await.status, 200);
}

/// Nothing acknowledged is lost, nobody is signed out, and everything recovers, with the database cut again and again
/// in the middle of traffic.
#[tokio::test]
async fn what_was_acknowledged_while_the_database_was_cut_again_and_again_is_there_afterwards() {
    let (server, proxy) = behind_a_proxy_to_the_database().await;
    let cutter = tokio::spawn({
        let proxy = proxy.clone();
        async move {
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(120)).await;
                proxy.cut();
                tokio::time::sleep(Duration::from_millis(60)).await;
                proxy.restore();
            }
        }
    });
    let mut registered = Vec::new();
    let mut refused = 0;
    let mut number = 0;
    while !cutter.is_finished() {
        let name = format!("user{number}");
        number += 1;
        let mut client = server.client();
        match client.register(&name).await.status {
            201 => registered.push((name, client)),
            503 => refused += 1,
            status => panic!("{status} for {name}"),
        }
    }
    server.client().await_ready().await;
    println!(
        "{} registrations were acknowledged, {refused} refused with 503",
        registered.len()
    );
    assert!(!registered.is_empty());
    for (name, mut client) in registered {
        assert_eq!(client.refresh().await.status, 200, "{name}");
        assert_eq!(server.client().login(&name, PASSWORD).await.status, 200, "{name}");
    }
}
