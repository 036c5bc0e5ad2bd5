//! A running entry point, which becomes PostgreSQL.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::programs::{Namespaces, as_server_user, in_namespaces, program};
use super::volume::PASSWORD;
use super::{PATIENCE, await_that, holds_in_time};

/// Stopped when the test ends.
pub(crate) struct Container {
    namespaces: Namespaces,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    port: u16,
    socket_folder: PathBuf,
}

impl Container {
    pub(super) fn start(
        namespaces: Namespaces,
        command: &[String],
        environment: &BTreeMap<String, String>,
        port: u16,
        socket_folder: PathBuf,
    ) -> Self {
        let command = [in_namespaces(namespaces), command.to_vec()].concat();
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .env_clear()
            .envs(environment)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::default();
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&output)),
            collect(child.stderr.take().unwrap(), Arc::clone(&output)),
        ];
        Self {
            namespaces,
            child,
            output,
            readers,
            port,
            socket_folder,
        }
    }

    /// Everything that was logged so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits until a line that contains `text` was logged, and returns it.
    pub(crate) fn await_line(&self, text: &str) -> String {
        let mut found = None;
        let in_time = holds_in_time(|| {
            found = self
                .output()
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned);
            found.is_some()
        });
        assert!(
            in_time,
            "no line with {text:?} within {PATIENCE:?} in:\n{}",
            self.output()
        );
        found.unwrap()
    }

    /// Waits until PostgreSQL answers.
    pub(crate) fn await_ready(&self) {
        let in_time = holds_in_time(|| self.pg_isready() == Some(0));
        assert!(in_time, "not ready within {PATIENCE:?}:\n{}", self.output());
    }

    /// What the health check of the image ends with: 0 ready, 1 starting, 2 no answer.
    pub(crate) fn pg_isready(&self) -> Option<i32> {
        let mut command = Command::new(program("pg_isready"));
        command
            .arg("-q")
            .arg("-h")
            .arg(&self.socket_folder)
            .arg("-p")
            .arg(self.port.to_string());
        command.status().unwrap().code()
    }

    /// The entry point, which is PID 1 in its namespace, by its number outside.
    pub(crate) fn pid_1(&self) -> i32 {
        let child = i32::try_from(self.child.id()).unwrap();
        if self.namespaces == Namespaces::Memory {
            return child;
        }
        let mut pid = None;
        await_that("unshare has a child that runs its program", || {
            pid = children(child).first().copied();
            pid.is_some_and(|pid| !is_running(pid, "unshare") && !is_running(pid, "setpriv"))
        });
        pid.unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid_1()), signal).unwrap();
    }

    /// Waits for the end of the process and of its output.
    pub(crate) fn await_exit(&mut self) -> ExitStatus {
        let mut status = None;
        let in_time = holds_in_time(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(in_time, "still running after {PATIENCE:?}:\n{}", self.output());
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status.unwrap()
    }

    /// Stops it as the image's stop signal does, and expects that this goes well.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGINT);
        let status = self.await_exit();
        assert!(status.success(), "{status}:\n{}", self.output());
    }

    /// Kills every process in it at once, as the kernel does when PID 1 is killed.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.await_exit();
    }

    /// Runs SQL as the application does, and expects that this goes well.
    pub(crate) fn sql(&self, statements: &str) -> String {
        let result = self.try_sql("slipway", PASSWORD, statements);
        result.unwrap_or_else(|error| panic!("{statements}: {error}\n{}", self.output()))
    }

    /// Runs SQL over TCP in the database of the same name as the role.
    pub(crate) fn try_sql(&self, role: &str, password: &str, statements: &str) -> Result<String, String> {
        let mut psql = self.psql(vec![program("psql").display().to_string()], role, password);
        run(psql.args(["--host", "127.0.0.1", "--command", statements]))
    }

    /// Runs SQL through the socket as the operating system's user that PostgreSQL runs as.
    pub(crate) fn try_sql_through_the_socket(&self, role: &str, statements: &str) -> Result<String, String> {
        let command = [as_server_user(), vec![program("psql").display().to_string()]].concat();
        let mut psql = self.psql(command, role, "");
        run(psql
            .arg("--host")
            .arg(&self.socket_folder)
            .args(["--command", statements]))
    }

    /// A client that reads SQL from its input and writes answers as they come.
    pub(crate) fn session(&self) -> (Child, ChildStdin, BufReader<ChildStdout>) {
        let mut psql = self.psql(vec![program("psql").display().to_string()], "slipway", PASSWORD);
        psql.args(["--host", "127.0.0.1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = psql.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        (child, input, BufReader::new(output))
    }

    fn psql(&self, command: Vec<String>, role: &str, password: &str) -> Command {
        let mut psql = Command::new(&command[0]);
        psql.args(&command[1..])
            .args([
                "--no-psqlrc",
                "--quiet",
                "--no-align",
                "--tuples-only",
                "--set=ON_ERROR_STOP=1",
            ])
            .args(["--no-password", "--username", role])
            .args(["--dbname", role, "--port", &self.port.to_string()])
            .env("PGPASSWORD", password)
            .current_dir("/");
        psql
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // PostgreSQL leaves nothing behind when it is stopped; whatever does not stop is killed.
        let pid = Pid::from_raw(self.pid_1());
        let _ = kill(pid, Signal::SIGINT);
        if !holds_in_time(|| matches!(self.child.try_wait(), Ok(Some(_)))) {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

fn collect(stream: impl Read + Send + 'static, output: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            output.lock().unwrap().extend([line.as_str(), "\n"]);
        }
    })
}

/// The processes that `pid` started, those that they started, and so on.
pub(crate) fn descendants(pid: i32) -> Vec<i32> {
    let own = children(pid);
    let further = own.iter().flat_map(|child| descendants(*child));
    own.iter().copied().chain(further).collect()
}

fn children(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let listed = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let pids: Vec<i32> = listed
        .flat_map(|pids| {
            pids.split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    pids
}

fn is_running(pid: i32, program: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == program)
}
