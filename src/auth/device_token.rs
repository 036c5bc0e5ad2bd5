//! Device tokens: what a browser that has signed in to an account keeps, so that nobody else's wrong guesses keep its owner
//! out (OWASP, Slow Down Online Guessing Attacks with Device Cookies).
//!
//! A token proves no more than that: guesses from the device are counted for it alone, and everybody else's are not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

use super::mac_token::MacTokens;
use crate::config::TokenConfig;

const PURPOSE: &[u8] = b"slipway device token v1";
/// Which device it is; random, so that devices do not share a count.
const ID_BYTES: usize = 16;

/// A device from which an account was signed in to before, as its token has proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownDevice {
    /// Stands for the device in the name of its counter.
    pub(super) id: String,
}

/// Makes and verifies device tokens.
#[derive(Clone, Debug)]
pub(super) struct DeviceTokens(MacTokens<ID_BYTES>);

impl DeviceTokens {
    pub(super) fn new(config: &TokenConfig) -> Self {
        Self(MacTokens::new(config, PURPOSE))
    }

    /// A token for a new device of that account; `None` when the system has no random numbers.
    pub(super) fn issue(&self, username_key: &str) -> Option<String> {
        let mut id = [0; ID_BYTES];
        SystemRandom::new().fill(&mut id).ok()?;
        Some(self.0.issue(id, username_key.as_bytes()))
    }

    /// The device that `token` stands for, if it is ours and was made for that account.
    pub(super) fn verify(&self, token: &str, username_key: &str) -> Option<KnownDevice> {
        let id = self.0.verify(token, username_key.as_bytes())?;
        Some(KnownDevice {
            id: URL_SAFE_NO_PAD.encode(id),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(secrets: &[&str]) -> DeviceTokens {
        DeviceTokens::new(&TokenConfig::for_tests(secrets))
    }

    #[test]
    fn a_token_is_good_for_its_account_alone_and_after_the_secret_was_replaced() {
        let token = tokens(&["a"]).issue("ada").unwrap();
        let device = tokens(&["b", "a"]).verify(&token, "ada");
        assert!(device.is_some());
        assert_eq!(tokens(&["a"]).verify(&token, "ada"), device, "the same one each time");
        assert_eq!(tokens(&["a"]).verify(&token, "bob"), None);
        assert_eq!(tokens(&["b"]).verify(&token, "ada"), None);
        let other = tokens(&["a"]).issue("ada").unwrap();
        assert_ne!(tokens(&["a"]).verify(&other, "ada"), device);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let token = tokens(&["a"]).issue("ada").unwrap();
        for text in [
            "",
            "x",
            &token[1..],
            &format!("{token}A"),
            &token.replace(&token[..2], "__"),
        ] {
            assert_eq!(tokens(&["a"]).verify(text, "ada"), None, "{text}");
        }
    }
}
