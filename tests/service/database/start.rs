//! How the database is named, and what is said when it cannot be used.

use std::time::Duration;

use crate::support::{PASSWORD, Postgres, Proxy, SECRET, ServerProcess, Storage, TestServer, fresh_database};

const PATIENCE: Duration = Duration::from_secs(30);

/// The one line with which a production server that cannot start ends.
async fn refusal(database_url: &str) -> String {
    let settings = [("REDIS_URL", "redis://127.0.0.1:1")];
    let mut server = ServerProcess::start_in_production(database_url, crate::support::free_port(), &settings);
    let status = server.exit(PATIENCE).await;
    let output = server.output();
    assert_eq!(status.code(), Some(1), "{output}");
    let lines: Vec<_> = output.lines().filter(|line| line.starts_with("slipway: ")).collect();
    assert_eq!(lines.len(), 1, "{output}");
    assert!(!output.contains("Tr0ub"), "{output}");
    lines[0].to_owned()
}

/// F3: at once, also in production, where what may pass is waited for.
#[tokio::test]
async fn a_url_that_cannot_be_read_is_refused_at_once_without_a_part_of_the_password() {
    for url in [
        "postgres://u:Tr0ub#4dor-zq@127.0.0.1:1/db",
        "postgres://u:Tr0ub/4dor-zq@127.0.0.1:1/db",
        "postgres://u:Tr0ub?4dor-zq@127.0.0.1:1/db",
        "postgres://u:Tr0ub4dor-zq@127.0.0.1:abc/db",
        "postgres://u:Tr0ub4dor-zq@127.0.0.1/db?sslpassword=Tr0ub4dor",
        "postgres://u:Tr0ub4dor-zq@127.0.0.1/db?target_session_attrs=read-only",
    ] {
        let line = refusal(url).await;
        assert!(line.starts_with("slipway: DATABASE_URL has "), "{line}");
    }
}

/// F23, D2: each with what helps, and none of it is waited for but what may pass.
#[tokio::test]
async fn what_the_database_refuses_is_told_with_its_reason_and_what_helps() {
    let postgres = Postgres::start(&[]).await;
    postgres.execute("postgres", "CREATE ROLE app LOGIN").await;
    postgres.execute("postgres", "CREATE DATABASE used").await;
    postgres.execute("used", "CREATE TABLE users (id BIGINT)").await;
    let as_app = postgres.url().replace("slipway@", "app@");
    for (url, parts) in [
        (as_app.clone(), ["permission denied", "GRANT CREATE ON SCHEMA public"]),
        (
            postgres.url().replace("/app", "/used"),
            ["a table users of another service", "a database of its own"],
        ),
        (
            postgres.url().replace("/app", "/missing"),
            ["does not exist", "create the database"],
        ),
        (
            postgres.url().replace("slipway@", "nobody@"),
            ["does not exist", "check the user"],
        ),
    ] {
        let line = refusal(&url).await;
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    }
}

/// D2: not the password is to be checked when there are too many connections; and that may pass.
#[tokio::test]
async fn a_database_that_is_full_is_waited_for_and_called_full() {
    let postgres = Postgres::start(&[]).await;
    postgres
        .execute("postgres", "CREATE ROLE app LOGIN CONNECTION LIMIT 0")
        .await;
    postgres.execute("app", "GRANT CREATE ON SCHEMA public TO app").await;
    let url = postgres.url().replace("slipway@", "app@");
    let port = crate::support::free_port();
    let server = ServerProcess::start_in_production(&url, port, &[("REDIS_URL", "redis://127.0.0.1:1")]);
    let line = server.await_line("too many connections").await;
    assert!(line.contains("DATABASE_MAX_CONNECTIONS"), "{line}");
    postgres.execute("postgres", "ALTER ROLE app CONNECTION LIMIT -1").await;
    server.await_line("serving").await;
}

/// The forms of libpq, with several hosts of which only the last is a writer.
#[tokio::test]
async fn of_several_hosts_the_one_that_takes_writes_is_used() {
    let database_url = fresh_database().await;
    let reader = Postgres::start(&[]).await;
    reader.demote().await;
    let host = |url: &str| url.split(['@', '/']).nth(3).unwrap().to_owned();
    let (nowhere, reading, writing) = (
        format!("127.0.0.1:{}", crate::support::free_port()),
        host(&reader.url()),
        host(&database_url),
    );
    let name = database_url.rsplit('/').next().unwrap();
    let databases = format!("postgres://slipway@{nowhere},{reading},{writing}/{name}");
    // The reader has no such database, which is as good a reason to try the next.
    for target in ["", "?target_session_attrs=any", "?target_session_attrs=read-write"] {
        let argument = format!("--database-url={databases}{target}");
        let server = TestServer::start_with(Storage::PostgresAndValkey, &[&argument]).await;
        let mut client = server.client();
        assert!([201, 409].contains(&client.register("ada").await.status));
        assert_eq!(client.login("ada", PASSWORD).await.status, 200);
    }
    let port = |host: &str| host.rsplit(':').next().unwrap().to_owned();
    let by_parameters = format!(
        "--database-url=postgres:///{name}?user=slipway&host=127.0.0.1,127.0.0.1&port={},{}",
        port(&nowhere),
        port(&writing)
    );
    let server = TestServer::start_with(Storage::PostgresAndValkey, &[&by_parameters]).await;
    assert_eq!(server.client().login("ada", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_reader_is_refused_when_the_url_asks_for_a_writer() {
    let reader = Postgres::start(&[]).await;
    reader.demote().await;
    let settings = [(
        "DATABASE_URL",
        &*format!("{}?target_session_attrs=read-write", reader.url()),
    )];
    let mut server = ServerProcess::start(&[&settings[..], &[("JWT_SECRET", SECRET)]].concat());
    assert_eq!(server.exit(PATIENCE).await.code(), Some(1));
    assert!(
        server.output().contains("takes no writes") || server.output().contains("takes writes"),
        "{}",
        server.output()
    );
}

/// A database that accepts connections and says nothing is given up in time, and waited for in production.
#[tokio::test]
async fn a_database_that_accepts_and_says_nothing_does_not_hold_up_the_start_for_ever() {
    let (proxy, url) = Proxy::before(&fresh_database().await).await;
    proxy.stall();
    let mut server = ServerProcess::start(&[("DATABASE_URL", &url), ("JWT_SECRET", SECRET)]);
    assert_eq!(server.exit(PATIENCE).await.code(), Some(1));
    assert!(
        server.output().contains("no connection within 3 s"),
        "{}",
        server.output()
    );
}
