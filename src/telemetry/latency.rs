//! How long requests took, over all routes, in buckets that are cheap to count and to read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in seconds: 1-2.5-5 steps from half a millisecond to the request deadline (10 s).
pub const LATENCY_BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Counts durations without a lock.
#[derive(Debug, Default)]
pub(super) struct LatencyCounter {
    /// The last one counts what is above the last bound.
    buckets: [AtomicU64; LATENCY_BOUNDS.len() + 1],
}

/// The counts at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencySnapshot {
    /// Requests in each bucket, not cumulative; the last one counts what is above the last bound.
    pub counts: [u64; LATENCY_BOUNDS.len() + 1],
}

impl LatencyCounter {
    pub(super) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = LATENCY_BOUNDS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> LatencySnapshot {
        LatencySnapshot {
            counts: std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed)),
        }
    }
}

impl LatencySnapshot {
    /// The latency in seconds that a share of `quantile` of all requests did not exceed, interpolated within its
    /// bucket as Prometheus does; `None` before the first request.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let total: u64 = self.counts.iter().sum();
        if total == 0 {
            return None;
        }
        let rank = quantile * as_f64(total);
        let (mut below, mut lower) = (0.0, 0.0);
        for (count, upper) in self.counts.iter().zip(LATENCY_BOUNDS) {
            let count = as_f64(*count);
            if below + count >= rank && count > 0.0 {
                return Some(lower + (upper - lower) * ((rank - below) / count));
            }
            (below, lower) = (below + count, upper);
        }
        Some(lower)
    }
}

/// Exact up to 2^53 requests, which is 285 years at a million a second.
#[allow(clippy::cast_precision_loss)]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated_within_their_bucket() {
        let counter = LatencyCounter::default();
        assert_eq!(counter.snapshot().quantile(0.5), None);
        for _ in 0..50 {
            counter.observe(Duration::from_micros(700));
        }
        for _ in 0..50 {
            counter.observe(Duration::from_millis(30));
        }
        let snapshot = counter.snapshot();
        assert_eq!(snapshot.quantile(0.5), Some(0.001));
        let p75 = snapshot.quantile(0.75).unwrap();
        assert!((p75 - 0.0375).abs() < 1e-9, "{p75}");
        counter.observe(Duration::from_secs(60));
        assert_eq!(counter.snapshot().quantile(1.0), Some(10.0));
    }
}
