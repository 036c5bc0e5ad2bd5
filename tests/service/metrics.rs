//! Metrics in the format that a scraper asks for.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use reqwest::Method;

use crate::support::{Client, PASSWORD, Storage, TestServer, documented, program};

/// What Prometheus 2.42 sends.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const METRICS_TOKEN: &str = "a token of scrapers, of more than 32 bytes";

/// A server that has something of everything to tell.
async fn busy_server() -> (TestServer, Client) {
    let token = format!("--metrics-token={METRICS_TOKEN}");
    let server = TestServer::start_with(Storage::PostgresAndValkey, &[&token]).await;
    let client = server.signed_up("ada").await;
    client.me().await;
    client.get("/nowhere").await;
    server.client().login("ada", "a wrong password").await;
    server.client().login("ada", PASSWORD).await;
    (server, client)
}

/// F15, RFC 9110, section 12.5.1
#[tokio::test]
async fn a_scraper_gets_the_format_that_it_prefers() {
    let (server, client) = busy_server().await;
    let client = client.with_token(Some(METRICS_TOKEN));
    for (accept, scraped, with_token) in [
        (PROMETHEUS, OPENMETRICS_TYPE, OPENMETRICS_TYPE),
        ("application/openmetrics-text", OPENMETRICS_TYPE, OPENMETRICS_TYPE),
        (
            "text/plain;version=0.0.4;q=1,*/*;q=0.1",
            PROMETHEUS_TYPE,
            PROMETHEUS_TYPE,
        ),
        ("text/plain", PROMETHEUS_TYPE, PROMETHEUS_TYPE),
        (
            "application/openmetrics-text;q=0, text/*;q=0.1",
            PROMETHEUS_TYPE,
            PROMETHEUS_TYPE,
        ),
        (
            "text/plain;q=0.3, application/openmetrics-text;q=0.2",
            PROMETHEUS_TYPE,
            PROMETHEUS_TYPE,
        ),
        // Where nothing is preferred: people with a browser read the one, programs the other.
        ("*/*", PROMETHEUS_TYPE, "application/json; charset=utf-8"),
        ("image/png", PROMETHEUS_TYPE, "application/json; charset=utf-8"),
    ] {
        assert_eq!(
            server.scrape(accept).await.header("content-type"),
            Some(scraped),
            "{accept}"
        );
        let answer = client.clone().with_header("accept", accept).get("/metrics").await;
        assert_eq!(answer.header("content-type"), Some(with_token), "{accept}");
    }
}

/// Security finding H4: whoever registers learns what the old service's page shows, and nothing of the machinery.
#[tokio::test]
async fn an_account_gets_totals_and_the_text_takes_the_metrics_token() {
    let (server, client) = busy_server().await;
    let get = |client: &Client, accept: &str| {
        let client = client.clone().with_header("accept", accept.to_owned());
        async move { client.get("/metrics").await }
    };
    for accept in ["*/*", "application/json", "text/html, */*;q=0.8"] {
        assert_eq!(get(&client, accept).await.json()["in_flight_requests"], 1, "{accept}");
    }
    for accept in [PROMETHEUS, "text/plain"] {
        assert_eq!(get(&client, accept).await.assert_problem(403), "metrics_token_required");
    }
    for other in ["a token of scrapers, of more than 32 byteS", "a token", ""] {
        let stranger = server.client().with_token(Some(other));
        assert_eq!(get(&stranger, PROMETHEUS).await.status, 401, "{other}");
    }
    let without = TestServer::start(Storage::SqliteAndMemory).await;
    let scraper = without.client().with_token(Some(METRICS_TOKEN));
    assert_eq!(
        get(&scraper, PROMETHEUS).await.status,
        401,
        "nobody gets it unless it is set"
    );
}

#[tokio::test]
async fn the_table_of_metrics_names_all_that_there_are_and_no_other() {
    let (server, _) = busy_server().await;
    let text = server.scrape("text/plain").await.text;
    let served = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let served: BTreeSet<_> = served.collect();
    let documented = documented("Metrics");
    let missing: Vec<_> = served.difference(&documented).collect();
    assert_eq!(missing, Vec::<&&str>::new(), "in docs/OPERATE.md");
    // The first two have labels alone, and are served when there is something to count; the third one is that of a process
    // with a log of its own (logs.rs reads it).
    let elsewhere = BTreeSet::from([
        "background_task_panics_total",
        "cache_errors_total",
        "log_lines_dropped_total",
    ]);
    let gone: Vec<_> = documented
        .difference(&served)
        .filter(|name| !elsewhere.contains(*name))
        .collect();
    assert_eq!(gone, Vec::<&&str>::new(), "docs/OPERATE.md names what is not served");
}

/// Both say the same: every sample of the one is in the other, with the same labels.
#[tokio::test]
async fn both_formats_have_the_same_samples() {
    let (server, _) = busy_server().await;
    let names = |text: String| {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let names = samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    let openmetrics = server.scrape(PROMETHEUS).await.text;
    let prometheus = server.scrape("text/plain").await.text;
    assert!(openmetrics.ends_with("\n# EOF\n") && !prometheus.contains("# EOF"));
    assert!(prometheus.contains("# TYPE http_requests_total counter\n") && !prometheus.contains("# UNIT"));
    assert_eq!(names(openmetrics), names(prometheus));
}

/// F15: Prometheus' own linter, which knows the older format only, has nothing to say about names, types and help.
#[tokio::test]
async fn promtool_finds_nothing_to_say_about_the_metrics() {
    let (server, _) = busy_server().await;
    let text = server.scrape("text/plain").await.text;
    let verdict = promtool(&text);
    assert!(
        verdict.status.success(),
        "{}{text}",
        String::from_utf8_lossy(&verdict.stderr)
    );
    assert_eq!(String::from_utf8_lossy(&verdict.stderr), "");
    // It does refuse what is not in this format.
    assert!(!promtool(&server.scrape(PROMETHEUS).await.text).status.success());
}

fn promtool(text: &str) -> std::process::Output {
    let mut promtool = Command::new(program("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    promtool.wait_with_output().unwrap()
}

/// F15: at this address metrics are read, and nothing else is done.
#[tokio::test]
async fn a_scraper_may_get_and_head_metrics_and_nothing_else() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let scraper = Client::new(&format!("http://{}", server.app.metrics_address.unwrap()));
    let head = scraper.send(Method::HEAD, "/metrics").await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some(PROMETHEUS_TYPE));
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ] {
        let refused = scraper.send(method.clone(), "/metrics").await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, Some("GET, HEAD")),
            "{method}"
        );
    }
    for path in ["/", "/hello", "/metrics/"] {
        assert_eq!(scraper.get(path).await.status, 404, "{path}");
    }
}
