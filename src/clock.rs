//! Where the time comes from.
//!
//! Expiry, grace windows and rate limits read the time from a [`Clock`] that is handed to them, so a test can step
//! it forwards and backwards without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// The source of the current time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The clock of the machine, corrected by what [`Clock::follow`] has learned: microseconds to add, shared by all clones.
    System(Arc<AtomicI64>),
    /// A clock that moves only when it is told to: microseconds since the Unix epoch, shared by all clones.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self::System(Arc::default())
    }

    /// A clock that shows the present moment and then stands still.
    pub fn manual() -> Self {
        Self::Manual(Arc::new(AtomicI64::new(Utc::now().timestamp_micros())))
    }

    /// The current time, cut to microseconds: PostgreSQL keeps six digits, and a value must compare equal to itself
    /// after a round trip through either database.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match self {
            Self::System(correction) => Utc::now().timestamp_micros() + correction.load(Ordering::Relaxed),
            Self::Manual(micros) => micros.load(Ordering::SeqCst),
        };
        #[expect(clippy::expect_used, reason = "in 1970 no token would be expired")]
        DateTime::from_timestamp_micros(micros).expect("chrono knows the next 260,000 years")
    }

    /// Brings a system clock to another one, which showed `shown` at some moment between `before` and `after` of this one.
    /// It is moved as little as that allows, so a slow answer moves it less and never further away. A manual clock is left
    /// alone.
    pub fn follow(&self, before: DateTime<Utc>, shown: DateTime<Utc>, after: DateTime<Utc>) {
        if let Self::System(correction) = self {
            let step = (shown - after).max(TimeDelta::zero()) + (shown - before).min(TimeDelta::zero());
            correction.fetch_add(step.num_microseconds().unwrap_or_default(), Ordering::Relaxed);
        }
    }

    /// How far the machine's own clock is ahead of the one that is followed; negative when it is behind.
    pub fn machine_is_ahead_by(&self) -> TimeDelta {
        match self {
            Self::System(correction) => TimeDelta::microseconds(-correction.load(Ordering::Relaxed)),
            Self::Manual(_) => TimeDelta::zero(),
        }
    }

    /// Moves a manual clock by `step`, which may be negative. The system clock is left alone.
    pub fn step(&self, step: TimeDelta) {
        if let Self::Manual(micros) = self {
            micros.fetch_add(step.num_microseconds().unwrap_or_default(), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_it_is_stepped() {
        let clock = Clock::manual();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.clone().step(TimeDelta::seconds(-3));
        clock.follow(start, start + TimeDelta::hours(1), start);
        assert_eq!(clock.now(), start - TimeDelta::seconds(3));
    }

    proptest! {
        /// Whatever the delay there and back, it ends up no further from the other one than the delay.
        #[test]
        fn a_system_clock_comes_as_near_to_another_one_as_the_delay_allows(
            difference in -10_000_000_i64..10_000_000, there in 0_i64..5_000_000, back in 0_i64..5_000_000,
        ) {
            let clock = Clock::system();
            let before = clock.now();
            let asked = before + TimeDelta::microseconds(there);
            clock.follow(before, asked + TimeDelta::microseconds(difference), asked + TimeDelta::microseconds(back));
            let left = difference + clock.machine_is_ahead_by().num_microseconds().unwrap();
            prop_assert!(left.abs() <= difference.abs(), "never further away");
            prop_assert!(-there <= left && left <= back, "{}", left);
        }
    }
}
