//! Log lines on standard output, in the shape of the server's.

use std::env;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::clock;

const TARGET: &str = "postgres_entrypoint";

/// Writes lines in one of the two formats of `LOG_FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// One flat JSON object a line, for machines.
    Json,
    /// For people.
    Text,
}

impl Log {
    /// `LOG_FORMAT`, `json` unless it is `text`; what else it says is refused with the other settings.
    pub(crate) fn from_environment() -> Self {
        match env::var("LOG_FORMAT").as_deref() {
            Ok("text") => Self::Text,
            _ => Self::Json,
        }
    }

    /// Says what is going on.
    pub(crate) fn info(self, message: &str) {
        self.write("INFO", message);
    }

    /// Says what somebody may have to look at.
    pub(crate) fn warn(self, message: &str) {
        self.write("WARN", message);
    }

    /// Says why the process ends.
    pub(crate) fn error(self, message: &str) {
        self.write("ERROR", message);
    }

    fn write(self, level: &str, message: &str) {
        let line = self.line(&clock::now(), level, message);
        // A line that nobody can read must not keep PostgreSQL from starting.
        let _ = io::stdout().write_all(line.as_bytes());
    }

    fn line(self, timestamp: &str, level: &str, message: &str) -> String {
        let message = escaped(message);
        match self {
            Self::Json => format!(
                "{{\"timestamp\":\"{timestamp}\",\"level\":\"{level}\",\"target\":\"{TARGET}\",\"message\":\"{message}\"}}\n"
            ),
            Self::Text => format!("{timestamp} {level:>5} {TARGET}: {message}\n"),
        }
    }
}

/// As in a JSON string (RFC 8259, section 7). In text, too: nothing that is logged can begin a line of its own.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => escaped.extend(['\\', character]),
            '\n' => escaped.push_str("\\n"),
            control if control.is_control() => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(control));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_flat_object() {
        assert_eq!(
            Log::Json.line("T", "INFO", "waiting"),
            "{\"timestamp\":\"T\",\"level\":\"INFO\",\"target\":\"postgres_entrypoint\",\"message\":\"waiting\"}\n"
        );
        assert_eq!(
            Log::Text.line("T", "INFO", "waiting"),
            "T  INFO postgres_entrypoint: waiting\n"
        );
    }

    #[test]
    fn nothing_that_is_logged_can_end_the_line_or_the_string_it_stands_in() {
        let line = Log::Json.line("T", "INFO", "\"}\n\\\u{0}\u{1b}é");
        assert!(
            line.ends_with("\"message\":\"\\\"}\\n\\\\\\u0000\\u001bé\"}\n"),
            "{line}"
        );
        assert_eq!(Log::Text.line("T", "INFO", "a\nb").lines().count(), 1);
    }
}
