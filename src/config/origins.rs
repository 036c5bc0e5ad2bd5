//! Which other origins may call the API from a browser.

use std::collections::BTreeSet;

use super::ConfigError;

/// An exact list of origins such as `https://app.example.com`; there is no wildcard (OWASP ASVS 3.4.2).
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// Reads a comma-separated list; an empty one allows no other origin.
    pub(super) fn parse(list: &str) -> Result<Self, ConfigError> {
        let origins = list.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let checked: Result<BTreeSet<_>, _> = origins.map(check).collect();
        checked.map(|origins| Self(origins.into_iter().collect()))
    }

    /// Each of them once, in letters, digits and `-._:[]/` alone.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `origin`, as a browser sends it, is on the list.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == origin)
    }
}

fn check(origin: &str) -> Result<String, ConfigError> {
    let host = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    // Browsers name a host in other letters by its Punycode (RFC 3492), and an address of IPv6 in brackets.
    let may_be_in_a_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    match host {
        Some(host) if !host.is_empty() && host.bytes().all(may_be_in_a_host) => Ok(origin.to_ascii_lowercase()),
        _ => Err(ConfigError(format!(
            "ALLOWED_ORIGINS has {origin:?}, which is not an origin: use scheme and host, such as \
             https://app.example.com, without a path, a wildcard or a trailing slash, and with other letters than ASCII's in \
             Punycode (https://xn--bcher-kva.example)"
        ))),
    }
}
