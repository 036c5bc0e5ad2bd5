//! The one connection to Valkey, and the task that keeps it.
//!
//! It is a circuit breaker: an error of the server or a few timeouts in a row open it, from then on every call fails at
//! once, and a task in the background tries new connections until one passes the check. So a cache that is down, slow or
//! takes no writes costs a few requests [`OPERATION_TIMEOUT`] each and all others nothing, and it is used again by itself.
//! Only a connection that the other side closes, as servers do with idle ones, is replaced without a word.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::super::CacheError;
use super::trouble::{Outage, Trouble};
use crate::tasks;
use crate::telemetry::Metrics;

/// How long one operation may take; a cache in the same task answers within a millisecond.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(300);
/// How long a new connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeouts in a row after which the breaker opens: one slow answer does not, an outage costs three requests.
const TIMEOUTS_TO_OPEN: u32 = 3;
/// How long the breaker waits between attempts to connect.
const RECONNECT_EVERY: Duration = Duration::from_millis(500);
/// How often a connection is checked on which perhaps nobody writes: a primary that became a replica still answers reads,
/// with what it knew then.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// A server closes a connection that was idle for a second at the earliest (`timeout 1`). One that closes it sooner does
/// not want it.
const SOONEST_IDLE_CLOSE: Duration = Duration::from_secs(1);
/// A connection that fails within this time after it passed the check is not much of an improvement, such as that to a
/// server whose memory is full now and then. The next one is made later, each time twice as late, up to
/// [`LONGEST_PAUSE`], so that the log does not fill with its comings and goings.
const STEADY_AFTER: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The connection as all clones of the cache share it.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    check: Pipeline,
    state: watch::Sender<State>,
    connections: AtomicU64,
    timeouts: AtomicU32,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Debug)]
enum State {
    /// There is none, but one is being made, and it is worth a moment's waiting.
    Connecting,
    /// This one passed the check.
    Connected(Connection),
    /// There is none, and nobody knows when there will be one.
    Away(Trouble),
}

#[derive(Clone, Debug)]
struct Connection {
    inner: MultiplexedConnection,
    /// Tells it apart from earlier ones, whose late errors say nothing of it.
    number: u64,
}

impl Link {
    /// A link that begins to connect in the background, and stops when it is dropped. A connection is used once `check`
    /// succeeded on it.
    pub(super) fn start(client: Client, check: Pipeline, metrics: Arc<Metrics>) -> Arc<Self> {
        let (state, changes) = watch::channel(State::Connecting);
        let link = Arc::new(Self {
            client,
            check,
            state,
            connections: AtomicU64::new(0),
            timeouts: AtomicU32::new(0),
            metrics,
        });
        let kept = Arc::downgrade(&link);
        tasks::spawn("cache_connection", Arc::clone(&link.metrics), move || {
            keep_connected(Weak::clone(&kept), changes.clone())
        });
        link
    }

    /// How many connections were made so far. A connection is counted before it is used.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Acquire)
    }

    /// Runs the check on the present connection.
    pub(super) async fn check(&self) -> Result<(), CacheError> {
        self.run::<Value>(&self.check).await.map(drop)
    }

    /// Runs commands in one round trip, if there is a connection, and watches how that goes. They may run twice: when the
    /// connection is found closed, they are sent once more on a new one.
    pub(super) async fn run<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, CacheError> {
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        let mut may_retry = true;
        loop {
            let Connection { mut inner, number } = self.connection(deadline).await?;
            let trouble = match timeout_at(deadline, commands.query_async(&mut inner)).await {
                Ok(Ok(value)) => {
                    self.timeouts.store(0, Ordering::Relaxed);
                    return Ok(value);
                }
                Ok(Err(error)) => Trouble::from(error),
                Err(_) => Trouble::no_answer_within(OPERATION_TIMEOUT),
            };
            self.failed(number, &trouble);
            if !(trouble.is_lost() && may_retry) {
                return Err(CacheError(trouble.reason));
            }
            may_retry = false;
        }
    }

    async fn connection(&self, deadline: Instant) -> Result<Connection, CacheError> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting));
        let not_connected = |trouble: &Trouble| Err(CacheError(format!("not connected: {}", trouble.reason)));
        let settled = timeout_at(deadline, settled).await;
        match settled.as_ref().map(Result::as_deref) {
            Ok(Ok(State::Connected(connection))) => Ok(connection.clone()),
            Ok(Ok(State::Away(trouble))) => not_connected(trouble),
            _ => {
                let trouble = Trouble::no_answer_within(OPERATION_TIMEOUT);
                self.change(|state| matches!(state, State::Connecting), State::Away(trouble.clone()));
                not_connected(&trouble)
            }
        }
    }

    /// Draws the conclusions from trouble on a connection, unless it is replaced already.
    fn failed(&self, number: u64, trouble: &Trouble) {
        self.metrics.cache_error(trouble.kind);
        if trouble.is_timeout() && self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 < TIMEOUTS_TO_OPEN {
            return;
        }
        let next = if trouble.is_lost() {
            State::Connecting
        } else {
            State::Away(trouble.clone())
        };
        let is_this = |state: &State| matches!(state, State::Connected(connection) if connection.number == number);
        self.change(is_this, next);
    }

    fn change(&self, condition: impl Fn(&State) -> bool, next: State) {
        self.state.send_if_modified(|state| {
            let is_changed = condition(state);
            if is_changed {
                *state = next;
            }
            is_changed
        });
    }

    /// Makes a connection and puts it to use if it passes the check.
    async fn connect(&self) -> Result<(), Trouble> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(CONNECT_TIMEOUT));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut inner = connecting.await?;
        match timeout(OPERATION_TIMEOUT, self.check.query_async::<Value>(&mut inner)).await {
            Ok(checked) => checked?,
            Err(_) => return Err(Trouble::no_answer_within(OPERATION_TIMEOUT)),
        };
        self.timeouts.store(0, Ordering::Relaxed);
        let number = self.connections.fetch_add(1, Ordering::AcqRel) + 1;
        self.state.send_replace(State::Connected(Connection { inner, number }));
        Ok(())
    }
}

/// Makes a connection whenever there is none, until the link is dropped.
async fn keep_connected(link: Weak<Link>, mut state: watch::Receiver<State>) {
    let mut outage = Outage::default();
    let mut pause = Duration::ZERO;
    while let Some(present) = link.upgrade() {
        if let Err(trouble) = present.connect().await {
            present.metrics.cache_error(trouble.kind);
            outage.report(&trouble);
            present.state.send_replace(State::Away(trouble));
            drop(present);
            sleep(RECONNECT_EVERY).await;
            continue;
        }
        drop(present);
        outage.is_over();
        let since = Instant::now();
        let Some(trouble) = until_broken(&link, &mut state).await else {
            return;
        };
        let lasted = since.elapsed();
        let was_idle = trouble.is_lost() && lasted >= SOONEST_IDLE_CLOSE;
        if !was_idle {
            let Some(present) = link.upgrade() else { return };
            outage.report(&trouble);
            present.state.send_replace(State::Away(trouble));
        }
        pause = if was_idle || lasted >= STEADY_AFTER {
            Duration::ZERO
        } else {
            (2 * pause).clamp(RECONNECT_EVERY, LONGEST_PAUSE)
        };
        sleep(pause).await;
    }
}

/// Waits, and checks the connection now and then, until it is not used any more, and returns why; `None` when the link was
/// dropped.
async fn until_broken(link: &Weak<Link>, state: &mut watch::Receiver<State>) -> Option<Trouble> {
    loop {
        let broken = async {
            let state = state.wait_for(|state| !matches!(state, State::Connected(_))).await;
            state.map(|state| match &*state {
                State::Away(trouble) => trouble.clone(),
                State::Connecting | State::Connected(_) => Trouble::closed(),
            })
        };
        match timeout(CHECK_EVERY, broken).await {
            Ok(trouble) => return trouble.ok(),
            // What comes of it changes the state.
            Err(_) => drop(link.upgrade()?.check().await),
        }
    }
}
