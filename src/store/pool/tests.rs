use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;

/// A pool on a file with an empty table.
struct Fixture {
    pool: Pool,
    _folder: TempDir,
}

impl Fixture {
    async fn with_connections(max_connections: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let url = DatabaseUrl::parse(&url).unwrap();
        let pool = Pool::open(&DatabaseConfig { url, max_connections }).await.unwrap();
        let fixture = Self { pool, _folder: folder };
        fixture.execute("CREATE TABLE words (word TEXT UNIQUE)").await.unwrap();
        fixture
    }

    async fn execute(&self, sql: &'static str) -> Result<(), StoreError> {
        self.pool.write((), |db, ()| Box::pin(execute(db, sql))).await
    }

    async fn words(&self) -> i64 {
        self.pool.read((), |db, ()| Box::pin(count_words(db))).await.unwrap()
    }

    fn closed(&self, reason: &str) -> u64 {
        let closed = self.pool.status().closed;
        closed.iter().find(|(label, _)| *label == reason).unwrap().1
    }
}

async fn execute(db: &Connection, sql: &str) -> Result<(), StoreError> {
    db.execute_raw(Statement::from_string(DbBackend::Sqlite, sql)).await?;
    Ok(())
}

async fn count_words(db: &Connection) -> Result<i64, StoreError> {
    let count = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM words");
    let row = db.query_one_raw(count).await?.unwrap();
    Ok(row.try_get_by_index(0)?)
}

const ADD: &str = "INSERT INTO words VALUES ('one')";

/// R31
#[tokio::test]
async fn work_that_was_begun_is_done_though_nobody_waits_for_it_any_more() {
    let fixture = Fixture::with_connections(1).await;
    let (begun, may_go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let input = (Arc::clone(&begun), Arc::clone(&may_go_on));
    let work = fixture.pool.transaction(input, |db, (begun, may_go_on)| {
        Box::pin(async move {
            begun.notify_one();
            may_go_on.notified().await;
            execute(db, ADD).await
        })
    });
    tokio::select! {
        _ = work => panic!("it cannot have ended"),
        () = begun.notified() => {}
    }
    may_go_on.notify_one();
    assert_eq!(fixture.words().await, 1, "the next one waits for the only connection");
}

#[tokio::test]
async fn what_fails_in_a_transaction_undoes_all_of_it_and_keeps_the_connection() {
    let fixture = Fixture::with_connections(1).await;
    let result = fixture.pool.transaction((), |db, ()| {
        Box::pin(async move {
            execute(db, ADD).await?;
            execute(db, ADD).await
        })
    });
    assert!(matches!(result.await, Err(StoreError::Taken)));
    assert_eq!(fixture.words().await, 0);
    assert_eq!((fixture.pool.status().open, fixture.closed("unfinished")), (1, 0));
}

/// PostgreSQL would answer the COMMIT by a rollback and call it a success.
#[tokio::test]
async fn a_transaction_of_which_a_statement_failed_is_not_committed_even_when_the_work_says_that_it_went_well() {
    let fixture = Fixture::with_connections(1).await;
    let result = fixture.pool.transaction((), |db, ()| {
        Box::pin(async move {
            execute(db, ADD).await?;
            let _ = execute(db, ADD).await;
            Ok(())
        })
    });
    assert!(result.await.is_err());
    assert_eq!(fixture.words().await, 0);
}

#[tokio::test]
async fn work_that_panics_is_an_error_that_costs_its_connection_and_nothing_else() {
    let fixture = Fixture::with_connections(1).await;
    for _ in 0..3 {
        let result: Result<(), _> = fixture
            .pool
            .transaction((), |db, ()| {
                Box::pin(async move {
                    execute(db, ADD).await?;
                    panic!("a defect")
                })
            })
            .await;
        assert!(matches!(result, Err(StoreError::Other(_))), "{result:?}");
    }
    assert_eq!(fixture.words().await, 0);
}

#[tokio::test]
async fn a_connection_whose_statement_was_given_up_is_not_used_again() {
    let fixture = Fixture::with_connections(1).await;
    // Tells whether it had no answer yet: a thread of its own answers, which may be faster.
    let give_up = || {
        fixture.pool.read((), |db, ()| {
            Box::pin(async move {
                // Polled once, so that the statement is sent, and dropped.
                let mut statement = Box::pin(count_words(db));
                Ok(futures_util::poll!(&mut statement).is_pending())
            })
        })
    };
    while !give_up().await.unwrap() {
        assert_eq!(fixture.closed("unfinished"), 0);
    }
    assert_eq!(fixture.closed("unfinished"), 1);
    assert_eq!(fixture.words().await, 0);
}

#[tokio::test]
async fn who_waits_for_a_turn_for_too_long_is_told_that_the_pool_is_busy_and_counted() {
    let fixture = Fixture::with_connections(1).await;
    tokio::time::pause();
    let forever = fixture.pool.read((), |_, ()| {
        Box::pin(async move {
            std::future::pending::<()>().await;
            Ok(())
        })
    });
    let (held, refused) = tokio::join!(forever, fixture.execute(ADD));
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    assert!(matches!(held, Err(StoreError::Unavailable(_))), "given up: {held:?}");
    assert_eq!((fixture.pool.status().busy, fixture.closed("silent")), (1, 1));
}

#[tokio::test]
async fn closing_waits_for_work_under_way_and_refuses_more() {
    let fixture = Fixture::with_connections(2).await;
    let begun = Arc::new(Notify::new());
    let work = fixture.pool.write(Arc::clone(&begun), |db, begun| {
        Box::pin(async move {
            begun.notify_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
            execute(db, ADD).await
        })
    });
    let close = async {
        begun.notified().await;
        fixture.pool.close(Duration::from_secs(20)).await;
    };
    let (done, ()) = tokio::join!(work, close);
    done.unwrap();
    assert!(matches!(fixture.execute(ADD).await, Err(StoreError::Unavailable(_))));
    assert_eq!(fixture.pool.status().idle, 0);
}

#[tokio::test]
async fn no_more_connections_are_opened_than_there_are_slots_and_the_same_ones_are_used_again() {
    let fixture = Fixture::with_connections(3).await;
    let most = Arc::new(AtomicU32::new(0));
    for _ in 0..3 {
        let works = (0..20).map(|_| fixture.pool.read((), |db, ()| Box::pin(count_words(db))));
        for work in join_all(works).await {
            work.unwrap();
        }
        most.fetch_max(fixture.pool.status().open, Ordering::Relaxed);
    }
    assert!(most.load(Ordering::Relaxed) <= 3);
    let status = fixture.pool.status();
    assert_eq!(status.open, status.idle);
}
