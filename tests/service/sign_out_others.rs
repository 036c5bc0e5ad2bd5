//! Sign out everywhere else, and what the answers that sign in say.

use serde_json::json;

use crate::support::{Client, PASSWORD, Storage, TestServer, on_both_storages};

on_both_storages! {
    all_other_sessions_end_at_once_and_this_one_goes_on,
    the_sessions_of_others_are_left_alone,
    more_sessions_than_a_page_has_end_as_well,
    a_session_that_is_over_ends_none,
    every_answer_that_signs_in_says_who_and_for_how_long,
}

async fn signed_in(server: &TestServer, name: &str) -> Client {
    let mut client = server.client();
    assert_eq!(client.login(name, PASSWORD).await.status, 200);
    client
}

/// R10
async fn all_other_sessions_end_at_once_and_this_one_goes_on(server: TestServer) {
    let mut phone = server.signed_up("ada").await;
    let mut laptop = signed_in(&server, "ada").await;
    let mut tablet = signed_in(&server, "ada").await;
    for _ in ["once", "and once more"] {
        let answer = laptop.logout_others().await;
        assert_eq!((answer.status, answer.set_cookie()), (200, None));
        assert_eq!(answer.json(), json!({"message": "logged out everywhere else"}));
    }
    for other in [&mut phone, &mut tablet] {
        assert_eq!(other.me().await.assert_problem(401), "session_ended");
        assert_eq!(other.refresh().await.assert_problem(401), "session_ended");
    }
    assert_eq!(laptop.sessions().await.len(), 1);
    assert_eq!(laptop.me().await.status, 200);
    assert_eq!(laptop.refresh().await.status, 200);
    // Whoever was signed out can sign in again, and is then an other one.
    assert_eq!(phone.login("ada", PASSWORD).await.status, 200);
    assert_eq!(phone.logout_others().await.status, 200);
    assert_eq!(laptop.me().await.assert_problem(401), "session_ended");
}

async fn the_sessions_of_others_are_left_alone(server: TestServer) {
    let ada = server.signed_up("ada").await;
    let bob = server.signed_up("bob").await;
    assert_eq!(ada.logout_others().await.status, 200);
    assert_eq!((ada.me().await.status, bob.me().await.status), (200, 200));
}

/// With the present one in the middle: the list begins with the newest.
async fn more_sessions_than_a_page_has_end_as_well(server: TestServer) {
    let many = [
        "--max-sessions-per-account=1000",
        "--rate-limit-per-address=0",
        "--rate-limit-per-account=0",
    ];
    let server = server.another(&many).await;
    let oldest = server.signed_up("ada").await;
    for _ in 0..150 {
        signed_in(&server, "ada").await;
    }
    let present = signed_in(&server, "ada").await;
    for _ in 0..150 {
        signed_in(&server, "ada").await;
    }
    let newest = signed_in(&server, "ada").await;
    assert_eq!(present.logout_others().await.status, 200);
    assert_eq!(present.sessions().await.len(), 1);
    for other in [oldest, newest] {
        assert_eq!(other.me().await.assert_problem(401), "session_ended");
    }
}

async fn a_session_that_is_over_ends_none(server: TestServer) {
    let thief = server.signed_up("ada").await;
    assert_eq!(thief.logout_all().await.status, 200);
    let owner = signed_in(&server, "ada").await;
    assert_eq!(thief.logout_others().await.assert_problem(401), "session_ended");
    assert_eq!(
        server.client().logout_others().await.assert_problem(401),
        "access_token_missing"
    );
    assert_eq!(owner.me().await.status, 200);
}

/// RFC 6749, section 5.1: `expires_in`. With the user no second request is needed.
async fn every_answer_that_signs_in_says_who_and_for_how_long(server: TestServer) {
    let mut client = server.client();
    let registered = client.register("Ada").await.json();
    let me = client.me().await.json();
    assert_eq!(registered["user"], me);
    assert_eq!(registered["username"], "Ada", "it stays where it was");
    let login = client.login("ada", PASSWORD).await.json();
    assert_eq!(login["user"], client.me().await.json());
    let refreshed = client.refresh().await.json();
    assert_eq!(refreshed["user"], login["user"], "the session is the same");
    let changed = client.change_password(PASSWORD, "another horse battery").await.json();
    assert_eq!(changed["user"], client.me().await.json());
    for answer in [registered, login, refreshed, changed] {
        assert_eq!(
            (&answer["token_type"], &answer["expires_in"]),
            (&json!("bearer"), &json!(600))
        );
    }
    // It is over when the answer said.
    server.step_seconds(599);
    assert_eq!(client.me().await.status, 200);
    server.step_seconds(1);
    assert_eq!(client.me().await.assert_problem(401), "access_token_expired");
}

/// A token does not outlive its session, and the answer says so.
#[tokio::test]
async fn in_the_last_minutes_of_a_session_the_token_lasts_as_long_as_that() {
    let server = TestServer::start_with(Storage::SqliteAndMemory, &["--session-lifetime-days=1"]).await;
    let mut client = server.signed_up("ada").await;
    server.step_seconds(24 * 3600 - 100);
    assert_eq!(client.refresh().await.json()["expires_in"], 100);
}
