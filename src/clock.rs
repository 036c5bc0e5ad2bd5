//! Where the time comes from.
//!
//! Expiry, grace windows and rate limits read the time from a [`Clock`] that is handed to them, so a test can step
//! it forwards and backwards without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// The source of the current time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The clock of the machine.
    #[default]
    System,
    /// A clock that moves only when it is told to: microseconds since the Unix epoch, shared by all clones.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that shows the present moment and then stands still.
    pub fn manual() -> Self {
        Self::Manual(Arc::new(AtomicI64::new(Utc::now().timestamp_micros())))
    }

    /// The current time, cut to microseconds: PostgreSQL keeps six digits, and a value must compare equal to itself
    /// after a round trip through either database.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match self {
            Self::System => Utc::now().timestamp_micros(),
            Self::Manual(micros) => micros.load(Ordering::SeqCst),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
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
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_it_is_stepped() {
        let clock = Clock::manual();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.clone().step(TimeDelta::seconds(-3));
        assert_eq!(clock.now(), start - TimeDelta::seconds(3));
    }
}
