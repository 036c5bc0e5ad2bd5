//! Which headers pages of other origins may send and read: one list for the server and for nginx in front of it.

use super::ConfigError;

/// Request headers that pages may set: our own, those of conditional requests, and what error reporting, tracing and HTTP
/// libraries add to every request. None of them does anything that the page could not do without it.
const ALLOWED: &[&str] = &[
    "Authorization",
    "Content-Type",
    "X-Request-Id",
    // RFC 9110, section 13.1; RFC 9111, section 5.
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Cache-Control",
    "Pragma",
    // draft-ietf-httpapi-idempotency-key-header
    "Idempotency-Key",
    // axios and jQuery as many set them up.
    "X-Requested-With",
    // W3C Trace Context and Baggage (OpenTelemetry), and Sentry's own.
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
];

/// Response headers that pages may read, besides those that they always may (Fetch standard, section 2.2.6).
const EXPOSED: &[&str] = &[
    "Link",
    "Location",
    "ETag",
    "Date",
    "Allow",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "WWW-Authenticate",
    "X-Request-Id",
];

/// The two lists, each as the value of a header.
#[derive(Clone, Debug, Default)]
pub struct CorsHeaders {
    /// `Access-Control-Allow-Headers`.
    pub allowed: String,
    /// `Access-Control-Expose-Headers`, in letters, digits, `-`, `, ` and what else a name may have, without quotes.
    pub exposed: String,
}

impl CorsHeaders {
    /// The lists with what the settings add to them.
    pub(super) fn with(allowed: &str, exposed: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            allowed: join(ALLOWED, "ALLOWED_HEADERS", allowed)?,
            exposed: join(EXPOSED, "EXPOSED_HEADERS", exposed)?,
        })
    }
}

fn join(known: &[&str], setting: &str, further: &str) -> Result<String, ConfigError> {
    let mut names = known.to_vec();
    for name in further.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if name == "*" {
            return Err(ConfigError(format!(
                "{setting}=*: browsers take `*` for a header of that name where cookies are sent (Fetch standard); name each header"
            )));
        }
        // What of a token (RFC 9110, section 5.6.2) needs no quotes in nginx' configuration.
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        {
            return Err(ConfigError(format!(
                "{setting} has {name:?}, which is not the name of a header: use letters, digits and `-`, and commas in between"
            )));
        }
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name);
        }
    }
    Ok(names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_adds_to_the_list_and_repeats_nothing() {
        let headers = CorsHeaders::with("X-Tenant, authorization,", " Server-Timing").unwrap();
        assert!(
            headers.allowed.ends_with("sentry-trace, X-Tenant"),
            "{}",
            headers.allowed
        );
        assert!(
            headers.exposed.ends_with("X-Request-Id, Server-Timing"),
            "{}",
            headers.exposed
        );
    }

    #[test]
    fn what_is_no_name_of_a_header_is_refused_by_name() {
        for wrong in ["*", "X-Tenant: 1", "a b", "a\";", "ä"] {
            for (allowed, exposed, setting) in [(wrong, "", "ALLOWED_HEADERS"), ("", wrong, "EXPOSED_HEADERS")] {
                let ConfigError(message) = CorsHeaders::with(allowed, exposed).unwrap_err();
                assert!(message.starts_with(setting), "{message}");
            }
        }
    }
}
