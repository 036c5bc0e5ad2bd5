//! Tokens that the server alone can make: a body of so many bytes with an HMAC-SHA-256 over it, in URL-safe text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::config::{TokenConfig, TokenSecret};

/// Makes and verifies tokens of one purpose, whose body has `BODY` bytes. Those made with a secret that was replaced are
/// accepted while the configuration names it.
#[derive(Clone, Debug)]
pub(super) struct MacTokens<const BODY: usize> {
    signing_key: hmac::Key,
    accepted_keys: Vec<hmac::Key>,
}

impl<const BODY: usize> MacTokens<BODY> {
    /// `purpose` separates the key from those of other tokens, which come from the same secret.
    pub(super) fn new(config: &TokenConfig, purpose: &[u8]) -> Self {
        let key = |secret: &TokenSecret| key(secret.expose(), purpose);
        Self {
            signing_key: key(&config.signing),
            accepted_keys: config.accepted().map(key).collect(),
        }
    }

    /// The token with this body, which is good together with `context` alone; the same each time.
    pub(super) fn issue(&self, body: [u8; BODY], context: &[u8]) -> String {
        let mac = hmac::sign(&self.signing_key, &[&body, context].concat());
        URL_SAFE_NO_PAD.encode([&body, mac.as_ref()].concat())
    }

    /// The body of `token`, if it is ours and of this context.
    pub(super) fn verify(&self, token: &str, context: &[u8]) -> Option<[u8; BODY]> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (body, mac) = token.split_first_chunk::<BODY>()?;
        let signed = [body, context].concat();
        let is_ours = |key| hmac::verify(key, &signed, mac).is_ok();
        self.accepted_keys.iter().any(is_ours).then_some(*body)
    }
}

/// HMAC as a key derivation function (NIST SP 800-108, one block).
fn key(secret: &str, purpose: &[u8]) -> hmac::Key {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, purpose).as_ref())
}
