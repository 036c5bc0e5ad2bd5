//! Nothing that becomes of standard output and standard error stops the service (R32).

use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::support::{Client, Container, FullPipe, PASSWORD, SECRET, ServerProcess, free_port, full_disk, nobody};

/// For a stop, which may take 12 s whatever happens, on a machine that may be busy.
const STOP: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// Where `slipway serve` is reached although nobody can read where.
struct Addresses {
    api: String,
    metrics: String,
}

impl Addresses {
    fn free() -> Self {
        let [api, metrics] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        Self { api, metrics }
    }

    fn settings(&self) -> [(&str, &str); 6] {
        [
            ("TRUSTED_PROXIES", "127.0.0.0/8"),
            ("LISTEN", &self.api),
            ("METRICS_LISTEN", &self.metrics),
            ("ARGON2_MEMORY_KIB", "64"),
            ("LOG_FORMAT", "json"),
            ("JWT_SECRET", SECRET),
        ]
    }

    async fn client(&self) -> Client {
        let client = Client::new(&format!("http://{}", self.api));
        client.await_ready().await;
        client
    }
}

/// `log_lines_dropped_total`
async fn dropped_lines(metrics: &str) -> u64 {
    let text = Client::new(&format!("http://{metrics}")).get("/metrics").await.text;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("log_lines_dropped_total "));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// The writer may need a moment.
async fn await_dropped_lines(metrics: &str, at_least: u64) {
    for _ in 0..200 {
        if dropped_lines(metrics).await >= at_least {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{} lines were dropped and not {at_least}", dropped_lines(metrics).await);
}

/// Everything that logs is answered: a request, an auth event, a refusal.
async fn assert_serves(client: &mut Client, username: &str) {
    assert_eq!(client.register(username).await.status, 201);
    assert_eq!(
        client
            .on_another_device()
            .login(username, "a wrong password")
            .await
            .status,
        401
    );
    assert_eq!(client.login(username, PASSWORD).await.status, 200);
    assert_eq!(
        (client.me().await.status, client.get("/health").await.status),
        (200, 200)
    );
}

/// Makes requests until the log has dropped lines, all of which are answered.
async fn overflow(client: &Client, metrics: &str) {
    // The longest id that is logged.
    let client = client.clone().with_header("x-request-id", "x".repeat(128));
    for _ in 0..100 {
        let answers = join_all((0..100).map(|_| client.get("/hello"))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        if dropped_lines(metrics).await > 0 {
            return;
        }
    }
    panic!("10,000 requests filled nothing");
}

#[tokio::test]
async fn a_server_whose_log_cannot_be_written_starts_serves_counts_the_lines_and_stops() {
    for (name, streams, starter, is_counted) in [
        ("a full disk", [full_disk(), full_disk()], vec![], true),
        ("no reader", [nobody(), nobody()], vec![], true),
        (
            "standard output alone on a full disk",
            [full_disk(), Stdio::piped()],
            vec![],
            true,
        ),
        (
            "standard error alone on a full disk",
            [Stdio::piped(), full_disk()],
            vec![],
            false,
        ),
        // Rust opens /dev/null in their place.
        (
            "closed",
            [Stdio::null(), Stdio::null()],
            vec!["/bin/sh", "-c", "exec \"$0\" \"$@\" >&- 2>&-"],
            false,
        ),
    ] {
        let addresses = Addresses::free();
        let mut process = ServerProcess::run_into(streams, &starter, &[], &addresses.settings());
        let mut client = addresses.client().await;
        assert_serves(&mut client, "ada").await;
        if is_counted {
            await_dropped_lines(&addresses.metrics, 3).await;
        }
        process.signal("TERM");
        assert!(process.exit(STOP).await.success(), "{name}");
    }
}

#[tokio::test]
async fn a_server_whose_log_reader_stands_still_from_the_first_line_on_serves_and_stops() {
    let (addresses, pipe) = (Addresses::free(), FullPipe::new());
    let mut process = ServerProcess::run_into(pipe.both_streams(), &[], &[], &addresses.settings());
    let mut client = addresses.client().await;
    assert_serves(&mut client, "ada").await;
    overflow(&client, &addresses.metrics).await;
    assert_serves(&mut client, "bob").await;
    process.signal("TERM");
    assert!(process.exit(STOP).await.success());
}

#[tokio::test]
async fn a_second_signal_ends_a_server_whose_log_reader_stands_still() {
    let (addresses, pipe) = (Addresses::free(), FullPipe::new());
    let settings = [addresses.settings().as_slice(), &[("DRAIN_SECONDS", "60")]].concat();
    let mut process = ServerProcess::run_into(pipe.both_streams(), &[], &[], &settings);
    let client = addresses.client().await;
    process.signal("TERM");
    while client.get("/health").await.status == 200 {
        sleep(Duration::from_millis(50)).await;
    }
    process.signal("TERM");
    assert_eq!(process.exit(STOP).await.code(), Some(1));
}

#[tokio::test]
async fn when_the_reader_goes_on_one_line_says_how_many_are_missing_and_the_log_goes_on() {
    let (addresses, pipe) = (Addresses::free(), FullPipe::new());
    let _process = ServerProcess::run_into([pipe.stream(), Stdio::piped()], &[], &[], &addresses.settings());
    let client = addresses.client().await;
    overflow(&client, &addresses.metrics).await;
    let dropped = dropped_lines(&addresses.metrics).await;
    let last = tokio::spawn(async move {
        // A line of each second until the reader has come so far.
        loop {
            client
                .clone()
                .with_header("x-request-id", "the-last")
                .get("/hello")
                .await;
            sleep(Duration::from_secs(1)).await;
        }
    });
    let lines = timeout(PATIENCE, pipe.read_until("the-last")).await.unwrap();
    last.abort();
    let reports: Vec<Value> = lines
        .iter()
        .filter(|line| line.contains("log lines were dropped"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let counted: u64 = reports.iter().map(|report| report["lines"].as_u64().unwrap()).sum();
    assert!(
        counted >= dropped && reports.len() < 3,
        "{dropped} were dropped and reported as {reports:?}"
    );
    assert_eq!(reports[0]["level"], "WARN");
}

/// nginx would wait for a full pipe, too: what it prints is read whatever becomes of our own output.
#[tokio::test]
async fn a_container_whose_log_cannot_be_written_serves_and_stops() {
    let pipe = FullPipe::new();
    for (name, streams) in [
        ("a full disk", [full_disk(), full_disk()]),
        ("no reader", [nobody(), nobody()]),
        ("a reader that stands still", pipe.both_streams()),
    ] {
        let metrics = format!("127.0.0.1:{}", free_port());
        let mut container = Container::launch_into(streams, &[("METRICS_LISTEN", &metrics)]);
        container.await_nginx().await;
        let mut client = container.client();
        client.await_ready().await;
        assert_serves(&mut client, "ada").await;
        // Each is answered by nginx alone, which prints a line: more than a pipe holds.
        for _ in 0..10 {
            let answers = join_all((0..50).map(|_| client.get("/.env"))).await;
            assert!(answers.iter().all(|answer| answer.status == 404), "{name}: {answers:?}");
        }
        if name != "a reader that stands still" {
            await_dropped_lines(&metrics, 500).await;
        }
        assert_serves(&mut client, "bob").await;
        container.process.signal("TERM");
        assert!(container.process.exit(STOP).await.success(), "{name}");
        Container::await_free_port(container.address).await;
    }
}

/// F30: one clear line, and no panic (101).
#[tokio::test]
async fn commands_whose_output_cannot_be_written_end_with_one_line_or_as_they_would() {
    let run = |streams, arguments: &'static [&'static str], settings: &[(&str, &str)]| {
        ServerProcess::run_into(streams, &[], arguments, settings)
    };
    let mut openapi = run([full_disk(), Stdio::piped()], &["openapi"], &[]);
    assert_eq!(openapi.exit(PATIENCE).await.code(), Some(1));
    let output = openapi.output();
    assert!(
        output.starts_with("slipway: the document cannot be written to standard output"),
        "{output}"
    );
    assert_eq!(output.lines().count(), 1, "{output}");

    let mut for_head = run([nobody(), Stdio::piped()], &["openapi"], &[]);
    assert!(for_head.exit(PATIENCE).await.success());
    assert_eq!(for_head.output(), "");

    let mut migrate = run([full_disk(), full_disk()], &["migrate"], &[]);
    assert!(migrate.exit(PATIENCE).await.success());

    let pipe = FullPipe::new();
    let listen = format!("127.0.0.1:{}", free_port());
    for streams in [[full_disk(), full_disk()], [nobody(), nobody()], pipe.both_streams()] {
        let mut healthcheck = run(streams, &["healthcheck"], &[("LISTEN", &listen)]);
        assert_eq!(healthcheck.exit(PATIENCE).await.code(), Some(1));
    }
}

#[tokio::test]
async fn a_start_that_cannot_succeed_ends_although_nobody_can_be_told_why() {
    let pipe = FullPipe::new();
    for streams in [[full_disk(), full_disk()], [nobody(), nobody()], pipe.both_streams()] {
        let settings = [("DATABASE_URL", "sqlite:/proc/nowhere/x.db"), ("JWT_SECRET", SECRET)];
        let mut process = ServerProcess::run_into(streams, &[], &[], &settings);
        assert_eq!(process.exit(PATIENCE).await.code(), Some(1));
    }
}
