//! The first start, and starts that cannot succeed: one line that names the setting and the mend.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::support::{Client, Proxy, SECRET, ServerProcess, free_port, fresh_database, redis_url};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn with_no_configuration_it_serves_from_an_embedded_database_and_keeps_sessions_over_a_restart() {
    let first = ServerProcess::start(&[]);
    let mut client = first.client().await;
    assert_eq!(client.get("/hello?name=Ada").await.json()["message"], "hello Ada");
    client.register("ada").await;
    for name in [
        "Demo page",
        "Swagger UI",
        "Metrics",
        "SQLite in data/slipway.db",
        "in this process",
    ] {
        assert!(first.output().contains(name), "{name} is not in\n{}", first.output());
    }
    let data = first.folder.path().join("data");
    let files = ["slipway.db", "slipway.db-wal", "jwt_secret"].map(|name| data.join(name).exists());
    assert_eq!(files, [true; 3], "WAL mode shows as a file");

    let url = format!("sqlite:{}", data.join("slipway.db").display());
    let second = ServerProcess::start(&[("DATABASE_URL", &url)]);
    let mut client = client.at(&restarted_url(&second).await);
    assert_eq!((client.me().await.status, client.refresh().await.status), (200, 200));
}

async fn restarted_url(process: &ServerProcess) -> String {
    let line = process.await_line("Demo page").await;
    line.split_whitespace().last().unwrap().trim_end_matches('/').to_owned()
}

/// Fails within seconds with one line, which it returns.
async fn failure(settings: &[(&str, &str)]) -> String {
    let mut process = ServerProcess::start(settings);
    let status = process.exit(PATIENCE).await;
    let output = process.output();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(
        !output.contains("panicked") && !output.contains("backtrace"),
        "{output}"
    );
    let lines: Vec<_> = output.lines().filter(|line| line.starts_with("slipway: ")).collect();
    assert_eq!(lines.len(), 1, "{output}");
    lines[0].to_owned()
}

#[tokio::test]
async fn what_cannot_work_is_told_in_one_line_that_names_the_setting_and_the_mend() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let closed = format!("postgres://slipway@127.0.0.1:{}/x", free_port());
    let missing = fresh_database().await + "_that_is_missing";
    for (settings, parts) in [
        (
            vec![("LISTEN", taken.as_str())],
            ["LISTEN=", "something else listens there"],
        ),
        (
            vec![("METRICS_LISTEN", taken.as_str())],
            ["METRICS_LISTEN=", "choose another port"],
        ),
        (vec![("LISTEN", "nonsense")], ["LISTEN=nonsense", "use IP:PORT"]),
        (
            vec![("LISTEN", "unix:/nowhere/socket")],
            ["LISTEN=unix:/nowhere/socket", "make the folder first"],
        ),
        (vec![("DATABASE_URL", "mysql://x")], ["DATABASE_URL", "use postgres://"]),
        (
            vec![("DATABASE_URL", "sqlite:/proc/nowhere/x.db"), ("JWT_SECRET", SECRET)],
            ["DATABASE_URL", "check that"],
        ),
        (
            vec![("DATABASE_URL", "sqlite:/proc/nowhere/x.db")],
            ["JWT_SECRET is not set", "or set JWT_SECRET"],
        ),
        (
            vec![("DATABASE_URL", closed.as_str())],
            ["DATABASE_URL", "check that the database runs"],
        ),
        (
            vec![("DATABASE_URL", missing.as_str())],
            ["DATABASE_URL", "does not exist"],
        ),
        (vec![("REDIS_URL", "localhost")], ["REDIS_URL", "use redis://"]),
        (
            vec![("JWT_SECRET", "short")],
            ["JWT_SECRET has 5 bytes", "openssl rand"],
        ),
        (
            vec![("ALLOWED_ORIGINS", "*")],
            ["ALLOWED_ORIGINS", "without a path, a wildcard"],
        ),
        (
            vec![("TRUSTED_PROXIES", "10.0.0.0/99")],
            ["TRUSTED_PROXIES", "use CIDRs"],
        ),
        (vec![("ARGON2_MEMORY_KIB", "1")], ["ARGON2_MEMORY_KIB=1", "use 19456"]),
        (
            vec![("RUST_LOG", "slipway=loud")],
            ["RUST_LOG=slipway=loud", "use a level"],
        ),
        (
            vec![("SLIPWAY_ENV", "production")],
            ["DATABASE_URL is missing", "JWT_SECRET is missing"],
        ),
    ] {
        let line = failure(&settings).await;
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    }
}

#[tokio::test]
async fn an_unknown_flag_or_a_wrong_value_is_told_with_the_setting() {
    for (settings, part) in [
        (vec![("SLIPWAY_ENV", "staging")], "--slipway-env"),
        (vec![("SESSION_IDLE_DAYS", "0")], "--session-idle-days"),
    ] {
        let mut process = ServerProcess::start(&settings);
        assert_eq!(process.exit(PATIENCE).await.code(), Some(2));
        assert!(process.output().contains(part), "{}", process.output());
    }
}

/// F17: compose files and deployment tools set `NAME=` where there is nothing to set.
#[tokio::test]
async fn a_variable_that_is_empty_counts_as_unset() {
    let mut help = ServerProcess::run(&["serve", "--help"], &[]);
    help.exit(PATIENCE).await;
    let text = help.output();
    let names: Vec<_> = text
        .split("[env: ")
        .skip(1)
        .map(|rest| rest.split(['=', ']']).next().unwrap())
        .collect();
    assert!(names.len() > 25 && names.contains(&"DATABASE_URL"), "{names:?}");
    // But for the ports, which other servers may have taken.
    let taken = ["LISTEN", "METRICS_LISTEN"];
    let empty = names
        .iter()
        .filter(|name| !taken.contains(name))
        .map(|name| (*name, ""));
    let settings: Vec<_> = empty
        .chain([("LISTEN", "127.0.0.1:0"), ("METRICS_LISTEN", "127.0.0.1:0")])
        .collect();
    for arguments in [&[] as &[&str], &["serve"]] {
        let process = ServerProcess::run(arguments, &settings);
        process.client().await;
        assert!(
            process.output().contains("SQLite in data/slipway.db"),
            "{}",
            process.output()
        );
    }
    let mut check = ServerProcess::run(
        &["healthcheck"],
        &[("HEALTHCHECK_ADDRESS", ""), ("LISTEN", "127.0.0.1:1")],
    );
    assert_eq!(check.exit(PATIENCE).await.code(), Some(1));
    assert!(check.output().contains("LISTEN=127.0.0.1:1"), "{}", check.output());
}

/// F34: whoever can open it is believed what it says about the client's address.
#[tokio::test]
async fn a_unix_socket_is_for_its_owner_and_group_whatever_the_umask_is() {
    for (umask, expected) in [("0", 0o660), ("022", 0o640), ("077", 0o600)] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("slipway.sock");
        let listen = format!("unix:{}", socket.display());
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        let settings = [("LISTEN", listen.as_str()), ("METRICS_LISTEN", "off")];
        let process = ServerProcess::run_by(&["/bin/sh", "-c", &script], &[], &settings);
        process.await_line("Demo page").await;
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, expected, "umask {umask}");
    }
}

/// No secret is shown by `--help`, which prints values from the environment as well.
#[tokio::test]
async fn help_documents_every_setting_and_shows_no_secret() {
    let secrets = [
        ("DATABASE_URL", "postgres://slipway:hunter2@db/x"),
        ("REDIS_URL", "redis://:hunter2@cache"),
        ("JWT_SECRET", "hunter2-hunter2-hunter2-hunter2-hunter2"),
        ("JWT_SECRET_PREVIOUS", "hunter2"),
    ];
    let mut process = ServerProcess::run(&["serve", "--help"], &secrets);
    assert!(process.exit(PATIENCE).await.success());
    let help = process.output();
    assert!(!help.contains("hunter2"), "{help}");
    for setting in [
        "DATABASE_URL",
        "REDIS_URL",
        "JWT_SECRET",
        "JWT_SECRET_PREVIOUS",
        "ALLOWED_ORIGINS",
        "REFRESH_COOKIE_SECURE",
        "REFRESH_COOKIE_SAMESITE",
        "LISTEN",
        "METRICS_LISTEN",
        "LOG_FORMAT",
        "RUST_LOG",
        "SLIPWAY_ENV",
        "DRAIN_SECONDS",
        "TRUSTED_PROXIES",
        "ARGON2_MEMORY_KIB",
        "ARGON2_ITERATIONS",
        "ARGON2_PARALLELISM",
    ] {
        assert!(
            help.contains(&format!("[env: {setting}")),
            "{setting} is not in\n{help}"
        );
    }
}

#[tokio::test]
async fn in_production_it_waits_for_the_database_and_then_serves() {
    let (proxy, url) = Proxy::before(&fresh_database().await).await;
    proxy.cut();
    let (port, redis) = (free_port(), redis_url());
    let mut process = ServerProcess::start_in_production(&url, port, &[("REDIS_URL", &redis)]);
    process.await_line("the database does not answer yet").await;
    assert!(!process.has_exited());
    proxy.restore();
    let client = Client::new(&format!("http://127.0.0.1:{port}"));
    process.await_line("serving").await;
    client.await_ready().await;
}

/// What Terraform sets for a database in the task, whose first start may take minutes.
#[tokio::test]
async fn it_waits_for_the_database_for_as_long_as_it_is_told() {
    let database = format!("postgres://x@127.0.0.1:{}/x", free_port());
    let (patience, cache) = (("DATABASE_PATIENCE_SECONDS", "2"), ("REDIS_URL", "redis://127.0.0.1:1"));
    let mut process = ServerProcess::start_in_production(&database, free_port(), &[cache, patience]);
    let status = process.exit(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        process.output().contains("the database does not answer yet; waiting"),
        "{}",
        process.output()
    );
}

/// The 60 s are what a task may need until its database is up.
#[tokio::test]
async fn in_production_it_gives_up_on_database_and_cache_after_60_seconds() {
    let nowhere = free_port();
    let (database, cache) = (
        format!("postgres://x@127.0.0.1:{nowhere}/x"),
        format!("redis://127.0.0.1:{nowhere}"),
    );
    let started = Instant::now();
    let mut process = ServerProcess::start_in_production(&database, free_port(), &[("REDIS_URL", &cache)]);
    let status = process.exit(Duration::from_secs(90)).await;
    assert_eq!(status.code(), Some(1));
    assert!(started.elapsed() > Duration::from_secs(45), "{:?}", started.elapsed());
    assert!(
        process
            .output()
            .lines()
            .last()
            .unwrap()
            .starts_with("slipway: DATABASE_URL cannot be used")
    );
}

#[tokio::test]
async fn the_health_check_command_tells_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("slipway.sock").display());
    let port = format!("127.0.0.1:{}", free_port());
    for listen in [socket, port] {
        let settings = [("LISTEN", listen.as_str())];
        let check = || async {
            let mut process = ServerProcess::run(&["healthcheck"], &settings);
            process.exit(PATIENCE).await.code()
        };
        assert_eq!(check().await, Some(1), "nobody listens");
        let mut server = ServerProcess::start(&settings);
        server.await_line("Demo page").await;
        assert_eq!(check().await, Some(0), "{listen}");
        server.signal("KILL");
        server.exit(PATIENCE).await;
        // A socket file that a killed server left behind does not keep the next one from starting.
        let server = ServerProcess::start(&settings);
        server.await_line("Demo page").await;
        assert_eq!(check().await, Some(0), "{listen}");
    }
}

#[tokio::test]
async fn the_health_check_command_can_ask_whether_database_and_cache_answer() {
    let (proxy, cache) = Proxy::before(&redis_url()).await;
    let (database, listen) = (fresh_database().await, format!("127.0.0.1:{}", free_port()));
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", &cache),
        ("LISTEN", &listen),
    ];
    let server = ServerProcess::start(&settings);
    server.client().await;
    let ask = |what: &'static [&str]| async {
        let mut process = ServerProcess::run(what, &settings);
        (process.exit(PATIENCE).await.code(), process.output())
    };
    assert_eq!(ask(&["healthcheck", "--ready"]).await.0, Some(0));
    proxy.cut();
    let (code, output) = ask(&["healthcheck", "--ready"]).await;
    assert!(code == Some(1) && output.contains("503"), "{output}");
    assert_eq!(ask(&["healthcheck"]).await.0, Some(0));
}
