//! What PostgreSQL stores instead of a password (SCRAM-SHA-256: RFC 5802, section 3, and RFC 7677).
//!
//! Made here, so that the password itself is never told to PostgreSQL and cannot come into its logs; and the same text,
//! kept in a file, tells whether the password has changed since, without revealing more than the database does.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};
use ring::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use ring::rand::{SecureRandom, SystemRandom};

use crate::settings::Password;

/// PostgreSQL's default, and the least that RFC 7677 allows. More would only help a password that can be guessed.
const ITERATIONS: u32 = 4096;
/// What PostgreSQL uses.
const SALT_BYTES: usize = 16;

/// `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY`, as in `pg_authid.rolpassword`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Verifier(String);

impl Verifier {
    /// A verifier of `password` with a new salt; `None` when the system has no random numbers.
    pub(crate) fn new(password: &Password) -> Option<Self> {
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).ok()?;
        Some(Self::with(password, NonZeroU32::new(ITERATIONS)?, &salt))
    }

    /// A verifier that was written to a file.
    pub(crate) fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// What to write to a file or to hand to `ALTER ROLE`. Holds no quote and no line break when [`Self::new`] made it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the verifier of `password`; no when it is not a verifier at all.
    pub(crate) fn is_of(&self, password: &Password) -> bool {
        self.parameters()
            .is_some_and(|(iterations, salt)| *self == Self::with(password, iterations, &salt))
    }

    fn parameters(&self) -> Option<(NonZeroU32, Vec<u8>)> {
        let (iterations, salt) = self.0.split('$').nth(1)?.split_once(':')?;
        Some((iterations.parse().ok()?, STANDARD.decode(salt).ok()?))
    }

    fn with(password: &Password, iterations: NonZeroU32, salt: &[u8]) -> Self {
        let mut salted = [0; SHA256_OUTPUT_LEN];
        derive(
            PBKDF2_HMAC_SHA256,
            iterations,
            salt,
            password.expose().as_bytes(),
            &mut salted,
        );
        let salted = Key::new(HMAC_SHA256, &salted);
        let stored_key = digest(&SHA256, sign(&salted, b"Client Key").as_ref());
        let server_key = sign(&salted, b"Server Key");
        let [salt, stored_key, server_key] =
            [salt, stored_key.as_ref(), server_key.as_ref()].map(|bytes| STANDARD.encode(bytes));
        Self(format!("SCRAM-SHA-256${iterations}:{salt}${stored_key}:{server_key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_that_of_rfc_7677() {
        // Password and salt of the example in section 3; the keys by another implementation (Python's hashlib).
        let expected = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
            WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert!(Verifier::from_text(expected).is_of(&Password::new("pencil")));
        assert!(!Verifier::from_text(expected).is_of(&Password::new("Pencil")));
    }

    #[test]
    fn each_verifier_has_a_salt_of_its_own() {
        let password = Password::new("pencil");
        let (one, other) = (Verifier::new(&password).unwrap(), Verifier::new(&password).unwrap());
        assert!(one != other && one.is_of(&password) && other.is_of(&password));
    }

    #[test]
    fn what_is_no_verifier_is_nobodys() {
        for text in ["", "SCRAM-SHA-256", "a$0:AAAA$b:c", "a$x:y$b:c", "a$1:!$b:c"] {
            assert!(!Verifier::from_text(text).is_of(&Password::new("pencil")), "{text}");
        }
    }
}
