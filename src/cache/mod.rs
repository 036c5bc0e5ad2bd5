//! Short-lived shared state: counters and marks that expire. Losing all of it loses no session and no account.

mod expiring;
mod memory;
mod valkey;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::CacheConfig;
use crate::telemetry::Metrics;

pub use memory::MemoryCache;
pub use valkey::ValkeyCache;

/// Why the cache could not do something: it did not answer in time or at all, or it answered with an error. Callers go on
/// without it; clients see it only as `cache: unavailable` in `GET /ready`.
#[derive(Debug, thiserror::Error)]
#[error("the cache is unavailable: {0}")]
pub struct CacheError(pub String);

/// A counter after it was incremented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// How often it was incremented since it began, this time included.
    pub count: u64,
    /// When it begins again.
    pub resets_in: Duration,
}

/// Counters and marks, in this process or in Valkey. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Cache {
    /// In this process: other instances do not see it, a restart empties it.
    Memory(MemoryCache),
    /// In Valkey (or Redis), shared by all instances.
    Valkey(ValkeyCache),
}

impl Cache {
    /// The cache that `config` asks for. Valkey is connected to in the background: a cache that is down does not keep
    /// the server from starting.
    ///
    /// # Errors
    /// When the URL cannot be used; says why.
    pub fn open(config: &CacheConfig, clock: &Clock, metrics: &Arc<Metrics>) -> Result<Self, CacheError> {
        Ok(match &config.url {
            Some(url) => Self::Valkey(ValkeyCache::open(url, &config.key_prefix, Arc::clone(metrics))?),
            None => Self::Memory(MemoryCache::new(clock.clone())),
        })
    }

    /// Increments each of `keys`, each of which begins again `window` after its first increment.
    ///
    /// # Errors
    /// [`CacheError`] when the cache does not do it in time: they may be incremented or not.
    pub async fn increment(&self, keys: &[String], window: Duration) -> Result<Vec<Counter>, CacheError> {
        match self {
            Self::Memory(cache) => Ok(cache.increment(keys, window)),
            Self::Valkey(cache) => cache.increment(keys, window).await,
        }
    }

    /// Sets a mark at each of `keys`, however many, that vanishes after `lifetime`.
    ///
    /// # Errors
    /// [`CacheError`] when the cache does not do it in time: each mark may be set or not.
    pub async fn mark(&self, keys: &[String], lifetime: Duration) -> Result<(), CacheError> {
        match self {
            Self::Memory(cache) => cache.mark(keys, lifetime),
            Self::Valkey(cache) => cache.mark(keys, lifetime).await,
        }
    }

    /// Takes back one increment of each of `keys`, of which there is at least one.
    ///
    /// # Errors
    /// [`CacheError`] when the cache does not do it in time: each may be taken back or not.
    pub async fn decrement(&self, keys: &[String], window: Duration) -> Result<(), CacheError> {
        match self {
            Self::Memory(cache) => {
                cache.decrement(keys);
                Ok(())
            }
            Self::Valkey(cache) => cache.decrement(keys, window).await,
        }
    }

    /// Which of `keys` are marked.
    ///
    /// # Errors
    /// [`CacheError`] when the cache does not answer in time.
    pub async fn marked<const N: usize>(&self, keys: [&str; N]) -> Result<[bool; N], CacheError> {
        match self {
            Self::Memory(cache) => Ok(cache.marked(keys)),
            Self::Valkey(cache) => cache.marked(keys).await,
        }
    }

    /// How often the cache was connected to. A number that is higher than before says that the server at the other end
    /// may be another one, or have been started again from an older state: it may have lost the last things that it was
    /// told, and kept others.
    pub fn connections(&self) -> u64 {
        match self {
            Self::Memory(_) => 0,
            Self::Valkey(cache) => cache.connections(),
        }
    }

    /// Asks the cache to do, on keys of its own, what it is needed for: one that can be read and not written is of no
    /// use.
    ///
    /// # Errors
    /// [`CacheError`] when it does not do so in time.
    pub async fn check(&self) -> Result<(), CacheError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Valkey(cache) => cache.check().await,
        }
    }
}
