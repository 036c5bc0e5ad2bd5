//! The cache in Valkey (or Redis), over one supervised connection.
//!
//! The connection is a circuit breaker: a lost connection or a few timeouts in a row open it, from then on every call
//! fails at once, and a task in the background tries new connections until one answers. So a cache that is down or
//! slow costs a few requests [`OPERATION_TIMEOUT`] each and all others nothing, and it is used again by itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{CacheError, Counter};
use crate::config::Secret;

/// How long one operation may take; a cache in the same task answers within a millisecond.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(300);
/// How long a new connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeouts in a row after which the breaker opens: one slow answer does not, an outage costs three requests.
const FAILURES_TO_OPEN: u32 = 3;
/// How long the breaker waits between attempts to connect.
const RECONNECT_EVERY: Duration = Duration::from_millis(500);

/// One script, so that a counter cannot be left without an expiry when the client vanishes between two commands.
const INCREMENT: &str = "local count = redis.call('INCR', KEYS[1]) \
    if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end \
    return {count, redis.call('PTTL', KEYS[1])}";

/// Counters and marks in Valkey. Clones share the connection.
#[derive(Clone, Debug)]
pub struct ValkeyCache {
    key_prefix: String,
    link: Arc<Link>,
}

#[derive(Debug)]
struct Link {
    client: Client,
    /// `None` while the breaker is open.
    connection: RwLock<Option<MultiplexedConnection>>,
    failures: AtomicU32,
    /// Wakes the task that connects.
    broken: Arc<Notify>,
}

impl ValkeyCache {
    /// A cache that begins to connect in the background.
    pub(super) fn open(url: &Secret, key_prefix: &str) -> Result<Self, CacheError> {
        let client = Client::open(url.expose()).map_err(|error| CacheError(error.to_string()))?;
        let link = Arc::new(Link {
            client,
            connection: RwLock::new(None),
            failures: AtomicU32::new(0),
            broken: Arc::default(),
        });
        tokio::spawn(keep_connected(Arc::downgrade(&link)));
        Ok(Self {
            key_prefix: key_prefix.to_owned(),
            link,
        })
    }

    pub(super) async fn increment(&self, keys: &[String], window: Duration) -> Result<Vec<Counter>, CacheError> {
        let mut pipeline = Pipeline::new();
        for key in keys {
            let key = self.key(key);
            pipeline.cmd("EVAL").arg(INCREMENT).arg(1).arg(key).arg(millis(window));
        }
        let counters: Vec<(u64, i64)> = self.run(&pipeline).await?;
        let counter = |(count, resets_in): (u64, i64)| Counter {
            count,
            resets_in: Duration::from_millis(resets_in.max(0).unsigned_abs()),
        };
        Ok(counters.into_iter().map(counter).collect())
    }

    pub(super) async fn mark(&self, keys: &[String], lifetime: Duration) -> Result<(), CacheError> {
        let mut pipeline = Pipeline::new();
        for key in keys {
            let key = self.key(key);
            pipeline
                .cmd("SET")
                .arg(key)
                .arg(1)
                .arg("PX")
                .arg(millis(lifetime))
                .ignore();
        }
        self.run(&pipeline).await
    }

    pub(super) async fn marked<const N: usize>(&self, keys: [&str; N]) -> Result<[bool; N], CacheError> {
        let mut pipeline = Pipeline::new();
        for key in keys {
            pipeline.cmd("EXISTS").arg(self.key(key));
        }
        let marked: Vec<bool> = self.run(&pipeline).await?;
        marked
            .try_into()
            .map_err(|_| CacheError("an answer of the wrong length".to_owned()))
    }

    pub(super) async fn ping(&self) -> Result<(), CacheError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("PING").ignore();
        self.run(&pipeline).await
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.key_prefix)
    }

    /// Runs the commands in one round trip, if there is a connection, and watches how that goes.
    async fn run<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, CacheError> {
        debug_assert!(
            !pipeline.is_empty(),
            "a round trip for nothing is an error to the client library"
        );
        let Some(mut connection) = self.link.connection() else {
            return Err(CacheError("not connected".to_owned()));
        };
        match timeout(OPERATION_TIMEOUT, pipeline.query_async(&mut connection)).await {
            Ok(Ok(value)) => {
                self.link.failures.store(0, Ordering::Relaxed);
                Ok(value)
            }
            Ok(Err(error)) => {
                let reason = error.to_string();
                if error.is_unrecoverable_error() || error.is_timeout() {
                    self.link.break_off(&reason);
                }
                Err(CacheError(reason))
            }
            Err(_) => {
                let reason = format!("no answer in {} ms", OPERATION_TIMEOUT.as_millis());
                if self.link.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_TO_OPEN {
                    self.link.break_off(&reason);
                }
                Err(CacheError(reason))
            }
        }
    }
}

impl Link {
    fn connection(&self) -> Option<MultiplexedConnection> {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_connection(&self, connection: Option<MultiplexedConnection>) -> Option<MultiplexedConnection> {
        let mut current = self.connection.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, connection)
    }

    /// Opens the breaker, unless another request just did.
    fn break_off(&self, reason: &str) {
        if self.set_connection(None).is_some() {
            tracing::warn!(reason, "the cache is unavailable; going on from the database");
            self.broken.notify_one();
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(CONNECT_TIMEOUT));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connection.await.map_err(|error| error.to_string())?;
        let ping = redis::cmd("PING");
        match timeout(OPERATION_TIMEOUT, ping.query_async::<()>(&mut connection)).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer to PING".to_owned()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.broken.notify_one();
    }
}

/// Opens a connection whenever there is none, until the cache is dropped.
async fn keep_connected(link: Weak<Link>) {
    let mut reported = false;
    while let Some(link) = link.upgrade() {
        match link.connect().await {
            Ok(connection) => {
                tracing::info!("connected to the cache");
                reported = false;
                link.failures.store(0, Ordering::Relaxed);
                link.set_connection(Some(connection));
                let broken = Arc::clone(&link.broken);
                drop(link);
                broken.notified().await;
            }
            Err(reason) => {
                if !std::mem::replace(&mut reported, true) {
                    tracing::warn!(reason, "cannot connect to the cache; trying on");
                }
                drop(link);
                sleep(RECONNECT_EVERY).await;
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
