//! Accounts that an operator or their owner changes, while a server runs.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, SECRET, ServerProcess, TestServer, count, on_both_storages};

on_both_storages! {
    accounts_are_listed_and_shown,
    a_disabled_account_is_out_and_stays_out_until_it_is_enabled,
    a_one_time_password_signs_in_to_be_changed_and_for_nothing_else,
    a_one_time_password_expires,
    sessions_are_ended_for_somebody,
    an_account_is_deleted_by_an_operator,
    an_account_is_deleted_by_its_owner,
    signing_in_again_in_one_browser_ends_the_session_that_it_had,
}

/// `slipway user` with these arguments, on the server's storages.
async fn user(server: &TestServer, arguments: &[&str]) -> (bool, String) {
    let settings = [
        ("DATABASE_URL", server.database_url.as_str()),
        ("JWT_SECRET", SECRET),
        ("ARGON2_MEMORY_KIB", "64"),
        ("RUST_LOG", "error"),
    ];
    let mut command = ServerProcess::run(&[&["user"], arguments].concat(), &settings);
    let status = command.exit(Duration::from_secs(30)).await;
    (status.success(), command.output())
}

/// The same with `--json`, line by line.
async fn user_json(server: &TestServer, arguments: &[&str]) -> Vec<Value> {
    let (is_done, output) = user(server, &[arguments, &["--json"]].concat()).await;
    assert!(is_done, "{output}");
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until the server has seen what the command did: it was not told, since the command has no REDIS_URL.
async fn until_signed_out(client: &Client) {
    for _ in 0..100 {
        if client.get("/sessions").await.status == 401 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("still signed in after 10 s");
}

async fn accounts_are_listed_and_shown(server: TestServer) {
    for name in ["bob", "Ada"] {
        server.signed_up(name).await;
    }
    let listed = user_json(&server, &["list"]).await;
    let names: Vec<_> = listed.iter().map(|account| account["username"].clone()).collect();
    assert_eq!(names, ["Ada", "bob"]);
    assert_eq!(user_json(&server, &["show", "ADA"]).await, listed[..1]);
    assert_eq!(listed[0]["state"], "active");
    let (is_done, output) = user(&server, &["show", "ada"]).await;
    assert!(
        is_done && output.starts_with("Ada  id=") && output.contains("state=active"),
        "{output}"
    );
    for action in ["show", "disable", "enable", "delete", "set-password", "end-sessions"] {
        let (is_done, output) = user(&server, &[action, "nobody"]).await;
        assert!(
            !is_done && output.contains("there is no account \"nobody\""),
            "{output}"
        );
    }
}

/// R10
async fn a_disabled_account_is_out_and_stays_out_until_it_is_enabled(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    assert_eq!(user_json(&server, &["disable", "ada"]).await[0]["state"], "disabled");
    assert_eq!(client.refresh().await.assert_problem(401), "session_ended");
    until_signed_out(&client).await;
    let right = client.login("ada", PASSWORD).await;
    assert_eq!(right.assert_problem(403), "account_disabled");
    let wrong = client.login("ada", "a wrong password").await;
    assert_eq!(
        wrong.assert_problem(401),
        "invalid_credentials",
        "only its owner is told"
    );
    assert_eq!(user_json(&server, &["enable", "ada"]).await[0]["state"], "active");
    assert_eq!(client.login("ada", PASSWORD).await.status, 200);
    assert_eq!(client.me().await.status, 200);
}

async fn one_time_password(server: &TestServer) -> String {
    let given = user_json(server, &["set-password", "ada"]).await;
    given[0]["password"].as_str().unwrap().to_owned()
}

/// OWASP ASVS 6.4.1
async fn a_one_time_password_signs_in_to_be_changed_and_for_nothing_else(server: TestServer) {
    let before = server.signed_up("ada").await;
    let password = one_time_password(&server).await;
    until_signed_out(&before).await;
    assert_eq!(server.client().login("ada", PASSWORD).await.status, 401);
    let mut client = server.client();
    let answer = client.login("ada", &password).await;
    assert_eq!(answer.json()["password_change_required"], true);
    assert_eq!(client.me().await.status, 200);
    for renewed in [false, true] {
        let refused = client.get("/sessions").await;
        assert_eq!(refused.assert_problem(403), "password_change_required", "{renewed}");
        assert_eq!(client.get("/metrics").await.status, 403);
        assert_eq!(client.refresh().await.json()["password_change_required"], true);
    }
    assert_eq!(
        client.change_password(&password, "a password of my own").await.status,
        200
    );
    assert_eq!(client.get("/sessions").await.status, 200);
    assert_eq!(client.refresh().await.json()["password_change_required"], false);
    assert_eq!(
        server.client().login("ada", &password).await.status,
        401,
        "it was good once"
    );
    assert_eq!(user_json(&server, &["show", "ada"]).await[0]["state"], "active");
}

async fn a_one_time_password_expires(server: TestServer) {
    server.signed_up("ada").await;
    let password = one_time_password(&server).await;
    // The command goes by the real clock, and so does the server until it is moved.
    server.step_seconds(23 * 3600);
    assert_eq!(server.client().login("ada", &password).await.status, 200);
    server.step_seconds(2 * 3600);
    let late = server.client().login("ada", &password).await;
    assert_eq!(late.assert_problem(401), "invalid_credentials");
}

async fn sessions_are_ended_for_somebody(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let bob = server.signed_up("bob").await;
    user_json(&server, &["end-sessions", "ada"]).await;
    assert_eq!(client.refresh().await.status, 401);
    until_signed_out(&client).await;
    assert_eq!(client.login("ada", PASSWORD).await.status, 200);
    assert_eq!(bob.get("/sessions").await.status, 200);
}

async fn an_account_is_deleted_by_an_operator(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    assert_eq!(user_json(&server, &["delete", "ada"]).await[0]["deleted"], true);
    assert_eq!(client.refresh().await.status, 401);
    until_signed_out(&client).await;
    assert_eq!(server.client().login("ada", PASSWORD).await.status, 401);
    assert!(user_json(&server, &["list"]).await.is_empty());
}

async fn an_account_is_deleted_by_its_owner(server: TestServer) {
    let client = server.signed_up("ada").await;
    let mut elsewhere = server.client();
    elsewhere.login("ada", PASSWORD).await;
    let delete = |password: &str| {
        let (client, body) = (client.clone(), json!({"password": password}));
        async move { client.send_json(Method::DELETE, "/me", Some(&body)).await }
    };
    assert_eq!(delete("a wrong password").await.assert_problem(403), "wrong_password");
    assert_eq!(client.me().await.status, 200);
    let answer = delete(PASSWORD).await;
    assert_eq!(answer.status, 200);
    assert!(answer.set_cookie().unwrap().contains("Max-Age=0"));
    for client in [&client, &elsewhere] {
        assert_eq!(client.get("/sessions").await.status, 401);
        assert_eq!(client.clone().refresh().await.status, 401);
    }
    assert_eq!(server.client().login("ada", PASSWORD).await.status, 401);
    let database = server.database().await;
    let left = "SELECT count(*) FROM users WHERE username <> '' OR password_hash <> '!'";
    assert_eq!(count(&database, left).await, 0);
    assert_eq!(server.client().register("ada").await.status, 201, "the name is free");
    database.close().await.unwrap();
}

/// OWASP ASVS 7.2.4
async fn signing_in_again_in_one_browser_ends_the_session_that_it_had(server: TestServer) {
    let mut browser = server.signed_up("ada").await;
    let other_device = {
        let mut client = server.client();
        client.login("ada", PASSWORD).await;
        client
    };
    for sign_in in ["login", "register"] {
        let before = browser.clone();
        match sign_in {
            "login" => browser.login("ada", PASSWORD).await,
            _ => browser.register("bob").await,
        };
        assert_eq!(before.me().await.status, 401, "{sign_in}");
        assert_eq!(before.clone().refresh().await.status, 401, "{sign_in}");
        assert_eq!(browser.me().await.status, 200, "{sign_in}");
    }
    assert_eq!(other_device.me().await.status, 200);
    let failed = browser.clone().login("ada", "a wrong password").await;
    assert_eq!(failed.status, 401);
    assert_eq!(browser.me().await.status, 200, "who fails to sign in stays signed in");
}
