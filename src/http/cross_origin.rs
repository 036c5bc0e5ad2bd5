//! What pages of other origins may do: CORS for those that are allowed, and no change of state for the rest.

use poem::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HOST, ORIGIN, VARY,
};
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::config::AllowedOrigins;
use crate::problem::Problem;

/// Request headers that pages may set.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type, X-Request-Id");
/// Response headers that pages may read.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("X-Request-Id, Retry-After, RateLimit, RateLimit-Policy");
/// Seconds for which a browser need not ask again; Chromium caps it at two hours.
const PREFLIGHT_LIFETIME: HeaderValue = HeaderValue::from_static("7200");

/// Where a request comes from, as the browser says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// No browser, an older one that sends nothing for this request, or a page that this server served.
    Own,
    /// A page whose origin is on the list, as it names itself.
    Allowed(HeaderValue),
    /// Any other page.
    Foreign,
}

/// Reads the origin from the headers that only a browser sets and that pages cannot forge (OWASP ASVS 3.5.1).
pub(super) fn origin_of(headers: &HeaderMap, allowed: &AllowedOrigins) -> Origin {
    // What is no text is no origin of ours.
    let text = |value| HeaderValue::to_str(value).unwrap_or("?");
    if let Some(value) = headers.get(ORIGIN) {
        // TLS may have ended at a proxy, so the scheme that the browser used is not known here, only the host is.
        let authority = text(value).split_once("://").map(|(_, authority)| authority);
        return if allowed.contains(text(value)) {
            Origin::Allowed(value.clone())
        } else if authority.is_some() && authority == headers.get(HOST).map(text) {
            Origin::Own
        } else {
            Origin::Foreign
        };
    }
    match headers.get("sec-fetch-site").map(text) {
        None | Some("same-origin" | "none") => Origin::Own,
        Some(_) => Origin::Foreign,
    }
}

/// Refuses to change state for a page of a foreign origin, which would act with the user's cookie (R7).
///
/// # Errors
/// 403 `cross_origin_request`.
pub(super) fn refuse_foreign_changes(origin: &Origin, method: &Method) -> Result<(), Problem> {
    if *origin != Origin::Foreign || method.is_safe() {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "cross_origin_request",
        "This origin may not call the API from a browser. Its operator can add it to ALLOWED_ORIGINS.",
    ))
}

/// Whether a request asks for permission to send another one.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Adds what lets the browser hand the response to a page of an allowed origin (R8): its exact origin, never `*`, and
/// `Vary` so that no cache serves one origin's permission to another.
/// `methods` are those that a preflight is told.
pub(super) fn permit(origin: Origin, methods: Option<&str>, response: &mut HeaderMap) {
    response.append(VARY, HeaderValue::from_static("Origin"));
    let Origin::Allowed(name) = origin else {
        return;
    };
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, name);
    response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    match methods {
        Some(methods) => {
            if let Ok(methods) = HeaderValue::from_str(methods) {
                response.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            response.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
            response.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFETIME);
        }
        None => {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
    }
}
