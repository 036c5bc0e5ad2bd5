//! Lines of nginx's error log.

use tracing::Level;

/// Level and message of a line such as `2026/01/31 12:00:00 [error] 7#7: *1 connect() failed, client: …, server: …`, or
/// `nginx: [emerg] …` before there is a log. Any other line is a warning.
pub fn nginx_message(line: &str) -> (Level, &str) {
    // What follows quotes the request with its query, which is not for logs; the access line names the request.
    let line = line.split(", server: ").next().unwrap_or(line);
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
            (
                "of another shape, server: , request: \"GET /?token=x\"",
                Level::WARN,
                "of another shape",
            ),
            ("a [b] c", Level::WARN, "a [b] c"),
        ] {
            assert_eq!(nginx_message(line), (level, message), "{line}");
        }
    }
}
