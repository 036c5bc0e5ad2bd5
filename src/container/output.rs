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
        let (level, message) = parse(&line);
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

/// Level and message of a line such as `2026/01/31 12:00:00 [error] 7#7: *1 connect() failed, client: …, server: …`, or
/// `nginx: [emerg] …` before there is a log. Any other line is a warning.
fn parse(line: &str) -> (Level, &str) {
    let parts = line.split_once('[').and_then(|(_, rest)| rest.split_once("] "));
    let Some((level, rest)) = parts else {
        return (Level::WARN, line);
    };
    let level = match level {
        "emerg" | "alert" | "crit" | "error" => Level::ERROR,
        "warn" => Level::WARN,
        "notice" | "info" => Level::INFO,
        "debug" => Level::DEBUG,
        _ => return (Level::WARN, line),
    };
    let message = without_number(without_number(rest, "#"), "*");
    // What follows quotes the request with its query, which is not for logs; the access line names the request.
    let message = message.split(", server: ").next().unwrap_or(message);
    // A client did what it should not, such as sending too large a body. Its access line says so.
    if message.starts_with("client ") {
        return (Level::DEBUG, message);
    }
    (level, message)
}

/// Takes away a first word that has `sign` among its digits: `7#7: ` (process and thread) or `*1 ` (connection).
fn without_number<'text>(text: &'text str, sign: &str) -> &'text str {
    match text.split_once(' ') {
        Some((word, rest))
            if word.contains(sign) && word.chars().all(|c| c.is_ascii_digit() || c == ':' || sign.contains(c)) =>
        {
            rest
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_nginx_keeps_its_level_and_loses_what_it_quotes_of_the_request() {
        for (line, level, message) in [
            (
                "2026/01/31 12:00:00 [error] 7#7: *12 connect() to unix:http.sock failed (2: No such file or directory) \
                 while connecting to upstream, client: 203.0.113.5, server: , request: \"GET /?token=x HTTP/1.1\"",
                Level::ERROR,
                "connect() to unix:http.sock failed (2: No such file or directory) while connecting to upstream, \
                 client: 203.0.113.5",
            ),
            (
                "nginx: [emerg] unknown directive \"x\" in /y:1",
                Level::ERROR,
                "unknown directive \"x\" in /y:1",
            ),
            (
                "2026/01/31 12:00:00 [alert] 1#1: worker process 2 exited on signal 9",
                Level::ERROR,
                "worker process 2 exited on signal 9",
            ),
            ("2026/01/31 12:00:00 [crit] 1#1: x", Level::ERROR, "x"),
            (
                "2026/01/31 12:00:00 [warn] 1#1: 4096 worker_connections exceed",
                Level::WARN,
                "4096 worker_connections exceed",
            ),
            ("2026/01/31 12:00:00 [notice] 1#1: signal 15", Level::INFO, "signal 15"),
            (
                "2026/01/31 12:00:00 [error] 7#7: *1 client intended to send too large body: 70000 bytes, client: ::1",
                Level::DEBUG,
                "client intended to send too large body: 70000 bytes, client: ::1",
            ),
            (
                "slipway: nginx cannot be run",
                Level::WARN,
                "slipway: nginx cannot be run",
            ),
            ("", Level::WARN, ""),
            ("a [b] c", Level::WARN, "a [b] c"),
        ] {
            assert_eq!(parse(line), (level, message), "{line}");
        }
    }
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
