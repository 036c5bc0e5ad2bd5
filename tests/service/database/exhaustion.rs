//! More is wanted than there is: of the pool, or of the database.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, TransactionTrait};
use tokio::time::sleep;

use crate::support::{PASSWORD, Postgres, Proxy, Storage, TestServer, fresh_database};

/// The value of a line of the metrics that begins with `name`.
async fn metric(server: &TestServer, name: &str) -> f64 {
    let address = server.app.metrics_address.unwrap();
    let text = reqwest::get(format!("http://{address}/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Overload is called overload: the database is well, there are only too many who wait for it.
#[tokio::test]
async fn waiting_too_long_for_a_turn_is_busy_and_not_an_unavailable_database() {
    let argument = "--database-max-connections=1";
    let server = TestServer::start_with(Storage::PostgresAndValkey, &[argument]).await;
    let client = server.signed_up("ada").await;
    let db = server.database().await;
    // A row lock under which every sign-in of the account waits for as long as a statement may take.
    let lock = db.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let logins = (0..6).map(|_| {
        let mut client = client.on_another_device();
        async move { client.login("ada", PASSWORD).await }
    });
    let answers = join_all(logins).await;
    lock.rollback().await.unwrap();
    let busy: Vec<_> = answers.iter().filter(|answer| answer.code() == "busy").collect();
    assert!(!busy.is_empty(), "{answers:?}");
    for answer in &busy {
        assert_eq!(answer.assert_problem(503), "busy");
        assert!(answer.header("retry-after").is_some());
        assert!(answer.detail().contains("database"), "{}", answer.detail());
    }
    assert!(metric(&server, "database_busy_total").await >= busy.len() as f64);
    assert_eq!(client.on_another_device().login("ada", PASSWORD).await.status, 200);
}

/// D2: what the server has goes round, when the database has no more to give.
#[tokio::test]
async fn a_server_goes_on_with_the_connections_that_it_has_while_the_database_has_no_more() {
    let postgres = Postgres::start(&["max_connections=12", "superuser_reserved_connections=0"]).await;
    postgres.execute("postgres", "CREATE ROLE app LOGIN").await;
    postgres.execute("app", "GRANT CREATE ON SCHEMA public TO app").await;
    let url = postgres.url().replace("slipway@", "app@");
    let argument = format!("--database-url={url}");
    let server = TestServer::start_with(Storage::PostgresAndValkey, &[&argument]).await;
    let client = server.signed_up("ada").await;
    // Others take everything that is left.
    let mut others = Vec::new();
    loop {
        let mut options = sea_orm::ConnectOptions::new(&url);
        options.max_connections(1).connect_timeout(Duration::from_secs(2));
        match sea_orm::Database::connect(options).await {
            Ok(other) => others.push(other),
            Err(_) => break,
        }
    }
    let open = metric(&server, "database_connections ").await;
    assert!((1.0..5.0).contains(&open), "{open} of 5 are open");
    for _ in 0..3 {
        for _ in 0..5 {
            assert_eq!(client.on_another_device().login("ada", PASSWORD).await.status, 200);
        }
        let storm = join_all((0..16).map(|_| {
            let mut client = client.on_another_device();
            async move { client.login("ada", PASSWORD).await }
        }));
        for answer in storm.await {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let ready = client.get("/ready").await;
        assert_eq!(ready.status, 200, "{ready:?}");
    }
    for other in others {
        other.close().await.unwrap();
    }
}

/// D2: there is no surprise later, when everybody else has taken what was given back.
#[tokio::test]
async fn connections_that_were_opened_are_kept_and_never_more_than_the_setting_says() {
    let server = TestServer::start_with(Storage::PostgresAndValkey, &["--database-max-connections=3"]).await;
    let client = server.signed_up("ada").await;
    for _ in 0..4 {
        let storm = (0..12).map(|_| {
            let mut other = server.client();
            async move { other.login("ada", PASSWORD).await.status }
        });
        assert_eq!(join_all(storm).await, [200; 12]);
        assert!((2.0..=3.0).contains(&metric(&server, "database_connections ").await));
    }
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(client.me().await.status, 200);
    assert!(metric(&server, "database_connections_idle").await >= 2.0);
    assert_eq!(
        metric(&server, "database_connections_closed_total{reason=\"lost\"}").await,
        0.0
    );
}

/// Why a connection was given up is counted.
#[tokio::test]
async fn connections_that_were_closed_are_counted_by_reason() {
    let (proxy, url) = Proxy::before(&fresh_database().await).await;
    let argument = format!("--database-url={url}");
    let server = TestServer::start_with(Storage::PostgresAndValkey, &[&argument]).await;
    let client = server.signed_up("ada").await;
    proxy.cut();
    assert_eq!(client.me().await.status, 503);
    proxy.restore();
    client.await_ready().await;
    assert!(metric(&server, "database_connections_closed_total{reason=\"lost\"}").await >= 1.0);
    assert_eq!(
        metric(&server, "database_connections_closed_total{reason=\"unfinished\"}").await,
        0.0
    );
}
