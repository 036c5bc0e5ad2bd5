//! The copy of ended sessions in Valkey: what is missing from it is never trusted, and is added again (R10).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use tokio::time::{Instant, sleep};

use crate::support::{Client, Proxy, SECRET, ServerProcess, Storage, TestServer, Valkey, fresh_database};

const WHOLE: &str = "slipway:revoked:whole";

/// An instance on a Valkey of the test's own.
async fn on(valkey: &Valkey) -> TestServer {
    let further = [
        format!("--redis-url={}", valkey.url()),
        "--cache-key-prefix=slipway:".to_owned(),
    ];
    TestServer::start_with(Storage::PostgresAndValkey, &further.each_ref().map(String::as_str)).await
}

/// Waits until the cache has a whole copy, which a request that misses it begins at the latest.
async fn await_whole_copy(valkey: &Valkey, client: &Client) {
    for _ in 0..2400 {
        if valkey.run::<bool>(&format!("EXISTS {WHOLE}")).await {
            return;
        }
        client.me().await;
        sleep(Duration::from_millis(50)).await;
    }
    panic!("no whole copy within 120 s");
}

async fn session_of(client: &Client) -> String {
    client.me().await.json()["session_id"].as_str().unwrap().to_owned()
}

/// distributed.md D3: a crash of Valkey that keeps the copy's own mark and loses the last revocation.
#[tokio::test]
async fn a_valkey_that_restarts_from_an_older_snapshot_brings_no_ended_session_back() {
    let mut valkey = Valkey::start(&[]).await;
    let server = on(&valkey).await;
    let other = server.another(&[]).await;
    let client = server.signed_up("ada").await;
    await_whole_copy(&valkey, &client).await;
    let session = session_of(&client).await;
    assert_eq!(client.at(&other.url).me().await.status, 200);
    let _: () = valkey.run("SAVE").await;
    assert_eq!(client.logout().await.status, 200);
    assert!(valkey.run::<bool>(&format!("EXISTS slipway:revoked:{session}")).await);
    valkey.crash_and_start_again().await;
    for _ in 0..60 {
        assert_eq!(client.me().await.status, 401);
        assert_eq!(client.at(&other.url).me().await.status, 401);
        sleep(Duration::from_millis(50)).await;
    }
    assert!(
        valkey.run::<bool>(&format!("EXISTS slipway:revoked:{session}")).await,
        "it was not repaired"
    );
}

/// security.md F11: nobody remembers that the cache missed something.
#[tokio::test]
async fn a_sign_out_of_which_valkey_could_not_be_told_outlasts_the_instance() {
    let (valkey, database) = (Valkey::start(&[]).await, fresh_database().await);
    let other = TestServer::start_with(
        Storage::PostgresAndValkey,
        &[
            &format!("--redis-url={}", valkey.url()),
            &format!("--database-url={database}"),
            "--cache-key-prefix=slipway:",
        ],
    )
    .await;
    await_whole_copy(&valkey, &other.signed_up("bob").await).await;
    let (proxy, url) = Proxy::before(&valkey.url()).await;
    let start = |redis: &str| {
        ServerProcess::start(&[
            ("DATABASE_URL", &database),
            ("REDIS_URL", redis),
            ("JWT_SECRET", SECRET),
        ])
    };
    let mut first = start(&url);
    let mut client = first.client().await;
    assert_eq!(client.register("ada").await.status, 201);
    assert_eq!(client.at(&other.url).me().await.status, 200);
    proxy.cut();
    assert_eq!(client.logout().await.status, 200);
    first.signal("KILL");
    first.exit(Duration::from_secs(30)).await;
    let again = start(&valkey.url());
    let again = again.client().await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        assert_eq!(client.at(again.url()).me().await.status, 401);
    }
    assert_eq!(
        client.at(&other.url).me().await.status,
        401,
        "the others learn of it, too"
    );
}

/// distributed.md D15: the mark of a whole copy must not outlive what it stands for.
#[tokio::test]
async fn a_cache_that_is_emptied_while_it_is_told_does_not_look_whole() {
    const ENDED: u32 = 20_000;
    let valkey = Valkey::start(&[]).await;
    let server = on(&valkey).await;
    let client = server.signed_up("ada").await;
    await_whole_copy(&valkey, &client).await;
    end_sessions(&server, ENDED).await;
    let mut connection = valkey.connect().await;
    let mut look = redis::pipe();
    look.atomic().cmd("EXISTS").arg(WHOLE).cmd("DBSIZE");
    let _: () = valkey.run("FLUSHALL").await;
    let (mut is_emptied_again, begun) = (false, Instant::now());
    loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "no copy within a minute");
        // Who asks finds that the copy is not whole.
        assert_eq!(client.me().await.status, 200);
        let (is_whole, keys): (bool, u32) = look.query_async(&mut connection).await.unwrap();
        if is_whole {
            assert!(keys > ENDED, "it looks whole with {keys} keys");
            assert!(is_emptied_again, "it was told too fast for the test");
            return;
        }
        if keys > 1000 && !is_emptied_again {
            is_emptied_again = true;
            let _: () = valkey.run("FLUSHALL").await;
        }
    }
}

/// security.md F3: everything in one round trip never came to an end.
#[tokio::test]
async fn a_copy_of_very_many_ended_sessions_is_made_in_parts() {
    const ENDED: u32 = 100_000;
    let valkey = Valkey::start(&[]).await;
    let server = on(&valkey).await;
    let client = server.signed_up("ada").await;
    await_whole_copy(&valkey, &client).await;
    end_sessions(&server, ENDED).await;
    let _: () = valkey.run("FLUSHALL").await;
    await_whole_copy(&valkey, &client).await;
    assert!(valkey.run::<u32>("DBSIZE").await > ENDED);
    assert_eq!(client.get("/ready").await.status, 200);
}

/// Adds that many sessions that end now, of which the cache hears nothing.
async fn end_sessions(server: &TestServer, count: u32) {
    let now = server.clock.now().to_rfc3339();
    let sessions = format!(
        "INSERT INTO sessions SELECT gen_random_uuid(), user_id, 0, now(), 0, now(), now(), expires_at, \
         absolute_expires_at, '{now}', '', '' FROM sessions, generate_series(1, {count})"
    );
    server.database().await.execute_unprepared(&sessions).await.unwrap();
}
