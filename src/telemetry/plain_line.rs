//! Log lines that are made without the subscriber: those about a panic, which may have come out of it, and those about
//! the log itself.

use chrono::Utc;
use serde_json::{Value, json};
use tracing::Level;

use crate::config::LogFormat;

/// The target of these lines.
const TARGET: &str = "slipway::telemetry";

/// Makes lines of the shape that the subscriber gives to all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainLines(pub(super) LogFormat);

impl PlainLines {
    /// A whole line with its end. `field` is further knowledge for machines.
    pub(super) fn line(self, level: Level, message: &str, field: (&str, Value)) -> String {
        let timestamp = Utc::now().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let (name, value) = field;
        match self.0 {
            LogFormat::Json => {
                let level = level.as_str();
                let line = json!({
                    "timestamp": timestamp, "level": level, "target": TARGET, "message": message, name: value
                });
                format!("{line}\n")
            }
            LogFormat::Text => {
                // Nothing that is logged may look like another line.
                let message = message.escape_debug();
                format!("{timestamp} {level:>5} {TARGET}: {message} {name}={value}\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_members_of_every_other_line() {
        let line = PlainLines(LogFormat::Json).line(Level::WARN, "a \"b\"\nc", ("lines", json!(7)));
        assert_eq!(line.lines().count(), 1);
        let mut line: Value = serde_json::from_str(&line).unwrap();
        assert!(line["timestamp"].take().as_str().unwrap().ends_with('Z'));
        let expected = json!({
            "timestamp": null, "level": "WARN", "target": TARGET, "message": "a \"b\"\nc", "lines": 7
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_line_of_text_is_one_line() {
        let line = PlainLines(LogFormat::Text).line(Level::ERROR, "a\nb", ("place", json!("src/x.rs:1:2")));
        assert!(
            line.ends_with(" ERROR slipway::telemetry: a\\nb place=\"src/x.rs:1:2\"\n"),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1);
    }
}
