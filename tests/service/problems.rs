//! Errors as programs read them: codes out of one list, every wrong field at once, and when to come back.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::{env, fs};

use serde_json::{Value, json};
use slipway::problem::Code;

use crate::support::{Answer, PASSWORD, Storage, TestServer, on_both_storages};

on_both_storages! {
    every_wrong_field_is_named_at_once,
    a_wrong_parameter_is_named_for_programs_too,
    a_refused_password_or_name_is_named_for_programs_too,
    an_expired_access_token_is_told_apart_from_an_ended_session,
}

/// Where, what, for each entry of `errors`.
fn errors(answer: &Answer) -> Vec<(String, String)> {
    let problem = answer.json();
    let place = |item: &Value| {
        let named = ["pointer", "parameter", "dependency"].map(|member| item[member].as_str());
        let named: Vec<&str> = named.into_iter().flatten().collect();
        assert_eq!(named.len(), 1, "{item}");
        named[0].to_owned()
    };
    let items = problem["errors"].as_array().cloned().unwrap_or_default();
    let item = |item: &Value| (place(item), item["code"].as_str().unwrap().to_owned());
    items.iter().map(item).collect()
}

/// RFC 9457, section 3: one problem with several errors, each with a pointer.
async fn every_wrong_field_is_named_at_once(server: TestServer) {
    let client = server.client();
    for (body, detail, expected) in [
        (
            json!({"username": "a/b", "password": "short"}),
            "username: must be 1 to 64 characters out of letters a-z, digits, '.', '_', '-', '+' and '@'.",
            vec![("#/username", "invalid"), ("#/password", "invalid")],
        ),
        (
            json!({}),
            "The body is not right: missing field `username`.",
            vec![("#/username", "missing"), ("#/password", "missing")],
        ),
        (
            json!({"password": 8, "a/b": 1, "c%d": null}),
            "password: invalid type: integer `8`, expected a string.",
            vec![
                ("#/password", "wrong_type"),
                ("#/a~1b", "unknown"),
                ("#/c%25d", "unknown"),
                ("#/username", "missing"),
            ],
        ),
        (
            json!([]),
            "The body is not right: invalid length 0, expected struct Credentials with 2 elements.",
            vec![("#", "invalid")],
        ),
        (
            json!(7),
            "The body is not right: invalid type: integer `7`, expected struct Credentials.",
            vec![("#", "wrong_type")],
        ),
    ] {
        let answer = client.post("/register", &body).await;
        assert_eq!(answer.assert_problem(422), "invalid_input");
        assert_eq!(answer.detail(), detail, "{body}");
        let expected: Vec<_> = expected
            .iter()
            .map(|(at, code)| ((*at).to_owned(), (*code).to_owned()))
            .collect();
        assert_eq!(errors(&answer), expected, "{body}");
    }
    let twice = r#"{"username": "ada", "username": "bob", "password": "correct horse battery"}"#;
    let answer = client.post_bytes("/register", "application/json", twice).await;
    assert_eq!(answer.assert_problem(422), "invalid_input");
    assert_eq!(errors(&answer).len(), 1, "{answer:?}");
    assert_eq!(errors(&answer)[0].1, "duplicate");
    // Nobody needs 5,000 of them.
    let many: serde_json::Map<_, _> = (0..5_000).map(|number| (number.to_string(), json!(1))).collect();
    let answer = client.post("/register", &many.into()).await;
    assert_eq!(errors(&answer).len(), 22, "{answer:?}");
}

async fn a_wrong_parameter_is_named_for_programs_too(server: TestServer) {
    let client = server.signed_up("ada").await;
    for (answer, parameter) in [
        (client.get("/sessions?limit=101").await, "limit"),
        (client.get("/sessions?cursor=x").await, "cursor"),
        (client.end_session("7").await, "id"),
    ] {
        assert_eq!(answer.assert_problem(422), "invalid_input");
        assert_eq!(errors(&answer), [(parameter.to_owned(), "invalid".to_owned())]);
        assert!(answer.detail().starts_with(&format!("{parameter}: ")), "{answer:?}");
    }
}

async fn a_refused_password_or_name_is_named_for_programs_too(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    for (answer, code, pointer, item) in [
        (
            client
                .post("/register", &json!({"username": "admin", "password": PASSWORD}))
                .await,
            "username_reserved",
            "#/username",
            "reserved",
        ),
        (
            client
                .post("/register", &json!({"username": "bob", "password": "password1"}))
                .await,
            "password_easily_guessed",
            "#/password",
            "easily_guessed",
        ),
        (
            client.change_password(PASSWORD, "password1").await,
            "password_easily_guessed",
            "#/new_password",
            "easily_guessed",
        ),
    ] {
        assert_eq!(answer.assert_problem(422), code);
        assert_eq!(errors(&answer), [(pointer.to_owned(), item.to_owned())]);
        let field = pointer.trim_start_matches("#/");
        assert!(answer.detail().starts_with(&format!("{field}: ")), "{answer:?}");
    }
}

/// R9; RFC 6750, section 3.1.
async fn an_expired_access_token_is_told_apart_from_an_ended_session(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    server.step_seconds(600);
    let answer = client.me().await;
    assert_eq!(answer.assert_problem(401), "access_token_expired");
    answer.assert_challenge_for("access_token_expired");
    assert!(answer.header("www-authenticate").unwrap().contains("has expired"));
    assert_eq!(client.refresh().await.status, 200);
    assert_eq!(client.logout().await.status, 200);
    let answer = client.me().await;
    assert_eq!(answer.assert_problem(401), "session_ended");
    answer.assert_challenge_for("session_ended");
    client.cookie = None;
    let answer = client.refresh().await;
    assert_eq!(answer.assert_problem(401), "refresh_cookie_missing");
    assert!(answer.detail().contains("credentials"), "{answer:?}");
    answer.assert_challenge_for("refresh_cookie_missing");
}

/// Each of the three says the same, and whoever waits that long is let in.
#[tokio::test]
async fn retry_after_rate_limit_and_detail_agree() {
    let limits = ["--rate-limit-per-address=3", "--rate-limit-per-account=0"];
    let server = TestServer::start_with(Storage::SqliteAndMemory, &limits).await;
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(client.login("nobody", PASSWORD).await.status, 401);
    }
    server.step_milliseconds(300);
    let refused = client.login("nobody", PASSWORD).await;
    assert_eq!(refused.assert_problem(429), "rate_limited");
    let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(wait, 60, "59.7 seconds are rounded up");
    assert_eq!(refused.header("ratelimit"), Some("\"address\";r=0;t=60"));
    assert_eq!(refused.detail(), "Too many attempts. Try again in 60 seconds.");
    server.step_seconds(wait);
    assert_eq!(client.login("nobody", PASSWORD).await.status, 401);
}

/// What nginx says in the server's stead is in the same list.
#[test]
fn every_problem_of_nginx_has_a_code_of_the_list_with_its_status() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/nix/nginx-problems.nix");
    let text = fs::read_to_string(file).unwrap();
    let mut count = 0;
    for entry in text.split("\n  \"").skip(1) {
        let (status, members) = entry.split_once("\" = {").unwrap();
        let (_, code) = members.split_once("code = \"").unwrap();
        let name = code.split('"').next().unwrap();
        let code = Code::ALL.iter().find(|code| code.as_str() == name);
        let code = code.unwrap_or_else(|| panic!("{name} is not in src/problem/code.rs"));
        assert!(
            code.statuses().contains(&status.parse().unwrap()),
            "{name} with {status}"
        );
        count += 1;
    }
    assert_eq!(count, 13);
}

/// The enum of the document, and so of generated clients, is the list.
#[test]
fn the_document_has_every_code() {
    let document: Value = serde_json::from_str(&slipway::api::openapi_json()).unwrap();
    let listed = document["components"]["schemas"]["ErrorCode"]["enum"]
        .as_array()
        .unwrap();
    let listed: Vec<&str> = listed.iter().map(|code| code.as_str().unwrap()).collect();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(listed, codes);
    // Each is an answer of an operation, or one of what stands before them.
    let of_operations: BTreeSet<&str> = document["components"]["examples"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let of_none: Vec<&str> = codes
        .iter()
        .filter(|code| !of_operations.contains(*code))
        .copied()
        .collect();
    assert_eq!(
        of_none,
        [
            "server_unavailable",
            "not_found",
            "method_not_allowed",
            "client_error",
            "uri_too_long",
            "headers_too_large",
            "not_implemented",
            "http_version_not_supported"
        ]
    );
}

/// docs/ERRORS.md lists them. `UPDATE_DOCS=1 cargo test --test service errors_document` writes it.
#[test]
fn the_errors_document_is_the_list() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ERRORS.md");
    let text = fs::read_to_string(path).unwrap();
    let heading = "\n## Codes\n";
    let (introduction, _) = text.split_once(heading).unwrap();
    let mut table = "\n| code | status | when | what a client does |\n|---|---|---|---|\n".to_owned();
    for code in Code::ALL {
        let statuses: Vec<String> = code.statuses().iter().map(u16::to_string).collect();
        let (name, statuses) = (code.as_str(), statuses.join(", "));
        writeln!(table, "| `{name}` | {statuses} | {} | {} |", code.when(), code.client()).unwrap();
    }
    let current = format!("{introduction}{heading}{table}");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &current).unwrap();
        return;
    }
    assert_eq!(
        text, current,
        "docs/ERRORS.md is out of date: run UPDATE_DOCS=1 cargo test --test service errors_document"
    );
}
