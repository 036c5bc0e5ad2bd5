//! The server as a process of its own: for start, signals, logs and exit codes.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Client, SECRET};

/// A process that runs in an empty folder of its own, and is killed when the test ends.
pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) folder: TempDir,
    output: Arc<Mutex<VecDeque<String>>>,
    is_read: watch::Sender<bool>,
    readers: Vec<JoinHandle<()>>,
}

impl ServerProcess {
    /// Starts `slipway` with nothing but these settings in its environment, in development mode on free ports unless
    /// they say otherwise.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let defaults = [
            ("LISTEN", "127.0.0.1:0"),
            ("METRICS_LISTEN", "127.0.0.1:0"),
            ("ARGON2_MEMORY_KIB", "64"),
            ("ACCEPT_RISKS", "weak-hashes,no-limits"),
        ];
        Self::run(&[], &[&defaults, settings].concat())
    }

    /// Starts `slipway` in production mode on `database_url`, listening on `port`.
    pub(crate) fn start_in_production(database_url: &str, port: u16, settings: &[(&str, &str)]) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let production = [
            ("SLIPWAY_ENV", "production"),
            ("DATABASE_URL", database_url),
            ("JWT_SECRET", SECRET),
            ("LISTEN", &listen),
        ];
        Self::start(&[&production, settings].concat())
    }

    /// Runs `slipway` with these arguments and settings, and nothing else in its environment.
    pub(crate) fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::run_by(&[], arguments, settings)
    }

    /// The same, started by another program with its arguments.
    pub(crate) fn run_by(starter: &[&str], arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::run_into(piped(), starter, arguments, settings)
    }

    /// The server on a machine whose clock is off by `skew`, such as `-600s`; the time that passes is the same for all. By
    /// the library itself: the program `faketime` would stay between us and the server, and it does not start when a process
    /// that was killed has had its id before.
    pub(crate) fn run_with_clock(skew: &str, settings: &[(&str, &str)]) -> Self {
        remove_what_killed_clocks_left();
        let library = libfaketime();
        let clock = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", skew),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        Self::run(&[], &[settings, &clock].concat())
    }

    /// The same with standard output and standard error of the test's choice; those that are piped are read.
    pub(crate) fn run_into(
        [stdout, stderr]: [Stdio; 2],
        starter: &[&str],
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let words = [starter, &[env!("CARGO_BIN_EXE_slipway")], arguments].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .current_dir(folder.path())
            .env_clear()
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = Arc::default();
        let is_read = watch::Sender::new(true);
        let stdout = child.stdout.take();
        let stdout = stdout.map(|stream| read(stream, Arc::clone(&output), is_read.subscribe()));
        let stderr = child.stderr.take();
        let stderr = stderr.map(|stream| read(stream, Arc::clone(&output), is_read.subscribe()));
        let readers = stdout.into_iter().chain(stderr).collect();
        Self {
            child,
            folder,
            output,
            is_read,
            readers,
        }
    }

    /// Whether somebody reads what it prints. Nobody does by a pipe that fills up.
    #[allow(dead_code)] // for the soak
    pub(crate) fn read_output(&self, is_read: bool) {
        self.is_read.send_replace(is_read);
    }

    /// Everything that was printed so far, logs and messages alike.
    pub(crate) fn output(&self) -> String {
        let lines = self.output.lock().unwrap();
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Waits until a line that contains `text` was printed, and returns it.
    pub(crate) async fn await_line(&self, text: &str) -> String {
        for _ in 0..600 {
            if let Some(line) = self.output().lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("no line with {text:?} within 30 s in:\n{}", self.output());
    }

    /// A client of the server, at the URL that its start-up block names.
    pub(crate) async fn client(&self) -> Client {
        let line = self.await_line("Demo page").await;
        let url = line.split_whitespace().last().unwrap().trim_end_matches('/');
        let client = Client::new(url);
        client.await_ready().await;
        client
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    pub(crate) fn signal(&self, name: &str) {
        send_signal(self.pid(), name);
    }

    pub(crate) fn has_exited(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the process and of its output.
    pub(crate) async fn exit(&mut self, within: Duration) -> ExitStatus {
        let status = timeout(within, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("still running after {within:?}:\n{}", self.output()));
        for reader in self.readers.drain(..) {
            reader.await.unwrap();
        }
        status.unwrap()
    }
}

fn read(
    stream: impl AsyncRead + Unpin + Send + 'static,
    output: Arc<Mutex<VecDeque<String>>>,
    mut is_read: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            output.lock().unwrap().push_back(line);
            // An error is a process that is not looked at any more.
            let _ = is_read.wait_for(|is_read| *is_read).await;
        }
    })
}

/// Both streams, to be read.
pub(crate) fn piped() -> [Stdio; 2] {
    [Stdio::piped(), Stdio::piped()]
}

pub(crate) fn send_signal(pid: u32, name: &str) {
    let kill = std::process::Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

/// Fields 2 to 4 of proc(5)'s stat for the children of `parent`: their ids with name and state.
pub(crate) fn children_of(parent: u32) -> Vec<(u32, String, char)> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let children = processes.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (start, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let state = fields.next()?.chars().next()?;
        let is_child = fields.next()?.parse() == Ok(parent);
        is_child.then(|| (pid, start.split_once('(').unwrap().1.to_owned(), state))
    });
    children.collect()
}

/// A port that is free at the moment.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Where Debian and Ubuntu keep it, by the machine's architecture.
fn libfaketime() -> String {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    let found = found.find(|library| library.is_file());
    let found = found.expect("libfaketime is not installed: run ./test, which installs it");
    found.to_str().unwrap().to_owned()
}

/// The library keeps a semaphore and a page of shared memory by the process's id, and a process that is killed leaves both.
fn remove_what_killed_clocks_left() {
    for file in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        let name = file.file_name().into_string().unwrap_or_default();
        let id = name
            .strip_prefix("sem.faketime_sem_")
            .or_else(|| name.strip_prefix("faketime_shm_"));
        if id.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            // Another test may have removed it in the meantime.
            let _ = fs::remove_file(file.path());
        }
    }
}
