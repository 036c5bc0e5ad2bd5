//! Which other origins may call the API from a browser.

use std::collections::BTreeSet;

use super::ConfigError;

/// A list of origins such as `https://app.example.com`, and of patterns for the subdomains of one host; there is no wildcard
/// for all (OWASP ASVS 3.4.2).
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<AllowedOrigin>);

/// One entry of the list, in small letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AllowedOrigin {
    /// This one, in letters, digits and `-._:[]/` alone.
    Exactly(String),
    /// `https://`, one label, and this, such as `.preview.example.com`, in letters, digits and `-._:` alone.
    AnyLabelOf(String),
}

impl AllowedOrigins {
    /// Reads a comma-separated list; an empty one allows no other origin.
    pub(super) fn parse(list: &str) -> Result<Self, ConfigError> {
        let origins = list.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let checked: Result<BTreeSet<_>, _> = origins.map(AllowedOrigin::parse).collect();
        checked.map(|origins| Self(origins.into_iter().collect()))
    }

    /// Each of them once.
    pub fn iter(&self) -> impl Iterator<Item = &AllowedOrigin> {
        self.0.iter()
    }

    /// Whether `origin`, as a browser sends it, is on the list.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed.matches(origin))
    }
}

impl AllowedOrigin {
    fn parse(origin: &str) -> Result<Self, ConfigError> {
        let wrong = |why: &str| ConfigError(format!("ALLOWED_ORIGINS has {origin:?}, which {why}"));
        let lower = origin.to_ascii_lowercase();
        let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
        if let Some(suffix) = lower.strip_prefix("https://*") {
            // Not those of a whole top-level domain.
            let labels = suffix.split(':').next().unwrap_or_default().split('.').skip(1);
            let is_domain =
                suffix.starts_with('.') && labels.clone().count() >= 2 && labels.clone().all(|label| !label.is_empty());
            if is_domain
                && suffix
                    .bytes()
                    .all(|byte| may_be_in_a_host(byte) && !b"[]".contains(&byte))
            {
                return Ok(Self::AnyLabelOf(suffix.to_owned()));
            }
        }
        match host {
            Some(host) if !host.is_empty() && host.bytes().all(may_be_in_a_host) => Ok(Self::Exactly(lower)),
            Some(host) if host.contains('*') => Err(wrong(
                "is not a pattern of one kind: `*` stands for the first label of a host of https, with two labels behind it at \
                 least, such as https://*.preview.example.com",
            )),
            _ => Err(wrong(
                "is not an origin: use scheme and host, such as https://app.example.com, without a path, a wildcard or a trailing \
                 slash, and with other letters than ASCII's in Punycode (https://xn--bcher-kva.example)",
            )),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exactly(allowed) => allowed == origin,
            Self::AnyLabelOf(suffix) => {
                let label = origin
                    .strip_prefix("https://")
                    .and_then(|host| host.strip_suffix(suffix.as_str()));
                label.is_some_and(is_label)
            }
        }
    }
}

/// Browsers name a host in other letters by its Punycode (RFC 3492), and an address of IPv6 in brackets.
fn may_be_in_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)
}

/// One label as browsers send it: a dot would make it two.
fn is_label(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}
