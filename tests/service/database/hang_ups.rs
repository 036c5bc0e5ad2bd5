//! Clients that hang up at any moment, and a database that stalls meanwhile.

use std::time::Duration;

use proptest::prelude::*;
use reqwest::Method;
use sea_orm::Database;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{IDLE_IN_TRANSACTION, await_count};
use crate::support::{Client, PASSWORD, Proxy, SECRET, ServerProcess, fresh_database, redis_url};

const PATIENCE: Duration = Duration::from_secs(30);

/// Every route that writes.
#[derive(Clone, Copy, Debug)]
enum Write {
    Register,
    Login,
    Refresh,
    Logout,
    EndSession,
    LogoutAll,
    Password,
}

/// A request that is cut off, with the database standing still meanwhile or not, and one that is waited for.
#[derive(Clone, Debug)]
struct Step {
    cut: Write,
    cut_after: Duration,
    stall: Option<Duration>,
    whole: Write,
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        // The two that have a transaction of several statements.
        3 => Just(Write::Register),
        2 => Just(Write::Password),
        1 => Just(Write::Login),
        1 => Just(Write::Refresh),
        1 => Just(Write::Logout),
        1 => Just(Write::EndSession),
        1 => Just(Write::LogoutAll),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let stall = prop_oneof![
        6 => Just(None),
        2 => (10..150_u64).prop_map(Some),
    ];
    (write(), 0..25_u64, stall, write()).prop_map(|(cut, cut_after, stall, whole)| Step {
        cut,
        cut_after: Duration::from_millis(cut_after),
        stall: stall.map(Duration::from_millis),
        whole,
    })
}

/// What an answer has promised.
enum Promise {
    /// This password signs in.
    Password(String, String),
    /// This cookie refreshes.
    Alive(String),
    /// This cookie does not.
    Ended(String),
}

/// A server as a process, so that it can be killed.
struct World {
    server: ServerProcess,
    settings: Vec<(&'static str, String)>,
    proxy: Option<Proxy>,
    address: String,
    client: Client,
    people: u32,
    promises: Vec<Promise>,
}

impl World {
    async fn new(database_url: &str, proxy: Option<Proxy>) -> Self {
        let mut settings = vec![
            ("DATABASE_URL", database_url.to_owned()),
            // So few that one which was left in a transaction is met again soon.
            ("DATABASE_MAX_CONNECTIONS", "2".to_owned()),
            ("ARGON2_ITERATIONS", "1".to_owned()),
            ("RATE_LIMIT_PER_ADDRESS", "0".to_owned()),
            ("RATE_LIMIT_PER_ACCOUNT", "0".to_owned()),
            ("JWT_SECRET", SECRET.to_owned()),
        ];
        if proxy.is_some() {
            settings.push(("REDIS_URL", redis_url()));
            settings.push(("CACHE_KEY_PREFIX", crate::support::fresh_key_prefix()));
        }
        let server = start(&settings);
        let client = server.client().await;
        let line = server.await_line("Demo page").await;
        let address = line.split("//").nth(1).unwrap().trim_end_matches('/').to_owned();
        Self {
            server,
            settings,
            proxy,
            address,
            client,
            people: 0,
            promises: Vec::new(),
        }
    }

    async fn apply(&mut self, step: &Step) {
        if let Some(victim) = self.someone().await {
            self.send_and_hang_up(step, &victim).await;
        }
        if let Some(mut client) = self.someone().await {
            self.write_and_remember(step.whole, &mut client).await;
        }
    }

    fn name(&mut self) -> String {
        self.people += 1;
        format!("user{}", self.people)
    }

    /// Somebody who has just registered; nobody while the database stands still for too long.
    async fn someone(&mut self) -> Option<Client> {
        let (name, mut client) = (self.name(), self.client.clone());
        let answer = client.register(&name).await;
        assert!([201, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 201).then(|| {
            self.promises.push(Promise::Password(name, PASSWORD.to_owned()));
            client
        })
    }

    /// Sends a whole request and goes away before the answer, or just with it.
    async fn send_and_hang_up(&mut self, step: &Step, victim: &Client) {
        if let (Some(proxy), Some(_)) = (&self.proxy, step.stall) {
            proxy.stall();
        }
        let request = self.raw(step.cut, victim).await;
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        sleep(step.cut_after).await;
        drop(stream);
        if let (Some(proxy), Some(stall)) = (&self.proxy, step.stall) {
            sleep(stall).await;
            proxy.restore();
        }
        if matches!(step.cut, Write::Password) {
            // Whether it was changed nobody knows.
            self.forget_password();
        }
    }

    /// Expects nothing any more of the password of the person who came last.
    fn forget_password(&mut self) {
        let name = format!("user{}", self.people);
        self.promises
            .retain(|promise| !matches!(promise, Promise::Password(of, _) if *of == name));
    }

    async fn raw(&mut self, write: Write, victim: &Client) -> String {
        let credentials = |name: &str| json!({"username": name, "password": PASSWORD}).to_string();
        let victims_name = format!("user{}", self.people);
        let (method, path, body) = match write {
            Write::Register => (
                "POST",
                "/register".to_owned(),
                credentials(&format!("cut{}", self.people)),
            ),
            Write::Login => ("POST", "/login".to_owned(), credentials(&victims_name)),
            Write::Refresh => ("POST", "/refresh".to_owned(), String::new()),
            Write::Logout => ("POST", "/logout".to_owned(), String::new()),
            Write::EndSession => ("DELETE", format!("/sessions/{}", uuid::Uuid::now_v7()), String::new()),
            Write::LogoutAll => ("POST", "/logout-all".to_owned(), String::new()),
            Write::Password => {
                let change = json!({"current_password": PASSWORD, "new_password": "another password"});
                ("POST", "/password".to_owned(), change.to_string())
            }
        };
        let (token, cookie) = (victim.access_token.as_ref().unwrap(), victim.cookie.as_ref().unwrap());
        format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nCookie: {cookie}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Makes a whole request, and remembers what its answer has promised.
    async fn write_and_remember(&mut self, write: Write, client: &mut Client) {
        let (name, before) = (format!("user{}", self.people), client.cookie.clone().unwrap());
        let answer = match write {
            Write::Register => return,
            Write::Login => client.login(&name, PASSWORD).await,
            Write::Refresh => client.refresh().await,
            Write::Logout => client.logout().await,
            Write::LogoutAll => client.logout_all().await,
            Write::Password => client.change_password(PASSWORD, "another password").await,
            Write::EndSession => {
                let Ok(Some(id)) = session_of(client).await else { return };
                client.send(Method::DELETE, &format!("/sessions/{id}")).await
            }
        };
        assert!([200, 201, 503].contains(&answer.status), "{write:?}: {answer:?}");
        if answer.status == 503 {
            self.forget_password();
            return;
        }
        match write {
            Write::Register => {}
            Write::Login | Write::Refresh => self.promises.push(Promise::Alive(client.cookie.clone().unwrap())),
            Write::Logout | Write::LogoutAll | Write::EndSession => self.promises.push(Promise::Ended(before)),
            Write::Password => {
                self.forget_password();
                self.promises
                    .push(Promise::Password(name, "another password".to_owned()));
            }
        }
    }

    /// Kills the server and starts it again.
    async fn restart(&mut self) {
        self.server.signal("KILL");
        self.server.exit(PATIENCE).await;
        self.server = start(&self.settings);
        self.client = self.server.client().await;
    }

    async fn check_promises(&self) {
        for promise in &self.promises {
            match promise {
                Promise::Password(name, password) => {
                    let answer = self.client.on_another_device().login(name, password).await;
                    assert_eq!(answer.status, 200, "the password of {name}: {answer:?}");
                }
                Promise::Alive(cookie) => assert_eq!(self.client.refresh_with(cookie).await.status, 200),
                Promise::Ended(cookie) => assert_eq!(self.client.refresh_with(cookie).await.status, 401),
            }
        }
    }
}

fn start(settings: &[(&str, String)]) -> ServerProcess {
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ServerProcess::start(&settings)
}

/// The id of the only session of a client; an error when the database does not answer.
async fn session_of(client: &Client) -> Result<Option<String>, u16> {
    let answer = client.get("/sessions").await;
    if answer.status != 200 {
        return Err(answer.status);
    }
    let text = answer.json();
    // A list, or a page of one.
    let sessions = text.as_array().or_else(|| text["sessions"].as_array());
    Ok(sessions.and_then(|sessions| Some(sessions.first()?["id"].as_str()?.to_owned())))
}

fn check(cases: u32, new_world: impl AsyncFn() -> (World, String)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        // Each case starts a server twice.
        max_shrink_iters: 20,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in prop::collection::vec(step(), 20..40))| {
        runtime.block_on(async {
            let (mut world, database_url) = new_world().await;
            for step in &steps {
                world.apply(step).await;
            }
            if world.proxy.is_some() {
                let db = Database::connect(database_url).await.unwrap();
                await_count(&db, IDLE_IN_TRANSACTION, |sessions| sessions == 0).await;
            }
            world.restart().await;
            world.check_promises().await;
        });
    });
}

/// R31, F1
#[test]
fn whenever_clients_hang_up_no_transaction_stays_open_and_what_was_answered_outlives_a_kill_on_postgres_and_valkey() {
    check(3, async || {
        let database_url = fresh_database().await;
        let (proxy, through) = Proxy::before(&database_url).await;
        (World::new(&through, Some(proxy)).await, database_url)
    });
}

/// R31
#[test]
fn whenever_clients_hang_up_what_was_answered_outlives_a_kill_on_sqlite_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    check(2, async || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let url = format!("sqlite:{}", folder.path().join(format!("{number}.db")).display());
        (World::new(&url, None).await, url)
    });
}
