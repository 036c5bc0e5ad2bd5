//! The database moves, restarts or changes under a running server.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use tokio::time::{Instant, sleep, timeout};

use super::{END_THEM, OF_SERVER, await_count};
use crate::support::{
    Client, PASSWORD, Postgres, Proxy, SECRET, ServerProcess, Storage, TestServer, Valkey, count, fresh_database,
};

/// R42: a task recovers by itself within this time, and a busy machine gets as much again.
const RECOVERY: Duration = Duration::from_secs(20);

/// A server that reaches its database through a proxy.
async fn behind_a_proxy(database_url: &str) -> (TestServer, Proxy) {
    let (proxy, url) = Proxy::before(database_url).await;
    let argument = format!("--database-url={url}");
    (
        TestServer::start_with(Storage::PostgresAndValkey, &[&argument]).await,
        proxy,
    )
}

/// Signs in until that succeeds, and returns how often it did not.
async fn refusals_until_signed_in(client: &Client) -> usize {
    let mut refused = 0;
    let signed_in = async {
        while client.on_another_device().login("ada", PASSWORD).await.status != 200 {
            refused += 1;
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(RECOVERY, signed_in).await.expect("no recovery");
    refused
}

/// As many sign-ins at a time as there are connections and more.
async fn statuses_of_many_sign_ins(client: &Client) -> Vec<u16> {
    let logins = (0..12).map(|_| {
        let mut client = client.on_another_device();
        async move { client.login("ada", PASSWORD).await.status }
    });
    join_all(logins).await
}

/// R42, D1: the old primary vanishes without a word while every connection is in use. New ones are good at once.
#[tokio::test]
async fn a_busy_server_leaves_connections_that_carry_nothing_any_more_for_new_ones() {
    let (server, proxy) = behind_a_proxy(&fresh_database().await).await;
    let client = server.signed_up("ada").await;
    assert_eq!(statuses_of_many_sign_ins(&client).await, [200; 12]);
    proxy.forget_connections();
    // All of them meet the silence, and so do those who come meanwhile.
    let until = Instant::now() + Duration::from_secs(3);
    let storm = (0..12).map(|_| {
        let mut client = client.on_another_device();
        async move {
            while Instant::now() < until {
                let status = client.login("ada", PASSWORD).await.status;
                assert!([200, 503].contains(&status), "{status}");
            }
        }
    });
    let started = Instant::now();
    tokio::join!(join_all(storm), refusals_until_signed_in(&client));
    println!("signed in again {:?} after the fail-over", started.elapsed());
    client.await_ready().await;
    assert_eq!(statuses_of_many_sign_ins(&client).await, [200; 12]);
}

/// The same for a server that was idle: the first request finds out, and is served; at once if it finds a connection that
/// nothing used within the last second, and else, as this one may, when the attempt of its first query has had its time.
#[tokio::test]
async fn an_idle_server_notices_connections_that_carry_nothing_any_more_by_itself() {
    let (server, proxy) = behind_a_proxy(&fresh_database().await).await;
    let client = server.signed_up("ada").await;
    assert_eq!(statuses_of_many_sign_ins(&client).await, [200; 12]);
    sleep(Duration::from_millis(1500)).await;
    proxy.forget_connections();
    assert_eq!(client.on_another_device().login("ada", PASSWORD).await.status, 200);
    assert_eq!(statuses_of_many_sign_ins(&client).await, [200; 12]);
}

/// F24: a restart of the database costs no error, however many connections were open and how short a time they were idle.
#[tokio::test]
async fn a_restart_of_the_database_between_requests_is_noticed_by_none() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let mut client = server.signed_up("ada").await;
    let db = server.database().await;
    for _ in 0..5 {
        assert_eq!(statuses_of_many_sign_ins(&client).await, [200; 12]);
        assert!(count(&db, END_THEM).await > 0);
        await_count(&db, OF_SERVER, |sessions| sessions == 0).await;
        assert_eq!(client.on_another_device().login("ada", PASSWORD).await.status, 200);
        assert_eq!(client.change_password(PASSWORD, PASSWORD).await.status, 200);
    }
}

/// F5, R21: prepared statements do not return what they were prepared for any more.
#[tokio::test]
async fn a_column_that_changes_its_type_under_a_running_server_costs_no_error() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let client = server.signed_up("ada").await;
    let db = server.database().await;
    for (number, kind) in ["varchar(64)", "text", "varchar(80)"].into_iter().enumerate() {
        assert_eq!(statuses_of_many_sign_ins(&client).await, [200; 12]);
        assert_eq!(client.me().await.status, 200);
        let change = format!("ALTER TABLE users ALTER COLUMN username TYPE {kind}");
        db.execute_unprepared(&change).await.unwrap();
        assert_eq!(client.me().await.status, 200, "{kind}");
        assert_eq!(statuses_of_many_sign_ins(&client).await, [200; 12], "{kind}");
        assert_eq!(
            server.client().register(&format!("bob{number}")).await.status,
            201,
            "{kind}"
        );
    }
}

/// F6: the old writer lives on as a reader, and the name leads to the new one.
#[tokio::test]
async fn a_writer_that_became_a_reader_is_left_at_once() {
    let (old, new) = tokio::join!(Postgres::start(&[]), Postgres::start(&[]));
    let (server, proxy) = behind_a_proxy(&old.url()).await;
    let client = server.signed_up("ada").await;
    assert_eq!(statuses_of_many_sign_ins(&client).await, [200; 12]);
    old.copy_to(&new);
    proxy.lead_to(&new.address());
    old.demote().await;
    sleep(Duration::from_millis(1500)).await;
    let refused = refusals_until_signed_in(&client).await;
    println!("{refused} sign-ins were refused");
    client.await_ready().await;
    assert_eq!(statuses_of_many_sign_ins(&client).await, [200; 12]);
    let at_old = sea_orm::Database::connect(old.url()).await.unwrap();
    await_count(&at_old, OF_SERVER, |sessions| sessions == 0).await;
}

/// F6: `/ready` is for who deploys, and such a server cannot do its work. What only reads is still served.
#[tokio::test]
async fn while_the_only_database_takes_no_writes_ready_says_so_and_reading_goes_on() {
    let postgres = Postgres::start(&[]).await;
    let argument = format!("--database-url={}", postgres.url());
    let server = TestServer::start_with(Storage::PostgresAndValkey, &[&argument]).await;
    let client = server.signed_up("ada").await;
    postgres.demote().await;
    sleep(Duration::from_millis(1500)).await;
    for _ in 0..5 {
        let answer = client.on_another_device().login("ada", PASSWORD).await;
        assert_eq!(answer.assert_problem(503), "database_unavailable");
        let ready = client.get("/ready").await;
        assert_eq!(ready.assert_problem(503), "not_ready");
        assert_eq!(ready.detail(), "database: unavailable, cache: ok");
        assert_eq!(client.me().await.status, 200);
    }
    assert_eq!(client.get("/health").await.status, 200);
}

/// distributed.md D1: `/health` stays 200, so nobody else would replace it.
#[tokio::test]
async fn an_instance_that_has_lost_the_database_while_others_have_not_ends_with_an_error() {
    let (database, valkey) = (fresh_database().await, Valkey::start(&[]).await);
    let (proxy, through) = Proxy::before(&database).await;
    let start = |database: &str| {
        ServerProcess::start(&[
            ("DATABASE_URL", database),
            ("REDIS_URL", &valkey.url()),
            ("JWT_SECRET", SECRET),
        ])
    };
    let (mut cut_off, mut other) = (start(&through), start(&database));
    let (client, _) = tokio::join!(cut_off.client(), other.client());
    proxy.cut();
    let status = cut_off.exit(Duration::from_secs(120)).await;
    let output = cut_off.output();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(
        output.contains("slipway: the database answers other instances and not this one"),
        "{output}"
    );
    assert!(!other.has_exited());
    drop(client);
}
