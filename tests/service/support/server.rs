//! A server in this process, whose clock the test moves.

use chrono::TimeDelta;
use clap::Parser;
use slipway::app::App;
use slipway::clock::Clock;
use slipway::config::{Config, Options};
use tempfile::TempDir;

use super::{Answer, Client, fresh_database, fresh_key_prefix, redis_url};

/// Signs the tokens of all test servers.
pub(crate) const SECRET: &str = "a secret of tests, of more than 32 bytes";

/// The pairs of storages that the service supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    SqliteAndMemory,
    PostgresAndValkey,
}

/// A running server, with what is needed to start another one on the same storages.
pub(crate) struct TestServer {
    pub(crate) app: App,
    pub(crate) clock: Clock,
    pub(crate) url: String,
    pub(crate) database_url: String,
    arguments: Vec<String>,
    _folder: Option<TempDir>,
}

impl TestServer {
    /// A server with cheap password hashes and without rate limits.
    pub(crate) async fn start(storage: Storage) -> Self {
        Self::start_with(storage, &[]).await
    }

    /// The same with further arguments, which win over the others.
    pub(crate) async fn start_with(storage: Storage, further: &[&str]) -> Self {
        let mut arguments: Vec<String> = [
            "--accept-risks=weak-hashes,no-limits",
            "--argon2-memory-kib=64",
            "--argon2-iterations=1",
            "--rate-limit-per-address=0",
            "--rate-limit-per-account=0",
        ]
        .map(str::to_owned)
        .into();
        let mut folder = None;
        let database_url = match storage {
            Storage::SqliteAndMemory => {
                let folder = folder.insert(TempDir::new().unwrap());
                format!("sqlite:{}", folder.path().join("slipway.db").display())
            }
            Storage::PostgresAndValkey => {
                arguments.push(format!("--redis-url={}", redis_url()));
                arguments.push(format!("--cache-key-prefix={}", fresh_key_prefix()));
                fresh_database().await
            }
        };
        arguments.push(format!("--database-url={database_url}"));
        arguments.extend(further.iter().map(|argument| (*argument).to_owned()));
        Self::launch(arguments, Clock::manual(), database_url, folder).await
    }

    /// Another instance on the same storages and clock, with further arguments that win over the others.
    pub(crate) async fn another(&self, further: &[&str]) -> Self {
        let mut arguments = self.arguments.clone();
        arguments.extend(further.iter().map(|argument| (*argument).to_owned()));
        Self::launch(arguments, self.clock.clone(), self.database_url.clone(), None).await
    }

    async fn launch(arguments: Vec<String>, clock: Clock, database_url: String, folder: Option<TempDir>) -> Self {
        let config = Config::from_options(&options(&arguments)).unwrap();
        let app = App::start(&config, clock.clone()).await.unwrap();
        let url = format!("http://{}", app.address.unwrap());
        let server = Self {
            app,
            clock,
            url,
            database_url,
            arguments,
            _folder: folder,
        };
        server.client().await_ready().await;
        server
    }

    /// A client that is not signed in.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// A client that has registered `username` and is signed in.
    pub(crate) async fn signed_up(&self, username: &str) -> Client {
        let mut client = self.client();
        let answer = client.register(username).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        client
    }

    /// Asks METRICS_LISTEN for `/metrics`, preferring what `accept` says.
    pub(crate) async fn scrape(&self, accept: &str) -> Answer {
        let url = format!("http://{}", self.app.metrics_address.unwrap());
        let answer = Client::new(&url).with_header("accept", accept).get("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Password hashes that the server has computed so far.
    pub(crate) async fn password_hashes(&self) -> u64 {
        let text = self.scrape("text/plain").await.text;
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("password_hashes_total "));
        count.unwrap_or_else(|| panic!("no count in {text}")).parse().unwrap()
    }

    pub(crate) fn step_seconds(&self, seconds: i64) {
        self.clock.step(TimeDelta::seconds(seconds));
    }

    #[allow(dead_code)] // for the soak
    pub(crate) fn step_milliseconds(&self, milliseconds: i64) {
        self.clock.step(TimeDelta::milliseconds(milliseconds));
    }

    /// A connection to the server's database.
    pub(crate) async fn database(&self) -> sea_orm::DatabaseConnection {
        sea_orm::Database::connect(&self.database_url).await.unwrap()
    }
}

/// The options of a test server; of options that are given twice the last one counts.
fn options(arguments: &[String]) -> Options {
    let mut chosen: Vec<(&str, &str)> = vec![
        ("--listen", "127.0.0.1:0"),
        ("--metrics-listen", "127.0.0.1:0"),
        ("--jwt-secret", SECRET),
        ("--drain-seconds", "0"),
    ];
    for argument in arguments {
        let (name, value) = argument.split_once('=').unwrap();
        chosen.retain(|(other, _)| *other != name);
        chosen.push((name, value));
    }
    let arguments = chosen.into_iter().map(|(name, value)| format!("{name}={value}"));
    Options::parse_from(["slipway".to_owned()].into_iter().chain(arguments))
}
