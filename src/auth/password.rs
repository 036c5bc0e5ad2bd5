//! Password hashing: Argon2id with the parameters of OWASP's Password Storage Cheat Sheet, off the async threads.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::Error;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, CustomizedPasswordHasher as _, Params, PasswordVerifier as _, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bcrypt::HashParts;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::argon2id::Argon2id;
use super::fair_share::Shares;
use super::{AuthError, TypedPassword};
use crate::config::PasswordConfig;
use crate::telemetry::Metrics;

/// How long a hash may wait for its turn: well inside the request's deadline (10 s), with time left to compute.
const QUEUE_PATIENCE: Duration = Duration::from_secs(5);
/// 16 times as long as with passlib's default, 12: some 4 s.
const MAX_BCRYPT_COST: u32 = 16;
/// Length of a salt (RFC 9106, section 4).
const SALT_BYTES: usize = 16;

/// Hashes and verifies passwords, a few at a time. Clones share the turns.
#[derive(Clone, Debug)]
pub(super) struct PasswordHasher {
    argon2id: Argon2id,
    params: Params,
    /// As many hashes as run at once: each takes its memory only while it holds a permit.
    running: Arc<Semaphore>,
    /// As many as may run or wait.
    admitted: Arc<Semaphore>,
    /// How many of these are of one network.
    shares: Shares,
    decoy: Arc<str>,
    metrics: Arc<Metrics>,
}

/// What verifying a password found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is not the password.
    Wrong,
    /// The stored hash is none that can be verified, such as one of another kind or `!` for an account without a
    /// password, so it is not known to be the password.
    Unverifiable,
    /// It is.
    Right,
    /// It is, and the stored hash is bcrypt's, or was made with weaker parameters than are now asked for or of the password
    /// before it was prepared: store this one (R12).
    RightWithNewHash(String),
}

impl Verdict {
    pub(super) fn is_right(&self) -> bool {
        matches!(self, Self::Right | Self::RightWithNewHash(_))
    }
}

impl PasswordHasher {
    pub(super) fn new(config: &PasswordConfig, metrics: Arc<Metrics>) -> Self {
        Self {
            argon2id: Argon2id::default(),
            decoy: decoy(&config.params).into(),
            params: config.params.clone(),
            running: Arc::new(Semaphore::new(config.concurrency)),
            admitted: Arc::new(Semaphore::new(config.concurrency + config.queue)),
            shares: Shares::of(config.concurrency + config.queue),
            metrics,
        }
    }

    /// A PHC string with a random salt, for a client at `address`.
    pub(super) async fn hash(&self, password: &str, address: Option<IpAddr>) -> Result<String, AuthError> {
        let (argon2id, params) = (self.argon2id.clone(), self.params.clone());
        let password = password.to_owned();
        self.run(address, move || hash_now(&argon2id, params, &password)).await
    }

    /// Compares `password` with a stored hash. Without one (an unknown account) and with one that cannot be verified a
    /// decoy of the same cost is compared, so that the time tells nothing (R11).
    pub(super) async fn verify(
        &self,
        password: &TypedPassword,
        stored: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Verdict, AuthError> {
        let (argon2id, params) = (self.argon2id.clone(), self.params.clone());
        let (decoy, stored) = (Arc::clone(&self.decoy), stored.map(str::to_owned));
        let password = password.clone();
        self.run(address, move || {
            if let Some(hash) = stored.as_deref().filter(|stored| is_bcrypt(stored)) {
                return match is_password_of_bcrypt(&password, hash)? {
                    true => hash_now(&argon2id, params, password.expose()).map(Verdict::RightWithNewHash),
                    false => Ok(Verdict::Wrong),
                };
            }
            let stored = stored.as_deref().map(verifiable);
            let decoy = PasswordHash::new(&decoy).map_err(hashing_error)?;
            let compared = stored.as_ref().and_then(Option::as_ref).unwrap_or(&decoy);
            // A password is hashed as it is prepared. Hashes of before that were made of it as it was typed; those who
            // type it in that form wait for a second one, whether the account exists or not.
            for form in [Some(password.expose()), password.expose_as_typed()]
                .into_iter()
                .flatten()
            {
                let is_right = is_password(&argon2id, form, compared)?;
                if is_right && matches!(stored, Some(Some(_))) {
                    let is_outdated = form != password.expose() || is_weaker(compared, &params);
                    return match is_outdated {
                        true => hash_now(&argon2id, params, password.expose()).map(Verdict::RightWithNewHash),
                        false => Ok(Verdict::Right),
                    };
                }
            }
            Ok(match stored {
                Some(None) => Verdict::Unverifiable,
                _ => Verdict::Wrong,
            })
        })
        .await
    }

    /// Runs `work` on a blocking thread when a turn is free.
    async fn run<T: Send + 'static>(
        &self,
        address: Option<IpAddr>,
        work: impl FnOnce() -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let share = self.shares.take(address).ok_or(AuthError::Busy)?;
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| AuthError::Busy)?;
        let expected = self.argon2id.expect_hash();
        let waiting = self.metrics.password_hash_waits();
        let permit = timeout(QUEUE_PATIENCE, Arc::clone(&self.running).acquire_owned()).await;
        let permit = permit.map_err(|_| AuthError::Busy)?.map_err(hashing_error)?;
        drop(waiting);
        self.metrics.password_hash_started();
        // The permits go with the work: when the client goes away the hash still runs to its end, and its memory must
        // count until then.
        let permits: [OwnedSemaphorePermit; 2] = [admitted, permit];
        let work = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((expected, permits, share));
            result
        });
        work.await.map_err(hashing_error)?
    }
}

fn hash_now(argon2id: &Argon2id, params: Params, password: &str) -> Result<String, AuthError> {
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new().fill(&mut salt).map_err(hashing_error)?;
    let hash = argon2id.hash_password_with_params(password.as_bytes(), &salt, params);
    Ok(hash.map_err(hashing_error)?.to_string())
}

fn is_password(argon2id: &Argon2id, password: &str, hash: &PasswordHash) -> Result<bool, AuthError> {
    match argon2id.verify_password(password.as_bytes(), hash) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(hashing_error(error)),
    }
}

/// Whether a password can be compared with it.
pub(super) fn is_verifiable(stored: &str) -> bool {
    is_bcrypt(stored) || verifiable(stored).is_some()
}

/// Whether it is a hash of bcrypt, as services have it that were moved here (`$2a$`, `$2b$`, `$2y$`), and not one that takes
/// minutes to compare.
fn is_bcrypt(stored: &str) -> bool {
    HashParts::from_str(stored).is_ok_and(|parts| parts.get_cost() <= MAX_BCRYPT_COST)
}

/// It was made of the password as it was typed, of which bcrypt takes the first 72 bytes.
fn is_password_of_bcrypt(password: &TypedPassword, hash: &str) -> Result<bool, AuthError> {
    let typed = password.expose_as_typed().unwrap_or(password.expose());
    bcrypt::verify(typed, hash).map_err(hashing_error)
}

/// A stored hash, if it is one of Argon2 that is complete: any other can be compared with nothing.
fn verifiable(stored: &str) -> Option<PasswordHash> {
    let hash = PasswordHash::new(stored).ok()?;
    let is_argon2 = Algorithm::try_from(hash.algorithm.as_str()).is_ok()
        && hash.version.is_none_or(|version| Version::try_from(version).is_ok())
        && Params::try_from(&hash).is_ok();
    (is_argon2 && hash.salt.is_some() && hash.hash.is_some()).then_some(hash)
}

fn is_weaker(stored: &PasswordHash, wanted: &Params) -> bool {
    Params::try_from(stored).is_ok_and(|params| params.m_cost() < wanted.m_cost() || params.t_cost() < wanted.t_cost())
}

/// A hash of no password: verifying against it costs what verifying a real one costs.
fn decoy(params: &Params) -> String {
    let mut random = [0; SALT_BYTES + 32];
    // All zeros would do as well, since the answer is `Wrong` whatever the comparison says.
    let _ = SystemRandom::new().fill(&mut random);
    let (salt, hash) = random.split_at(SALT_BYTES);
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}")
}

fn hashing_error(error: impl std::fmt::Display) -> AuthError {
    AuthError::Cryptography(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(memory_kib: u32, concurrency: usize, queue: usize) -> PasswordHasher {
        let config = PasswordConfig {
            params: Params::new(memory_kib, 1, 1, None).unwrap(),
            concurrency,
            queue,
        };
        PasswordHasher::new(&config, Arc::default())
    }

    fn typed(password: &str) -> TypedPassword {
        TypedPassword::from(password.to_owned())
    }

    /// R12: no truncation, and nothing but the exact password passes.
    #[tokio::test]
    async fn every_character_of_a_long_password_counts() {
        let hasher = hasher(64, 1, 1);
        let password = "p".repeat(128);
        let hash = hasher.hash(&password, None).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_eq!(
            hasher.verify(&typed(&password), Some(&hash), None).await.unwrap(),
            Verdict::Right
        );
        let almost = format!("{}q", "p".repeat(127));
        assert_eq!(
            hasher.verify(&typed(&almost), Some(&hash), None).await.unwrap(),
            Verdict::Wrong
        );
    }

    /// R12: a hash made with weaker parameters is replaced when its owner signs in.
    #[tokio::test]
    async fn a_weaker_hash_is_replaced_and_a_stronger_one_is_kept() {
        let (weak, strong) = (hasher(64, 1, 1), hasher(128, 1, 1));
        let hash = weak.hash("correct horse", None).await.unwrap();
        let Verdict::RightWithNewHash(better) =
            strong.verify(&typed("correct horse"), Some(&hash), None).await.unwrap()
        else {
            panic!("the weak hash was kept");
        };
        assert_eq!(
            strong
                .verify(&typed("correct horse"), Some(&better), None)
                .await
                .unwrap(),
            Verdict::Right
        );
        assert_eq!(
            weak.verify(&typed("correct horse"), Some(&better), None).await.unwrap(),
            Verdict::Right
        );
        assert_eq!(
            strong.verify(&typed("wrong horse"), Some(&hash), None).await.unwrap(),
            Verdict::Wrong
        );
    }

    /// Memory and passes each count: more of one does not make up for less of the other.
    #[test]
    fn a_hash_with_less_memory_or_fewer_passes_is_weaker() {
        let is_weaker_than_128_kib_in_two_passes = |memory_kib, passes| {
            let stored = decoy(&Params::new(memory_kib, passes, 1, None).unwrap());
            is_weaker(
                &PasswordHash::new(&stored).unwrap(),
                &Params::new(128, 2, 1, None).unwrap(),
            )
        };
        assert!(is_weaker_than_128_kib_in_two_passes(64, 2));
        assert!(is_weaker_than_128_kib_in_two_passes(64, 3));
        assert!(is_weaker_than_128_kib_in_two_passes(128, 1));
        assert!(is_weaker_than_128_kib_in_two_passes(256, 1));
        assert!(!is_weaker_than_128_kib_in_two_passes(128, 2));
        assert!(!is_weaker_than_128_kib_in_two_passes(256, 3));
    }

    /// R11: an unknown account costs a hash with the same parameters.
    #[tokio::test]
    async fn without_a_stored_hash_a_decoy_of_the_same_cost_is_computed() {
        let hasher = hasher(64, 1, 1);
        assert!(hasher.decoy.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert_eq!(
            hasher.verify(&typed("anything"), None, None).await.unwrap(),
            Verdict::Wrong
        );
        assert_eq!(hasher.metrics.password_hashes(), 1);
    }

    /// R11, F9: it takes a hash, as an unknown account does, and is no error.
    #[tokio::test]
    async fn a_stored_hash_of_another_kind_costs_a_hash_and_is_never_right() {
        let hasher = hasher(64, 1, 1);
        for (number, stored) in [
            "$2b$31$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
            "!",
            "",
            "*",
            "password",
            "$argon2id$v=19$m=64,t=1,p=1",
            "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
            "$argon2id$v=18$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg",
            "$argon2id$v=19$m=1,t=0,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg",
            "$argon2x$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg",
            "$pbkdf2-sha256$i=600000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg",
            "$6$rounds=5000$salt$hash",
        ]
        .into_iter()
        .enumerate()
        {
            let verdict = hasher.verify(&typed("password"), Some(stored), None).await.unwrap();
            assert_eq!(verdict, Verdict::Unverifiable, "{stored}");
            assert_eq!(hasher.metrics.password_hashes(), number as u64 + 1);
        }
    }

    /// F14: those who registered before passwords were prepared still sign in as they did then, and after that in any form.
    #[tokio::test]
    async fn a_hash_of_a_password_as_it_was_typed_is_right_and_is_replaced() {
        let hasher = hasher(64, 1, 1);
        let (decomposed, composed) = ("Zoe\u{308}-e\u{301}-123", "Zo\u{eb}-\u{e9}-123");
        let old = hasher.hash(decomposed, None).await.unwrap();
        let Verdict::RightWithNewHash(new) = hasher.verify(&typed(decomposed), Some(&old), None).await.unwrap() else {
            panic!("it was not replaced");
        };
        for form in [decomposed, composed] {
            assert_eq!(
                hasher.verify(&typed(form), Some(&new), None).await.unwrap(),
                Verdict::Right
            );
        }
        let other = typed("Zoe\u{308}-e\u{301}-124");
        assert_eq!(hasher.verify(&other, Some(&old), None).await.unwrap(), Verdict::Wrong);
        assert_eq!(hasher.verify(&other, None, None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn more_than_may_run_or_wait_are_refused() {
        let hasher = hasher(64, 1, 2);
        let turn = Arc::clone(&hasher.running).acquire_owned().await.unwrap();
        let hash = |client: u8| {
            let hasher = hasher.clone();
            let address = IpAddr::from([10, 0, 0, client]);
            tokio::spawn(async move { hasher.hash("password", Some(address)).await })
        };
        let admitted = [hash(1), hash(2), hash(3)];
        tokio::task::yield_now().await;
        assert!(matches!(hash(4).await.unwrap(), Err(AuthError::Busy)));
        drop(turn);
        for hash in admitted {
            hash.await.unwrap().unwrap();
        }
    }
}
