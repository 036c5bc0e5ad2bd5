//! A bounded map whose entries expire.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// When an entry expires, and how many were inserted before it: of two that expire at the same moment the older one comes
/// first.
type Place = (DateTime<Utc>, u64);

/// Values by key, each with an end, in the order of these ends. Every operation takes a time that grows with the
/// logarithm of the number of entries, so no request pays for a search through all of them.
#[derive(Debug)]
pub(super) struct Expiring<V> {
    capacity: usize,
    entries: HashMap<Arc<str>, (V, Place)>,
    order: BTreeMap<Place, Arc<str>>,
    inserted: u64,
}

impl<V> Expiring<V> {
    /// An empty map that is full with `capacity` entries.
    pub(super) fn with_capacity_for(capacity: usize) -> Self {
        Self {
            capacity,
            entries: HashMap::new(),
            order: BTreeMap::new(),
            inserted: 0,
        }
    }

    /// Removes what has expired at `now`; the other methods do not look at the time.
    pub(super) fn remove_expired(&mut self, now: DateTime<Utc>) {
        while self.order.first_key_value().is_some_and(|((end, _), _)| *end <= now) {
            self.evict();
        }
    }

    /// Whether another key would be one too many.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.capacity
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A value and when it expires.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<(&mut V, DateTime<Utc>)> {
        self.entries.get_mut(key).map(|(value, (end, _))| (value, *end))
    }

    /// Inserts or replaces. When the map is full, the entry that would expire soonest makes room.
    pub(super) fn insert(&mut self, key: &str, value: V, end: DateTime<Utc>) {
        self.remove(key);
        if self.is_full() {
            self.evict();
        }
        self.inserted += 1;
        let (key, place) = (Arc::<str>::from(key), (end, self.inserted));
        self.order.insert(place, Arc::clone(&key));
        self.entries.insert(key, (value, place));
    }

    /// Removes an entry, and returns it with when it would have expired.
    pub(super) fn remove(&mut self, key: &str) -> Option<(V, DateTime<Utc>)> {
        let (value, place) = self.entries.remove(key)?;
        self.order.remove(&place);
        Some((value, place.0))
    }

    /// Removes the entry that would expire soonest.
    fn evict(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn keys(map: &Expiring<u32>) -> Vec<&str> {
        map.order.values().map(AsRef::as_ref).collect()
    }

    #[test]
    fn a_full_map_gives_up_what_expires_soonest_and_of_those_the_oldest() {
        let mut map = Expiring::with_capacity_for(3);
        for (key, end) in [("late", 9), ("z", 5), ("a", 5), ("new", 5)] {
            map.insert(key, 0, at(end));
        }
        assert_eq!(keys(&map), ["a", "new", "late"]);
    }

    #[test]
    fn what_has_expired_is_removed_and_nothing_else() {
        let mut map = Expiring::with_capacity_for(3);
        for (key, end) in [("a", 1), ("b", 2), ("c", 3)] {
            map.insert(key, 0, at(end));
        }
        map.remove_expired(at(2));
        assert_eq!(keys(&map), ["c"]);
        assert_eq!(map.entries.len(), 1);
    }

    #[test]
    fn replacing_an_entry_moves_its_end_and_takes_no_further_room() {
        let mut map = Expiring::with_capacity_for(2);
        map.insert("a", 1, at(1));
        map.insert("b", 2, at(2));
        map.insert("a", 3, at(4));
        assert_eq!(keys(&map), ["b", "a"]);
        assert_eq!(map.get_mut("a"), Some((&mut 3, at(4))));
        assert_eq!(map.remove("a"), Some((3, at(4))));
        assert_eq!(keys(&map), ["b"]);
    }
}
