//! Several instances on the same PostgreSQL and Valkey.

use futures_util::future::join_all;

use crate::support::{Client, PASSWORD, Proxy, ServerProcess, Storage, TestServer, fresh_database, redis_url};

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

/// Two instances, the first of which commits what it ends and never announces it, as if it were killed in between; and a
/// client of another device of the account, at the second instance, which may accept it until its next look.
async fn untold() -> (TestServer, TestServer, Client, Client) {
    let told = TestServer::start(Storage::PostgresAndValkey).await;
    let (proxy, url) = Proxy::before(&redis_url()).await;
    let untelling = told.another(&[&format!("--redis-url={url}")]).await;
    let client = told.signed_up("ada").await;
    let mut other = told.client();
    other.login("ada", PASSWORD).await;
    assert_eq!(client.me().await.status, 200);
    proxy.cut();
    (told, untelling, client, other)
}

/// Finding D4: whoever repeats a request whose answer was lost is told the truth by any instance.
#[tokio::test]
async fn signing_out_everywhere_once_more_at_another_instance_ends_what_the_first_did_not_announce() {
    let (told, untelling, client, other) = untold().await;
    assert_eq!(client.at(&untelling.url).logout_all().await.status, 200);
    let mut newer = told.client();
    newer.login("ada", PASSWORD).await;
    // 401 if it has looked in the meantime.
    let again = client.logout_all().await.status;
    assert!([200, 401].contains(&again), "{again}");
    assert_eq!(
        (
            other.get("/sessions").await.status,
            client.get("/sessions").await.status
        ),
        (401, 401)
    );
    assert_eq!(newer.me().await.status, 200, "what began since then goes on");
}

/// Otherwise whoever holds a copy of a session that is over could sign its owner out.
#[tokio::test]
async fn signing_out_all_others_in_a_session_whose_end_was_not_announced_ends_nothing_that_began_since() {
    let (told, untelling, client, _other) = untold().await;
    assert_eq!(client.at(&untelling.url).logout_all().await.status, 200);
    let mut newer = told.client();
    newer.login("ada", PASSWORD).await;
    assert_eq!(client.logout_others().await.assert_problem(401), "session_ended");
    assert_eq!(newer.me().await.status, 200);
}

/// Whatever reads the account's row sees it, and then it is announced.
#[tokio::test]
async fn a_request_that_meets_an_ending_which_was_not_announced_is_refused_and_announces_it() {
    let (_told, untelling, client, other) = untold().await;
    assert_eq!(client.at(&untelling.url).logout_all().await.status, 200);
    assert_eq!(client.me().await.status, 401);
    assert_eq!(other.get("/sessions").await.status, 401);
}

/// Finding D4
#[tokio::test]
async fn ending_a_session_once_more_at_another_instance_ends_what_the_first_did_not_announce() {
    let (_told, untelling, client, other) = untold().await;
    let id = other.me().await.json()["session_id"].as_str().unwrap().to_owned();
    assert_eq!(client.at(&untelling.url).end_session(&id).await.status, 200);
    assert_eq!(client.end_session(&id).await.assert_problem(404), "no_such_session");
    assert_eq!(other.me().await.status, 401);
}

/// Finding D4: the password is not called wrong, and nothing of before is accepted any more.
#[tokio::test]
async fn changing_the_password_once_more_at_another_instance_ends_what_the_first_did_not_announce() {
    let (_told, untelling, mut client, other) = untold().await;
    assert_eq!(
        client
            .at(&untelling.url)
            .change_password(PASSWORD, "another password")
            .await
            .status,
        200
    );
    let again = client.change_password(PASSWORD, "another password").await;
    assert_eq!(again.assert_problem(401), "session_ended");
    assert_eq!(
        (
            other.get("/sessions").await.status,
            client.get("/sessions").await.status
        ),
        (401, 401)
    );
}
