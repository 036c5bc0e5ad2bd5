//! Metrics, as text for scrapers and as a few totals for people.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::TimeDelta;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::exposition::{TextFormat, prometheus_text};
use super::latency::{LATENCY_BOUNDS, LatencyCounter, LatencySnapshot};
use super::process::ProcessUsage;

/// Every metric of the server. One for each server; tests have several in a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    started: Instant,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RequestLabels, Histogram, fn() -> Histogram>,
    latency: LatencyCounter,
    client_errors: AtomicU64,
    server_errors: AtomicU64,
    in_flight: Gauge,
    auth: Family<AuthLabels, Counter>,
    cache_lookups: Family<CacheLabels, Counter>,
    cache_errors: Family<CacheErrorLabels, Counter>,
    hashes_waiting: Gauge,
    hashes: Counter,
    attempts_counted_alone: Counter,
    task_panics: Family<TaskLabels, Counter>,
}

/// The metrics of one route, method and status class. Looking them up by label takes a lock and a hash, so the caller
/// keeps them.
#[derive(Debug, Default)]
pub struct RequestHandles(OnceLock<(Counter, Histogram)>);

/// Totals since the start.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Since the start of the process.
    pub uptime: Duration,
    /// Requests that were answered.
    pub requests: u64,
    /// Of these, answered with a status of 400 to 499.
    pub client_errors: u64,
    /// Of these, answered with a status of 500 or more.
    pub server_errors: u64,
    /// Requests that are being answered.
    pub in_flight: i64,
    /// How long answers took.
    pub latency: LatencySnapshot,
}

/// The database's connections.
#[derive(Clone, Debug, Default)]
pub struct DatabasePool {
    /// Connections that are open.
    pub open: u32,
    /// Open connections that nobody uses.
    pub idle: u32,
    /// Requests for which none was free in time.
    pub busy: u64,
    /// How many were closed, by reason.
    pub closed: Vec<(&'static str, u64)>,
}

/// What looking something up in the cache came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLookup {
    /// It was there.
    Hit,
    /// It was not.
    Miss,
    /// The cache did not answer; the database was asked instead.
    Error,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AuthLabels {
    event: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CacheLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TaskLabels {
    task: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CacheErrorLabels {
    kind: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Mutex::default(),
            started: Instant::now(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(LATENCY_BOUNDS)),
            latency: LatencyCounter::default(),
            client_errors: AtomicU64::default(),
            server_errors: AtomicU64::default(),
            in_flight: Gauge::default(),
            auth: Family::default(),
            cache_lookups: Family::default(),
            cache_errors: Family::default(),
            hashes_waiting: Gauge::default(),
            hashes: Counter::default(),
            attempts_counted_alone: Counter::default(),
            task_panics: Family::default(),
        };
        metrics.registry = Mutex::new(metrics.register());
        metrics
    }
}

impl Metrics {
    fn register(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time to answer a request",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests being answered",
            self.in_flight.clone(),
        );
        registry.register("auth_events", "Outcomes of auth operations", self.auth.clone());
        registry.register(
            "cache_lookups",
            "Revocation look-ups in the cache",
            self.cache_lookups.clone(),
        );
        registry.register(
            "cache_errors",
            "Operations that the cache did not do and connections that could not be made, by kind of error",
            self.cache_errors.clone(),
        );
        registry.register(
            "attempts_counted_alone",
            "Attempts whose limits this instance counted by itself, because the cache was away",
            self.attempts_counted_alone.clone(),
        );
        registry.register("password_hashes", "Password hashes computed", self.hashes.clone());
        registry.register(
            "password_hashes_waiting",
            "Password hashes waiting for a core",
            self.hashes_waiting.clone(),
        );
        registry.register(
            "background_task_panics",
            "Panics after which a background task was started again",
            self.task_panics.clone(),
        );
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of the server", build);
        let started = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        registry.register_collector(Box::new(ProcessCollector { started }));
        registry
    }

    /// Adds the database's connections, read by `status` whenever metrics are.
    pub fn watch_database_pool(&self, status: impl Fn() -> DatabasePool + Send + Sync + 'static) {
        let collector = PoolCollector(Box::new(status));
        self.lock_registry().register_collector(Box::new(collector));
    }

    /// Adds how far the machine's clock is ahead of the one that the server goes by, read by `ahead` whenever metrics are.
    pub fn watch_clock(&self, ahead: impl Fn() -> TimeDelta + Send + Sync + 'static) {
        let collector = ClockCollector(Box::new(ahead));
        self.lock_registry().register_collector(Box::new(collector));
    }

    /// Adds the number of log lines that were dropped.
    pub fn watch_dropped_log_lines(&self, dropped: &Counter) {
        let help = "Log lines that could not be written";
        self.lock_registry()
            .register("log_lines_dropped", help, dropped.clone());
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// When a metric cannot be formatted, which is a defect.
    pub fn encode(&self, format: TextFormat) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.lock_registry())?;
        Ok(match format {
            TextFormat::OpenMetrics => text,
            TextFormat::Prometheus => prometheus_text(&text),
        })
    }

    /// The totals at this moment.
    pub fn totals(&self) -> Totals {
        let latency = self.latency.snapshot();
        Totals {
            uptime: self.started.elapsed(),
            requests: latency.counts.iter().sum(),
            client_errors: self.client_errors.load(Ordering::Relaxed),
            server_errors: self.server_errors.load(Ordering::Relaxed),
            in_flight: self.in_flight.get(),
            latency,
        }
    }

    /// Counts a request as being answered until the guard is dropped.
    pub fn request_started(&self) -> GaugeGuard {
        GaugeGuard::new(&self.in_flight)
    }

    /// Counts an answer. `handles` must belong to this method, route pattern and status class.
    pub fn request_answered(
        &self,
        handles: &RequestHandles,
        method: &str,
        route: &str,
        status: u16,
        duration: Duration,
    ) {
        let (count, durations) = handles.0.get_or_init(|| {
            let labels = RequestLabels {
                method: method.to_owned(),
                route: route.to_owned(),
                status: format!("{}xx", status / 100),
            };
            (
                self.requests.get_or_create_owned(&labels),
                self.durations.get_or_create_owned(&labels),
            )
        });
        count.inc();
        durations.observe(duration.as_secs_f64());
        self.latency.observe(duration);
        match status {
            400..500 => drop(self.client_errors.fetch_add(1, Ordering::Relaxed)),
            500.. => drop(self.server_errors.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    /// Counts what came of an auth operation.
    pub fn auth_outcome(&self, event: &'static str, outcome: &'static str) {
        self.auth.get_or_create(&AuthLabels { event, outcome }).inc();
    }

    /// Counts a look-up in the cache.
    pub fn cache_lookup(&self, result: CacheLookup) {
        let result = match result {
            CacheLookup::Hit => "hit",
            CacheLookup::Miss => "miss",
            CacheLookup::Error => "error",
        };
        self.cache_lookups.get_or_create(&CacheLabels { result }).inc();
    }

    /// Counts something that the cache did not do. `kind` is one of a few.
    pub fn cache_error(&self, kind: &'static str) {
        self.cache_errors.get_or_create(&CacheErrorLabels { kind }).inc();
    }

    /// Counts a password hash as waiting until the guard is dropped.
    pub fn password_hash_waits(&self) -> GaugeGuard {
        GaugeGuard::new(&self.hashes_waiting)
    }

    /// Counts an attempt that the instances do not limit together.
    pub fn attempt_counted_alone(&self) {
        self.attempts_counted_alone.inc();
    }

    /// Counts a password hash that is computed.
    pub fn password_hash_started(&self) {
        self.hashes.inc();
    }

    /// Counts a panic of a background task.
    pub fn task_panicked(&self, task: &'static str) {
        self.task_panics.get_or_create(&TaskLabels { task }).inc();
    }

    /// Password hashes computed so far.
    pub fn password_hashes(&self) -> u64 {
        self.hashes.get()
    }

    fn lock_registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Raises a gauge by one while it lives.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

type PoolStatus = dyn Fn() -> DatabasePool + Send + Sync;

struct PoolCollector(Box<PoolStatus>);

impl fmt::Debug for PoolCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolCollector")
    }
}

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let pool = (self.0)();
        for (name, help, value) in [
            ("database_connections", "Connections to the database", pool.open),
            (
                "database_connections_idle",
                "Connections to the database that nobody uses",
                pool.idle,
            ),
        ] {
            let gauge = ConstGauge::new(i64::from(value));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let busy = ConstCounter::new(pool.busy);
        let help = "Requests for which no connection to the database was free in time";
        busy.encode(encoder.encode_descriptor("database_busy", help, None, busy.metric_type())?)?;
        let help = "Connections to the database that were closed before their time";
        let mut closed = encoder.encode_descriptor("database_connections_closed", help, None, MetricType::Counter)?;
        for (reason, count) in pool.closed {
            let labels = [("reason", reason)];
            ConstCounter::new(count).encode(closed.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

struct ClockCollector(Box<dyn Fn() -> TimeDelta + Send + Sync>);

impl fmt::Debug for ClockCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockCollector")
    }
}

impl Collector for ClockCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let ahead = ConstGauge::new((self.0)().as_seconds_f64());
        let help = "How far the machine's clock is ahead of the database's, which is used instead";
        ahead.encode(encoder.encode_descriptor("clock_ahead", help, Some(&Unit::Seconds), ahead.metric_type())?)
    }
}

#[derive(Debug)]
struct ProcessCollector {
    /// Seconds since the Unix epoch.
    started: f64,
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(usage) = ProcessUsage::now() else {
            return Ok(());
        };
        let memory = ConstGauge::new(i64::try_from(usage.resident_memory_bytes).unwrap_or(i64::MAX));
        let help = "Memory in RAM";
        memory.encode(encoder.encode_descriptor(
            "process_resident_memory",
            help,
            Some(&Unit::Bytes),
            memory.metric_type(),
        )?)?;
        if let Some(open_fds) = usage.open_fds {
            let fds = ConstGauge::new(i64::try_from(open_fds).unwrap_or(i64::MAX));
            fds.encode(encoder.encode_descriptor("process_open_fds", "Open descriptors", None, fds.metric_type())?)?;
        }
        let cpu = ConstCounter::new(usage.cpu_seconds);
        let help = "Processor time used";
        cpu.encode(encoder.encode_descriptor("process_cpu", help, Some(&Unit::Seconds), cpu.metric_type())?)?;
        let started = ConstGauge::new(self.started);
        let help = "Start of the process since the Unix epoch";
        started.encode(encoder.encode_descriptor(
            "process_start_time",
            help,
            Some(&Unit::Seconds),
            started.metric_type(),
        )?)
    }
}
