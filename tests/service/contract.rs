//! The HTTP contract: greetings, status, the OpenAPI document and the one shape of every error.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Storage, TestServer, on_both_storages};

on_both_storages! {
    hello_greets_by_name_or_the_world,
    health_and_ready_say_so,
    every_kind_of_wrong_request_is_answered_with_the_same_shape_and_a_stable_code,
    a_wrong_parameter_is_named_with_the_rule,
    a_wrong_field_is_named_with_the_rule,
    a_body_over_64_kib_is_refused_whether_or_not_it_says_so,
    a_wrong_method_is_answered_with_those_that_are_right,
}

async fn hello_greets_by_name_or_the_world(server: TestServer) {
    let client = server.client();
    for (path, message) in [
        ("/hello", "hello world"),
        ("/hello?name=", "hello world"),
        ("/hello?name=Ada", "hello Ada"),
        ("/hello?name=%20Ada%20Lovelace&x=1", "hello Ada Lovelace"),
        ("/hello?name=%E8%AA%9E", "hello 語"),
    ] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"message": message})),
            "{path}"
        );
    }
}

/// R17
async fn health_and_ready_say_so(server: TestServer) {
    let client = server.client();
    assert_eq!(client.get("/health").await.json(), json!({"status": "ok"}));
    let ready = json!({"status": "ready", "dependencies": {"database": "ok", "cache": "ok"}, "clock": "ok"});
    assert_eq!(client.get("/ready").await.json(), ready);
}

/// R19
async fn every_kind_of_wrong_request_is_answered_with_the_same_shape_and_a_stable_code(server: TestServer) {
    let client = server.client();
    let json = "application/json";
    let login = |content_type: &'static str, body: &'static str| client.post_bytes("/login", content_type, body);
    for (answer, status, code) in [
        (client.get("/nowhere").await, 404, "not_found"),
        (client.get("/hello/").await, 404, "not_found"),
        (client.send(Method::OPTIONS, "/nowhere").await, 404, "not_found"),
        (client.get("/sessions/%2e%2e/%00").await, 404, "not_found"),
        (client.send(Method::PUT, "/hello").await, 405, "method_not_allowed"),
        (
            client.get(&format!("/hello?name={}", "a".repeat(101))).await,
            422,
            "invalid_input",
        ),
        (login(json, "{\"username\":").await, 400, "malformed_json"),
        (login(json, "").await, 400, "malformed_json"),
        (login(json, "\u{0}").await, 400, "malformed_json"),
        (login(json, "[]").await, 422, "invalid_input"),
        (login("text/plain", "{}").await, 415, "unsupported_media_type"),
        (login("application/jsonp", "{}").await, 415, "unsupported_media_type"),
        (
            login("application/x-www-form-urlencoded", "username=a").await,
            415,
            "unsupported_media_type",
        ),
        (client.me().await, 401, "access_token_missing"),
        (client.end_session("7").await, 401, "access_token_missing"),
        (
            client.on_another_device().login("nobody", PASSWORD).await,
            401,
            "invalid_credentials",
        ),
    ] {
        assert_eq!(answer.assert_problem(status), code, "{answer:?}");
    }
}

async fn a_wrong_parameter_is_named_with_the_rule(server: TestServer) {
    let client = server.signed_up("ada").await;
    for (answer, detail) in [
        (
            client.get(&format!("/hello?name={}", "a".repeat(101))).await,
            "name: must be at most 100 characters.",
        ),
        (
            client.end_session("not-a-uuid").await,
            "id: invalid character: found `n` at 0.",
        ),
    ] {
        assert_eq!(answer.assert_problem(422), "invalid_input");
        assert_eq!(answer.detail(), detail);
    }
}

async fn a_wrong_field_is_named_with_the_rule(server: TestServer) {
    let client = server.client();
    let name_rule = "username: must be 1 to 64 characters out of letters a-z, digits, '.', '_', '-', '+' and '@'.";
    for (body, detail) in [
        (json!({"username": "a/b", "password": PASSWORD}), name_rule),
        (json!({"username": "a b c", "password": PASSWORD}), name_rule),
        (
            json!({"username": "ada", "password": "short"}),
            "password: must be 8 to 128 characters.",
        ),
        (
            json!({"username": "ada"}),
            "The body is not right: missing field `password`.",
        ),
        (
            json!({"username": 7, "password": PASSWORD}),
            "username: invalid type: integer `7`, expected a string.",
        ),
        (
            json!({"username": "ada", "password": PASSWORD, "admin": true}),
            "admin: unknown field `admin`, expected `username` or `password`.",
        ),
    ] {
        let answer = client.post("/register", &body).await;
        assert_eq!(answer.assert_problem(422), "invalid_input");
        assert_eq!(answer.detail(), detail);
    }
}

async fn a_body_over_64_kib_is_refused_whether_or_not_it_says_so(server: TestServer) {
    let client = server.client();
    let large = format!("{{\"username\":\"{}\"}}", "a".repeat(64 * 1024));
    let says = client.post_bytes("/login", "application/json", large.clone()).await;
    assert_eq!(says.assert_problem(413), "body_too_large");
    let chunks = large
        .into_bytes()
        .chunks(1000)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
        .collect::<Vec<_>>();
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let counted = client.post_bytes("/login", "application/json", chunked).await;
    assert_eq!(counted.assert_problem(413), "body_too_large");
}

async fn a_wrong_method_is_answered_with_those_that_are_right(server: TestServer) {
    let client = server.client();
    for (path, allow) in [
        ("/hello", "GET, HEAD, OPTIONS"),
        ("/login", "POST, OPTIONS"),
        ("/sessions/7", "DELETE, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
    ] {
        let refused = client.send(Method::PATCH, path).await;
        refused.assert_problem(405);
        assert_eq!(refused.header("allow"), Some(allow), "{path}");
        let asked = client.send(Method::OPTIONS, path).await;
        assert_eq!((asked.status, asked.header("allow")), (204, Some(allow)), "{path}");
    }
    let head = client.send(Method::HEAD, "/hello").await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

/// R20
#[test]
fn the_committed_openapi_document_is_the_one_that_is_served() {
    let committed = include_str!("../../openapi.json");
    let current = slipway::api::openapi_json();
    assert!(
        committed == current,
        "openapi.json is out of date: run `cargo run -- openapi > openapi.json`"
    );
}

#[tokio::test]
async fn pages_are_served_compressed_with_an_etag_and_a_strict_policy() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let client = server.client();
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/swagger-ui.js", "text/javascript; charset=utf-8"),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
        ("/openapi.json", "application/json"),
    ] {
        let plain = client.get(path).await;
        assert_eq!(
            (plain.status, plain.header("content-type")),
            (200, Some(content_type)),
            "{path}"
        );
        let policy = plain.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self';"),
            "{path}: {policy}"
        );
        let zipped = client
            .clone()
            .with_header("accept-encoding", "gzip, br")
            .get(path)
            .await;
        assert_eq!(zipped.header("content-encoding"), Some("gzip"), "{path}");
        let etag = plain.header("etag").unwrap();
        let again = client.clone().with_header("if-none-match", etag).get(path).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
    }
    let served: Value = client.get("/openapi.json").await.json();
    assert_eq!(served["info"]["title"], "Slipway");
}

/// R6: what a browser is handed in production.
#[tokio::test]
async fn the_refresh_cookie_of_production_is_bound_to_this_host_and_hidden_from_scripts() {
    let production = ["--slipway-env=production"];
    let server = TestServer::start_with(Storage::PostgresAndValkey, &production).await;
    let mut client = server.client();
    let answer = client.register("ada").await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("__Host-refresh_token="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
    assert_eq!(client.refresh().await.status, 200);
    let insecure = client.cookie.clone().unwrap().replace("__Host-", "");
    assert_eq!(
        client.refresh_with(&insecure).await.status,
        401,
        "the insecure name is not read"
    );
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=31536000; includeSubDomains")
    );
}
