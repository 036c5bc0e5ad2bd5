//! One connection to the database, which knows how far it has come.

use std::time::{Duration, Instant};

use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _, Executor, PgConnection, Row, SqliteConnection};
use sea_orm::{DbBackend, DbErr, RuntimeErr};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::fault::Fault;
use super::postgres::{WHO_AND_WHETHER, begin_in_shared_session};
use super::slots::Open;

/// How long saying goodbye may take: whoever closes connections does not wait for a database that hangs.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// A connection that one piece of work has for itself. It implements sea-orm's `ConnectionTrait`, so queries are made
/// on it as on any other.
#[derive(Debug)]
pub(in crate::store) struct Connection {
    session: Mutex<Session>,
    backend: DbBackend,
    /// Whether nothing may be left behind in its session, because a pooler gives that to others, too.
    is_shared: bool,
    /// The server's process when it was opened.
    process: Option<i32>,
    /// Before this moment nothing was known of it.
    pub(super) opened: Instant,
    /// When the database last answered on it.
    pub(super) seen: Instant,
    /// Counts it as one of the pool's.
    pub(super) counted: Option<Open>,
}

/// What a connection answers when it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    /// The server's process that answers; `None` where there is none.
    session: Option<i32>,
    /// Whether the server takes writes.
    pub(super) is_writable: bool,
}

/// What belongs to the statement under way.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) driver: Driver,
    state: State,
    /// Whether a statement of the work was executed.
    executed: bool,
    /// Whether the end of a transaction was asked for: from then on it may have been made.
    committing: bool,
    /// The first fault of the work.
    fault: Option<Fault>,
}

#[derive(Debug)]
pub(super) enum Driver {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Where the session stands. Only [`State::Idle`] may be used by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    InTransaction,
    /// A statement of the transaction has failed, so it can only be rolled back.
    Failed,
    /// A statement was sent and its answer has not come.
    UnderWay,
}

/// What a piece of work has left behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) is_idle: bool,
    pub(super) executed: bool,
    pub(super) committing: bool,
    pub(super) fault: Option<Fault>,
}

impl Connection {
    /// A connection that was opened just now.
    pub(super) fn new(driver: Driver, is_shared: bool, process: Option<i32>) -> Self {
        let backend = match driver {
            Driver::Postgres(_) => DbBackend::Postgres,
            Driver::Sqlite(_) => DbBackend::Sqlite,
        };
        let session = Session {
            driver,
            state: State::Idle,
            executed: false,
            committing: false,
            fault: None,
        };
        Self {
            session: Mutex::new(session),
            backend,
            is_shared,
            process,
            opened: Instant::now(),
            seen: Instant::now(),
            counted: None,
        }
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.backend
    }

    /// Whether nothing may be left behind in its session.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Whether another session is behind it than when it was opened.
    pub(super) fn has_moved(&self, check: Check) -> bool {
        check.session != self.process
    }

    /// Forgets the work before.
    pub(super) fn begin_work(&mut self) {
        let session = self.session.get_mut();
        (session.executed, session.committing, session.fault) = (false, false, None);
    }

    /// How far the work has come.
    pub(super) fn progress(&mut self) -> Progress {
        let session = self.session.get_mut();
        Progress {
            is_idle: session.state == State::Idle,
            executed: session.executed,
            committing: session.committing,
            fault: session.fault,
        }
    }

    /// Begins a transaction. SQLite's takes the lock for writing at once: one that reads first and then finds another
    /// writer fails without waiting for it.
    pub(super) async fn begin(&self) -> Result<(), DbErr> {
        let mut session = self.session().await?;
        match self.backend {
            DbBackend::Sqlite => session.simple("BEGIN IMMEDIATE".to_owned()).await?,
            _ if self.is_shared => session.simple(begin_in_shared_session()).await?,
            _ => session.simple("BEGIN".to_owned()).await?,
        }
        session.state = State::InTransaction;
        Ok(())
    }

    /// Ends the transaction as the work has asked for.
    ///
    /// # Errors
    /// The database's, or that a statement of it has failed: PostgreSQL answers such a COMMIT by a rollback and calls it
    /// a success.
    pub(super) async fn commit(&self) -> Result<(), DbErr> {
        let mut session = self.session().await?;
        if session.state != State::InTransaction {
            return Err(DbErr::Custom(
                "a transaction that has failed was to be committed".to_owned(),
            ));
        }
        session.committing = true;
        session.simple("COMMIT".to_owned()).await?;
        session.state = State::Idle;
        Ok(())
    }

    /// Undoes the transaction, if one is open.
    pub(super) async fn roll_back(&self) -> Result<(), DbErr> {
        let mut session = self.session().await?;
        if session.state == State::Idle {
            return Ok(());
        }
        session.simple("ROLLBACK".to_owned()).await?;
        session.state = State::Idle;
        Ok(())
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn check(&self) -> Result<Check, DbErr> {
        let mut session = self.session().await?;
        let before = session.begin_statement();
        let check = match &mut session.driver {
            Driver::Postgres(db) => db.fetch_one(WHO_AND_WHETHER).await.and_then(|row| {
                Ok(Check {
                    session: Some(row.try_get(0)?),
                    is_writable: row.try_get(1)?,
                })
            }),
            Driver::Sqlite(db) => db.fetch_one("SELECT 1").await.map(|_| Check {
                session: None,
                is_writable: true,
            }),
        };
        session.end_statement(before, &check);
        check.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }

    /// Asks the database whether it takes writes.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn is_writable(&self) -> Result<bool, DbErr> {
        Ok(self.check().await?.is_writable)
    }

    /// Says goodbye and waits for the end of it, for [`GOODBYE`] at most.
    pub(super) async fn close(self) {
        let closing = async {
            match self.session.into_inner().driver {
                Driver::Postgres(db) => db.close().await,
                Driver::Sqlite(db) => db.close().await,
            }
        };
        // Whatever comes of it, the connection is gone.
        let _ = timeout(GOODBYE, closing).await;
    }

    /// The session, for the next statement.
    ///
    /// # Errors
    /// When the answer to the statement before is still under way because nobody waited for it.
    pub(super) async fn session(&self) -> Result<MutexGuard<'_, Session>, DbErr> {
        let session = self.session.lock().await;
        if session.state == State::UnderWay {
            let given_up = "the statement before was given up on this connection".to_owned();
            return Err(DbErr::Conn(RuntimeErr::Internal(given_up)));
        }
        Ok(session)
    }
}

impl Session {
    /// Notes that a statement is being sent, for [`Session::ended`] to take back. Returns what it needs for that.
    pub(super) fn begin_statement(&mut self) -> Before {
        Before(std::mem::replace(&mut self.state, State::UnderWay))
    }

    /// Notes how a statement ended.
    pub(super) fn end_statement<T>(&mut self, Before(state): Before, result: &Result<T, sqlx::Error>) {
        let fault = result.as_ref().err().and_then(Fault::of);
        self.fault = self.fault.or(fault);
        if matches!(fault, Some(Fault::Lost | Fault::Ended)) {
            return;
        }
        self.executed |= result.is_ok();
        self.state = match (state, result) {
            (State::InTransaction, Err(_)) => State::Failed,
            (state, _) => state,
        };
    }

    /// Executes a statement that has no values, by the simple protocol.
    async fn simple(&mut self, statement: String) -> Result<(), DbErr> {
        let (before, statement) = (self.begin_statement(), AssertSqlSafe(statement));
        let result = match &mut self.driver {
            Driver::Postgres(db) => db.execute(statement).await.map(drop),
            Driver::Sqlite(db) => db.execute(statement).await.map(drop),
        };
        self.end_statement(before, &result);
        result.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
    }
}

/// The state before a statement was sent.
#[must_use]
pub(super) struct Before(State);
