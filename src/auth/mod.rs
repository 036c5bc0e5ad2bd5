//! Accounts and sessions: who somebody is, and for how long that is believed.

mod access_token;
mod accounts;
mod argon2id;
mod blocklist;
mod cleanup;
mod credentials;
mod device_token;
mod error;
mod fair_share;
mod import;
mod jwt_crypto;
mod mac_token;
mod operator;
mod password;
mod rate_limit;
mod refresh_token;
mod revocation;
mod session_ids;
mod sessions;

use std::net::IpAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::Notify;
use uuid::Uuid;

pub use access_token::ACCESS_TOKEN_LIFETIME;
pub use credentials::{Password, TypedPassword, Username};
pub use error::AuthError;
pub use import::{ImportReport, import_accounts};
pub use operator::{ONE_TIME_PASSWORD_LIFETIME, OneTimePassword};
pub use rate_limit::{Limit, Refusal};
pub use sessions::{GRACE_WINDOW, SessionPage};

use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::{Config, SessionConfig};
use crate::store::{Store, session, user};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use access_token::AccessTokens;
use device_token::DeviceTokens;
use password::PasswordHasher;
use rate_limit::{Attempt, RateLimiter};
use refresh_token::RefreshTokens;
use revocation::Revocations;
use session_ids::SessionIds;

/// Everything the API can ask about accounts and sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Auth {
    clock: Clock,
    store: Store,
    metrics: Arc<Metrics>,
    passwords: PasswordHasher,
    access_tokens: AccessTokens,
    refresh_tokens: RefreshTokens,
    device_tokens: DeviceTokens,
    revocations: Revocations,
    rate_limiter: RateLimiter,
    session_ids: SessionIds,
    session_life: SessionConfig,
    /// Wakes the task that deletes ended sessions.
    cleanup_due: Arc<Notify>,
}

/// Where a request comes from, as the user later sees it in the list of sessions.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// The client's address; `None` when a local proxy did not say.
    pub address: Option<IpAddr>,
    /// The browser's name for itself.
    pub user_agent: String,
    /// What an earlier sign-in gave it, not yet verified: see [`SignedIn::device_token`].
    pub token: Option<String>,
    /// The refresh token of the session that it is signed in with, not yet verified.
    pub refresh_token: Option<String>,
}

/// The outcome of a sign-in or a refresh: a session and the tokens to use it.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The account.
    pub user: user::Model,
    /// The session, as it now is.
    pub session: session::Model,
    /// A JWT for the `Authorization` header.
    pub access_token: String,
    /// How long that is valid.
    pub expires_in: TimeDelta,
    /// The value of the refresh cookie.
    pub refresh_token: String,
    /// The value of a cookie by which the device is known at the next sign-in, if it is new.
    pub device_token: Option<String>,
}

/// Who makes a request: only [`Auth::authenticate`] makes one, from an access token of ours whose session is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    user_id: Uuid,
    session_id: Uuid,
    must_change_password: bool,
}

impl Identity {
    /// The account.
    pub fn user_id(&self) -> Uuid {
        self.user_id
    }

    /// The session in which the request is made.
    pub fn session_id(&self) -> Uuid {
        self.session_id
    }

    /// Whether the account has a one-time password, with which nothing can be done but to change it.
    pub fn must_change_password(&self) -> bool {
        self.must_change_password
    }
}

impl Auth {
    /// Wires the parts together.
    pub fn new(config: &Config, clock: Clock, store: Store, cache: Cache, metrics: Arc<Metrics>) -> Self {
        Self {
            passwords: PasswordHasher::new(&config.passwords, Arc::clone(&metrics)),
            access_tokens: AccessTokens::new(&config.tokens),
            refresh_tokens: RefreshTokens::new(&config.tokens),
            device_tokens: DeviceTokens::new(&config.tokens),
            revocations: Revocations::new(clock.clone(), store.clone(), cache.clone(), Arc::clone(&metrics)),
            rate_limiter: RateLimiter::new(config.rate_limits, cache, clock.clone(), Arc::clone(&metrics)),
            session_ids: SessionIds::default(),
            session_life: config.sessions,
            cleanup_due: Arc::default(),
            clock,
            store,
            metrics,
        }
    }

    /// Counts an attempt at a route, and refuses it when there were too many.
    async fn admit(&self, attempt: Attempt<'_>) -> Result<(), AuthError> {
        self.rate_limiter.admit(attempt).await.map_err(|refusal| {
            self.record(attempt.route, "rate_limited", None);
            AuthError::RateLimited(refusal)
        })
    }

    /// Who holds `access_token`.
    ///
    /// # Errors
    /// [`AuthError::InvalidAccessToken`] when it is malformed, or signed by somebody else or for somebody else;
    /// [`AuthError::ExpiredAccessToken`]; [`AuthError::EndedSession`]; [`AuthError::Store`] when neither cache nor database
    /// can tell.
    pub async fn authenticate(&self, access_token: &str) -> Result<Identity, AuthError> {
        let identity = self.access_tokens.verify(access_token, self.clock.now())?;
        if self.revocations.is_revoked(&identity).await? {
            return Err(AuthError::EndedSession);
        }
        Ok(identity)
    }

    /// Begins what has to be done in the background: the database is looked at for sessions that were ended, and those are
    /// deleted.
    pub fn maintain(&self, tasks: &Tasks) {
        let revocations = self.revocations.clone();
        tasks.spawn("revocation_looks", move |stop| {
            let revocations = revocations.clone();
            async move { revocations.maintain(stop).await }
        });
        let auth = self.clone();
        tasks.spawn("session_cleanup", move |stop| {
            let auth = auth.clone();
            async move { auth.delete_ended_sessions(stop).await }
        });
    }

    fn tokens_for(&self, user: user::Model, session: session::Model, refresh_token: String) -> SignedIn {
        let now = self.clock.now();
        SignedIn {
            access_token: self.access_tokens.issue(&user, &session, now),
            expires_in: access_token::expires_in(&session, now),
            refresh_token,
            device_token: None,
            user,
            session,
        }
    }
}
