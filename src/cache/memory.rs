//! The cache in this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::expiring::Expiring;
use super::{CacheError, Counter};
use crate::clock::Clock;

/// Counters that are kept, which take about 200 bytes each, so 10 MB. One more takes the place of the oldest: an attempt
/// is forgotten early only when that many further clients or accounts were seen within its minute.
const MAX_COUNTERS: usize = 50_000;
/// Marks that are kept, some 18 MB: more than 150 sessions ended in every second of the ten minutes that their marks
/// live. None is given up for another, since an ended session would be let in again; what finds no room is refused, and
/// callers ask the database.
const MAX_MARKS: usize = 100_000;

/// Counters and marks in memory. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryCache {
    clock: Clock,
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug)]
struct Entries {
    counters: Expiring<u64>,
    marks: Expiring<()>,
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
        let (now, mut entries) = self.entries();
        let counters = &mut entries.counters;
        let increment = |key: &String| match counters.get_mut(key) {
            Some((count, end)) => {
                *count += 1;
                Counter {
                    count: *count,
                    resets_in: until(end, now),
                }
            }
            None => {
                counters.insert(key, 1, after(now, window));
                Counter {
                    count: 1,
                    resets_in: window,
                }
            }
        };
        keys.iter().map(increment).collect()
    }

    /// What [`Self::increment`] or [`Self::set_counter`] last made of the counter of `key`, if its window is not over.
    pub fn counter(&self, key: &str) -> Option<Counter> {
        let (now, mut entries) = self.entries();
        let (count, end) = entries.counters.get_mut(key)?;
        Some(Counter {
            count: *count,
            resets_in: until(end, now),
        })
    }

    /// Makes the counter of `key` what it is elsewhere.
    pub fn set_counter(&self, key: &str, counter: Counter) {
        let (now, mut entries) = self.entries();
        entries
            .counters
            .insert(key, counter.count, after(now, counter.resets_in));
    }

    /// See [`super::Cache::decrement`].
    pub fn decrement(&self, keys: &[String]) {
        let (_, mut entries) = self.entries();
        for key in keys {
            if let Some((count, _)) = entries.counters.get_mut(key) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// See [`super::Cache::mark`].
    ///
    /// # Errors
    /// [`CacheError`] when there is no room for all of them.
    pub fn mark(&self, keys: &[String], lifetime: Duration) -> Result<(), CacheError> {
        let (now, mut entries) = self.entries();
        for key in keys {
            if entries.marks.is_full() && !entries.marks.contains(key) {
                return Err(CacheError(format!("it is full with {MAX_MARKS} marks")));
            }
            entries.marks.insert(key, (), after(now, lifetime));
        }
        Ok(())
    }

    /// See [`super::Cache::marked`].
    pub fn marked<const N: usize>(&self, keys: [&str; N]) -> [bool; N] {
        let (_, entries) = self.entries();
        keys.map(|key| entries.marks.contains(key))
    }

    /// Forgets everything, as a restart would.
    pub fn clear(&self) {
        *self.entries().1 = Entries::default();
    }

    /// The present moment, and what has not expired by then.
    fn entries(&self) -> (DateTime<Utc>, MutexGuard<'_, Entries>) {
        // Every update leaves the maps whole, so a panic elsewhere while they were locked does no harm.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        entries.counters.remove_expired(now);
        entries.marks.remove_expired(now);
        (now, entries)
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            counters: Expiring::with_capacity_for(MAX_COUNTERS),
            marks: Expiring::with_capacity_for(MAX_MARKS),
        }
    }
}

fn after(now: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let duration = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(duration).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn until(end: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (end - now).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{prefix}{number}")).collect()
    }

    #[test]
    fn a_counter_begins_again_when_its_window_is_over() {
        let clock = Clock::manual();
        let cache = MemoryCache::new(clock.clone());
        let count = || cache.increment(&["k".to_owned()], MINUTE)[0].count;
        assert_eq!((count(), count()), (1, 2));
        clock.step(TimeDelta::seconds(59));
        assert_eq!(cache.counter("k").unwrap().resets_in, Duration::from_secs(1));
        clock.step(TimeDelta::seconds(1));
        assert_eq!(cache.counter("k"), None);
        assert_eq!((count(), count()), (1, 2));
        cache.decrement(&["k".to_owned()]);
        assert_eq!((count(), count()), (2, 3));
    }

    #[test]
    fn a_mark_vanishes_after_its_lifetime() {
        let clock = Clock::manual();
        let cache = MemoryCache::new(clock.clone());
        cache.mark(&["a".to_owned()], MINUTE).unwrap();
        assert_eq!(cache.marked(["a", "b"]), [true, false]);
        clock.step(TimeDelta::seconds(60));
        assert_eq!(cache.marked(["a"]), [false]);
    }

    /// Security finding F8: the whole map was forgotten.
    #[test]
    fn a_flood_of_addresses_takes_the_place_of_the_oldest_counters_and_of_no_others() {
        let clock = Clock::manual();
        let cache = MemoryCache::new(clock.clone());
        cache.increment(&["old".to_owned()], MINUTE);
        clock.step(TimeDelta::seconds(1));
        cache.increment(&["guesses".to_owned()], MINUTE);
        clock.step(TimeDelta::seconds(1));
        cache.increment(&names("flood", MAX_COUNTERS - 1), MINUTE);
        assert_eq!(cache.counter("old"), None);
        assert_eq!(cache.increment(&["guesses".to_owned()], MINUTE)[0].count, 2);
        cache.increment(&names("more", MAX_COUNTERS), MINUTE);
        assert_eq!(cache.counter("guesses"), None);
        assert!(cache.entries().1.counters.is_full());
    }

    #[test]
    fn marks_that_find_no_room_are_refused_and_none_is_lost_for_them() {
        let clock = Clock::manual();
        let cache = MemoryCache::new(clock.clone());
        let marks = names("mark", MAX_MARKS);
        cache.mark(&marks, MINUTE).unwrap();
        cache.mark(&["one more".to_owned()], MINUTE).unwrap_err();
        cache.mark(&marks[..1], 2 * MINUTE).unwrap();
        assert!(marks.iter().all(|mark| cache.marked([mark.as_str()])[0]));
        clock.step(TimeDelta::seconds(60));
        cache.mark(&["one more".to_owned()], MINUTE).unwrap();
        assert_eq!(
            cache.marked([marks[0].as_str(), marks[1].as_str(), "one more"]),
            [true, false, true]
        );
    }
}
