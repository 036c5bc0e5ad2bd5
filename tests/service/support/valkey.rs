//! A Valkey (or Redis) of one test alone, which may spoil it.

use std::process::Stdio;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, RedisResult};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::{any_program, free_port};

/// A running server on a port of its own, killed when the test ends.
pub(crate) struct Valkey {
    process: Child,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Valkey {
    /// One with further arguments, which never saves anything by itself and, like the Valkey of our images, has no scripts.
    pub(crate) async fn start(further: &[&str]) -> Self {
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        let arguments = format!("--port {port} --bind 127.0.0.1 --save  --user default on nopass ~* +@all -@scripting");
        let arguments: Vec<_> = arguments
            .split(' ')
            .chain(further.iter().copied())
            .map(str::to_owned)
            .collect();
        let mut valkey = Self {
            process: spawn(&arguments, &folder),
            port,
            arguments,
            folder,
        };
        valkey.await_answer().await;
        valkey
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// The answer to a command.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &str) -> T {
        self.try_run(command)
            .await
            .unwrap_or_else(|error| panic!("{error} after {command}"))
    }

    async fn try_run<T: FromRedisValue>(&self, command: &str) -> RedisResult<T> {
        let mut connection = self.try_connect().await?;
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command
            .arg(words.collect::<Vec<_>>())
            .query_async(&mut connection)
            .await
    }

    /// A connection that waits for answers for as long as a busy machine may take.
    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        self.try_connect().await.unwrap()
    }

    async fn try_connect(&self) -> RedisResult<MultiplexedConnection> {
        let patience = Some(Duration::from_secs(30));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(patience)
            .set_response_timeout(patience);
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// One value of `INFO`.
    pub(crate) async fn info(&self, name: &str) -> String {
        let info: String = self.run("INFO").await;
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in {info}")).to_owned()
    }

    /// Dies as in a crash, and starts again on the same port from what it saved last.
    pub(crate) async fn crash_and_start_again(&mut self) {
        self.process.kill().await.unwrap();
        self.process = spawn(&self.arguments, &self.folder);
        self.await_answer().await;
    }

    /// Takes away the folder that it saves to, and lets it find out.
    pub(crate) async fn fail_to_save(&self) {
        std::fs::remove_dir_all(self.folder.path()).unwrap();
        let _: () = self.run("BGSAVE").await;
        while self.info("rdb_last_bgsave_status").await != "err" {
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn await_answer(&mut self) {
        for _ in 0..600 {
            if self.try_run::<()>("PING").await.is_ok() {
                return;
            }
            assert_eq!(self.process.try_wait().unwrap(), None, "{:?}", self.arguments);
            sleep(Duration::from_millis(50)).await;
        }
        panic!("no answer from {:?} within 30 s", self.arguments);
    }
}

fn spawn(arguments: &[String], folder: &TempDir) -> Child {
    Command::new(any_program(&["valkey-server", "redis-server"]))
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
