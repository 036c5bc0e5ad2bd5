//! Refresh token rotation: what keeps clients signed in, and what ends a session.

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Statement};

use crate::support::{Storage, TestServer, on_both_storages};

const DAY: i64 = 24 * 60 * 60;

on_both_storages! {
    concurrent_refreshes_with_one_cookie_all_succeed_and_end_on_the_same_successor,
    the_previous_token_gets_the_same_successor_for_as_long_as_that_was_not_used,
    replaying_a_token_does_not_extend_the_session,
    a_token_that_was_replaced_twice_ends_the_session_for_everybody_after_the_grace_window,
    every_token_that_was_replaced_inside_the_grace_window_is_forgiven,
    a_token_replaced_before_the_grace_window_ends_the_session_however_quickly_others_followed,
    a_failed_refresh_never_clears_the_cookie,
    refreshing_extends_a_session_but_never_beyond_its_absolute_lifetime,
    a_session_that_is_not_used_ends,
    a_refresh_without_or_with_a_forged_cookie_is_refused,
    the_database_holds_nothing_that_signs_anyone_in,
    a_new_access_token_works_and_the_old_one_keeps_working_until_it_expires,
}

/// R1
async fn concurrent_refreshes_with_one_cookie_all_succeed_and_end_on_the_same_successor(server: TestServer) {
    let client = server.signed_up("ada").await;
    let cookie = client.cookie.clone().unwrap();
    let answers = join_all((0..8).map(|_| client.refresh_with(&cookie))).await;
    let successors: Vec<_> = answers.iter().map(|answer| (answer.status, answer.cookie())).collect();
    assert!(
        successors.iter().all(|successor| *successor == successors[0]),
        "{successors:?}"
    );
    assert_eq!(successors[0].0, 200);
    assert_ne!(successors[0].1, Some(cookie));

    let generations = "SELECT generation FROM sessions";
    let db = server.database().await;
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), generations))
        .await
        .unwrap();
    let generations: Vec<i64> = rows.iter().map(|row| row.try_get("", "generation").unwrap()).collect();
    assert_eq!(generations, [1], "exactly one successor exists");
    let mut client = client;
    client.cookie = successors[0].1.clone();
    assert_eq!(client.refresh().await.status, 200);
}

/// R2; distributed.md D5: a phone that lost the net in the middle of a refresh comes back the next morning.
async fn the_previous_token_gets_the_same_successor_for_as_long_as_that_was_not_used(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let first = client.cookie.clone().unwrap();
    let second = client.refresh().await.cookie();
    for seconds in [0, 31, 12 * 60 * 60, 10 * DAY, -DAY] {
        server.step_seconds(seconds);
        let replay = client.refresh_with(&first).await;
        assert_eq!((replay.status, replay.cookie()), (200, second.clone()));
    }
    assert_eq!(client.refresh().await.status, 200, "the successor is used");
    server.step_seconds(31);
    let replay = client.refresh_with(&first).await;
    assert_eq!(replay.assert_problem(401), "refresh_token_reused");
}

/// R2
async fn replaying_a_token_does_not_extend_the_session(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let first = client.cookie.clone().unwrap();
    client.refresh().await;
    let before = client.sessions().await;
    server.step_seconds(5);
    assert_eq!(client.refresh_with(&first).await.status, 200);
    assert_eq!(client.sessions().await, before);
}

/// R2
async fn a_token_that_was_replaced_twice_ends_the_session_for_everybody_after_the_grace_window(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let stolen = client.cookie.clone().unwrap();
    client.refresh().await;
    client.refresh().await;
    server.step_seconds(31);
    let replay = client.refresh_with(&stolen).await;
    assert_eq!(replay.assert_problem(401), "refresh_token_reused");
    assert_eq!(client.me().await.assert_problem(401), "session_ended");
    assert_eq!(client.refresh().await.assert_problem(401), "session_ended");
    // The user is not locked out.
    let again = client.login("ada", crate::support::PASSWORD).await;
    assert_eq!(again.status, 200);
}

/// R2: a browser that restores many tabs sends one cookie from all of them, and some arrive after the next rotation.
async fn every_token_that_was_replaced_inside_the_grace_window_is_forgiven(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let mut older = vec![client.cookie.clone().unwrap()];
    for _ in 0..4 {
        server.step_seconds(2);
        client.refresh().await;
        older.push(client.cookie.clone().unwrap());
    }
    let current = older.pop();
    server.step_seconds(2);
    for (age, cookie) in older.iter().rev().enumerate() {
        let late = client.refresh_with(cookie).await;
        assert_eq!(
            (late.status, late.cookie()),
            (200, current.clone()),
            "replaced {} rotations ago",
            age + 1
        );
    }
}

/// R2
async fn a_token_replaced_before_the_grace_window_ends_the_session_however_quickly_others_followed(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let oldest = client.cookie.clone().unwrap();
    for _ in 0..3 {
        client.refresh().await;
        server.step_seconds(11);
    }
    let reused = client.refresh_with(&oldest).await;
    assert_eq!(reused.assert_problem(401), "refresh_token_reused");
    assert_eq!(client.refresh().await.status, 401);
}

/// R3
async fn a_failed_refresh_never_clears_the_cookie(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let stolen = client.cookie.clone().unwrap();
    client.refresh().await;
    client.refresh().await;
    server.step_seconds(31);
    for answer in [
        client.refresh_with("refresh_token=forged").await,
        client.refresh_with("other=1").await,
        client.refresh_with(&stolen).await,
        client.refresh().await,
    ] {
        assert_eq!((answer.status, answer.set_cookie()), (401, None));
    }
}

/// R4
async fn refreshing_extends_a_session_but_never_beyond_its_absolute_lifetime(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    for day in 0..8 {
        server.step_seconds(11 * DAY);
        let answer = client.refresh().await;
        assert_eq!(answer.status, 200, "on day {}", (day + 1) * 11);
    }
    // On day 88 two days of the 90 are left, and the cookie says so.
    let last = client.refresh().await;
    let max_age = format!("Max-Age={};", 2 * DAY);
    assert!(last.set_cookie().unwrap().contains(&max_age), "{last:?}");
    server.step_seconds(2 * DAY);
    assert_eq!(client.refresh().await.assert_problem(401), "session_ended");
}

/// R4
async fn a_session_that_is_not_used_ends(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    server.step_seconds(14 * DAY - 1);
    assert_eq!(client.refresh().await.status, 200);
    server.step_seconds(14 * DAY);
    assert_eq!(client.refresh().await.assert_problem(401), "session_ended");
}

async fn a_refresh_without_or_with_a_forged_cookie_is_refused(server: TestServer) {
    let client = server.signed_up("ada").await;
    let mut forged = client.cookie.clone().unwrap();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    for (cookie, expected) in [
        ("other=1", "refresh_cookie_missing"),
        ("refresh_token=", "session_ended"),
        ("refresh_token=x", "session_ended"),
        (&forged, "session_ended"),
    ] {
        let code = client.refresh_with(cookie).await.assert_problem(401);
        assert_eq!(code, expected, "{cookie}");
    }
    assert_eq!(
        client.me().await.status,
        200,
        "somebody's forgery does not harm the session"
    );
}

/// R5
async fn the_database_holds_nothing_that_signs_anyone_in(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    client.refresh().await;
    let db = server.database().await;
    let mut dump = String::new();
    for (table, columns) in [
        (
            "sessions",
            vec![
                "id",
                "user_id",
                "user_agent",
                "ip",
                "rotated_at",
                "created_at",
                "expires_at",
                "generation",
            ],
        ),
        (
            "users",
            vec!["id", "username", "username_key", "password_hash", "created_at"],
        ),
    ] {
        for column in columns {
            let query = format!("SELECT CAST({column} AS TEXT) AS value FROM {table}");
            let rows = db
                .query_all_raw(Statement::from_string(db.get_database_backend(), query))
                .await
                .unwrap();
            assert_eq!(rows.len(), 1);
            // SQLite keeps UUIDs as bytes, which are no text.
            dump += &rows[0].try_get::<String>("", "value").unwrap_or_default();
        }
    }
    let token = client.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
    let mac = &token[token.len() - 42..];
    let access_token = client.access_token.clone().unwrap();
    for secret in [
        crate::support::PASSWORD,
        &token,
        mac,
        &access_token,
        crate::support::SECRET,
    ] {
        assert!(!dump.contains(secret), "{secret} is in {dump}");
    }
    assert!(dump.contains("$argon2id$"), "{dump}");
}

async fn a_new_access_token_works_and_the_old_one_keeps_working_until_it_expires(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    server.step_seconds(300);
    let old = client.clone();
    client.refresh().await;
    assert_eq!((old.me().await.status, client.me().await.status), (200, 200));
    server.step_seconds(300);
    assert_eq!((old.me().await.status, client.me().await.status), (401, 200));
}

/// distributed.md D13: a database that was restored from a backup knows only earlier generations.
#[tokio::test]
async fn after_a_restore_the_newest_token_goes_on_and_those_before_it_are_over() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let mut client = server.signed_up("ada").await;
    let mut cookies = vec![client.cookie.clone().unwrap()];
    for _ in 0..3 {
        client.refresh().await;
        cookies.push(client.cookie.clone().unwrap());
    }
    let restore = "UPDATE sessions SET generation = 1, grace_generation = 0";
    server.database().await.execute_unprepared(restore).await.unwrap();
    server.step_seconds(31);
    assert_eq!(client.refresh().await.status, 200);
    server.step_seconds(31);
    let stolen = client.refresh_with(&cookies[1]).await;
    assert_eq!(stolen.assert_problem(401), "refresh_token_reused");
}

/// The successor of a retry can be derived by another instance, and after the secret was replaced.
#[tokio::test]
async fn replacing_the_secret_signs_nobody_out() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let mut client = server.signed_up("ada").await;
    let before = client.cookie.clone().unwrap();
    let new_secret = "--jwt-secret=another secret, of more than 32 bytes";
    let previous = format!("--jwt-secret-previous={}", crate::support::SECRET);
    let replaced = server.another(&[new_secret, &previous]).await;
    let mut moved = client.at(&replaced.url);
    assert_eq!(moved.me().await.status, 200);
    assert_eq!(moved.refresh().await.status, 200);
    assert_eq!(
        moved.refresh_with(&before).await.cookie(),
        moved.cookie,
        "a retry of the old token"
    );
    let without = server.another(&[new_secret]).await;
    client = client.at(&without.url);
    assert_eq!(
        client.me().await.status,
        401,
        "once the old secret is removed, its tokens end"
    );
    assert_eq!(moved.at(&without.url).me().await.status, 200);
}
