//! The cache in Valkey (or Redis): which commands make a counter and a mark.
//!
//! None of them is a script: Valkey may be built without Lua, and access lists may refuse it.

mod link;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use redis::{Client, Pipeline, Value};

use super::{CacheError, Counter};
use crate::config::Secret;
use crate::telemetry::Metrics;
use link::Link;

/// Marks that are set in one round trip: some 50 KB, for which a server takes a millisecond or two. More of them would
/// hold up the requests of others, and reach the limit of time of one operation.
const MARKS_IN_A_ROUND_TRIP: usize = 500;

/// Counters and marks in Valkey. Clones share the connection.
#[derive(Clone, Debug)]
pub struct ValkeyCache {
    key_prefix: String,
    link: Arc<Link>,
}

impl ValkeyCache {
    /// A cache that begins to connect in the background.
    pub(super) fn open(url: &Secret, key_prefix: &str, metrics: Arc<Metrics>) -> Result<Self, CacheError> {
        let client = Client::open(url.expose()).map_err(|error| CacheError(error.to_string()))?;
        Ok(Self {
            key_prefix: key_prefix.to_owned(),
            link: Link::start(client, check(key_prefix), metrics),
        })
    }

    pub(super) async fn increment(&self, keys: &[String], window: Duration) -> Result<Vec<Counter>, CacheError> {
        let mut pipeline = transaction();
        for key in keys {
            push_increment(&mut pipeline, &self.key(key), window);
        }
        pipeline.cmd("EXEC");
        let (counters,): (Vec<(Value, i64, i64)>,) = self.link.run(&pipeline).await?;
        let counter = |(_, count, resets_in): (Value, i64, i64)| Counter {
            // Less than nothing when one was given back after its window.
            count: count.max(0).unsigned_abs(),
            resets_in: Duration::from_millis(resets_in.max(0).unsigned_abs()),
        };
        Ok(counters.into_iter().map(counter).collect())
    }

    pub(super) async fn decrement(&self, keys: &[String], window: Duration) -> Result<(), CacheError> {
        let mut pipeline = transaction();
        for key in keys {
            push_new_counter(&mut pipeline, &self.key(key), window);
            pipeline.cmd("DECR").arg(self.key(key)).ignore();
        }
        pipeline.cmd("EXEC").ignore();
        self.link.run(&pipeline).await
    }

    pub(super) async fn mark(&self, keys: &[String], lifetime: Duration) -> Result<(), CacheError> {
        for keys in keys.chunks(MARKS_IN_A_ROUND_TRIP) {
            let mut pipeline = Pipeline::with_capacity(keys.len());
            for key in keys {
                push_mark(&mut pipeline, &self.key(key), lifetime);
            }
            self.link.run::<()>(&pipeline).await?;
        }
        Ok(())
    }

    pub(super) async fn marked<const N: usize>(&self, keys: [&str; N]) -> Result<[bool; N], CacheError> {
        let mut pipeline = Pipeline::with_capacity(N);
        for key in keys {
            pipeline.cmd("EXISTS").arg(self.key(key));
        }
        let marked: Vec<bool> = self.link.run(&pipeline).await?;
        marked
            .try_into()
            .map_err(|_| CacheError("an answer of the wrong length".to_owned()))
    }

    pub(super) fn connections(&self) -> u64 {
        self.link.connections()
    }

    pub(super) async fn check(&self) -> Result<(), CacheError> {
        self.link.check().await
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.key_prefix)
    }
}

/// Everything that the cache is used for, on keys that look like those of counters and marks: an access list may allow
/// these and no others. In one transaction, so that several instances do not disturb one another.
fn check(key_prefix: &str) -> Pipeline {
    let [counter, mark] = ["rate:check", "revoked:check"].map(|key| format!("{key_prefix}{key}"));
    let lifetime = Duration::from_secs(60);
    let mut pipeline = transaction();
    push_increment(&mut pipeline, &counter, lifetime);
    push_mark(&mut pipeline, &mark, lifetime);
    pipeline.cmd("EXISTS").arg(&mark).ignore();
    pipeline.cmd("DECR").arg(&counter).ignore();
    pipeline.cmd("EXEC");
    pipeline
}

/// The beginning of a transaction, which `EXEC` must end. [`Pipeline::atomic`] does the same; but its client (redis 1.8)
/// panics when the server refuses `MULTI` itself.
fn transaction() -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("MULTI").ignore();
    pipeline
}

/// Three commands that must be in one transaction, in which time stands still: otherwise the counter could expire after
/// `SET` has left it alone and before `INCR`, which would then make one that never expires. `INCR` keeps the end that
/// `SET` gave.
fn push_increment(pipeline: &mut Pipeline, key: &str, window: Duration) {
    push_new_counter(pipeline, key, window);
    pipeline.cmd("INCR").arg(key).ignore();
    pipeline.cmd("PTTL").arg(key).ignore();
}

fn push_new_counter(pipeline: &mut Pipeline, key: &str, window: Duration) {
    pipeline
        .cmd("SET")
        .arg(key)
        .arg(0)
        .arg("PX")
        .arg(millis(window))
        .arg("NX")
        .ignore();
}

fn push_mark(pipeline: &mut Pipeline, key: &str, lifetime: Duration) {
    pipeline
        .cmd("SET")
        .arg(key)
        .arg(1)
        .arg("PX")
        .arg(millis(lifetime))
        .ignore();
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
