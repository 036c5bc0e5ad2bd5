//! Stopping while the database does not answer.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::support::{PASSWORD, Postgres, Proxy, ServerProcess, fresh_database};

/// R33: DRAIN_SECONDS, which are 0 here, and 12 s. A busy machine gets half as much again.
const GONE_WITHIN: Duration = Duration::from_secs(18);

/// R33, F4
#[tokio::test]
async fn a_signal_ends_the_server_in_time_while_the_database_is_frozen() {
    let postgres = Postgres::start(&[]).await;
    let mut server = ServerProcess::start(&[("DATABASE_URL", &postgres.url())]);
    let mut client = server.client().await;
    client.register("ada").await;
    postgres.freeze();
    assert_eq!(client.on_another_device().login("ada", PASSWORD).await.status, 503);
    // One that is under way when the signal comes, too.
    let late = tokio::spawn(async move { client.login("ada", PASSWORD).await.status });
    sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    server.signal("TERM");
    let status = server.exit(GONE_WITHIN).await;
    println!("gone {:?} after the signal", started.elapsed());
    assert!(status.success(), "{status}\n{}", server.output());
    assert_eq!(late.await.unwrap(), 503, "it is answered before that");
}

/// R33: the same where nothing is heard of the database any more, with connections that nobody uses.
#[tokio::test]
async fn a_signal_ends_an_idle_server_at_once_while_the_database_is_cut_off() {
    let (proxy, url) = Proxy::before(&fresh_database().await).await;
    let mut server = ServerProcess::start(&[("DATABASE_URL", &url)]);
    server.client().await.register("ada").await;
    proxy.stall();
    server.signal("TERM");
    let started = Instant::now();
    assert!(server.exit(GONE_WITHIN).await.success());
    println!("gone {:?} after the signal", started.elapsed());
}
