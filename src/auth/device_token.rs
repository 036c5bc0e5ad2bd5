//! Device tokens: what a browser that has signed in to an account keeps, so that nobody else's wrong guesses keep its owner
//! out (OWASP, Slow Down Online Guessing Attacks with Device Cookies).
//!
//! A token proves no more than that: guesses from the device are counted for it alone, and everybody else's are not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::Username;
use crate::config::{Secret, TokenConfig};

/// Separates the key of device tokens from those of the other tokens, which come from the same secret.
const KEY_PURPOSE: &[u8] = b"slipway device token v1";
/// Which device it is; random, so that devices do not share a count.
const ID_BYTES: usize = 16;
/// HMAC-SHA-256.
const MAC_BYTES: usize = 32;

/// A device from which an account was signed in to before, as its token has proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownDevice {
    /// Stands for the device in the name of its counter.
    pub(super) id: String,
}

/// Makes and verifies device tokens.
#[derive(Clone, Debug)]
pub(super) struct DeviceTokens {
    signing_key: hmac::Key,
    accepted_keys: Vec<hmac::Key>,
}

impl DeviceTokens {
    pub(super) fn new(config: &TokenConfig) -> Self {
        let current = config.secrets.first().map_or("", Secret::expose);
        Self {
            signing_key: key(current),
            accepted_keys: config.secrets.iter().map(|secret| key(secret.expose())).collect(),
        }
    }

    /// A token for a new device of that account; `None` when the system has no random numbers.
    pub(super) fn issue(&self, username: &Username) -> Option<String> {
        let mut token = [0; ID_BYTES + MAC_BYTES];
        SystemRandom::new().fill(&mut token[..ID_BYTES]).ok()?;
        let mac = hmac::sign(&self.signing_key, &signed(&token[..ID_BYTES], username));
        token[ID_BYTES..].copy_from_slice(mac.as_ref());
        Some(URL_SAFE_NO_PAD.encode(token))
    }

    /// The device that `token` stands for, if it is ours and was made for that account.
    pub(super) fn verify(&self, token: &str, username: &Username) -> Option<KnownDevice> {
        let token: [u8; ID_BYTES + MAC_BYTES] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
        let (id, mac) = token.split_at(ID_BYTES);
        let signed = signed(id, username);
        self.accepted_keys
            .iter()
            .find(|key| hmac::verify(key, &signed, mac).is_ok())?;
        Some(KnownDevice {
            id: URL_SAFE_NO_PAD.encode(id),
        })
    }
}

fn signed(id: &[u8], username: &Username) -> Vec<u8> {
    [id, username.key().as_bytes()].concat()
}

/// HMAC as a key derivation function (NIST SP 800-108, one block).
fn key(secret: &str) -> hmac::Key {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, KEY_PURPOSE).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(secrets: &[&str]) -> DeviceTokens {
        DeviceTokens::new(&TokenConfig {
            secrets: secrets.iter().copied().map(Secret::new).collect(),
            issuer: String::new(),
            audience: String::new(),
        })
    }

    fn name(text: &str) -> Username {
        Username::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_account_alone_and_after_the_secret_was_replaced() {
        let token = tokens(&["a"]).issue(&name("Ada")).unwrap();
        let device = tokens(&["b", "a"]).verify(&token, &name("ada"));
        assert!(device.is_some());
        assert_eq!(
            tokens(&["a"]).verify(&token, &name("ADA")),
            device,
            "the same one each time"
        );
        assert_eq!(tokens(&["a"]).verify(&token, &name("bob")), None);
        assert_eq!(tokens(&["b"]).verify(&token, &name("ada")), None);
        let other = tokens(&["a"]).issue(&name("ada")).unwrap();
        assert_ne!(tokens(&["a"]).verify(&other, &name("ada")), device);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let token = tokens(&["a"]).issue(&name("ada")).unwrap();
        for text in [
            "",
            "x",
            &token[1..],
            &format!("{token}A"),
            &token.replace(&token[..2], "__"),
        ] {
            assert_eq!(tokens(&["a"]).verify(text, &name("ada")), None, "{text}");
        }
    }
}
