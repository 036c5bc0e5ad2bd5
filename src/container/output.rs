//! What nginx prints: access lines on standard output, which go out as they are, and messages on standard error, which
//! become log lines of ours.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Split};
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Level;

use super::nginx_message::nginx_message;

/// How long to wait for the last lines of an nginx that has ended; a worker of it may keep the pipe open.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Forwards both streams of an nginx to their end.
#[derive(Debug)]
pub(super) struct Output {
    access: Option<JoinHandle<()>>,
    messages: Option<JoinHandle<Option<String>>>,
}

impl Output {
    /// Begins to forward. Both streams must be piped.
    pub(super) fn forward(child: &mut Child) -> io::Result<Self> {
        let access = child.stdout.take().map(|stream| lines(stream.into())).transpose()?;
        let messages = child.stderr.take().map(|stream| lines(stream.into())).transpose()?;
        Ok(Self {
            access: access.map(|lines| tokio::spawn(copy(lines))),
            messages: messages.map(|lines| tokio::spawn(log(lines))),
        })
    }

    /// Waits until everything that an nginx that has ended printed is out, and returns why it has given
    /// up, if it said so.
    pub(super) async fn reason(&mut self) -> Option<String> {
        if let Some(access) = self.access.take() {
            let _ = timeout(LAST_LINES, access).await;
        }
        timeout(LAST_LINES, self.messages.take()?).await.ok()?.ok()?
    }
}

/// Lines of bytes: nginx quotes requests, which need not be UTF-8.
fn lines(stream: OwnedFd) -> io::Result<Split<BufReader<Receiver>>> {
    Ok(BufReader::new(Receiver::from_owned_fd(stream)?).split(b'\n'))
}

async fn copy(mut lines: Split<BufReader<Receiver>>) {
    while let Ok(Some(mut line)) = lines.next_segment().await {
        line.push(b'\n');
        // When nobody reads our output there is nobody to tell.
        let _ = io::stdout().write_all(&line);
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

    #[tokio::test]
    async fn a_line_that_is_not_utf_8_ends_nothing() {
        let script = r#"printf '\377 a request\nnginx: [emerg] the reason\n' >&2"#;
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = Output::forward(&mut child).unwrap();
        assert_eq!(output.reason().await.as_deref(), Some("the reason"));
        assert!(child.wait().unwrap().success());
    }
}
