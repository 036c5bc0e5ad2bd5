//! Signing out: what ends, when, and what does not.

use std::time::Duration;

use crate::support::{Client, PASSWORD, TestServer, on_both_storages};

on_both_storages! {
    logging_out_everywhere_makes_every_token_useless_at_once,
    logging_out_ends_this_session_and_no_other,
    logging_out_works_with_an_expired_access_token_and_twice,
    ending_one_session_signs_that_device_out,
    nobody_can_end_a_session_of_somebody_else,
    changing_the_password_ends_all_sessions_and_begins_a_new_one,
    copies_of_the_tokens_of_the_session_that_changes_the_password_are_worthless,
    a_wrong_current_password_changes_nothing,
    the_list_of_sessions_shows_where_the_account_is_signed_in,
    every_way_to_end_a_session_is_told_to_the_cache,
}

/// R10
async fn logging_out_everywhere_makes_every_token_useless_at_once(server: TestServer) {
    let mut phone = server.signed_up("ada").await;
    let mut laptop = server.client();
    laptop.login("ada", PASSWORD).await;
    let answer = phone.logout_all().await;
    assert_eq!(answer.status, 200);
    assert!(answer.set_cookie().unwrap().contains("Max-Age=0;"), "{answer:?}");
    for device in [&mut phone, &mut laptop] {
        assert_eq!(device.me().await.assert_problem(401), "session_ended");
        assert_eq!(device.refresh().await.assert_problem(401), "session_ended");
    }
}

async fn logging_out_ends_this_session_and_no_other(server: TestServer) {
    let mut phone = server.signed_up("ada").await;
    let mut laptop = server.client();
    laptop.login("ada", PASSWORD).await;
    let answer = phone.logout().await;
    assert_eq!(
        (answer.status, answer.json()["message"].as_str()),
        (200, Some("logged out"))
    );
    assert!(
        answer
            .set_cookie()
            .unwrap()
            .starts_with("refresh_token=; Path=/; Max-Age=0;"),
        "{answer:?}"
    );
    assert_eq!((phone.me().await.status, phone.refresh().await.status), (401, 401));
    assert_eq!((laptop.me().await.status, laptop.refresh().await.status), (200, 200));
}

/// R14
async fn logging_out_works_with_an_expired_access_token_and_twice(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    server.step_seconds(3600);
    assert_eq!(client.me().await.status, 401);
    assert_eq!(client.logout().await.status, 200);
    assert_eq!(client.logout().await.status, 200);
    assert_eq!(client.refresh().await.status, 401);
    let mut stranger = server.client();
    assert_eq!(stranger.logout().await.status, 200, "without any cookie");
    stranger.cookie = Some("refresh_token=forged".to_owned());
    assert_eq!(stranger.logout().await.status, 200);
}

async fn ending_one_session_signs_that_device_out(server: TestServer) {
    let phone = server.signed_up("ada").await;
    let mut laptop = server.client();
    laptop.login("ada", PASSWORD).await;
    let sessions = phone.sessions().await;
    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let id = other["id"].as_str().unwrap();
    assert_eq!(phone.end_session(id).await.status, 200);
    assert_eq!((laptop.me().await.status, laptop.refresh().await.status), (401, 401));
    assert_eq!(phone.me().await.status, 200);
    assert_eq!(phone.end_session(id).await.assert_problem(404), "no_such_session");
}

async fn nobody_can_end_a_session_of_somebody_else(server: TestServer) {
    let ada = server.signed_up("ada").await;
    let eve = server.signed_up("eve").await;
    let id = ada.sessions().await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(eve.end_session(&id).await.assert_problem(404), "no_such_session");
    assert_eq!(ada.me().await.status, 200);
}

/// OWASP ASVS 7.4.3
async fn changing_the_password_ends_all_sessions_and_begins_a_new_one(server: TestServer) {
    let mut phone = server.signed_up("ada").await;
    let mut laptop = server.client();
    laptop.login("ada", PASSWORD).await;
    let answer = phone.change_password(PASSWORD, "another password").await;
    assert_eq!(
        (answer.status, &answer.json()["message"]),
        (200, &"password changed".into())
    );
    assert_eq!((laptop.me().await.status, laptop.refresh().await.status), (401, 401));
    assert_eq!((phone.me().await.status, phone.refresh().await.status), (200, 200));
    assert_eq!(phone.sessions().await.len(), 1);
    assert_eq!(laptop.login("ada", PASSWORD).await.status, 401);
    assert_eq!(laptop.login("ada", "another password").await.status, 200);
}

/// A thief who was the reason to change it is out, and cannot end the new session either (finding F5; OWASP ASVS 7.2.4).
async fn copies_of_the_tokens_of_the_session_that_changes_the_password_are_worthless(server: TestServer) {
    let mut owner = server.signed_up("ada").await;
    let (mut thief, before) = (owner.clone(), owner.cookie.clone().unwrap());
    assert_eq!(owner.refresh().await.status, 200);
    let mut other_thief = owner.clone();
    assert_eq!(owner.change_password(PASSWORD, "another password").await.status, 200);
    for thief in [&mut thief, &mut other_thief] {
        assert_eq!(thief.me().await.assert_problem(401), "session_ended");
        assert_eq!(thief.refresh().await.assert_problem(401), "session_ended");
    }
    server.step_seconds(31);
    assert_eq!(owner.refresh_with(&before).await.assert_problem(401), "session_ended");
    assert_eq!((owner.me().await.status, owner.refresh().await.status), (200, 200));
}

async fn a_wrong_current_password_changes_nothing(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let answer = client.change_password("not the password", "another password").await;
    assert_eq!(answer.assert_problem(403), "wrong_password");
    assert_eq!(server.client().login("ada", PASSWORD).await.status, 200);
}

async fn the_list_of_sessions_shows_where_the_account_is_signed_in(server: TestServer) {
    let mut phone = server.client().with_header("user-agent", "A phone");
    phone.register("ada").await;
    server.step_seconds(60);
    let mut laptop = server.client().with_header("user-agent", "A laptop");
    laptop.login("ada", PASSWORD).await;
    server.step_seconds(60);
    phone.refresh().await;
    let sessions = phone.sessions().await;
    let shown: Vec<_> = sessions
        .iter()
        .map(|s| (s["user_agent"].as_str().unwrap(), s["current"] == true))
        .collect();
    assert_eq!(shown, [("A laptop", false), ("A phone", true)], "newest first");
    assert_eq!(sessions[1]["ip"], "127.0.0.1");
    assert_ne!(sessions[1]["last_seen_at"], sessions[1]["created_at"]);
    assert_eq!(sessions[1]["id"], phone.me().await.json()["session_id"]);
}

/// R10: a new server asks the database until its copy in the cache is whole, and only the cache from then on.
async fn every_way_to_end_a_session_is_told_to_the_cache(server: TestServer) {
    let mut ada = server.signed_up("ada").await;
    assert_eq!(ada.me().await.status, 200);
    tokio::time::sleep(Duration::from_millis(2500)).await;

    let sign_in = || async {
        let mut client = server.client();
        client.login("ada", PASSWORD).await;
        client
    };
    let assert_ended = |client: Client, by: &'static str| async move {
        assert_eq!(client.me().await.status, 401, "after {by}");
    };

    let client = sign_in().await;
    client.logout().await;
    assert_ended(client, "signing out").await;

    let client = sign_in().await;
    let id = client.me().await.json()["session_id"].as_str().unwrap().to_owned();
    ada.end_session(&id).await;
    assert_ended(client, "ending it from another device").await;

    let mut client = sign_in().await;
    let stolen = client.cookie.clone().unwrap();
    client.refresh().await;
    client.refresh().await;
    server.step_seconds(31);
    client.refresh_with(&stolen).await;
    assert_ended(client, "a reused refresh token").await;

    let client = sign_in().await;
    ada.change_password(PASSWORD, PASSWORD).await;
    assert_ended(client, "a change of the password").await;

    let client = sign_in().await;
    ada.logout_all().await;
    assert_ended(client, "signing out everywhere").await;
    assert_ended(ada, "signing out everywhere").await;
}
