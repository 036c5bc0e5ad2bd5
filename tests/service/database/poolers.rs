//! A pooler or a proxy between the server and PostgreSQL.

use futures_util::future::join_all;
use sea_orm::{ConnectOptions, ConnectionTrait, Database};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{IDLE_IN_TRANSACTION, await_count};
use crate::support::{
    Client, PASSWORD, PgBouncer, PoolMode, ServerProcess, Storage, TestServer, fresh_database, redis_url,
};

/// Everything that the service does, by several people at a time.
async fn use_everything(server: &TestServer) {
    let people = (0..8).map(|number| use_by(server.client(), format!("user{number}")));
    join_all(people).await;
}

async fn use_by(mut client: Client, name: String) {
    assert_eq!(client.register(&name).await.status, 201);
    for _ in 0..3 {
        let mut phone = client.on_another_device();
        let login = phone.login(&name, PASSWORD).await;
        assert_eq!(login.status, 200, "{login:?}");
        assert_eq!((phone.me().await.status, phone.refresh().await.status), (200, 200));
        assert_eq!(phone.logout().await.status, 200);
    }
    let change = client.change_password(PASSWORD, "another password").await;
    assert_eq!(change.status, 200, "{change:?}");
    assert_eq!(client.logout_all().await.status, 200);
    assert_eq!(client.refresh().await.status, 401);
    assert_eq!(client.login(&name, "another password").await.status, 200);
}

/// F7, D16
#[tokio::test]
async fn it_works_behind_pgbouncer_with_its_defaults_in_both_modes() {
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        let database_url = fresh_database().await;
        let bouncer = PgBouncer::before(&database_url, mode).await;
        let argument = format!("--database-url={}", bouncer.url());
        let server = TestServer::start_with(Storage::PostgresAndValkey, &[&argument]).await;
        use_everything(&server).await;
        let db = Database::connect(&database_url).await.unwrap();
        await_count(&db, IDLE_IN_TRANSACTION, |sessions| sessions == 0).await;
    }
}

/// D16: one migrates, the others go on, and none finds the statements of another one in its session.
#[tokio::test]
async fn several_instances_start_at_once_on_an_empty_database_behind_pgbouncer_in_transaction_mode() {
    let bouncer = PgBouncer::before(&fresh_database().await, PoolMode::Transaction).await;
    let (url, redis) = (bouncer.url(), redis_url());
    let settings = [("DATABASE_URL", url.as_str()), ("REDIS_URL", redis.as_str())];
    let servers: Vec<_> = (0..3).map(|_| ServerProcess::start(&settings)).collect();
    let clients = join_all(servers.iter().map(ServerProcess::client)).await;
    for (number, mut client) in clients.into_iter().enumerate() {
        assert_eq!(client.register(&format!("user{number}")).await.status, 201);
    }
    for server in &servers {
        let shared = server.output().matches("a pooler shares the sessions").count();
        assert_eq!(shared, 1, "{}", server.output());
    }
}

/// What is set in a session that others get next must end with the transaction.
#[tokio::test]
async fn behind_a_pooler_that_shares_sessions_nothing_is_left_behind_in_one() {
    let database_url = fresh_database().await;
    let bouncer = PgBouncer::before(&database_url, PoolMode::Transaction).await;
    let url = bouncer.url();
    let argument = format!("--database-url={url}");
    let server = TestServer::start_with(Storage::PostgresAndValkey, &[&argument]).await;
    use_everything(&server).await;
    // The sessions that the server used, which the pooler now gives to somebody else.
    let mut options = ConnectOptions::new(&url);
    options
        .max_connections(1)
        .map_sqlx_postgres_opts(|options| options.extra_float_digits(None));
    for other in join_all((0..8).map(|_| Database::connect(options.clone()))).await {
        let other = other.unwrap();
        let look = "DO $$ BEGIN
            IF current_setting('statement_timeout') <> '0' OR EXISTS (SELECT FROM pg_prepared_statements) THEN
                RAISE 'something was left behind';
            END IF;
        END $$";
        other.execute_unprepared(look).await.unwrap();
        other.close().await.unwrap();
    }
}

/// F7: RDS Proxy takes no command-line options in the start-up packet ("Feature not supported: RDS Proxy currently doesn't
/// support command-line options", psycopg/psycopg2#1577), and PgBouncer nothing but these (its manual, `track_extra_parameters`
/// and `ignore_startup_parameters`).
#[tokio::test]
async fn the_start_up_packet_holds_only_what_every_proxy_takes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u:p@{}/d?sslmode=disable", listener.local_addr().unwrap());
    let mut server = ServerProcess::start(&[("DATABASE_URL", &url)]);
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut packet = [0; 1024];
    let length = stream.read(&mut packet).await.unwrap();
    // Its length and the version of the protocol, then names and values, each with a zero behind it.
    let words: Vec<_> = packet[8..length]
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    for pair in words.chunks(2).filter(|pair| !pair[0].is_empty()) {
        let known = [
            "user",
            "database",
            "client_encoding",
            "DateStyle",
            "TimeZone",
            "application_name",
        ];
        assert!(known.contains(&&*pair[0]), "{pair:?}");
    }
    let refusal = b"E\0\0\0\x21SFATAL\0C0A000\0Mno options, no\0\0";
    stream.write_all(refusal).await.unwrap();
    drop((stream, listener));
    server.exit(std::time::Duration::from_secs(30)).await;
}
