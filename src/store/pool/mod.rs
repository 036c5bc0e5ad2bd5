//! The one way to the database: pieces of work on pooled connections.
//!
//! A piece of work runs in a task of its own, to its end, whether or not anybody still waits for it: a client that hangs
//! up, or a deadline of a request, cannot leave a transaction open (R31). Its connection goes back to the pool when the
//! work has ended and the session is idle; in any other case it is closed. Nothing waits without a limit: not for a
//! connection, not for opening, testing, using or closing one.
//!
//! sqlx's own pool does none of this (transact-rs/sqlx issues 4393, 4349 and 2848).

mod connection;
mod connector;
mod fault;
mod postgres;
mod sharing;
mod slots;
mod sqlite;
mod statements;
mod stats;
mod work;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::StoreError;
use crate::config::{DatabaseConfig, DatabaseUrl, PostgresUrl};
use crate::telemetry::DatabasePool;
use connector::Connector;
use slots::{Slot, Slots};
use work::Kind;

pub(super) use connection::Connection;
use connection::GOODBYE;
pub(super) use connector::unavailable;

/// How long a request waits for its turn to use a connection, a third of its deadline (10 s). Longer is overload.
const TURN_LIMIT: Duration = Duration::from_secs(3);
/// How long a readiness check waits for its turn, within the second that it has.
const CHECK_TURN_LIMIT: Duration = Duration::from_millis(300);
/// How long the test of an idle connection may take. One that says nothing for so long is given up.
const TEST_LIMIT: Duration = Duration::from_secs(1);
/// A statement that runs longer is cancelled by the server. None of ours takes a tenth of it unless it waits for a lock.
const STATEMENT_LIMIT: Duration = Duration::from_secs(5);
/// After this long the connection is given up: not even the server's word that it has cancelled the statement came. It
/// is what bounds how long a task is deaf after a fail-over in which the old server vanished without a word (R42).
const ATTEMPT_LIMIT: Duration = STATEMENT_LIMIT.saturating_add(Duration::from_secs(1));
/// How long a piece of work may take with everything: its turn, a new connection, a repetition. Below the deadline of the
/// requests (10 s), so that they can say what was wrong.
pub const WORK_LIMIT: Duration = Duration::from_secs(9);

/// The future of a piece of work, for as long as it has its connection.
pub(super) type Working<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// A connection to a database that is not ours, on which nothing is set.
///
/// # Errors
/// [`StoreError::Unavailable`] with the database's reason.
pub(super) async fn open_plainly(url: &PostgresUrl) -> Result<DatabaseConnection, StoreError> {
    postgres::PostgresConnector::new(url)?.connect_for_migrations().await
}

/// Connections to the database. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    connector: Arc<Connector>,
    slots: Arc<Slots>,
    tasks: TaskTracker,
}

impl Pool {
    /// Opens a pool with its first connection.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the database's reason.
    pub(super) async fn open(config: &DatabaseConfig) -> Result<Self, StoreError> {
        // Each connection would have a database of its own, and it would end with the connection.
        let in_memory = matches!(&config.url, DatabaseUrl::Sqlite(url) if url.file().is_none());
        let size = if in_memory { 1 } else { config.max_connections };
        let pool = Self {
            connector: Arc::new(Connector::new(&config.url)?),
            slots: Slots::new(size as usize),
            tasks: TaskTracker::new(),
        };
        pool.is_writable().await?;
        Ok(pool)
    }

    /// Asks the database whether it takes writes. While all connections are in use, others' answers tell that it does well.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], and [`StoreError::Busy`] when nobody gets an answer.
    pub(super) async fn is_writable(&self) -> Result<bool, StoreError> {
        let deadline = Instant::now() + WORK_LIMIT;
        let Some(slot) = self.slots.wait(CHECK_TURN_LIMIT).await else {
            let does_well = self.slots.have_answered_within(2 * CHECK_TURN_LIMIT);
            return if does_well { Ok(true) } else { Err(self.no_turn()) };
        };
        self.spawn(slot, deadline, Kind::Read, (), |db, ()| {
            Box::pin(async move { Ok(db.is_writable().await?) })
        })
        .await
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.connector.backend()
    }

    /// Work that changes nothing, and is repeated when its connection turns out to be dead.
    pub(super) async fn read<I, T, W>(&self, input: I, work: W) -> Result<T, StoreError>
    where
        I: Clone + Send + 'static,
        T: Send + 'static,
        W: for<'c> Fn(&'c Connection, I) -> Working<'c, T> + Send + Sync + 'static,
    {
        self.run(Kind::Read, input, work).await
    }

    /// Work that changes something by one statement. It is repeated when that was certainly not executed.
    pub(super) async fn write<I, T, W>(&self, input: I, work: W) -> Result<T, StoreError>
    where
        I: Clone + Send + 'static,
        T: Send + 'static,
        W: for<'c> Fn(&'c Connection, I) -> Working<'c, T> + Send + Sync + 'static,
    {
        self.run(Kind::Write, input, work).await
    }

    /// Work of several statements, of which either all have an effect or none: they are committed when the work returns
    /// something and undone when it fails. It is repeated when it certainly was not committed.
    pub(super) async fn transaction<I, T, W>(&self, input: I, work: W) -> Result<T, StoreError>
    where
        I: Clone + Send + 'static,
        T: Send + 'static,
        W: for<'c> Fn(&'c Connection, I) -> Working<'c, T> + Send + Sync + 'static,
    {
        self.run(Kind::Transaction, input, work).await
    }

    /// Whether a pooler gives sessions with the database to others, too.
    pub(super) fn are_sessions_shared(&self) -> bool {
        self.connector.are_sessions_shared()
    }

    /// Opens a connection for migrations beside the pool.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the database's reason.
    pub(super) async fn connect_for_migrations(&self) -> Result<DatabaseConnection, StoreError> {
        self.connector.connect_for_migrations().await
    }

    pub(super) fn status(&self) -> DatabasePool {
        self.slots.status()
    }

    /// Begins no work any more, waits for that under way, and closes what is open. All of it takes `patience` at most, or the
    /// moment that goodbyes may take.
    pub(super) async fn close(&self, patience: Duration) {
        self.slots.close();
        self.tasks.close();
        let for_work = patience.saturating_sub(GOODBYE);
        if timeout(for_work, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                under_way = self.tasks.len(),
                "the database did not end its work in time"
            );
        }
        join_all(self.slots.clear().into_iter().map(Connection::close)).await;
    }

    async fn run<I, T, W>(&self, kind: Kind, input: I, work: W) -> Result<T, StoreError>
    where
        I: Clone + Send + 'static,
        T: Send + 'static,
        W: for<'c> Fn(&'c Connection, I) -> Working<'c, T> + Send + Sync + 'static,
    {
        let deadline = Instant::now() + WORK_LIMIT;
        // Here, and not in the task: whoever goes away before it is their turn leaves nothing to do.
        let Some(slot) = self.slots.wait(TURN_LIMIT).await else {
            return Err(self.no_turn());
        };
        self.spawn(slot, deadline, kind, input, work).await
    }

    /// Does the work in a task of its own, and waits for it.
    async fn spawn<I, T, W>(
        &self,
        slot: Slot,
        deadline: Instant,
        kind: Kind,
        input: I,
        work: W,
    ) -> Result<T, StoreError>
    where
        I: Clone + Send + 'static,
        T: Send + 'static,
        W: for<'c> Fn(&'c Connection, I) -> Working<'c, T> + Send + Sync + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let pool = self.clone();
        let task = async move {
            // An error is somebody who does not wait any more.
            let _ = answer.send(pool.work(slot, deadline, kind, input, work).await);
        };
        self.tasks.spawn(task.in_current_span());
        let panicked = |_| Err(StoreError::Other(DbErr::Custom("a query panicked".to_owned())));
        answered.await.unwrap_or_else(panicked)
    }

    fn no_turn(&self) -> StoreError {
        if self.slots.is_closed() {
            let stopping = "the server is stopping".to_owned();
            return StoreError::Unavailable(DbErr::Conn(RuntimeErr::Internal(stopping)));
        }
        self.slots.count_busy();
        StoreError::Busy
    }
}

#[cfg(test)]
mod tests;
