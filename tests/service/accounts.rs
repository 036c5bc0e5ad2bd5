//! Registering and signing in.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::support::{PASSWORD, Storage, TestServer, on_both_storages};

on_both_storages! {
    registering_signs_in,
    a_username_is_taken_in_any_case_of_its_letters,
    signing_in_works_in_any_case_and_with_blanks_around_the_name,
    of_two_registrations_of_one_name_at_the_same_moment_one_succeeds,
    an_unknown_user_and_a_wrong_password_cannot_be_told_apart,
    a_password_of_any_script_works_and_every_character_counts,
    an_access_token_that_is_missing_malformed_or_forged_is_refused,
}

async fn registering_signs_in(server: TestServer) {
    let mut client = server.client();
    let answer = client.register("Ada").await;
    assert_eq!(answer.status, 201);
    let body = answer.json();
    assert_eq!(
        (&body["message"], &body["username"]),
        (&json!("registered"), &json!("Ada"))
    );
    assert_eq!(body["token_type"], "bearer");
    let me = client.me().await;
    assert_eq!((me.status, me.json()["username"].clone()), (200, json!("Ada")));
    assert_eq!(client.refresh().await.status, 200);
}

async fn a_username_is_taken_in_any_case_of_its_letters(server: TestServer) {
    server.signed_up("Ada").await;
    for name in ["Ada", "ada", "ADA", " ada "] {
        assert_eq!(
            server.client().register(name).await.assert_problem(409),
            "username_taken",
            "{name:?}"
        );
    }
}

async fn signing_in_works_in_any_case_and_with_blanks_around_the_name(server: TestServer) {
    server.signed_up("Ada").await;
    let mut client = server.client();
    assert_eq!(client.login("  aDA ", PASSWORD).await.status, 200);
    assert_eq!(client.me().await.json()["username"], "Ada");
}

async fn of_two_registrations_of_one_name_at_the_same_moment_one_succeeds(server: TestServer) {
    let register = |name: &'static str| {
        let mut client = server.client();
        async move { client.register(name).await.status }
    };
    let (a, b, c) = tokio::join!(register("ada"), register("Ada"), register("ADA"));
    let mut statuses = [a, b, c];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
}

/// R11: same status, same body, and the same number of password hashes computed.
async fn an_unknown_user_and_a_wrong_password_cannot_be_told_apart(server: TestServer) {
    server.signed_up("ada").await;
    let hashes = || async {
        let url = format!("http://{}/metrics", server.app.metrics_address.unwrap());
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("password_hashes_total"))
            .unwrap()
            .to_owned();
        line.split_whitespace().last().unwrap().parse::<u64>().unwrap()
    };
    let mut seen = Vec::new();
    for name in ["ada", "nobody"] {
        let before = hashes().await;
        let answer = server.client().login(name, "not the password").await;
        let mut problem = answer.json();
        problem["request_id"].take();
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        seen.push((answer.status, problem, names, hashes().await - before));
    }
    assert_eq!(seen[0].0, 401);
    assert_eq!(seen[0].3, 1);
    assert_eq!(seen[0], seen[1]);
}

/// R11: the times, for a person to look at; machines are too noisy to assert on them.
#[tokio::test]
async fn the_times_of_refused_sign_ins_are_printed() {
    let owasp = ["--argon2-memory-kib=19456", "--argon2-iterations=2"];
    let server = TestServer::start_with(Storage::SqliteAndMemory, &owasp).await;
    server.signed_up("ada").await;
    let mut medians = Vec::new();
    for name in ["ada", "nobody"] {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..15 {
            let started = Instant::now();
            assert_eq!(server.client().login(name, "not the password").await.status, 401);
            times.push(started.elapsed());
        }
        times.sort_unstable();
        medians.push(times[times.len() / 2]);
    }
    println!(
        "median of 15 refused sign-ins: wrong password {:?}, unknown user {:?}",
        medians[0], medians[1]
    );
}

/// R12
async fn a_password_of_any_script_works_and_every_character_counts(server: TestServer) {
    let long = "пароль-密碼-🔑".repeat(9);
    let credentials = json!({"username": "ada", "password": long});
    assert_eq!(server.client().post("/register", &credentials).await.status, 201);
    assert_eq!(server.client().login("ada", &long).await.status, 200);
    let mut shorter = long.clone();
    shorter.pop();
    assert_eq!(server.client().login("ada", &shorter).await.status, 401);
}

/// R12: the stored hash is replaced by a stronger one when its owner signs in.
#[tokio::test]
async fn signing_in_replaces_a_hash_made_with_weaker_parameters() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    server.signed_up("ada").await;
    let stronger = server
        .another(&["--argon2-memory-kib=128", "--argon2-iterations=2"])
        .await;
    let stored = || async {
        let db = server.database().await;
        let query = Statement::from_string(db.get_database_backend(), "SELECT password_hash FROM users");
        db.query_one_raw(query)
            .await
            .unwrap()
            .unwrap()
            .try_get::<String>("", "password_hash")
            .unwrap()
    };
    assert!(stored().await.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    assert_eq!(stronger.client().login("ada", "not the password").await.status, 401);
    assert!(
        stored().await.starts_with("$argon2id$v=19$m=64,"),
        "only the right password replaces it"
    );
    assert_eq!(stronger.client().login("ada", PASSWORD).await.status, 200);
    assert!(stored().await.starts_with("$argon2id$v=19$m=128,t=2,p=1$"));
    assert_eq!(
        server.client().login("ada", PASSWORD).await.status,
        200,
        "the weaker instance still accepts it"
    );
}

/// R9
async fn an_access_token_that_is_missing_malformed_or_forged_is_refused(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let token = client.access_token.clone().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"at+jwt"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{claims}.");
    let cut = token[..token.len() - 2].to_owned();
    let refresh_token = client.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
    for (forged, expected) in [
        (None, "access_token_missing"),
        (Some(String::new()), "access_token_missing"),
        (Some("x".to_owned()), "invalid_access_token"),
        (Some(unsigned), "invalid_access_token"),
        (Some(cut), "invalid_access_token"),
        (Some(refresh_token), "invalid_access_token"),
    ] {
        client.access_token = forged;
        let answer = client.me().await;
        let code = answer.assert_problem(401);
        assert_eq!(code, expected, "{:?}", client.access_token);
        answer.assert_challenge_for(&code);
    }
}
