//! The whole server, wired together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::{Request, Response};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api;
use crate::auth::{Auth, GRACE_WINDOW};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::common_clock;
use crate::config::{Config, ConfigError};
use crate::cut_off;
use crate::draining::Draining;
use crate::http::{Peer, Pipeline, REQUEST_DEADLINE, Routes};
use crate::server::{Listener, serve_connections};
use crate::stop::StopDeadlines;
use crate::store::{self, Advice, Store, StoreError};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// The pause between attempts to reach the database at start. In a task both start at once, and on the first start the
/// database takes some seconds; a longer pause would only add to them.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// A request learns from the database what is wrong before it is given up.
const _: () = assert!(store::WORK_LIMIT.as_secs() < REQUEST_DEADLINE.as_secs());
/// A refresh that was given up at its deadline can be repeated, and that repetition, too.
const _: () = assert!(GRACE_WINDOW.num_seconds().unsigned_abs() > 2 * REQUEST_DEADLINE.as_secs());
/// Scrapers hold few connections.
const MAX_METRICS_CONNECTIONS: usize = 64;

/// A server that is running.
#[derive(Debug)]
pub struct App {
    /// Where the API is served; `None` on a unix socket.
    pub address: Option<SocketAddr>,
    /// Where metrics are served, if they are, and not on a unix socket.
    pub metrics_address: Option<SocketAddr>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    serving: Serving,
    draining: Draining,
    drain: Duration,
    store: Store,
    cache: Cache,
}

/// What answers requests, from the start of the server on.
#[derive(Debug)]
struct Serving {
    pipeline: Arc<Pipeline>,
    stop: CancellationToken,
    connections: TaskTracker,
    tasks: Tasks,
}

impl App {
    /// Starts the server: binds its sockets, opens and migrates the database, and serves.
    ///
    /// # Errors
    /// One line that names the setting that is to blame and how to mend it.
    pub async fn start(config: &Config, clock: Clock) -> Result<Self, ConfigError> {
        // Sockets first: a port that is taken should not be told only after a minute of waiting for the database.
        let listener = Listener::bind("LISTEN", &config.listen).await?;
        let metrics_listener = match &config.metrics_listen {
            Some(listen) => Some(Listener::bind("METRICS_LISTEN", listen).await?),
            None => None,
        };
        let metrics = Arc::new(Metrics::default());
        let cache = Cache::open(&config.cache, &clock, &metrics);
        let cache = cache.map_err(|error| ConfigError(format!("REDIS_URL cannot be used: {error}")))?;
        let draining = Draining::default();
        let routes = Routes::new(api::served_paths(config.offers));
        let pipeline = Pipeline::new(config, routes, Arc::clone(&metrics), draining.clone());
        let serving = Serving {
            pipeline: Arc::new(pipeline),
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
            tasks: Tasks::new(Arc::clone(&metrics)),
        };
        let (address, metrics_address) = (
            listener.address(),
            metrics_listener.as_ref().and_then(Listener::address),
        );
        // Also while the database is waited for or migrated, however long that takes: whoever asks is told so.
        serving.serve_api(listener, config.max_connections);
        if let Some(listener) = metrics_listener {
            serving.serve_metrics(listener, Arc::clone(&metrics));
        }
        let store = match open_store(config, &clock).await {
            Ok(store) => store,
            Err(error) => {
                serving.end();
                return Err(error);
            }
        };

        let pool = store.clone();
        metrics.watch_database_pool(move || pool.pool_status());
        let watched = clock.clone();
        metrics.watch_clock(move || watched.machine_is_ahead_by());
        let auth = Auth::new(
            config,
            clock.clone(),
            store.clone(),
            cache.clone(),
            Arc::clone(&metrics),
        );
        auth.maintain(&serving.tasks);
        let (followed, source) = (clock.clone(), store.clone());
        serving.tasks.spawn("common_clock", move |stop| {
            common_clock::follow(followed.clone(), source.clone(), stop)
        });
        let state = Arc::new(api::State {
            auth,
            clock,
            store: store.clone(),
            cache: cache.clone(),
            metrics: Arc::clone(&metrics),
            metrics_token: config.metrics_token.clone(),
            draining: draining.clone(),
            offers: config.offers,
            cookie: config.cookie,
        });
        serving.pipeline.open(api::endpoint(state));
        Ok(Self {
            address,
            metrics_address,
            metrics,
            serving,
            draining,
            drain: config.drain,
            store,
            cache,
        })
    }

    /// Waits until this instance has lost the database while others have not. It is of no use any more then.
    pub async fn cut_off(&self) -> ConfigError {
        cut_off::watch(&self.store, &self.cache).await;
        ConfigError("the database answers other instances and not this one: ended, to be replaced".to_owned())
    }

    /// Stops without losing a request (R16): drains, then stops.
    pub async fn shut_down(self) {
        self.drain().await;
        self.stop(StopDeadlines::from_now()).await;
    }

    /// Gives the load balancer time to look elsewhere: `GET /health` and `GET /ready` turn 503 at once, and requests are
    /// still served, for DRAIN_SECONDS. Then answers that have no end of their own are asked to end.
    pub async fn drain(&self) {
        self.draining.begin();
        tracing::info!(drain_seconds = self.drain.as_secs(), "shutting down");
        sleep(self.drain).await;
        self.draining.end();
    }

    /// Accepts no connection any more, closes idle ones, and lets what is under way finish, all of it within `deadlines`.
    pub async fn stop(self, deadlines: StopDeadlines) {
        self.draining.end();
        let Serving { connections, tasks, .. } = &self.serving;
        self.serving.end();
        if timeout_at(deadlines.requests_end(), connections.wait()).await.is_err() {
            tracing::warn!(open = connections.len(), "gave up on connections that would not end");
        }
        tasks.stop(deadlines.rest_ends()).await;
        let patience = deadlines.rest_ends().saturating_duration_since(Instant::now());
        if timeout_at(deadlines.rest_ends(), self.store.close(patience))
            .await
            .is_err()
        {
            tracing::warn!("gave up on connections to the database that would not close");
        }
        tracing::info!("stopped");
    }
}

impl Serving {
    fn serve_api(&self, listener: Listener, max_connections: usize) {
        let pipeline = Arc::clone(&self.pipeline);
        let answer = move |request, peer| {
            let pipeline = Arc::clone(&pipeline);
            async move { pipeline.answer(request, peer).await }
        };
        self.serve("api_listener", listener, answer, max_connections);
    }

    fn serve_metrics(&self, listener: Listener, metrics: Arc<Metrics>) {
        let answer = move |request, _peer| std::future::ready(api::answer_scraper(&request, &metrics));
        self.serve("metrics_listener", listener, answer, MAX_METRICS_CONNECTIONS);
    }

    fn serve<F>(
        &self,
        name: &'static str,
        listener: Listener,
        answer: impl Fn(Request, Peer) -> F + Clone + Send + Sync + 'static,
        max_connections: usize,
    ) where
        F: Future<Output = Response> + Send + 'static,
    {
        let (listener, connections, stop) = (Arc::new(listener), self.connections.clone(), self.stop.clone());
        self.tasks.spawn(name, move |_| {
            let (listener, connections, stop) = (Arc::clone(&listener), connections.clone(), stop.clone());
            serve_connections(listener, answer.clone(), max_connections, connections, stop)
        });
    }

    /// Accepts no connection any more, closes idle ones, and lets what is under way finish.
    fn end(&self) {
        self.stop.cancel();
        self.tasks.begin_stop();
        self.connections.close();
    }
}

/// Opens and migrates the database, with as much patience as the configuration has.
async fn open_store(config: &Config, clock: &Clock) -> Result<Store, ConfigError> {
    let give_up_at = Instant::now() + config.startup_patience;
    let mut last_said = String::new();
    loop {
        let error = match connect_and_migrate(config, clock).await {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        let Advice { fix, may_pass } = error.advice();
        let said = format!("{error}: {fix}");
        if !may_pass || Instant::now() + RETRY_PAUSE > give_up_at {
            return Err(ConfigError(format!("DATABASE_URL cannot be used ({error}): {fix}")));
        }
        // Once for each reason, and not four times a second.
        if said != last_said {
            tracing::warn!(%error, fix, "the database does not answer yet; waiting");
            last_said = said;
        }
        sleep(RETRY_PAUSE).await;
    }
}

async fn connect_and_migrate(config: &Config, clock: &Clock) -> Result<Store, StoreError> {
    let store = store::connect(&config.database).await?;
    store::migrate(&store).await?;
    common_clock::follow_once(clock, &store).await?;
    Ok(store)
}
