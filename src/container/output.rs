//! What nginx prints: access lines on standard output, which go out as they are, and messages on standard error, which
//! become log lines of ours.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Split};
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::Level;

use super::nginx_message::nginx_message;
use crate::telemetry::LogOutput;

/// How long to wait for the last lines of an nginx that has ended by itself; a worker of it may keep the pipe open.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Forwards both streams of an nginx to their end. They are read whatever becomes of our own output: nginx would wait for
/// a full pipe and answer nobody.
#[derive(Debug)]
pub(super) struct Output {
    access: Option<JoinHandle<()>>,
    messages: Option<JoinHandle<Option<String>>>,
}

impl Output {
    /// Begins to forward. Both streams must be piped.
    pub(super) fn forward(child: &mut Child, logs: &LogOutput) -> io::Result<Self> {
        let access = child.stdout.take().map(|stream| lines(stream.into())).transpose()?;
        let messages = child.stderr.take().map(|stream| lines(stream.into())).transpose()?;
        Ok(Self {
            access: access.map(|lines| tokio::spawn(copy(lines, logs.clone()))),
            messages: messages.map(|lines| tokio::spawn(log(lines))),
        })
    }

    /// Waits until everything that an nginx that has ended printed was read, and returns why it has given up, if it said
    /// so.
    pub(super) async fn reason(&mut self) -> Option<String> {
        self.reason_by(Instant::now() + LAST_LINES).await
    }

    /// The same, with another limit to the wait.
    pub(super) async fn reason_by(&mut self, deadline: Instant) -> Option<String> {
        if let Some(access) = self.access.take() {
            let _ = timeout_at(deadline, access).await;
        }
        timeout_at(deadline, self.messages.take()?).await.ok()?.ok()?
    }
}

/// Lines of bytes: nginx quotes requests, which need not be UTF-8.
fn lines(stream: OwnedFd) -> io::Result<Split<BufReader<Receiver>>> {
    Ok(BufReader::new(Receiver::from_owned_fd(stream)?).split(b'\n'))
}

async fn copy(mut lines: Split<BufReader<Receiver>>, logs: LogOutput) {
    while let Ok(Some(mut line)) = lines.next_segment().await {
        line.push(b'\n');
        logs.access_line(&line);
    }
}

/// Returns why nginx has given up, if it said so.
async fn log(mut lines: Split<BufReader<Receiver>>) -> Option<String> {
    let mut reasons = Vec::new();
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        let (level, message) = nginx_message(&line);
        match level {
            Level::ERROR => tracing::error!(target: "nginx", "{message}"),
            Level::WARN => tracing::warn!(target: "nginx", "{message}"),
            Level::INFO => tracing::info!(target: "nginx", "{message}"),
            _ => tracing::debug!(target: "nginx", "{message}"),
        }
        // A port that is taken is told several times, once for each attempt.
        let is_new = reasons.last().is_none_or(|last| last != message);
        if is_new && (line.contains("[emerg] ") || line.starts_with("slipway: ")) {
            reasons.push(message.to_owned());
        }
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;
    use crate::telemetry::LogStream;

    #[tokio::test]
    async fn a_line_that_is_not_utf_8_ends_nothing() {
        let script = r#"printf '\377 a request\nnginx: [emerg] the reason\n' >&2"#;
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output =
            Output::forward(&mut child, &LogOutput::new(LogStream::Stdout, LogFormat::Text).unwrap()).unwrap();
        assert_eq!(output.reason().await.as_deref(), Some("the reason"));
        assert!(child.wait().unwrap().success());
    }
}
