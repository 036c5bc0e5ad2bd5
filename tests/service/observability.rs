//! Logs and metrics.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::{PASSWORD, ServerProcess, Storage, TestServer, documented, fresh_database, redis_url};

/// R18, and that docs/OPERATE.md names every field.
#[tokio::test]
async fn every_log_line_is_json_with_the_request_id_and_no_line_holds_a_secret() {
    let (database, redis) = (fresh_database().await, redis_url());
    let mut process = ServerProcess::start(&[
        ("DATABASE_URL", &database),
        ("REDIS_URL", &redis),
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "debug"),
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
        ("JWT_SECRET", "a secret that must not be logged, ever"),
    ]);
    let mut client = process.client().await.with_header("x-request-id", "journey-1");
    client.register("ada").await;
    let first = client.cookie.clone().unwrap();
    client.refresh().await;
    let user_id = client.me().await.json()["id"].as_str().unwrap().to_owned();
    client.login("ada", "a wrong password").await;
    client.login("a-password-typed-here", PASSWORD).await;
    let before = (client.cookie.clone().unwrap(), client.access_token.clone().unwrap());
    client.change_password(PASSWORD, "another password").await;
    client
        .post_bytes(
            "/login",
            "application/json",
            r#"{"username":"ada","password":12345678}"#,
        )
        .await;
    client.get("/nowhere?token=hunter2").await;
    client.logout().await;
    process.signal("TERM");
    process.exit(Duration::from_secs(20)).await;

    let output = process.output();
    let tokens = [
        client.cookie.clone().unwrap(),
        first,
        client.access_token.clone().unwrap(),
        before.0,
        before.1,
    ];
    let secrets = tokens
        .iter()
        .map(|token| token.split_once('=').map_or(token.as_str(), |(_, value)| value));
    let others = [
        PASSWORD,
        "a wrong password",
        "another password",
        "must not be logged",
        "12345678",
        "hunter2",
    ];
    for secret in secrets.chain(others).chain(["a-password-typed-here", "$argon2id$"]) {
        assert!(!output.contains(secret), "{secret} was logged:\n{output}");
    }

    let is_log = |line: &&str| line.starts_with('{');
    let lines: Vec<Value> = output
        .lines()
        .filter(is_log)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let welcome = output.lines().filter(|line| !is_log(line)).count();
    assert!(welcome < 15, "all but the start-up block is JSON:\n{output}");
    let access = |route: &str| {
        let line = lines
            .iter()
            .find(|line| line["target"] == "slipway::access" && line["route"] == route);
        line.unwrap_or_else(|| panic!("no access line for {route} in:\n{output}"))
    };
    let me = access("/me");
    assert_eq!((&me["method"], &me["status"]), (&"GET".into(), &200.into()));
    assert_eq!(
        (me["request_id"].as_str(), me["user_id"].as_str()),
        (Some("journey-1"), Some(user_id.as_str()))
    );
    assert!(me["duration_ms"].as_f64().is_some_and(|duration| duration > 0.0) && me["client"] == "127.0.0.1");
    assert_eq!(access("unmatched")["status"], 404);

    let auth = |event: &str, outcome: &str| {
        let is_it =
            |line: &&Value| line["target"] == "slipway::auth" && line["event"] == event && line["outcome"] == outcome;
        let line = lines
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no {event} {outcome} in:\n{output}"));
        assert_eq!(line["request_id"], "journey-1");
    };
    auth("register", "success");
    auth("refresh", "success");
    auth("login", "invalid_credentials");
    auth("password", "success");
    auth("logout", "success");

    let ours = lines.iter().filter(|line| {
        let target = line["target"].as_str().unwrap();
        ["slipway::access", "slipway::auth"].contains(&target)
    });
    let mut fields: BTreeSet<&str> = ours
        .flat_map(|line| line.as_object().unwrap().keys().map(String::as_str))
        .collect();
    // nginx's own lines are in the tests of the container.
    fields.insert("path");
    assert_eq!(fields, documented("Logs"), "the table in docs/OPERATE.md");
}

/// Lines of requests that are answered together go out in one piece.
#[tokio::test]
async fn a_line_of_the_access_log_is_out_when_its_request_is_answered_and_nothing_else_is_to_do() {
    let mut process = ServerProcess::start(&[("LOG_FORMAT", "json"), ("TRUSTED_PROXIES", "127.0.0.0/8")]);
    let client = process.client().await;
    client.clone().with_header("x-request-id", "lonely").get("/hello").await;
    process.await_line("\"lonely\"").await;

    let crowd = client.clone().with_header("x-request-id", "crowd");
    join_all((0..200).map(|_| crowd.get("/hello"))).await;
    client.with_header("x-request-id", "the-last").get("/hello").await;
    process.await_line("\"the-last\"").await;
    process.signal("KILL");
    process.exit(Duration::from_secs(5)).await;
    assert_eq!(process.output().matches("\"crowd\"").count(), 200);
}

#[tokio::test]
async fn the_request_id_of_a_proxy_is_returned_and_one_is_made_otherwise() {
    let server = TestServer::start_with(Storage::SqliteAndMemory, &["--trusted-proxies=127.0.0.0/8"]).await;
    let client = server.client();
    let given = client.clone().with_header("x-request-id", "abc-1").get("/hello").await;
    assert_eq!(given.header("x-request-id"), Some("abc-1"));
    let traced = client
        .clone()
        .with_header("x-amzn-trace-id", "Root=1-5759e988-bd862e3f")
        .get("/nowhere")
        .await;
    assert_eq!(traced.json()["request_id"], "Root=1-5759e988-bd862e3f");
    let direct = TestServer::start(Storage::SqliteAndMemory).await.client();
    let chosen = direct.clone().with_header("x-request-id", "abc-1").get("/hello").await;
    assert_ne!(chosen.header("x-request-id"), Some("abc-1"), "a client chooses none");
    let (one, two) = (client.get("/hello").await, client.get("/hello").await);
    assert_ne!(one.header("x-request-id").unwrap(), two.header("x-request-id").unwrap());
}

/// R17: text for scrapers on an address of its own, totals for signed-in people on the API.
#[tokio::test]
async fn metrics_are_text_on_their_own_address_and_totals_behind_a_token() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let client = server.signed_up("ada").await;
    client.get("/hello").await;
    client.get("/hello?name=Ada").await;
    client.get("/one-odd-path").await;
    client.get("/another-odd-path").await;
    assert_eq!(client.me().await.status, 200);
    assert_eq!(server.client().me().await.status, 401);

    let scrape = || async { server.scrape("application/openmetrics-text").await.text };
    let text = scrape().await;
    for line in [
        r#"http_requests_total{method="GET",route="/hello",status="2xx"} 2"#,
        r#"http_requests_total{method="GET",route="unmatched",status="4xx"} 2"#,
        r#"http_requests_total{method="GET",route="/me",status="2xx"} 1"#,
        r#"http_requests_total{method="GET",route="/me",status="4xx"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/hello",status="2xx"} 2"#,
        r#"auth_events_total{event="register",outcome="success"} 1"#,
        r#"build_info{version="0.1.0"} 1"#,
        "http_requests_in_flight 0",
        "password_hashes_total 1",
        "password_hashes_waiting 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|present| present == line), "{line} is not in\n{text}");
    }
    for name in [
        "database_connections ",
        "database_connections_idle ",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_open_fds ",
        "process_start_time_seconds ",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(name)),
            "{name} is not in\n{text}"
        );
    }
    client.me().await;
    client.logout_all().await;
    client.me().await;
    let text = scrape().await;
    assert!(text.contains(r#"cache_lookups_total{result="hit"} 1"#), "{text}");
    assert!(text.contains(r#"cache_lookups_total{result="miss"}"#), "{text}");

    let client = server.signed_up("bob").await;
    let totals = client.get("/metrics").await.json();
    assert!(totals["request_count"].as_u64().unwrap() >= 8, "{totals}");
    assert!(totals["client_error_count"].as_u64().unwrap() >= 3, "{totals}");
    // Until the cache was connected, GET /ready answered 503.
    assert!(totals["server_error_count"].is_u64(), "{totals}");
    assert_eq!(totals["in_flight_requests"], 1);
    assert!(totals["uptime_seconds"].as_f64().unwrap() > 0.0 && totals["latency"]["p99"].as_f64().unwrap() > 0.0);
    assert_eq!(
        server.client().get("/metrics").await.assert_problem(401),
        "access_token_missing"
    );
}
