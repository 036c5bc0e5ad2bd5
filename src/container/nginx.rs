//! nginx as a child process.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, WaitStatus, geteuid, kill_process, kill_process_group};
use tokio::time::timeout_at;

use super::children::Children;
use super::output::Output;
use crate::config::ConfigError;
use crate::stop::StopDeadlines;
use crate::telemetry::LogOutput;

/// A running nginx, which is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Nginx {
    pid: Pid,
    children: Children,
    output: Output,
    status: Option<WaitStatus>,
}

impl Nginx {
    /// Starts `program` in `runtime_dir` with the configuration there. Whether it could use that shows in
    /// [`ended`](Self::ended).
    ///
    /// Must be called by the main thread: the child ends with the thread that started it.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn start(program: &str, runtime_dir: &Path, logs: &LogOutput) -> Result<Self, ConfigError> {
        let explain = |error: io::Error| ConfigError(format!("SLIPWAY_NGINX={program} cannot be started: {error}"));
        let children = Children::watch().map_err(explain)?;
        let mut child = command(program, runtime_dir).spawn().map_err(explain)?;
        let output = Output::forward(&mut child, logs).map_err(explain)?;
        Ok(Self {
            pid: Pid::from_child(&child),
            children,
            output,
            status: None,
        })
    }

    /// Waits for the end of nginx, and reaps orphans meanwhile. May be dropped and called again.
    pub(super) async fn ended(&mut self) {
        if self.status.is_none() {
            self.status = Some(self.children.end_of(self.pid).await);
        }
    }

    /// Says why nginx has ended by itself.
    pub(super) async fn explain_end(&mut self) -> ConfigError {
        let status = self.status.and_then(|status| {
            let exit = status.exit_status().map(|code| format!("exit status {code}"));
            exit.or_else(|| status.terminating_signal().map(|number| format!("signal {number}")))
        });
        let status = status.unwrap_or_else(|| "unknown status".to_owned());
        ConfigError(match self.output.reason().await {
            Some(reason) => format!("nginx has ended ({status}): {reason}"),
            None => format!("nginx has ended ({status})"),
        })
    }

    /// Lets nginx finish what is under way (SIGQUIT), then has it close everything at once (SIGTERM), and then kills it.
    pub(super) async fn stop(&mut self, deadlines: StopDeadlines) {
        for (signal, deadline) in [
            (Signal::QUIT, deadlines.nginx_quits()),
            (Signal::TERM, deadlines.nginx_ends()),
        ] {
            // It fails when nginx has ended already, which shows at once.
            let _ = kill_process(self.pid, signal);
            if timeout_at(deadline, self.ended()).await.is_ok() {
                self.output.reason_by(deadlines.nginx_ends()).await;
                return;
            }
            tracing::warn!(?signal, "nginx did not end");
        }
        self.kill();
    }

    /// Kills the workers as well, which nginx leaves behind when it is killed.
    fn kill(&self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(program: &str, runtime_dir: &Path) -> Command {
    let mut command = tied_to_this_process(program);
    command
        .args(["-e", "stderr", "-p"])
        .arg(runtime_dir)
        .arg("-c")
        .arg(runtime_dir.join("nginx.conf"))
        .current_dir(runtime_dir)
        // nginx needs none of our secrets.
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        // Ctrl-C at a terminal is for us alone.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if geteuid().is_root() {
        // Otherwise the workers run as nobody, who may not use the server's socket.
        command.args(["-g", "user root;"]);
    }
    command
}

#[cfg(target_os = "linux")]
fn tied_to_this_process(program: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["exec-tied-to-parent", program]);
    command
}

/// Elsewhere, which is on a developer's machine, nginx survives when this process is killed by SIGKILL.
#[cfg(not(target_os = "linux"))]
fn tied_to_this_process(program: &str) -> Command {
    Command::new(program)
}
