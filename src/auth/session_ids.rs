//! Ids of sessions, in the order of their beginning.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// Makes UUIDv7 (RFC 9562) by the clock that all instances share, each greater than the one before, also within a
/// millisecond and after that clock was set back.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionIds(Arc<Mutex<ContextV7>>);

impl SessionIds {
    pub(super) fn next(&self, now: DateTime<Utc>) -> Uuid {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(Timestamp::from_unix(&*self.0, seconds, now.timestamp_subsec_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn each_id_is_greater_than_the_one_before_whatever_the_clock_does_and_carries_the_moment() {
        let (ids, now) = (SessionIds::default(), Utc::now());
        let steps = [0, 0, 0, 1, 1000, -3000, 0, 60_000];
        let mut moment = now;
        let made: Vec<_> = steps
            .iter()
            .map(|step| {
                moment += TimeDelta::milliseconds(*step);
                ids.next(moment)
            })
            .collect();
        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
        let (seconds, _) = made[7].get_timestamp().unwrap().to_unix();
        assert_eq!(i64::try_from(seconds).unwrap(), moment.timestamp());
    }
}
