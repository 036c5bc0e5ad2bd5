//! The rotation of refresh tokens against a model: whatever clients, thieves, clocks and caches do, in any order.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use proptest::prelude::*;
use slipway::auth::{Auth, AuthError, Device, GRACE_WINDOW, Identity, Password, TypedPassword, Username};
use slipway::cache::{Cache, MemoryCache};
use slipway::clock::Clock;
use slipway::config::{Config, DatabaseConfig, DatabaseUrl, Options};
use slipway::store::{self, session};
use slipway::telemetry::Metrics;

#[derive(Clone, Debug)]
enum Step {
    /// Refresh with the newest token minus this many generations.
    Refresh {
        age: usize,
    },
    /// The same, several times at the same moment.
    RefreshAtOnce {
        times: usize,
    },
    Logout {
        age: usize,
    },
    LogoutAll,
    /// Begins a new session in the place of this one, if this one lives.
    ChangePassword,
    /// Refresh with a token of a session that was replaced like that.
    RefreshReplaced,
    /// Use the newest access token.
    Authenticate,
    /// Move the clock; backwards, too, as a clock that is corrected does.
    Clock {
        seconds: i64,
    },
    /// The cache forgets everything.
    LoseCache,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_usize..4).prop_map(|age| Step::Refresh { age }),
        3 => (2_usize..5).prop_map(|times| Step::RefreshAtOnce { times }),
        1 => (0_usize..3).prop_map(|age| Step::Logout { age }),
        1 => Just(Step::LogoutAll),
        2 => Just(Step::ChangePassword),
        2 => Just(Step::RefreshReplaced),
        6 => Just(Step::Authenticate),
        6 => prop_oneof![
            Just(1_i64), Just(5), Just(30), Just(31), Just(600), Just(-3), Just(86_400 * 10), Just(86_400 * 15)
        ].prop_map(|seconds| Step::Clock { seconds }),
        2 => Just(Step::LoseCache),
    ]
}

/// What must be true of a session, in a few lines.
struct Model {
    generation: usize,
    /// The first of a run of rotations that follow within one grace window, and when it was made.
    run: (usize, DateTime<Utc>),
    expires_at: DateTime<Utc>,
    absolute_expires_at: DateTime<Utc>,
    revoked: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Rotated,
    Replayed,
    Ended,
    Reused,
}

impl Model {
    /// Of a session that has just begun.
    fn of(session: &session::Model) -> Self {
        Self {
            generation: 0,
            run: (0, session.created_at),
            expires_at: session.expires_at,
            absolute_expires_at: session.absolute_expires_at,
            revoked: false,
        }
    }

    fn is_recent(&self, moment: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        (now - moment).abs() <= GRACE_WINDOW
    }

    fn refresh(&mut self, age: usize, now: DateTime<Utc>, idle: TimeDelta) -> Expected {
        if self.revoked || now >= self.expires_at {
            return Expected::Ended;
        }
        match age {
            0 => {
                let since_run = (now - self.run.1).abs();
                let goes_on = since_run < GRACE_WINDOW && now >= self.run.1;
                if self.generation == 0 || !goes_on {
                    self.run = (self.generation, now);
                }
                self.generation += 1;
                self.expires_at = (now + idle).min(self.absolute_expires_at);
                Expected::Rotated
            }
            // Its successor was not used.
            1 => Expected::Replayed,
            _ if self.generation - age >= self.run.0 && self.is_recent(self.run.1, now) => Expected::Replayed,
            _ => {
                self.revoked = true;
                Expected::Reused
            }
        }
    }
}

struct World {
    auth: Auth,
    clock: Clock,
    cache: MemoryCache,
    idle: TimeDelta,
    model: Model,
    /// The token of each generation.
    tokens: Vec<String>,
    /// The last tokens of sessions that were replaced.
    replaced: Vec<(String, String)>,
    access_token: String,
    access_token_ends: DateTime<Utc>,
    identity: Identity,
}

fn password() -> Password {
    Password::try_from("correct horse".to_owned()).unwrap()
}

impl World {
    async fn new(database_url: &str) -> Self {
        let options = Options::parse_from([
            "slipway",
            "--argon2-memory-kib=64",
            "--argon2-iterations=1",
            "--rate-limit-per-address=0",
            "--rate-limit-per-account=0",
            &format!("--jwt-secret={}", crate::support::SECRET),
        ]);
        let config = Config::from_options(&options).unwrap();
        let database = DatabaseConfig {
            url: DatabaseUrl::parse(database_url).unwrap(),
            max_connections: 4,
        };
        let store = store::connect(&database).await.unwrap();
        store::migrate(&store).await.unwrap();
        let clock = Clock::manual();
        let cache = MemoryCache::new(clock.clone());
        let metrics = Arc::new(Metrics::default());
        let auth = Auth::new(&config, clock.clone(), store, Cache::Memory(cache.clone()), metrics);
        let name = Username::try_from(format!("user-{}", uuid::Uuid::now_v7().simple())).unwrap();
        let signed_in = auth.register(&name, &password(), &Device::default()).await.unwrap();
        let identity = auth.authenticate(&signed_in.access_token).await.unwrap();
        Self {
            auth,
            access_token_ends: access_token_end(&clock, signed_in.session.expires_at),
            clock,
            cache,
            idle: config.sessions.idle.delta(),
            model: Model::of(&signed_in.session),
            tokens: vec![signed_in.refresh_token],
            replaced: Vec::new(),
            access_token: signed_in.access_token,
            identity,
        }
    }

    /// The token of that many generations ago, and how many that really is.
    fn token(&self, age: usize) -> (String, usize) {
        let age = age.min(self.model.generation);
        (self.tokens[self.model.generation - age].clone(), age)
    }

    async fn apply(&mut self, step: &Step) {
        match step {
            Step::Refresh { age } => {
                let (token, age) = self.token(*age);
                let expected = self.model.refresh(age, self.clock.now(), self.idle);
                let result = self.auth.refresh(Some(&token), None).await;
                self.compare(&expected, result);
            }
            Step::RefreshAtOnce { times } => {
                let (token, _) = self.token(0);
                let calls = (0..*times).map(|_| self.auth.refresh(Some(&token), None));
                let mut results = futures_util::future::join_all(calls).await;
                let expected = self.model.refresh(0, self.clock.now(), self.idle);
                if expected == Expected::Rotated {
                    let successors: Vec<_> = results
                        .iter()
                        .map(|r| r.as_ref().unwrap().refresh_token.clone())
                        .collect();
                    assert!(
                        successors.iter().all(|token| *token == successors[0]),
                        "one successor for all"
                    );
                }
                self.compare(&expected, results.remove(0));
            }
            Step::Logout { age } => {
                let (token, _) = self.token(*age);
                self.auth.logout(Some(&token)).await.unwrap();
                self.model.revoked = true;
            }
            Step::LogoutAll => {
                self.auth.logout_all(&self.identity).await.unwrap();
                self.model.revoked = true;
            }
            Step::ChangePassword => self.change_password().await,
            Step::RefreshReplaced => {
                let Some((refresh_token, access_token)) = self.replaced.last() else {
                    return;
                };
                let refreshed = self.auth.refresh(Some(refresh_token), None).await;
                assert!(
                    matches!(refreshed, Err(AuthError::InvalidRefreshToken)),
                    "{refreshed:?}"
                );
                assert!(self.auth.authenticate(access_token).await.is_err());
            }
            Step::Authenticate => {
                let is_accepted = self.auth.authenticate(&self.access_token).await.is_ok();
                let is_current = self.access_token_ends > self.clock.now();
                assert_eq!(is_accepted, is_current && !self.model.revoked, "of an access token");
            }
            Step::Clock { seconds } => self.clock.step(TimeDelta::seconds(*seconds)),
            Step::LoseCache => self.cache.clear(),
        }
    }

    async fn change_password(&mut self) {
        let Ok(identity) = self.auth.authenticate(&self.access_token).await else {
            return;
        };
        let (current, new) = (TypedPassword::from(password().expose().to_owned()), password());
        let changed = self
            .auth
            .change_password(&identity, &current, &new, &Device::default())
            .await
            .unwrap();
        let access_token = std::mem::replace(&mut self.access_token, changed.access_token);
        let tokens = std::mem::replace(&mut self.tokens, vec![changed.refresh_token]);
        self.replaced.push((tokens.last().unwrap().clone(), access_token));
        self.identity = self.auth.authenticate(&self.access_token).await.unwrap();
        self.model = Model::of(&changed.session);
        self.access_token_ends = access_token_end(&self.clock, self.model.expires_at);
    }

    fn compare(&mut self, expected: &Expected, result: Result<slipway::auth::SignedIn, AuthError>) {
        let actual = match &result {
            Ok(signed_in) if self.tokens.contains(&signed_in.refresh_token) => Expected::Replayed,
            Ok(_) => Expected::Rotated,
            Err(AuthError::InvalidRefreshToken) => Expected::Ended,
            Err(AuthError::RefreshTokenReused) => Expected::Reused,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(
            actual, *expected,
            "of a refresh at generation {}",
            self.model.generation
        );
        let Ok(signed_in) = result else { return };
        if actual == Expected::Rotated {
            self.tokens.push(signed_in.refresh_token);
        }
        assert_eq!(signed_in.session.expires_at, self.model.expires_at);
        assert!(signed_in.session.expires_at <= self.model.absolute_expires_at, "R4");
        self.access_token = signed_in.access_token;
        self.access_token_ends = access_token_end(&self.clock, self.model.expires_at);
    }
}

/// When an access token ends that is issued now in a session that ends then, in whole seconds.
fn access_token_end(clock: &Clock, session_ends: DateTime<Utc>) -> DateTime<Utc> {
    let end = session_ends.min(clock.now() + slipway::auth::ACCESS_TOKEN_LIFETIME);
    DateTime::from_timestamp(end.timestamp(), 0).unwrap()
}

fn check(cases: u32, database_url: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..40))| {
        runtime.block_on(async {
            let mut world = World::new(database_url).await;
            for step in &steps {
                world.apply(step).await;
            }
        });
    });
}

/// R1, R2, R4, R10
#[test]
fn any_interleaving_of_refreshes_replays_endings_and_clocks_follows_the_model_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    check(150, &format!("sqlite:{}", folder.path().join("slipway.db").display()));
}

/// R1, R2, R4, R10
#[test]
fn any_interleaving_of_refreshes_replays_endings_and_clocks_follows_the_model_on_postgres() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database_url = runtime.block_on(crate::support::fresh_database());
    check(60, &database_url);
}
