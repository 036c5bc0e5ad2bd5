//! What can be set: each option is an environment variable and a flag of `slipway serve`.

use std::num::NonZeroU32;

use clap::{Parser, ValueEnum};

use super::Risk;

/// The settings of `slipway serve` as they were given, before defaults that depend on one another are filled in.
/// Not `Debug`: it holds secrets in clear text.
#[derive(Clone, Parser)]
#[command(name = "slipway", about = "Serve the API", long_about = None)]
pub struct Options {
    /// `development` fills in everything that is missing; `production` refuses to start without DATABASE_URL,
    /// JWT_SECRET and secure cookies
    #[arg(long, env = "SLIPWAY_ENV", value_enum, default_value_t = Environment::Development)]
    pub slipway_env: Environment,

    /// What production otherwise refuses to start with, separated by commas: `weak-hashes` (below OWASP's minimum),
    /// `no-limits` (passwords can be guessed), `plain-origins` (pages of http:// call the API), `any-proxy` (clients choose
    /// their address), `weak-secret` (a JWT_SECRET of few characters or of one word). For tests and measurements
    #[arg(
        long,
        env = "ACCEPT_RISKS",
        value_enum,
        value_delimiter = ',',
        hide_possible_values = true
    )]
    pub accept_risks: Vec<Risk>,

    /// Where to serve HTTP: `127.0.0.1:8000`, `[::]:8000` or `unix:/path/to/socket`. `0.0.0.0` makes the server
    /// reachable from other machines [default: 127.0.0.1:8000; in a container the socket that nginx knows]
    #[arg(long, env = "LISTEN")]
    pub listen: Option<String>,

    /// Where to serve Prometheus metrics without authentication, or `off`. Keep it on loopback: it tells an attacker
    /// about load and failures
    #[arg(long, env = "METRICS_LISTEN", default_value = "127.0.0.1:9464")]
    pub metrics_listen: String,

    /// With this as the bearer token `GET /metrics` gives the Prometheus text, at least 32 bytes (`openssl rand -base64 48`),
    /// for scrapers that reach the API alone. Whoever has it reads load and failures, and nothing of users
    /// [default: nobody gets the text there]
    #[arg(long, env = "METRICS_TOKEN", hide_env_values = true)]
    pub metrics_token: Option<String>,

    /// `postgres://user:password@host/name` or `sqlite:path/to/file`. Of PostgreSQL's own forms: several hosts
    /// (`host1:5432,host2:5432`), of which the first that takes writes is used, and the parameters sslmode, sslrootcert,
    /// sslcert, sslkey, host, port, user, password, dbname, application_name, options and target_session_attrs. PgBouncer
    /// and RDS Proxy may be in between; one that shares sessions costs two more exchanges for each query
    /// [development default: sqlite:data/slipway.db]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Connections to the database, opened when they are needed and then kept. Each costs PostgreSQL 2 to 10 MB, and all
    /// instances together, twice as many during a deploy, must stay below its max_connections; fewer make requests wait
    /// for one another, and after 3 s they are refused as `busy`
    #[arg(long, env = "DATABASE_MAX_CONNECTIONS", default_value_t = NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN))]
    pub database_max_connections: NonZeroU32,

    /// Seconds for which a start waits for the database before it gives up. Too short, and a database that is a little slower
    /// to start than the server fails a deploy; too long, and a wrong DATABASE_URL is told late
    /// [default: 60 in production, 0 in development]
    #[arg(long, env = "DATABASE_PATIENCE_SECONDS")]
    pub database_patience_seconds: Option<u16>,

    /// `redis://host:6379` or `rediss://…` for TLS, of Valkey or Redis (6 or newer, no scripts needed). If it may run full,
    /// its maxmemory-policy should be volatile-ttl: others can evict the marks of ended sessions, whose access tokens are then
    /// accepted again until they expire [default: a cache in this process, which other instances do not see]
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,

    /// What every key in the cache begins with; services that share one cache need different ones. In braces, such as
    /// `{slipway}:`, where a cluster would otherwise spread the keys over its slots, which a transaction may not span
    #[arg(long, env = "CACHE_KEY_PREFIX", default_value = "slipway:")]
    pub cache_key_prefix: String,

    /// Signs access and refresh tokens, at least 32 bytes (`openssl rand -base64 48`); blanks and line ends around it do
    /// not count. Whoever knows it can sign in as anyone [development default: generated and kept beside the database]
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: Option<String>,

    /// A secret that is still accepted but no longer used to sign: move the old JWT_SECRET here when you replace it, for
    /// SESSION_IDLE_DAYS, and nobody is signed out. Not one that leaked: whoever has it signs in as anyone
    #[arg(long, env = "JWT_SECRET_PREVIOUS", hide_env_values = true)]
    pub jwt_secret_previous: Option<String>,

    /// The `iss` claim of access tokens; tokens of another issuer are refused
    #[arg(long, env = "JWT_ISSUER", default_value = "slipway")]
    pub jwt_issuer: String,

    /// The `aud` claim of access tokens; tokens for another audience are refused
    #[arg(long, env = "JWT_AUDIENCE", default_value = "slipway-api")]
    pub jwt_audience: String,

    /// Origins whose pages may call the API with credentials, separated by commas. Every one of them can act as the
    /// signed-in user. `https://*.preview.example.com` allows each host with one label more, for preview deployments: so whoever
    /// can publish a page under that name, which on a shared domain such as vercel.app is anybody, acts as your users
    /// [development default: http://localhost:5173,http://127.0.0.1:5173]
    #[arg(long, env = "ALLOWED_ORIGINS")]
    pub allowed_origins: Option<String>,

    /// Request headers that their pages may send, separated by commas, besides those of HTTP libraries, tracing and error
    /// reporting, which are allowed already (docs/API.md lists them). Costs nothing; a header that is not allowed has the
    /// browser block the whole request
    #[arg(long, env = "ALLOWED_HEADERS", default_value = "")]
    pub allowed_headers: String,

    /// Response headers that their scripts may read, separated by commas, besides those that they can already (docs/API.md)
    #[arg(long, env = "EXPOSED_HEADERS", default_value = "")]
    pub exposed_headers: String,

    /// Whether the refresh cookie is `__Host-refresh_token; Secure`. `false` lets anyone on the network read it and is
    /// refused in production [default: true in production, false in development]
    #[arg(long, env = "REFRESH_COOKIE_SECURE")]
    pub refresh_cookie_secure: Option<bool>,

    /// `strict` and `lax` keep the refresh cookie away from other sites; `none` gives that up and is refused in
    /// production
    #[arg(long, env = "REFRESH_COOKIE_SAMESITE", value_enum, default_value_t = SameSite::Lax)]
    pub refresh_cookie_samesite: SameSite,

    /// Days after which a session that was not used ends; longer means that a stolen device stays signed in longer
    #[arg(long, env = "SESSION_IDLE_DAYS", default_value_t = 14, value_parser = clap::value_parser!(u16).range(1..=365))]
    pub session_idle_days: u16,

    /// Days after which a session ends however much it was used
    #[arg(long, env = "SESSION_LIFETIME_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub session_lifetime_days: u16,

    /// Live sessions of one account: a sign-in beyond that ends the oldest one, on whatever device that is. A high number
    /// lets one account fill the table (some 600 bytes each); a low one signs people out of devices that they still use
    #[arg(long, env = "MAX_SESSIONS_PER_ACCOUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_sessions_per_account: u32,

    /// Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, as CIDRs separated by commas. A range that is
    /// too wide lets clients choose the address that rate limits see
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: String,

    /// Requests a minute and route on /register, /login and /password from one client address (an IPv6 /64), and ten
    /// times as many from an IPv6 /48 and on /refresh; 0 turns the limit off and invites password guessing
    #[arg(long, env = "RATE_LIMIT_PER_ADDRESS", default_value_t = 60)]
    pub rate_limit_per_address: u32,

    /// The same for one account; of sign-ins the failed ones, from one address or from a device that signed in before, and
    /// ten times as many from all other devices together. A high number lets passwords be guessed
    #[arg(long, env = "RATE_LIMIT_PER_ACCOUNT", default_value_t = 10)]
    pub rate_limit_per_account: u32,

    /// Memory of one password hash in KiB (OWASP: at least 19456). More resists guessing better and costs as much RAM
    /// for each hash under way
    #[arg(long, env = "ARGON2_MEMORY_KIB", default_value_t = 19_456)]
    pub argon2_memory_kib: u32,

    /// Passes over that memory (OWASP: at least 2); the CPU time of a login grows with it
    #[arg(long, env = "ARGON2_ITERATIONS", default_value_t = 2)]
    pub argon2_iterations: u32,

    /// Lanes of one password hash
    #[arg(long, env = "ARGON2_PARALLELISM", default_value_t = 1)]
    pub argon2_parallelism: u32,

    /// Password hashes computed at the same time; each takes ARGON2_MEMORY_KIB while it runs. More than there are cores
    /// take longer in all, because they push one another out of the processor's caches [default: the number of cores]
    #[arg(long, env = "PASSWORD_HASH_CONCURRENCY")]
    pub password_hash_concurrency: Option<NonZeroU32>,

    /// Password hashes that may wait; one more is refused with 503. Longer means slower answers in a login storm
    #[arg(long, env = "PASSWORD_HASH_QUEUE", default_value_t = 64)]
    pub password_hash_queue: u32,

    /// Whether anybody may register. `closed` answers 403, so that accounts come from elsewhere
    #[arg(long, env = "REGISTRATION", value_enum, default_value_t = Registration::Open)]
    pub registration: Registration,

    /// Whether the demo client is served at `/`. A service with a frontend of its own needs none
    #[arg(long, env = "DEMO", value_enum, default_value_t = Switch::On)]
    pub demo: Switch,

    /// Whether the document is served at `/openapi.json`, and Swagger UI at `/docs`. `off` hides from strangers what they can
    /// find out anyway, and from colleagues how to call the API
    #[arg(long, env = "DOCS", value_enum, default_value_t = Switch::On)]
    pub docs: Switch,

    /// Connections served at once; further ones wait to be accepted. Each takes a file descriptor and, while a
    /// request of it is served, some 17 KB; when more than 256 are open, an idle one takes 2 KB
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000)]
    pub max_connections: u32,

    /// Seconds after SIGTERM in which requests are still served while the load balancer takes this instance out. Too
    /// short loses requests on every deploy [default: 20 in production, 0 in development]
    #[arg(long, env = "DRAIN_SECONDS")]
    pub drain_seconds: Option<u16>,

    /// One line of JSON or of text for each event [default: json in production, text in development]
    #[arg(long, env = "LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,

    /// Which events are logged, such as `info` or `slipway=debug,warn`. `debug` and below cost throughput; `sqlx=info`
    /// shows what PostgreSQL remarks on every start
    #[arg(long, env = "RUST_LOG", default_value = "info,sqlx=warn")]
    pub rust_log: String,
}

/// How much the server may assume about where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Environment {
    /// A developer's machine: everything has a default.
    Development,
    /// In front of users: nothing that matters has a default.
    Production,
}

/// The `SameSite` attribute of the refresh cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SameSite {
    /// Sent only by pages of the same site.
    Strict,
    /// Like `strict`, and also when a link from another site is followed.
    Lax,
    /// Sent from everywhere; browsers want `Secure` with it.
    None,
}

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Nobody.
    Closed,
}

/// Whether something is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not: 404.
    Off,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}
