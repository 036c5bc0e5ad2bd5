//! Refresh tokens: a session's id and generation, a secret of the session, and an HMAC over all of it.
//!
//! The session's row holds a random key and the hash of the secret, and its tokens hold the secret: to make one takes both,
//! so neither a copy of the database (R5) nor the server's own secrets sign anybody in, and replacing those signs nobody out.
//! Whoever brings a token of any generation brings what its successors are made of, so that a retry of a refresh whose answer
//! was lost gets the same successor again (R2).
//!
//! Sessions that were begun before there was such a key have tokens of the server's secret until they end.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use uuid::Uuid;

use super::mac_token::MacTokens;
use crate::config::TokenConfig;
use crate::store::session::{self, RefreshVerifier};

/// Of tokens that were made with the server's secret.
const PURPOSE: &[u8] = b"slipway refresh token v1";
const ID_BYTES: usize = 16;
/// The session's id and its generation.
const BODY_BYTES: usize = ID_BYTES + 8;
/// 128 bits (OWASP ASVS 7.2.3).
const SECRET_BYTES: usize = 16;
/// HMAC-SHA-256.
const MAC_BYTES: usize = 32;
const TOKEN_BYTES: usize = BODY_BYTES + SECRET_BYTES + MAC_BYTES;

/// Makes and verifies refresh tokens.
#[derive(Clone, Debug)]
pub(super) struct RefreshTokens {
    of_server: MacTokens<BODY_BYTES>,
}

/// A token as somebody brought it. Whether it is ours is known together with the session that it names.
#[derive(Debug)]
pub(super) struct Presented {
    body: Body,
    proof: Proof,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Body {
    session: Uuid,
    generation: i64,
}

enum Proof {
    Keyed {
        secret: SessionSecret,
        mac: [u8; MAC_BYTES],
    },
    /// Of the server's secret, which was verified.
    OfServer,
}

/// What the tokens of a session have in common; nobody but their holder has it.
#[derive(Clone, Copy)]
pub(super) struct SessionSecret([u8; SECRET_BYTES]);

/// A token that is ours: of which generation, and what the next ones are made of.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) generation: i64,
    secret: Option<SessionSecret>,
}

impl RefreshTokens {
    pub(super) fn new(config: &TokenConfig) -> Self {
        Self {
            of_server: MacTokens::new(config, PURPOSE),
        }
    }

    /// What a new session needs: the secret for its tokens, and what its row keeps. `None` when the system has no random
    /// numbers.
    pub(super) fn for_new_session() -> Option<(SessionSecret, RefreshVerifier)> {
        let random = SystemRandom::new();
        let (mut key, mut secret) = ([0; RefreshVerifier::KEY_BYTES], [0; SECRET_BYTES]);
        random.fill(&mut key).ok()?;
        random.fill(&mut secret).ok()?;
        let secret = SessionSecret(secret);
        Some((secret, RefreshVerifier::new(key, secret.hash())))
    }

    /// The first token of a session that was begun with `secret`.
    pub(super) fn first(&self, session: &session::Model, secret: SessionSecret) -> String {
        self.token(session, Some(secret))
    }

    /// The token of the present generation of a session whose token `verified` is; the same each time.
    pub(super) fn current(&self, session: &session::Model, verified: &Verified) -> String {
        self.token(session, verified.secret)
    }

    fn token(&self, session: &session::Model, secret: Option<SessionSecret>) -> String {
        let body = Body {
            session: session.id,
            generation: session.generation,
        };
        match (secret, &session.refresh_verifier) {
            (Some(secret), Some(verifier)) => {
                let mac = hmac::sign(&secret.key(verifier), &body.bytes());
                URL_SAFE_NO_PAD.encode([&body.bytes()[..], &secret.0, mac.as_ref()].concat())
            }
            _ => self.of_server.issue(body.bytes(), &[]),
        }
    }

    /// What `token` says, if it has the form of one.
    pub(super) fn parse(&self, token: &str) -> Option<Presented> {
        if let Some(body) = self.of_server.verify(token, &[]) {
            return Some(Presented {
                body: Body::of(body),
                proof: Proof::OfServer,
            });
        }
        let token: [u8; TOKEN_BYTES] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
        let (body, rest) = token.split_first_chunk::<BODY_BYTES>()?;
        let (secret, mac) = rest.split_first_chunk::<SECRET_BYTES>()?;
        Some(Presented {
            body: Body::of(*body),
            proof: Proof::Keyed {
                secret: SessionSecret(*secret),
                mac: mac.try_into().ok()?,
            },
        })
    }
}

impl Presented {
    /// The session that it names.
    pub(super) fn session_id(&self) -> Uuid {
        self.body.session
    }

    /// Whether it is a token of `session`, of whichever generation.
    pub(super) fn verify(&self, session: &session::Model) -> Option<Verified> {
        let secret = match (&self.proof, &session.refresh_verifier) {
            (Proof::Keyed { secret, mac }, Some(verifier)) => {
                // Without the first, whoever reads the row could choose a secret.
                let is_ours = secret.hash() == verifier.secret_hash()
                    && hmac::verify(&secret.key(verifier), &self.body.bytes(), mac).is_ok();
                Some(is_ours.then_some(*secret)?)
            }
            (Proof::OfServer, None) => None,
            _ => return None,
        };
        (self.body.session == session.id).then_some(Verified {
            generation: self.body.generation,
            secret,
        })
    }
}

impl SessionSecret {
    fn hash(self) -> [u8; RefreshVerifier::HASH_BYTES] {
        let mut hash = [0; RefreshVerifier::HASH_BYTES];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        hash
    }

    /// HMAC as a key derivation function (NIST SP 800-108, one block).
    fn key(self, verifier: &RefreshVerifier) -> hmac::Key {
        let key = hmac::Key::new(hmac::HMAC_SHA256, verifier.key());
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, &self.0).as_ref())
    }
}

impl Body {
    fn of(bytes: [u8; BODY_BYTES]) -> Self {
        let (mut id, mut generation) = ([0; ID_BYTES], [0; BODY_BYTES - ID_BYTES]);
        id.copy_from_slice(&bytes[..ID_BYTES]);
        generation.copy_from_slice(&bytes[ID_BYTES..]);
        Self {
            session: Uuid::from_bytes(id),
            generation: i64::from_be_bytes(generation),
        }
    }

    fn bytes(self) -> [u8; BODY_BYTES] {
        let mut bytes = [0; BODY_BYTES];
        bytes[..ID_BYTES].copy_from_slice(self.session.as_bytes());
        bytes[ID_BYTES..].copy_from_slice(&self.generation.to_be_bytes());
        bytes
    }
}

impl std::fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn tokens(secrets: &[&str]) -> RefreshTokens {
        RefreshTokens::new(&TokenConfig::for_tests(secrets))
    }

    fn session(generation: i64, refresh_verifier: Option<RefreshVerifier>) -> session::Model {
        let now = DateTime::UNIX_EPOCH;
        session::Model {
            id: Uuid::now_v7(),
            user_id: Uuid::now_v7(),
            generation,
            rotated_at: now,
            grace_generation: 0,
            grace_until: now,
            created_at: now,
            expires_at: now,
            absolute_expires_at: now,
            revoked_at: None,
            user_agent: String::new(),
            ip: String::new(),
            refresh_verifier,
        }
    }

    /// A new session at that generation, and the secret of its tokens.
    fn keyed(generation: i64) -> (session::Model, SessionSecret) {
        let (secret, verifier) = RefreshTokens::for_new_session().unwrap();
        (session(generation, Some(verifier)), secret)
    }

    fn verify(tokens: &RefreshTokens, token: &str, session: &session::Model) -> Option<Verified> {
        tokens.parse(token)?.verify(session)
    }

    /// R2: whoever brings a token of any generation gets the current one, the same each time.
    #[test]
    fn the_current_token_can_be_made_again_from_an_earlier_one() {
        let tokens = tokens(&["a"]);
        let (mut session, secret) = keyed(7);
        let earlier = tokens.first(&session, secret);
        session.generation = 9;
        let verified = verify(&tokens, &earlier, &session).unwrap();
        assert_eq!(verified.generation, 7);
        let current = tokens.current(&session, &verified);
        assert_eq!(current, tokens.current(&session, &verified));
        assert_eq!(verify(&tokens, &current, &session).unwrap().generation, 9);
        assert_ne!(current, earlier);
    }

    /// Security finding H14: the server's secrets neither forge a token nor are they needed for one.
    #[test]
    fn a_session_with_a_key_knows_its_tokens_whatever_the_servers_secret_is_and_no_others() {
        let (session, secret) = keyed(3);
        let token = tokens(&["a"]).first(&session, secret);
        assert_eq!(verify(&tokens(&["b"]), &token, &session).unwrap().generation, 3);
        let body = Body {
            session: session.id,
            generation: 3,
        };
        let forged = tokens(&["a"]).of_server.issue(body.bytes(), &[]);
        assert!(verify(&tokens(&["a"]), &forged, &session).is_none());
    }

    /// R5: what the row holds makes no token.
    #[test]
    fn whoever_has_read_the_row_can_choose_no_secret() {
        let (session, _) = keyed(3);
        let chosen = SessionSecret([7; SECRET_BYTES]);
        let forged = tokens(&["a"]).first(&session, chosen);
        assert!(verify(&tokens(&["a"]), &forged, &session).is_none());
    }

    /// From before there were keys.
    #[test]
    fn a_session_without_a_key_has_tokens_of_the_servers_secret_or_the_previous_one() {
        let session = session(3, None);
        let verified = |generation| Verified {
            generation,
            secret: None,
        };
        let token = tokens(&["old"]).current(&session, &verified(2));
        let found = verify(&tokens(&["new", "old"]), &token, &session).unwrap();
        assert_eq!((found.generation, found.secret.is_none()), (3, true));
        assert!(verify(&tokens(&["new"]), &token, &session).is_none());
        let (keyed, secret) = keyed(3);
        let other = tokens(&["old"]).first(&keyed, secret);
        assert!(verify(&tokens(&["old"]), &other, &session).is_none());
    }

    proptest! {
        /// R5: nothing but an unchanged token of ours is accepted.
        #[test]
        fn a_token_with_any_bit_flipped_is_refused(generation: i64, bit in 0..TOKEN_BYTES * 8) {
            let tokens = tokens(&["a"]);
            let (session, secret) = keyed(generation);
            let token = tokens.first(&session, secret);
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify(&tokens, &URL_SAFE_NO_PAD.encode(bytes), &session).is_none());
            prop_assert!(verify(&tokens, &token, &session).is_some());
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in ".{0,120}") {
            let (session, _) = keyed(0);
            prop_assert!(verify(&tokens(&["a"]), &text, &session).is_none());
        }
    }
}
