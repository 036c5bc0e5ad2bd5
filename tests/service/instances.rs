//! Several instances on the same PostgreSQL and Valkey.

use futures_util::future::join_all;

use crate::support::{ServerProcess, Storage, TestServer, fresh_database, redis_url};

#[tokio::test]
async fn two_instances_accept_each_others_sessions_and_endings() {
    let one = TestServer::start(Storage::PostgresAndValkey).await;
    let two = one.another(&[]).await;
    let mut client = one.signed_up("ada").await;
    assert_eq!(client.at(&two.url).me().await.status, 200);
    let before = client.cookie.clone().unwrap();
    let at_two = client.at(&two.url);
    let (a, b) = tokio::join!(client.refresh_with(&before), at_two.refresh_with(&before));
    assert_eq!((a.status, b.status), (200, 200));
    assert_eq!(a.cookie(), b.cookie(), "R1 holds over instances");
    client.cookie = a.cookie();
    assert_eq!(client.at(&two.url).logout_all().await.status, 200);
    assert_eq!(client.me().await.status, 401, "at once, through the cache");
    assert_eq!(client.refresh().await.status, 401);
}

/// R21
#[tokio::test]
async fn instances_that_start_at_the_same_moment_on_an_empty_database_all_come_up() {
    let (database, redis) = (fresh_database().await, redis_url());
    let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", redis.as_str())];
    let processes: Vec<_> = (0..4).map(|_| ServerProcess::start(&settings)).collect();
    let clients = join_all(processes.iter().map(ServerProcess::client)).await;
    let statuses = join_all(clients.iter().enumerate().map(|(number, client)| {
        let mut client = client.clone();
        async move { client.register(&format!("user{number}")).await.status }
    }))
    .await;
    assert_eq!(statuses, [201; 4]);
}
