//! Migrations while other versions run.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use tokio::time::sleep;

use crate::support::{Client, PASSWORD, Postgres, ServerProcess, Storage, TestServer, count, free_port};

/// R21: this version starts and works on the schema of a next one, which only expands (see migration/src/lib.rs), so a
/// deploy can be rolled back and both versions can run side by side.
#[tokio::test]
async fn this_version_starts_and_serves_on_the_expanded_schema_of_a_next_one() {
    for storage in [Storage::SqliteAndMemory, Storage::PostgresAndValkey] {
        let server = TestServer::start(storage).await;
        server.signed_up("ada").await;
        let db = server.database().await;
        for expansion in [
            "ALTER TABLE users ADD COLUMN email VARCHAR NULL",
            "ALTER TABLE sessions ADD COLUMN country VARCHAR NOT NULL DEFAULT ''",
            "CREATE TABLE teams (id BIGINT PRIMARY KEY)",
            "CREATE INDEX sessions_country_idx ON sessions (country)",
            "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_000001_next', 0)",
        ] {
            db.execute_unprepared(expansion).await.unwrap();
        }
        for instance in [&server, &server.another(&[]).await] {
            let mut client = instance.client();
            assert_eq!(client.login("ada", PASSWORD).await.status, 200, "{storage:?}");
            assert_eq!(
                (client.me().await.status, client.refresh().await.status),
                (200, 200),
                "{storage:?}"
            );
            assert_eq!(
                client
                    .sessions()
                    .await
                    .iter()
                    .filter(|session| session["current"] == true)
                    .count(),
                1
            );
            assert_eq!(client.logout().await.status, 200);
        }
    }
}

#[tokio::test]
async fn the_migrate_command_prepares_an_empty_database_and_can_be_repeated() {
    let database = crate::support::fresh_database().await;
    for _ in 0..2 {
        let settings = [("DATABASE_URL", database.as_str())];
        let mut process = crate::support::ServerProcess::run(&["migrate"], &settings);
        let status = process.exit(std::time::Duration::from_secs(30)).await;
        assert!(status.success(), "{}", process.output());
        assert!(process.output().contains("the schema is up to date"));
    }
}

/// A PostgreSQL on which the first statement of a migration takes an hour.
async fn postgres_that_migrates_for_an_hour() -> Postgres {
    let postgres = Postgres::start(&[]).await;
    for statement in [
        "CREATE FUNCTION take_an_hour() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3600); END'",
        "CREATE EVENT TRIGGER slow ON ddl_command_start EXECUTE FUNCTION take_an_hour()",
    ] {
        postgres.execute("app", statement).await;
    }
    postgres
}

/// A server that migrates, and a client of it.
async fn migrating(postgres: &Postgres) -> (ServerProcess, Client) {
    let port = free_port();
    let server = ServerProcess::start_in_production(&postgres.url(), port, &[("REDIS_URL", "redis://127.0.0.1:1")]);
    let client = Client::new(&format!("http://127.0.0.1:{port}"));
    let db = Database::connect(postgres.url()).await.unwrap();
    while count(
        &db,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
    )
    .await
        == 0
    {
        sleep(Duration::from_millis(20)).await;
    }
    db.close().await.unwrap();
    (server, client)
}

/// distributed.md D6: the load balancer sends it no request, and neither a container's health check nor ECS kills it.
#[tokio::test]
async fn a_server_that_migrates_says_that_it_is_starting_is_alive_and_stops_at_once() {
    let postgres = postgres_that_migrates_for_an_hour().await;
    let (mut server, mut client) = migrating(&postgres).await;
    for path in ["/health", "/ready", "/hello", "/me"] {
        let answer = client.get(path).await;
        assert_eq!(answer.assert_problem(503), "starting");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(client.register("ada").await.assert_problem(503), "starting");
    let health_check = |arguments: &[&str]| {
        let arguments = [
            &["healthcheck", "--address", client.url().trim_start_matches("http://")],
            arguments,
        ]
        .concat();
        ServerProcess::run(&arguments, &[])
    };
    let patience = Duration::from_secs(30);
    assert_eq!(health_check(&[]).exit(patience).await.code(), Some(0));
    assert_eq!(health_check(&["--ready"]).exit(patience).await.code(), Some(1));
    server.signal("TERM");
    assert_eq!(server.exit(patience).await.code(), Some(0), "{}", server.output());
}

/// D6: otherwise the lock that admits one at a time would be held for the rest of the hour.
#[tokio::test]
async fn the_lock_of_a_migration_goes_with_the_instance_that_was_killed() {
    let postgres = postgres_that_migrates_for_an_hour().await;
    let (first, _) = migrating(&postgres).await;
    first.signal("KILL");
    postgres.execute("app", "DROP EVENT TRIGGER slow").await;
    let second = ServerProcess::start(&[("DATABASE_URL", &postgres.url())]);
    second.client().await;
}
