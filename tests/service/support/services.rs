//! Real PostgreSQL and Valkey: those that `tests/services run` announces in the environment, else a pair of our own
//! that `tests/services hold` keeps until this process ends.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use sea_orm::{ConnectionTrait, Database, Statement};
use uuid::Uuid;

use super::{children_of, send_signal};

struct Services {
    urls: HashMap<String, String>,
    /// Its standard input closes when this process ends, however it ends, and then the servers are stopped.
    _holder: Option<Child>,
}

fn services() -> &'static Services {
    static SERVICES: OnceLock<Services> = OnceLock::new();
    SERVICES.get_or_init(|| {
        let names = ["TEST_POSTGRES_URL", "TEST_REDIS_URL"];
        let announced = names.map(|name| env::var(name).map(|url| (name.to_owned(), url)));
        if let [Ok(postgres), Ok(redis)] = announced {
            return Services {
                urls: HashMap::from([postgres, redis]),
                _holder: None,
            };
        }
        let (urls, holder) = hold();
        Services {
            urls,
            _holder: Some(holder),
        }
    })
}

/// Starts a pair of servers; they are stopped when the standard input of the process closes.
fn hold() -> (HashMap<String, String>, Child) {
    let mut holder = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services"))
        .arg("hold")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/services cannot be run");
    let lines = BufReader::new(holder.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let urls: HashMap<_, _> = lines
        .take_while(|line| line != "ready")
        .filter_map(|line| {
            line.split_once('=')
                .map(|(name, url)| (name.to_owned(), url.to_owned()))
        })
        .collect();
    assert_eq!(
        urls.len(),
        2,
        "PostgreSQL and Valkey could not be started; tests/services says why above"
    );
    (urls, holder)
}

/// A PostgreSQL that no other test uses, which can be frozen.
pub(crate) struct PrivateServices {
    urls: HashMap<String, String>,
    holder: Child,
}

impl PrivateServices {
    pub(crate) fn start() -> Self {
        let (urls, holder) = hold();
        Self { urls, holder }
    }

    pub(crate) fn database_url(&self) -> &str {
        &self.urls["TEST_POSTGRES_URL"]
    }

    /// Stops every process of it: connections stay open, new ones are made by the kernel, and nothing answers.
    pub(crate) fn freeze_database(&self) {
        self.signal_database("STOP");
    }

    pub(crate) fn thaw_database(&self) {
        self.signal_database("CONT");
    }

    fn signal_database(&self, signal: &str) {
        let is_postgres = |(_, program, _): &(u32, String, char)| program == "postgres";
        let server = children_of(self.holder.id()).into_iter().find(is_postgres);
        let (server, ..) = server.expect("no PostgreSQL runs");
        // The server itself first, so that it starts no further process.
        send_signal(server, signal);
        for (child, ..) in children_of(server) {
            // One that has ended meanwhile is no error.
            let kill = Command::new("kill").args(["-s", signal, &child.to_string()]).output();
            kill.expect("kill cannot be run");
        }
    }
}

impl Drop for PrivateServices {
    fn drop(&mut self) {
        self.thaw_database();
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// The URL of a new, empty PostgreSQL database.
pub(crate) async fn fresh_database() -> String {
    let server = &services().urls["TEST_POSTGRES_URL"];
    let name = format!("test_{}", Uuid::now_v7().simple());
    let db = Database::connect(server).await.unwrap();
    db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    db.close().await.unwrap();
    format!("{}/{name}", server.rsplit_once('/').unwrap().0)
}

/// The number that `query` selects.
pub(crate) async fn count(db: &impl ConnectionTrait, query: &str) -> i64 {
    let query = Statement::from_string(db.get_database_backend(), query);
    let row = db.query_one_raw(query).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// The URL of the Valkey that all tests share; a key prefix keeps them apart.
pub(crate) fn redis_url() -> String {
    services().urls["TEST_REDIS_URL"].clone()
}

/// A prefix that no other test uses.
pub(crate) fn fresh_key_prefix() -> String {
    format!("{}:", Uuid::now_v7().simple())
}
