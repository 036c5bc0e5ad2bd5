//! Refresh tokens: a session's id and generation with an HMAC over both.
//!
//! The token is derived and never stored. A retry of a refresh whose answer was lost gets the same successor again,
//! and the database holds nothing that signs anyone in (R5). The HMAC has 256 bits under a key that only the server
//! can derive, so a token cannot be guessed or forged even by somebody who knows the session's id.

use uuid::Uuid;

use super::mac_token::MacTokens;
use crate::config::TokenConfig;

const PURPOSE: &[u8] = b"slipway refresh token v1";
const ID_BYTES: usize = 16;
/// The session's id and its generation.
const BODY_BYTES: usize = ID_BYTES + 8;

/// Derives and verifies refresh tokens.
#[derive(Clone, Debug)]
pub(super) struct RefreshTokens(MacTokens<BODY_BYTES>);

impl RefreshTokens {
    pub(super) fn new(config: &TokenConfig) -> Self {
        Self(MacTokens::new(config, PURPOSE))
    }

    /// The token of that generation of that session; the same each time.
    pub(super) fn issue(&self, session_id: Uuid, generation: i64) -> String {
        let mut body = [0; BODY_BYTES];
        body[..ID_BYTES].copy_from_slice(session_id.as_bytes());
        body[ID_BYTES..].copy_from_slice(&generation.to_be_bytes());
        self.0.issue(body, &[])
    }

    /// The session and generation that `token` stands for, if it is ours.
    pub(super) fn verify(&self, token: &str) -> Option<(Uuid, i64)> {
        let body = self.0.verify(token, &[])?;
        let (id, generation) = body.split_at(ID_BYTES);
        Some((
            Uuid::from_slice(id).ok()?,
            i64::from_be_bytes(generation.try_into().ok()?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;
    use crate::config::Secret;

    /// HMAC-SHA-256.
    const MAC_BYTES: usize = 32;

    fn tokens(secrets: &[&str]) -> RefreshTokens {
        RefreshTokens::new(&TokenConfig {
            secrets: secrets.iter().copied().map(Secret::new).collect(),
            issuer: String::new(),
            audience: String::new(),
        })
    }

    /// R2: the successor can be derived again for a retry.
    #[test]
    fn the_same_session_and_generation_give_the_same_token() {
        let (tokens, id) = (tokens(&["a"]), Uuid::now_v7());
        assert_eq!(tokens.issue(id, 7), tokens.issue(id, 7));
        assert_ne!(tokens.issue(id, 7), tokens.issue(id, 8));
    }

    #[test]
    fn a_token_of_the_previous_secret_is_accepted() {
        let id = Uuid::now_v7();
        assert_eq!(
            tokens(&["new", "old"]).verify(&tokens(&["old"]).issue(id, 3)),
            Some((id, 3))
        );
        assert_eq!(tokens(&["new"]).verify(&tokens(&["old"]).issue(id, 3)), None);
    }

    proptest! {
        /// R5: nothing but an unchanged token of ours is accepted.
        #[test]
        fn a_token_with_any_bit_flipped_is_refused(generation: i64, bit in 0..(BODY_BYTES + MAC_BYTES) * 8) {
            let tokens = tokens(&["a"]);
            let token = tokens.issue(Uuid::now_v7(), generation);
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(tokens.verify(&URL_SAFE_NO_PAD.encode(bytes)), None);
            prop_assert!(tokens.verify(&token).is_some());
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in ".{0,120}") {
            prop_assert_eq!(tokens(&["a"]).verify(&text), None);
        }
    }
}
