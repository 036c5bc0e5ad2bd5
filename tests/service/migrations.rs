//! Migrations while other versions run.

use sea_orm::ConnectionTrait;

use crate::support::{PASSWORD, Storage, TestServer};

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
