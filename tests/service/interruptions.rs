//! Operations that a fault interrupts: each is done as a whole or not at all, and a retry ends as the first try would.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, TransactionTrait};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{Client, PASSWORD, Proxy, Storage, TestServer, count, fresh_database, redis_url};

/// Watches for longer than a repair of the cache takes.
async fn assert_refused_from_now_on(client: &Client) {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        assert_eq!(client.me().await.status, 401, "after {:?}", started.elapsed());
        sleep(Duration::from_millis(10)).await;
    }
}

/// The first request finds no copy in the cache and has it made, within a second.
async fn await_copy_in_the_cache(client: &Client) {
    assert_eq!(client.me().await.status, 200);
    sleep(Duration::from_secs(2)).await;
}

/// R10: the cache comes back before it has heard of the end of the session.
#[tokio::test]
async fn a_session_whose_end_the_cache_missed_is_refused_without_a_gap() {
    let (proxy, url) = Proxy::before(&redis_url()).await;
    let server = TestServer::start_with(Storage::PostgresAndValkey, &[&format!("--redis-url={url}")]).await;
    let client = server.signed_up("ada").await;
    await_copy_in_the_cache(&client).await;
    proxy.cut();
    assert_eq!(client.logout().await.status, 200);
    proxy.restore();
    assert_refused_from_now_on(&client).await;
}

/// R10: the sessions are ended, but the answer of the database is lost; the retry finds nothing left to end.
#[tokio::test]
async fn sessions_that_were_ended_by_a_request_that_failed_are_refused_after_its_retry() {
    let database = fresh_database().await;
    let (proxy, url) = Proxy::before(&database).await;
    // One connection, so that the statement is prepared on it and its next reply is that of the execution.
    let arguments = [
        format!("--database-url={url}"),
        "--database-max-connections=1".to_owned(),
    ];
    let server = TestServer::start_with(Storage::PostgresAndValkey, &[&arguments[0], &arguments[1]]).await;
    let client = server.signed_up("ada").await;
    let mut again = server.client();
    again.login("ada", PASSWORD).await;
    let db = Database::connect(database).await.unwrap();
    let live = "SELECT count(*) FROM users WHERE username = 'ada' AND sessions_ended_through IS NULL";
    let mut round = 0;
    // On a busy machine the reply that is cut may be that of another statement, and then nothing was ended.
    while count(&db, live).await > 0 {
        round += 1;
        assert!(round <= 20, "the sessions were never ended");
        client.await_ready().await;
        let other = server.signed_up(&format!("other{round}")).await;
        await_copy_in_the_cache(&client).await;
        assert_eq!(other.logout_all().await.status, 200);
        proxy.cut_replies();
        assert_eq!(client.logout_all().await.assert_problem(503), "database_unavailable");
        proxy.restore();
    }
    client.await_ready().await;
    client.logout_all().await;
    assert_refused_from_now_on(&client).await;
    assert_eq!(again.me().await.status, 401);
}

async fn execute(db: &DatabaseConnection, statements: &[&str]) {
    for statement in statements {
        db.execute_unprepared(statement).await.unwrap();
    }
}

/// Somebody who sees that the change failed goes on with the old password, and nobody else must be signed in meanwhile
/// who should not be.
#[tokio::test]
async fn a_change_of_password_that_cannot_end_the_other_sessions_changes_nothing() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let mut client = server.signed_up("ada").await;
    let db = server.database().await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN RAISE EXCEPTION 'a fault' USING ERRCODE = '53100'; END $$";
    let trigger = "CREATE TRIGGER refuse BEFORE UPDATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION refuse()";
    execute(&db, &[refuse, trigger]).await;
    let answer = client.change_password(PASSWORD, "another password").await;
    assert_eq!(answer.assert_problem(503), "database_unavailable");
    execute(&db, &["DROP TRIGGER refuse ON sessions"]).await;
    assert_eq!(server.client().login("ada", "another password").await.status, 401);
    assert_eq!(server.client().login("ada", PASSWORD).await.status, 200);
    assert_eq!(client.change_password(PASSWORD, "another password").await.status, 200);
}

/// The change is not yet committed when somebody signs in with the old password.
#[tokio::test]
async fn a_sign_in_during_a_change_of_password_waits_for_it_and_is_refused() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    server.signed_up("ada").await;
    let other = json!({"username": "bob", "password": "another password"});
    server.client().post("/register", &other).await;
    let db = server.database().await;
    let change = db.begin().await.unwrap();
    let of_bob = "SELECT password_hash FROM users WHERE username = 'bob'";
    let statements = format!("UPDATE users SET password_hash = ({of_bob}); UPDATE sessions SET revoked_at = now()");
    change.execute_unprepared(&statements).await.unwrap();
    let mut client = server.client();
    let login = tokio::spawn(async move { client.login("ada", PASSWORD).await });
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while count(&db, waiting).await == 0 {
        sleep(Duration::from_millis(20)).await;
    }
    change.commit().await.unwrap();
    assert_eq!(login.await.unwrap().assert_problem(401), "invalid_credentials");
    let live = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL";
    assert_eq!(count(&db, live).await, 0);
}

/// R12: all of them find the weak hash, and one of them replaces it.
#[tokio::test]
async fn sign_ins_at_the_same_moment_succeed_while_the_hash_is_replaced_by_a_stronger_one() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let stronger = server
        .another(&["--argon2-memory-kib=4096", "--password-hash-concurrency=8"])
        .await;
    for round in 0..5 {
        let name = format!("user{round}");
        server.signed_up(&name).await;
        let logins = (0..8).map(|_| {
            let (mut client, name) = (stronger.client(), name.clone());
            async move { client.login(&name, PASSWORD).await.status }
        });
        assert_eq!(join_all(logins).await, [200; 8]);
    }
}
