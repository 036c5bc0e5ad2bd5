//! A piece of work on a connection, and what becomes of both.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr};
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::{Connection, Progress};
use super::fault::Fault;
use super::slots::{Lease, Slot, Suspicion};
use super::stats::Closed;
use super::{ATTEMPT_LIMIT, Pool, TEST_LIMIT, TURN_LIMIT, WORK_LIMIT, Working};
use crate::store::StoreError;

/// A connection that is as young as this was opened because of what the database is like now, and another one would be no
/// different.
const YOUNG: Duration = Duration::from_secs(1);

/// What the work is like, which decides when it may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Transaction,
}

/// What becomes of a connection and of the work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    /// `None` keeps it.
    close: Option<Closed>,
    others: Option<Suspicion>,
    repeat: bool,
}

impl Pool {
    /// Does the work, and does it once more when that is harmless and can help.
    pub(super) async fn work<I, T, W>(
        &self,
        slot: Slot,
        deadline: Instant,
        kind: Kind,
        input: I,
        work: W,
    ) -> Result<T, StoreError>
    where
        I: Clone,
        W: for<'c> Fn(&'c Connection, I) -> Working<'c, T>,
    {
        let lease = self.lease_until(deadline, slot).await?;
        let (result, again) = self.attempt(lease, deadline, kind, input.clone(), &work).await;
        let Some(slot) = again else {
            return result;
        };
        let lease = self.lease_until(deadline, slot).await?;
        self.attempt(lease, deadline, kind, input, &work).await.0
    }

    /// One attempt. Returns the slot when another one is worth it.
    async fn attempt<I, T, W>(
        &self,
        mut lease: Lease,
        deadline: Instant,
        kind: Kind,
        input: I,
        work: &W,
    ) -> (Result<T, StoreError>, Option<Slot>)
    where
        W: for<'c> Fn(&'c Connection, I) -> Working<'c, T>,
    {
        let limit = deadline.min(Instant::now() + ATTEMPT_LIMIT);
        let executed = timeout_at(limit, execute(&lease.connection, kind, input, work)).await;
        let kind = if lease.connection.is_shared() {
            Kind::Transaction
        } else {
            kind
        };
        let progress = lease.connection.progress();
        let (result, verdict) = match executed {
            Ok(result) => {
                let is_young = lease.connection.opened.elapsed() < YOUNG;
                (result, verdict(kind, progress, is_young))
            }
            Err(_) => (Err(took_too_long(ATTEMPT_LIMIT)), verdict_on_silence(kind, progress)),
        };
        if let Some(suspicion) = verdict.others {
            self.slots.suspect(suspicion);
        }
        if verdict.close == Some(Closed::ForeignStatement) {
            self.connector.sessions_are_shared();
        }
        let slot = match verdict.close {
            Some(reason) => lease.close(reason),
            None => lease.give_back(),
        };
        let again = verdict.repeat && result.is_err() && Instant::now() < deadline;
        (result, again.then_some(slot))
    }

    async fn lease_until(&self, deadline: Instant, slot: Slot) -> Result<Lease, StoreError> {
        let lease = timeout_at(deadline, self.lease(slot)).await;
        lease.unwrap_or_else(|_| Err(took_too_long(WORK_LIMIT)))
    }

    /// A connection for the slot: an idle one that is alive, else a new one. While the database has none to give, those
    /// that exist are waited for.
    async fn lease(&self, mut slot: Slot) -> Result<Lease, StoreError> {
        loop {
            while let Some((connection, must_be_tested)) = slot.take_idle() {
                if !must_be_tested {
                    return Ok(slot.lease(connection));
                }
                if let Some(connection) = self.tested(connection).await {
                    return Ok(slot.lease(connection));
                }
            }
            let error = match self.connector.connect().await {
                Ok(connection) => return Ok(slot.lease(connection)),
                Err(error) if self.slots.has_any() => error,
                Err(error) => return Err(error),
            };
            slot.withhold();
            // Whoever waits in vain learns why there is not one more.
            slot = self.slots.wait(TURN_LIMIT).await.ok_or(error)?;
        }
    }

    /// The connection, if it answers.
    async fn tested(&self, connection: Connection) -> Option<Connection> {
        let (reason, suspicion) = match timeout(TEST_LIMIT, connection.check()).await {
            Ok(Ok(check)) if connection.has_moved(check) && !connection.is_shared() => {
                self.connector.sessions_are_shared();
                (Closed::ForeignStatement, Suspicion::Replace)
            }
            Ok(Ok(check)) if check.is_writable || connection.opened.elapsed() < YOUNG => return Some(connection),
            Ok(Ok(_)) => (Closed::ReadOnly, Suspicion::Replace),
            Ok(Err(_)) => (Closed::Lost, Suspicion::Test),
            Err(_) => (Closed::Silent, Suspicion::Replace),
        };
        self.slots.suspect(suspicion);
        self.slots.close_one(connection, reason);
        None
    }
}

async fn execute<I, T, W>(db: &Connection, kind: Kind, input: I, work: &W) -> Result<T, StoreError>
where
    W: for<'c> Fn(&'c Connection, I) -> Working<'c, T>,
{
    // Where sessions are shared, a transaction is what keeps one to ourselves.
    if kind != Kind::Transaction && !db.is_shared() {
        return work(db, input).await;
    }
    db.begin().await?;
    let error = match work(db, input).await {
        Ok(output) => match db.commit().await {
            Ok(()) => return Ok(output),
            Err(error) => error.into(),
        },
        Err(error) => error,
    };
    // If that fails, too, the session is not idle, and the connection is closed.
    let _ = db.roll_back().await;
    Err(error)
}

/// No answer at all, not even that the statement was cancelled: the server is gone, or the way to it. A new connection may
/// lead to another one.
fn verdict_on_silence(kind: Kind, progress: Progress) -> Verdict {
    Verdict {
        close: Some(Closed::Silent),
        others: Some(Suspicion::Replace),
        // The statement without an answer may have been executed, but not committed unless it does that by itself.
        repeat: kind != Kind::Write && is_untouched(kind, progress),
    }
}

/// Whether the work has had no effect, provided that the statement that failed had none.
fn is_untouched(kind: Kind, progress: Progress) -> bool {
    match kind {
        Kind::Read => true,
        Kind::Write => !progress.executed,
        Kind::Transaction => !progress.committing,
    }
}

fn verdict(kind: Kind, progress: Progress, is_young: bool) -> Verdict {
    let is_untouched = is_untouched(kind, progress);
    let (close, others, repeat) = match progress.fault {
        None => (None, None, false),
        // The statement that failed may have been executed, but not committed unless it does that by itself.
        Some(Fault::Lost) => (
            Some(Closed::Lost),
            Some(Suspicion::Test),
            is_untouched && kind != Kind::Write,
        ),
        Some(Fault::Ended) => (Some(Closed::Lost), Some(Suspicion::Test), is_untouched),
        Some(Fault::ReadOnly) if is_young => (None, None, false),
        Some(Fault::ReadOnly) => (Some(Closed::ReadOnly), Some(Suspicion::Replace), is_untouched),
        Some(Fault::StalePlan) => (Some(Closed::StalePlan), Some(Suspicion::Replace), is_untouched),
        Some(Fault::ForeignStatement) => (Some(Closed::ForeignStatement), Some(Suspicion::Replace), is_untouched),
        Some(Fault::Conflict) => (None, None, is_untouched),
    };
    Verdict {
        close: close.or((!progress.is_idle).then_some(Closed::Unfinished)),
        others,
        repeat,
    }
}

pub(super) fn took_too_long(limit: Duration) -> StoreError {
    let text = format!("no answer within {} s", limit.as_secs());
    StoreError::Unavailable(DbErr::Conn(RuntimeErr::Internal(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 3] = [Kind::Read, Kind::Write, Kind::Transaction];
    const FAULTS: [Fault; 6] = [
        Fault::Lost,
        Fault::Ended,
        Fault::ReadOnly,
        Fault::StalePlan,
        Fault::ForeignStatement,
        Fault::Conflict,
    ];

    fn failed_with(fault: Fault) -> Progress {
        Progress {
            is_idle: true,
            executed: false,
            committing: false,
            fault: Some(fault),
        }
    }

    #[test]
    fn a_connection_on_which_all_went_well_is_kept_and_one_that_is_not_idle_never() {
        for kind in KINDS {
            let well = Progress {
                fault: None,
                ..failed_with(Fault::Lost)
            };
            assert_eq!(verdict(kind, well, false).close, None);
            for fault in FAULTS.map(Some).into_iter().chain([None]) {
                let progress = Progress {
                    is_idle: false,
                    fault,
                    ..well
                };
                assert!(verdict(kind, progress, false).close.is_some(), "{kind:?} {fault:?}");
            }
        }
    }

    /// R31: nothing that may have had an effect is done twice.
    #[test]
    fn what_may_have_been_committed_is_not_repeated() {
        for fault in FAULTS {
            let committing = Progress {
                committing: true,
                executed: true,
                ..failed_with(fault)
            };
            assert!(!verdict(Kind::Transaction, committing, false).repeat, "{fault:?}");
            let executed = Progress {
                executed: true,
                ..failed_with(fault)
            };
            assert!(!verdict(Kind::Write, executed, false).repeat, "{fault:?}");
        }
        assert!(!verdict(Kind::Write, failed_with(Fault::Lost), false).repeat);
    }

    /// D1: a fail-over in which the old server vanishes costs those who only read nothing but time.
    #[test]
    fn after_silence_what_may_have_had_an_effect_is_not_repeated_and_the_rest_is() {
        let silent = Progress {
            is_idle: false,
            fault: None,
            ..failed_with(Fault::Lost)
        };
        let committing = Progress {
            committing: true,
            executed: true,
            ..silent
        };
        assert!(verdict_on_silence(Kind::Read, silent).repeat);
        assert!(verdict_on_silence(Kind::Transaction, silent).repeat);
        assert!(!verdict_on_silence(Kind::Transaction, committing).repeat);
        assert!(!verdict_on_silence(Kind::Write, silent).repeat);
    }

    #[test]
    fn what_certainly_had_no_effect_is_repeated() {
        for fault in FAULTS {
            let executed = Progress {
                executed: true,
                ..failed_with(fault)
            };
            assert!(verdict(Kind::Read, executed, false).repeat, "{fault:?}");
            assert!(verdict(Kind::Transaction, executed, false).repeat, "{fault:?}");
            let is_certain = fault != Fault::Lost;
            assert_eq!(
                verdict(Kind::Write, failed_with(fault), false).repeat,
                is_certain,
                "{fault:?}"
            );
        }
    }

    /// Else every request to a database that is read-only would open a connection.
    #[test]
    fn a_young_connection_to_a_reader_is_kept() {
        let verdict = verdict(Kind::Write, failed_with(Fault::ReadOnly), true);
        assert_eq!((verdict.close, verdict.repeat), (None, false));
    }
}
