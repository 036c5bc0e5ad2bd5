//! The configuration: options as given become a [`Config`] that the rest of the server can rely on.

mod cors_headers;
mod database_url;
mod environment;
mod options;
mod origins;
mod risks;
mod secret;
mod token_secrets;

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use ipnet::IpNet;

pub use cors_headers::CorsHeaders;
pub use database_url::{DatabaseUrl, Host, PostgresUrl, SqliteUrl};
pub use environment::parse;
pub use options::{Environment, LogFormat, Options, Registration, SameSite, Switch};
pub use origins::{AllowedOrigin, AllowedOrigins};
pub use risks::Risk;
pub use secret::Secret;
pub use token_secrets::TokenSecret;

/// A setting that is missing, wrong or impossible: names the setting and the mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Everything the server is told from outside, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Development or production.
    pub environment: Environment,
    /// Where the API is served.
    pub listen: Listen,
    /// Where metrics are served without authentication, if anywhere.
    pub metrics_listen: Option<Listen>,
    /// What scrapers send to read them with the API, if they may.
    pub metrics_token: Option<TokenSecret>,
    /// Where users and sessions are kept.
    pub database: DatabaseConfig,
    /// Where rate limits and revocations are kept: this process when there is no URL.
    pub cache: CacheConfig,
    /// Keys and claims of tokens.
    pub tokens: TokenConfig,
    /// Life of sessions.
    pub sessions: SessionConfig,
    /// The refresh cookie.
    pub cookie: CookieConfig,
    /// Which other origins may call the API.
    pub allowed_origins: AllowedOrigins,
    /// Which headers their pages may send and read.
    pub cors_headers: CorsHeaders,
    /// Which peers' `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Limits on attempts.
    pub rate_limits: RateLimitConfig,
    /// Cost of passwords.
    pub passwords: PasswordConfig,
    /// What is offered besides signing in.
    pub offers: Offers,
    /// Connections served at once.
    pub max_connections: usize,
    /// How long requests are still served after SIGTERM.
    pub drain: Duration,
    /// How long to wait for the database at start before giving up; zero means one attempt.
    pub startup_patience: Duration,
}

/// What a service may do without, once it has a frontend and users of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offers {
    /// Anybody may register.
    pub registration: bool,
    /// The demo client is served.
    pub demo: bool,
    /// The document and Swagger UI are served.
    pub docs: bool,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP socket.
    Tcp(SocketAddr),
    /// A unix socket at a path.
    Unix(PathBuf),
}

/// Where users and sessions are kept.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Where it is, and who we are there.
    pub url: DatabaseUrl,
    /// The most connections held at once.
    pub max_connections: u32,
}

/// Where rate limits and revocations are kept.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// `redis://…` or `rediss://…`; `None` is the cache in this process.
    pub url: Option<Secret>,
    /// What every key begins with.
    pub key_prefix: String,
}

/// Keys and claims of tokens.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// Signs.
    pub signing: TokenSecret,
    /// What was signed with these is still accepted.
    pub also_accepted: Vec<TokenSecret>,
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
}

/// Life of sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    /// A session that is not refreshed for this long ends.
    pub idle: Days,
    /// A session ends after this long, refreshed or not (OWASP ASVS 7.3.2).
    pub lifetime: Days,
    /// Live sessions of one account; the oldest ends at a sign-in beyond that (OWASP ASVS 7.1.2).
    pub max_per_account: NonZeroU32,
}

/// A life of at least a day: with none a session would end as it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(NonZeroU16);

impl Days {
    /// As a length of time.
    pub fn delta(self) -> TimeDelta {
        TimeDelta::days(self.0.get().into())
    }

    fn of(setting: &str, days: u16) -> Result<Self, ConfigError> {
        let days = NonZeroU16::new(days).ok_or_else(|| ConfigError(format!("{setting}=0: use 1 or more")));
        days.map(Self)
    }
}

/// The refresh cookie.
#[derive(Clone, Copy, Debug)]
pub struct CookieConfig {
    /// `Secure` and the `__Host-` name.
    pub secure: bool,
    /// The `SameSite` attribute.
    pub same_site: SameSite,
}

/// Attempts a minute and route; 0 is no limit.
#[derive(Clone, Copy, Debug)]
pub struct RateLimitConfig {
    /// From one client address.
    pub per_address: u32,
    /// For one account.
    pub per_account: u32,
}

/// Cost of passwords.
#[derive(Clone, Debug)]
pub struct PasswordConfig {
    /// Memory, passes and lanes of one hash.
    pub params: argon2::Params,
    /// Hashes computed at the same time.
    pub concurrency: usize,
    /// Hashes that may wait for their turn.
    pub queue: usize,
}

impl Config {
    /// Checks `options` and fills in what depends on the environment.
    ///
    /// # Errors
    /// One line that names every setting that is wrong or missing, and how to mend it.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        let production = options.slipway_env == Environment::Production;
        let allowed_origins = AllowedOrigins::parse(match &options.allowed_origins {
            Some(origins) => origins,
            None if production => "",
            None => "http://localhost:5173,http://127.0.0.1:5173",
        })?;
        let trusted_proxies = trusted_proxies(&options.trusted_proxies)?;
        let rate_limits = RateLimitConfig {
            per_address: options.rate_limit_per_address,
            per_account: options.rate_limit_per_account,
        };
        if production {
            let risks = risks::not_accepted(options, &allowed_origins, &trusted_proxies, rate_limits);
            refuse_what_production_needs(options, risks)?;
        }
        let database = DatabaseConfig::from_options(options)?;
        if let Some(url) = &options.redis_url {
            check_redis_url(url)?;
        }
        let (signing, also_accepted) = token_secrets::token_secrets(options, &database)?;
        let listen = Listen::parse("LISTEN", options.listen())?;
        let metrics_listen = match options.metrics_listen.as_str() {
            "off" => None,
            address => Some(Listen::parse("METRICS_LISTEN", address)?),
        };
        let metrics_token = options.metrics_token.as_deref();
        let metrics_token = metrics_token
            .map(|token| TokenSecret::check("METRICS_TOKEN", token))
            .transpose()?;
        let concurrency = options.password_hash_concurrency.map_or_else(
            || std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            |n| n.get() as usize,
        );
        Ok(Self {
            environment: options.slipway_env,
            listen,
            metrics_listen,
            metrics_token,
            database,
            cache: CacheConfig {
                url: options.redis_url.clone().map(Secret::new),
                key_prefix: options.cache_key_prefix.clone(),
            },
            tokens: TokenConfig {
                signing,
                also_accepted,
                issuer: options.jwt_issuer.clone(),
                audience: options.jwt_audience.clone(),
            },
            sessions: SessionConfig {
                idle: Days::of("SESSION_IDLE_DAYS", options.session_idle_days)?,
                lifetime: Days::of("SESSION_LIFETIME_DAYS", options.session_lifetime_days)?,
                max_per_account: NonZeroU32::new(options.max_sessions_per_account)
                    .ok_or_else(|| ConfigError("MAX_SESSIONS_PER_ACCOUNT=0: use 1 or more".to_owned()))?,
            },
            cookie: CookieConfig {
                secure: options.refresh_cookie_secure.unwrap_or(production),
                same_site: options.refresh_cookie_samesite,
            },
            allowed_origins,
            cors_headers: CorsHeaders::with(&options.allowed_headers, &options.exposed_headers)?,
            trusted_proxies,
            rate_limits,
            passwords: PasswordConfig {
                params: argon2_params(options)?,
                concurrency,
                queue: options.password_hash_queue as usize,
            },
            offers: Offers {
                registration: options.registration == Registration::Open,
                demo: options.demo == Switch::On,
                docs: options.docs == Switch::On,
            },
            max_connections: options.max_connections.max(1) as usize,
            drain: Duration::from_secs(options.drain_seconds.unwrap_or(if production { 20 } else { 0 }).into()),
            startup_patience: Duration::from_secs(
                options
                    .database_patience_seconds
                    .unwrap_or(if production { 60 } else { 0 })
                    .into(),
            ),
        })
    }
}

impl TokenConfig {
    /// Every secret whose tokens are accepted.
    pub fn accepted(&self) -> impl Iterator<Item = &TokenSecret> {
        std::iter::once(&self.signing).chain(&self.also_accepted)
    }

    /// With secrets that these names stand for, the first of which signs.
    #[cfg(test)]
    pub(crate) fn for_tests(names: &[&str]) -> Self {
        let mut secrets = names.iter().copied().map(TokenSecret::for_tests);
        Self {
            signing: secrets.next().unwrap(),
            also_accepted: secrets.collect(),
            issuer: "slipway".to_owned(),
            audience: "slipway-api".to_owned(),
        }
    }
}

impl DatabaseConfig {
    /// The part of the configuration that concerns the database.
    ///
    /// # Errors
    /// When DATABASE_URL is not understood, or missing in production.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        let url = match &options.database_url {
            Some(url) => url,
            None if options.slipway_env == Environment::Production => {
                return Err(ConfigError(DATABASE_URL_IS_MISSING.to_owned()));
            }
            None => "sqlite:data/slipway.db",
        };
        Ok(Self {
            url: DatabaseUrl::parse(url)?,
            max_connections: options.database_max_connections.get(),
        })
    }
}

impl Options {
    /// Where to serve HTTP: on loopback unless told otherwise.
    pub fn listen(&self) -> &str {
        self.listen.as_deref().unwrap_or("127.0.0.1:8000")
    }

    /// The log format: JSON lines in production unless told otherwise.
    pub fn log_format(&self) -> LogFormat {
        self.log_format.unwrap_or(match self.slipway_env {
            Environment::Production => LogFormat::Json,
            Environment::Development => LogFormat::Text,
        })
    }
}

impl Listen {
    /// Reads `127.0.0.1:8000` or `unix:/path`, the value of `setting`.
    ///
    /// # Errors
    /// When it is neither; names the setting.
    pub fn parse(setting: &str, value: &str) -> Result<Self, ConfigError> {
        if let Some(path) = value.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        value.parse().map(Self::Tcp).map_err(|_| {
            ConfigError(format!(
                "{setting}={value} is not an address: use IP:PORT such as 127.0.0.1:8000, or unix:/path/to/socket"
            ))
        })
    }
}

const DATABASE_URL_IS_MISSING: &str = "DATABASE_URL is missing (postgres://user:password@host/name)";

/// Lists everything that a production server may not guess, so that one start shows all of it.
fn refuse_what_production_needs(options: &Options, risks: Vec<String>) -> Result<(), ConfigError> {
    let mut wrong = Vec::new();
    if options.database_url.is_none() {
        wrong.push(DATABASE_URL_IS_MISSING);
    }
    if options.jwt_secret.is_none() {
        wrong.push("JWT_SECRET is missing (make one with: openssl rand -base64 48)");
    }
    if options.refresh_cookie_secure == Some(false) {
        wrong.push("REFRESH_COOKIE_SECURE=false would send session cookies in clear text (remove it)");
    }
    if options.refresh_cookie_samesite == SameSite::None {
        wrong.push("REFRESH_COOKIE_SAMESITE=none would let other sites use the session cookie (use lax or strict)");
    }
    let risks = risks.iter().map(String::as_str);
    wrong.extend(risks);
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(ConfigError(format!("SLIPWAY_ENV=production: {}", wrong.join("; "))))
    }
}

fn trusted_proxies(list: &str) -> Result<Vec<IpNet>, ConfigError> {
    let networks = list.split(',').map(str::trim).filter(|network| !network.is_empty());
    let parse = |network: &str| {
        network.parse().map_err(|_| {
            ConfigError(format!(
                "TRUSTED_PROXIES has {network:?}, which is not a network: use CIDRs such as 10.0.0.0/16, separated by \
                 commas"
            ))
        })
    };
    networks.map(parse).collect()
}

fn argon2_params(options: &Options) -> Result<argon2::Params, ConfigError> {
    let (memory, iterations, lanes) = (
        options.argon2_memory_kib,
        options.argon2_iterations,
        options.argon2_parallelism,
    );
    argon2::Params::new(memory, iterations, lanes, None).map_err(|error| {
        ConfigError(format!(
            "ARGON2_MEMORY_KIB={memory}, ARGON2_ITERATIONS={iterations}, ARGON2_PARALLELISM={lanes} do not go together \
             ({error}): use 19456, 2 and 1, or more"
        ))
    })
}

fn check_redis_url(url: &str) -> Result<(), ConfigError> {
    let known = ["redis://", "rediss://", "valkey://", "valkeys://"];
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    Err(ConfigError(
        "REDIS_URL is not understood: use redis://host:6379, or rediss://host:6379 for TLS".to_owned(),
    ))
}

#[cfg(test)]
mod tests;
