//! What can go wrong with Valkey, by kind.

use std::time::Duration;

use redis::{ErrorKind, RedisError};

/// Why Valkey could not be used.
///
/// Nothing in it was written by the server: its errors quote what it was sent, and that can be a name or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What the metric and the log call it; one of a few.
    pub(super) kind: &'static str,
    /// For the person who reads the log.
    pub(super) reason: String,
}

/// The connection was closed, or none could be made.
const LOST: &str = "lost";
const TIMEOUT: &str = "timeout";

/// Errors of the server that say that it cannot be used at all, by the word that they begin with: the kind and what it
/// means. <https://valkey.io/topics/protocol/#simple-errors> has the form; the words are in the server's `src/server.c`
/// and `src/acl.c`.
const SERVER_ERRORS: [(&str, &str, &str); 12] = [
    ("READONLY", "readonly", "it is a replica and takes no writes"),
    ("MASTERDOWN", "masterdown", "it is a replica that has lost its primary"),
    ("LOADING", "loading", "it is still loading its data"),
    (
        "OOM",
        "oom",
        "its memory is full, and its maxmemory-policy lets it evict nothing",
    ),
    (
        "MISCONF",
        "misconf",
        "it cannot save to its disk and therefore takes no writes",
    ),
    (
        "NOREPLICAS",
        "noreplicas",
        "too few replicas follow it, and therefore it takes no writes",
    ),
    (
        "NOPERM",
        "noperm",
        "its access list does not allow the user a command or key that is needed",
    ),
    ("NOAUTH", "noauth", "it asks for a password"),
    ("WRONGPASS", "wrongpass", "it does not accept the user or the password"),
    ("CLUSTERDOWN", "clusterdown", "the cluster that it belongs to is down"),
    (
        "MOVED",
        "moved",
        "it belongs to a cluster, and the keys are at another node",
    ),
    (
        "CROSSSLOT",
        "crossslot",
        "it belongs to a cluster: CACHE_KEY_PREFIX must be in braces, such as {slipway}:",
    ),
];

impl Trouble {
    pub(super) fn no_answer_within(limit: Duration) -> Self {
        Self {
            kind: TIMEOUT,
            reason: format!("no answer within {} ms", limit.as_millis()),
        }
    }

    /// The other side closed the connection.
    pub(super) fn closed() -> Self {
        Self {
            kind: LOST,
            reason: "it closed the connection".to_owned(),
        }
    }

    /// Whether the connection is gone: a new one may do.
    pub(super) fn is_lost(&self) -> bool {
        self.kind == LOST
    }

    /// Whether it was slow, which can pass.
    pub(super) fn is_timeout(&self) -> bool {
        self.kind == TIMEOUT
    }

    fn of_server(word: &str, details: &str) -> Self {
        let known = SERVER_ERRORS.iter().find(|(known, ..)| *known == word);
        let (kind, reason) = match known {
            Some((_, kind, reason)) => (*kind, (*reason).to_owned()),
            None if details.starts_with("unknown command") => (
                "unknown_command",
                "it does not know a command that is needed".to_owned(),
            ),
            None => ("other", format!("it answered with an error of the kind {word}")),
        };
        Self { kind, reason }
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            _ if error.is_timeout() => Self {
                kind: TIMEOUT,
                reason: error.to_string(),
            },
            ErrorKind::Io => Self {
                kind: LOST,
                reason: error.to_string(),
            },
            ErrorKind::AuthenticationFailed => Self::of_server("WRONGPASS", ""),
            ErrorKind::Server(_) | ErrorKind::Extension => {
                let word = error.code().unwrap_or("ERR").to_owned();
                // Of several errors of one transaction the first is the cause of the others.
                match error.into_server_errors().as_deref().and_then(<[_]>::first) {
                    Some((_, error)) => Self::of_server(error.code(), error.details().unwrap_or_default()),
                    None => Self::of_server(&word, ""),
                }
            }
            _ => Self {
                kind: "protocol",
                reason: "it did not answer as Valkey or Redis does".to_owned(),
            },
        }
    }
}

/// What is reported of a time in which Valkey cannot be used: one line for each kind of trouble, and one when all of it is
/// over.
#[derive(Debug, Default)]
pub(super) struct Outage {
    reported: Vec<&'static str>,
    was_connected: bool,
}

impl Outage {
    pub(super) fn report(&mut self, trouble: &Trouble) {
        let Trouble { kind, reason } = trouble;
        if !self.reported.contains(kind) {
            self.reported.push(kind);
            tracing::warn!(kind, reason, "the cache is unavailable; going on from the database");
        }
    }

    /// There is a connection: the first one, or another one.
    pub(super) fn is_over(&mut self) {
        if !self.was_connected || !self.reported.is_empty() {
            tracing::info!("connected to the cache");
        }
        self.was_connected = true;
        self.reported.clear();
    }
}
