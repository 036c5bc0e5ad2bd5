//! The cache in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Counter;
use crate::clock::Clock;

/// Entries of either kind beyond which expired ones are removed: about 10 MB of keys.
const PURGE_ABOVE: usize = 50_000;

/// Counters and marks in memory. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryCache {
    clock: Clock,
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    counters: HashMap<String, (u64, DateTime<Utc>)>,
    marks: HashMap<String, DateTime<Utc>>,
}

impl MemoryCache {
    /// An empty cache whose entries expire by `clock`.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            entries: Arc::default(),
        }
    }

    /// See [`super::Cache::increment`].
    pub fn increment(&self, keys: &[String], window: Duration) -> Vec<Counter> {
        let now = self.clock.now();
        let mut entries = self.entries();
        entries.make_room(now);
        let increment = |key: &String| {
            let begun = (0, now + delta(window));
            let (count, resets_at) = entries.counters.entry(key.clone()).or_insert(begun);
            if *resets_at <= now {
                (*count, *resets_at) = begun;
            }
            *count += 1;
            Counter {
                count: *count,
                resets_in: (*resets_at - now).to_std().unwrap_or_default(),
            }
        };
        keys.iter().map(increment).collect()
    }

    /// See [`super::Cache::mark`].
    pub fn mark(&self, keys: &[String], lifetime: Duration) {
        let now = self.clock.now();
        let mut entries = self.entries();
        entries.make_room(now);
        entries
            .marks
            .extend(keys.iter().map(|key| (key.clone(), now + delta(lifetime))));
    }

    /// See [`super::Cache::marked`].
    pub fn marked<const N: usize>(&self, keys: [&str; N]) -> [bool; N] {
        let now = self.clock.now();
        let entries = self.entries();
        keys.map(|key| entries.marks.get(key).is_some_and(|expires_at| *expires_at > now))
    }

    /// Forgets everything, as a restart would.
    pub fn clear(&self) {
        *self.entries() = Entries::default();
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Every update leaves the maps whole, so a panic elsewhere while they were locked does no harm.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Keeps memory bounded: removes what has expired, and when live counters alone are too many, all of them. A flood
    /// from that many addresses then gets a second window, which is better than running out of memory.
    fn make_room(&mut self, now: DateTime<Utc>) {
        if self.counters.len() > PURGE_ABOVE {
            self.counters.retain(|_, (_, resets_at)| *resets_at > now);
            if self.counters.len() > PURGE_ABOVE {
                self.counters.clear();
            }
        }
        if self.marks.len() > PURGE_ABOVE {
            self.marks.retain(|_, expires_at| *expires_at > now);
        }
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_counter_begins_anew_when_its_window_is_over() {
        let clock = Clock::manual();
        let cache = MemoryCache::new(clock.clone());
        let count = || cache.increment(&["k".to_owned()], MINUTE)[0].count;
        assert_eq!((count(), count()), (1, 2));
        clock.step(TimeDelta::seconds(60));
        assert_eq!(count(), 1);
    }

    #[test]
    fn a_mark_vanishes_after_its_lifetime() {
        let clock = Clock::manual();
        let cache = MemoryCache::new(clock.clone());
        cache.mark(&["a".to_owned()], MINUTE);
        assert_eq!(cache.marked(["a", "b"]), [true, false]);
        clock.step(TimeDelta::seconds(60));
        assert_eq!(cache.marked(["a"]), [false]);
    }

    #[test]
    fn memory_stays_bounded_under_a_flood_of_addresses() {
        let cache = MemoryCache::new(Clock::manual());
        for address in 0..(PURGE_ABOVE * 2) {
            cache.increment(&[address.to_string()], MINUTE);
        }
        assert!(cache.entries().counters.len() <= PURGE_ABOVE + 1);
    }
}
