//! Settings with which a production server does not start unless somebody says that he knows what they cost.

use std::collections::HashSet;

use clap::ValueEnum;

use super::{AllowedOrigin, AllowedOrigins, Options, RateLimitConfig, TokenSecret};

/// OWASP's least parameters of Argon2id, each as KiB of memory and passes (Password Storage Cheat Sheet); more of either is
/// as good.
const OWASP_MINIMUM: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// Fewer different characters than any 32 that were drawn at random have, be they hexadecimal digits.
const MIN_DIFFERENT_CHARACTERS: usize = 10;

/// What can be accepted, by its name in ACCEPT_RISKS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Risk {
    /// Password hashes below OWASP's minimum: whoever steals the database tries so many more passwords.
    WeakHashes,
    /// No limit on attempts: passwords can be guessed as fast as they can be hashed.
    NoLimits,
    /// Pages of `http://` may call the API: whoever is on the network between can change such a page.
    PlainOrigins,
    /// Everybody's X-Forwarded-For is believed: clients choose the address that limits and logs see.
    AnyProxy,
    /// A secret of tokens that is made of few characters, or of a word over and over: whoever guesses it, from one token of
    /// his own and without asking the server, signs tokens for every account.
    WeakSecret,
}

/// What is wrong for production with these settings, and not accepted.
pub(super) fn not_accepted(
    options: &Options,
    origins: &AllowedOrigins,
    proxies: &[ipnet::IpNet],
    limits: RateLimitConfig,
) -> Vec<String> {
    let memory = options.argon2_memory_kib;
    let passes = options.argon2_iterations;
    let is_owasp = |(least_memory, least_passes)| memory >= least_memory && passes >= least_passes;
    let plain = origins.iter().find_map(|origin| match origin {
        AllowedOrigin::Exactly(origin) => Some(origin).filter(|origin| origin.starts_with("http://")),
        AllowedOrigin::AnyLabelOf(_) => None,
    });
    let everybody = proxies.iter().find(|network| network.prefix_len() == 0);
    let secrets = [
        ("JWT_SECRET", &options.jwt_secret),
        ("JWT_SECRET_PREVIOUS", &options.jwt_secret_previous),
        ("METRICS_TOKEN", &options.metrics_token),
    ];
    // One that no token can be signed with is refused as such, with or without the risk.
    let is_weak = |setting, secret| TokenSecret::check(setting, secret).is_ok() && is_repetitive(secret);
    let weak = secrets
        .into_iter()
        .find(|(setting, secret)| secret.as_deref().is_some_and(|secret| is_weak(setting, secret)));
    let risks = [
        (!OWASP_MINIMUM.into_iter().any(is_owasp)).then(|| {
            let what = format!("ARGON2_MEMORY_KIB={memory} and ARGON2_ITERATIONS={passes} are below OWASP's minimum");
            (Risk::WeakHashes, what, "use 19456 and 2, or more")
        }),
        (limits.per_address == 0 || limits.per_account == 0).then(|| {
            let what = "RATE_LIMIT_PER_ADDRESS=0 or RATE_LIMIT_PER_ACCOUNT=0 lets passwords be guessed".to_owned();
            (Risk::NoLimits, what, "set both")
        }),
        plain.map(|origin| {
            let what = format!("ALLOWED_ORIGINS has {origin}, whose pages anybody on the network can change");
            (Risk::PlainOrigins, what, "use https")
        }),
        everybody.map(|network| {
            let what = format!("TRUSTED_PROXIES has {network}, so that clients choose their own address");
            (Risk::AnyProxy, what, "name the networks of your proxies")
        }),
        weak.map(|(setting, _)| {
            let what = format!("{setting} is made of few characters or of a word over and over");
            (Risk::WeakSecret, what, "make one with: openssl rand -base64 48")
        }),
    ];
    let not_accepted = risks
        .into_iter()
        .flatten()
        .filter(|(risk, ..)| !options.accept_risks.contains(risk));
    not_accepted
        .map(|(risk, what, fix)| {
            let name = risk.to_possible_value().map(|value| value.get_name().to_owned());
            format!("{what} ({fix}, or set ACCEPT_RISKS={})", name.unwrap_or_default())
        })
        .collect()
}

/// Whether it is made of few characters, or of a word over and over.
fn is_repetitive(secret: &str) -> bool {
    let bytes = secret.trim().as_bytes();
    let different: HashSet<_> = bytes.iter().collect();
    let is_period = |length: usize| bytes.iter().zip(&bytes[length..]).all(|(one, next)| one == next);
    different.len() < MIN_DIFFERENT_CHARACTERS || (1..=bytes.len() * 2 / 3).any(is_period)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Security finding H3.
    #[test]
    fn a_word_over_and_over_is_a_weak_secret() {
        for weak in [
            "passwordpasswordpasswordpassword",
            "passwordpasswordpasswordpasswordpass",
            "correct horse battery correct horse battery ",
            "01010101010101010101010101010101101",
            " k8Zqk8Zqk8Zqk8Zqk8Zqk8Zqk8Zqk8Zq\n",
        ] {
            assert!(is_repetitive(weak), "{weak}");
        }
        for fine in [
            "8f14e45fceea167a5a36dedd4bea2543",
            "FZ1qEV4VFdwIR3Vi2QsrxkQpzAJ2IOsHn4Kyqx3Yg2qzWgQ0DgYQf9r0b2nYpQhX",
            "many different words in a long sentence",
        ] {
            assert!(!is_repetitive(fine), "{fine}");
        }
    }
}
