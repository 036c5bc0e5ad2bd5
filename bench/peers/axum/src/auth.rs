//! Tokens and password hashes.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use chrono::{TimeDelta, Utc};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;

/// How long an access token is valid, as in the server that is compared.
pub(crate) const ACCESS_TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// How long a session is.
pub(crate) const SESSION_LIFETIME: TimeDelta = TimeDelta::days(14);

/// Proves who makes a request.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccessClaims {
    pub(crate) uid: Uuid,
    pub(crate) sid: Uuid,
    pub(crate) exp: i64,
}

/// Proves the right to the next pair of tokens.
#[derive(Serialize, Deserialize)]
pub(crate) struct RefreshClaims {
    pub(crate) sid: Uuid,
    pub(crate) generation: i64,
    pub(crate) exp: i64,
}

/// Signs and verifies tokens (HS256).
#[derive(Clone)]
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Tokens {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        }
    }

    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, Error> {
        encode(&Header::default(), claims, &self.encoding).map_err(|error| Error::Internal(error.to_string()))
    }

    pub(crate) fn verify<C: DeserializeOwned>(&self, token: &str) -> Result<C, Error> {
        let verified = decode::<C>(token, &self.decoding, &Validation::default());
        Ok(verified.map_err(|_| Error::Unauthorized)?.claims)
    }
}

/// The Unix time at which a token of this moment ends.
pub(crate) fn expiry(lifetime: TimeDelta) -> i64 {
    (Utc::now() + lifetime).timestamp()
}

/// A PHC string; the library's parameters are those of the server that is compared (19 MiB, 2 passes, 1 lane).
pub(crate) async fn hash(password: String) -> Result<String, Error> {
    blocking(move || {
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
    })
    .await
}

/// Whether it is the password of that hash.
pub(crate) async fn is_right(password: String, stored: String) -> Result<bool, Error> {
    blocking(move || {
        let stored = PasswordHash::new(&stored)?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    let result = done.map_err(|error| Error::Internal(error.to_string()))?;
    result.map_err(|error| Error::Internal(error.to_string()))
}
