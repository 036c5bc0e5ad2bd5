//! Rows of many requests by one query.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sea_orm::{DbErr, RuntimeErr};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::StoreError;

/// Queries of one lookup at a time. One that hangs would hold up every request; with as many as the pool has connections
/// there would be nothing left to collect.
const QUERIES: usize = 2;
/// The most rows that one query asks for. More hardly make it cheaper.
const MAX_ROWS: usize = 64;
/// How long a query may take, with its wait for a connection: half the deadline of the requests that it is for, so that
/// those behind one that hangs still have a chance.
const DEADLINE: Duration = Duration::from_secs(5);

/// Rows by id, where one query asks for whatever requests wait for ("request coalescing"). A lone request is asked for at
/// once; under load the database answers dozens of requests for the price of one exchange, which is most of what a
/// lookup by primary key costs both sides.
///
/// An answer is as fresh as that of a query of its own: it shows what was committed before the row was asked for.
#[derive(Clone, Debug)]
pub(super) struct Lookup<V> {
    waiting: mpsc::UnboundedSender<Waiting<V>>,
}

#[derive(Debug)]
struct Waiting<V> {
    id: Uuid,
    answer: oneshot::Sender<Result<Option<V>, StoreError>>,
}

type Queue<V> = Mutex<mpsc::UnboundedReceiver<Waiting<V>>>;

impl<V: Clone + Send + 'static> Lookup<V> {
    /// Starts the tasks that ask, with a function from ids to the rows that exist, in any order. They end with the last
    /// clone of the lookup.
    pub(super) fn start<F, Q>(find: F) -> Self
    where
        F: Fn(Vec<Uuid>) -> Q + Clone + Send + 'static,
        Q: Future<Output = Result<Vec<(Uuid, V)>, StoreError>> + Send + 'static,
    {
        let (waiting, queue) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..QUERIES {
            tokio::spawn(ask(find.clone(), Arc::clone(&queue)));
        }
        Self { waiting }
    }

    /// The row of that id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is.
    pub(super) async fn get(&self, id: Uuid) -> Result<Option<V>, StoreError> {
        let (answer, row) = oneshot::channel();
        // Whether anybody takes it shows in the next line.
        let _ = self.waiting.send(Waiting { id, answer });
        let panicked = |_| Err(StoreError::Other(DbErr::Custom("a query for rows panicked".to_owned())));
        row.await.unwrap_or_else(panicked)
    }
}

/// Answers whoever waits, until nobody can ask any more.
async fn ask<V, F, Q>(find: F, queue: Arc<Queue<V>>)
where
    V: Clone,
    F: Fn(Vec<Uuid>) -> Q,
    Q: Future<Output = Result<Vec<(Uuid, V)>, StoreError>>,
{
    let mut batch = Vec::with_capacity(MAX_ROWS);
    while queue.lock().await.recv_many(&mut batch, MAX_ROWS).await > 0 {
        // Requests that were given up.
        batch.retain(|waiting| !waiting.answer.is_closed());
        if batch.is_empty() {
            continue;
        }
        let query = timeout(DEADLINE, find(padded(&batch)));
        // A panic is the fault of one query, not the end of this task. What waits for it learns of it by being dropped.
        let Ok(found) = AssertUnwindSafe(query).catch_unwind().await else {
            batch.clear();
            continue;
        };
        let rows = found.unwrap_or_else(|_| Err(took_too_long()));
        let rows: Result<HashMap<_, _>, _> = rows.map(|rows| rows.into_iter().collect());
        for Waiting { id, answer } in batch.drain(..) {
            let row = rows.as_ref().map(|rows| rows.get(&id).cloned()).map_err(Clone::clone);
            // An error is a request that was given up.
            let _ = answer.send(row);
        }
    }
}

/// Their ids, and the last one again up to a power of two: so there are seven statements to prepare on a connection, and
/// not one for each number of rows.
fn padded<V>(batch: &[Waiting<V>]) -> Vec<Uuid> {
    let mut ids: Vec<_> = batch.iter().map(|waiting| waiting.id).collect();
    if let Some(last) = ids.last().copied() {
        ids.resize(ids.len().next_power_of_two(), last);
    }
    ids
}

fn took_too_long() -> StoreError {
    StoreError::Unavailable(DbErr::Conn(RuntimeErr::Internal(format!(
        "no answer within {} s",
        DEADLINE.as_secs()
    ))))
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// A table of everything but [`MISSING`], which answers once for each permit and keeps what it was asked for.
    struct Table {
        permits: Semaphore,
        queries: Mutex<Vec<Vec<Uuid>>>,
    }

    const MISSING: Uuid = Uuid::nil();
    const PANICKING: Uuid = Uuid::from_u128(1);
    const FAILING: Uuid = Uuid::max();

    impl Table {
        fn answering(queries: usize) -> Arc<Self> {
            Arc::new(Self {
                permits: Semaphore::new(queries),
                queries: Mutex::default(),
            })
        }

        fn lookup(self: &Arc<Self>) -> Lookup<String> {
            let table = Arc::clone(self);
            Lookup::start(move |ids| Arc::clone(&table).find(ids))
        }

        async fn find(self: Arc<Self>, ids: Vec<Uuid>) -> Result<Vec<(Uuid, String)>, StoreError> {
            self.queries.lock().await.push(ids.clone());
            self.permits.acquire().await.unwrap().forget();
            assert!(!ids.contains(&PANICKING), "asked for what makes it panic");
            if ids.contains(&FAILING) {
                return Err(StoreError::Busy);
            }
            let rows = ids.into_iter().filter(|id| *id != MISSING);
            Ok(rows.map(|id| (id, id.to_string())).collect())
        }

        /// How many rows each query asked for.
        async fn queries(&self) -> Vec<usize> {
            self.queries.lock().await.iter().map(Vec::len).collect()
        }
    }

    fn ids(count: u128) -> impl Iterator<Item = Uuid> {
        (100..100 + count).map(Uuid::from_u128)
    }

    /// Lets every other task go as far as it can.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_lone_request_is_asked_for_at_once_and_by_itself() {
        let table = Table::answering(2);
        let lookup = table.lookup();
        let id = Uuid::from_u128(7);
        assert_eq!(lookup.get(id).await.unwrap(), Some(id.to_string()));
        assert_eq!(lookup.get(MISSING).await.unwrap(), None);
        assert_eq!(table.queries().await, [1, 1]);
    }

    #[tokio::test]
    async fn what_arrives_while_two_queries_are_under_way_is_asked_for_by_one() {
        let table = Table::answering(0);
        let lookup = table.lookup();
        let mut requests = Vec::new();
        for id in ids(12) {
            let lookup = lookup.clone();
            requests.push(tokio::spawn(async move { (id, lookup.get(id).await.unwrap()) }));
            settle().await;
        }
        table.permits.add_permits(3);
        for request in join_all(requests).await {
            let (id, row) = request.unwrap();
            assert_eq!(row, Some(id.to_string()));
        }
        assert_eq!(
            table.queries().await,
            [1, 1, 16],
            "ten, and the last again up to a power of two"
        );
    }

    #[tokio::test]
    async fn no_query_asks_for_more_than_64_rows() {
        let table = Table::answering(100);
        let lookup = table.lookup();
        let rows = join_all(ids(200).map(|id| lookup.get(id))).await;
        assert!(rows.iter().all(|row| row.as_ref().is_ok_and(Option::is_some)));
        assert!(table.queries().await.iter().all(|rows| *rows <= 64));
    }

    #[tokio::test]
    async fn a_query_that_fails_or_panics_fails_those_that_waited_for_it_and_nobody_else() {
        let table = Table::answering(100);
        let lookup = table.lookup();
        for _ in 0..3 {
            assert!(lookup.get(FAILING).await.is_err());
            assert!(lookup.get(PANICKING).await.is_err());
        }
        assert!(lookup.get(Uuid::from_u128(7)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn requests_that_were_given_up_are_not_asked_for() {
        let table = Table::answering(0);
        let lookup = table.lookup();
        let requests: Vec<_> = ids(12)
            .map(|id| {
                let lookup = lookup.clone();
                tokio::spawn(async move { lookup.get(id).await })
            })
            .collect();
        settle().await;
        let asked = table.queries().await;
        requests.iter().for_each(|request| request.abort());
        join_all(requests).await;
        table.permits.add_permits(100);
        lookup.get(Uuid::from_u128(7)).await.unwrap();
        assert_eq!(table.queries().await[asked.len()..], [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_hangs_is_given_up_as_an_unavailable_database() {
        let lookup = Table::answering(0).lookup();
        let row = lookup.get(Uuid::from_u128(7)).await;
        assert!(matches!(row, Err(StoreError::Unavailable(_))), "{row:?}");
    }
}
