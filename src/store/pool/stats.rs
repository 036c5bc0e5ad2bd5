//! What the pool counts for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::DatabasePool;

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It was broken, or the database has ended it.
    Lost,
    /// No answer came in time.
    Silent,
    /// Another one opened at the same time was silent or led to a server that is not the writer any more.
    Suspect,
    /// It led to a server that takes no writes.
    ReadOnly,
    /// Its prepared statements did not fit the tables any more.
    StalePlan,
    /// Other clients' prepared statements were in its session.
    ForeignStatement,
    /// The work ended without having ended its transaction.
    Unfinished,
}

impl Closed {
    /// Every reason, in the order of its number.
    const ALL: [Self; 7] = [
        Self::Lost,
        Self::Silent,
        Self::Suspect,
        Self::ReadOnly,
        Self::StalePlan,
        Self::ForeignStatement,
        Self::Unfinished,
    ];

    /// The value of the metric's label.
    fn label(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Silent => "silent",
            Self::Suspect => "suspect",
            Self::ReadOnly => "read_only",
            Self::StalePlan => "stale_plan",
            Self::ForeignStatement => "foreign_statement",
            Self::Unfinished => "unfinished",
        }
    }
}

/// The counters. All of them only grow.
#[derive(Debug, Default)]
pub(super) struct Stats {
    busy: AtomicU64,
    closed: [AtomicU64; Closed::ALL.len()],
}

impl Stats {
    pub(super) fn count_busy(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_closed(&self, reason: Closed) {
        self.closed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn status(&self, open: usize, idle: usize) -> DatabasePool {
        let count = |reason: Closed| (reason.label(), self.closed[reason as usize].load(Ordering::Relaxed));
        DatabasePool {
            open: u32::try_from(open).unwrap_or(u32::MAX),
            idle: u32::try_from(idle).unwrap_or(u32::MAX),
            busy: self.busy.load(Ordering::Relaxed),
            closed: Closed::ALL.map(count).into(),
        }
    }
}
