//! What pages of other origins may do: CORS for those that are allowed, and no change of state for the rest.

use poem::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, SET_COOKIE, VARY,
};
use poem::http::uri::Scheme;
use poem::http::{HeaderMap, HeaderValue, Method};

use super::host::Host;
use crate::config::{AllowedOrigins, CorsHeaders};
use crate::problem::{Code, Problem};

/// Seconds for which a browser need not ask again; Chromium caps it at two hours.
const PREFLIGHT_LIFETIME: &str = "7200";
/// Fetch Metadata; the browser sets it, over TLS and to localhost only.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

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

/// Where a request was sent to, as far as that is known here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target<'a> {
    pub(super) host: Option<&'a Host>,
    pub(super) scheme: Option<&'a Scheme>,
}

impl Target<'_> {
    /// Whether a page of `origin` was served from here. Where the scheme is not known, either is taken: without
    /// `X-Forwarded-Proto` a page that was sent in plain text passes for the same page over TLS, with those browsers only
    /// that send no `Sec-Fetch-Site` (Safari before 16.4).
    fn is_origin(self, origin: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        let is_scheme = match self.scheme {
            Some(known) => scheme == known.as_str(),
            None => matches!(scheme, "http" | "https"),
        };
        is_scheme && self.host.is_some_and(|host| host.is_of_origin(scheme, authority))
    }
}

/// Reads the origin from the headers that only a browser sets and that pages cannot forge (OWASP ASVS 3.5.1).
pub(super) fn origin_of(headers: &HeaderMap, target: Target<'_>, allowed: &AllowedOrigins) -> Origin {
    // What is no text is no origin of ours.
    let text = |value| HeaderValue::to_str(value).unwrap_or("?");
    let origin = headers.get(ORIGIN);
    if let Some(origin) = origin.filter(|origin| allowed.contains(text(origin))) {
        return Origin::Allowed(origin.clone());
    }
    match headers.get(SEC_FETCH_SITE).map(text) {
        // The browser has compared scheme, host and port itself, whatever a proxy has made of the Host since. It says so
        // over TLS and to localhost only.
        Some("same-origin") => Origin::Own,
        None | Some("none") if origin.is_none_or(|origin| target.is_origin(text(origin))) => Origin::Own,
        _ => Origin::Foreign,
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
    Err(Problem::new(Code::CrossOriginRequest))
}

/// Whether a request asks for permission to send another one.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Adds what lets the browser hand the response to a page of an allowed origin (R8): its exact origin, never `*`, and
/// `Vary` so that no cache serves one origin's permission to another.
/// `methods` are those that a preflight is told.
pub(super) fn permit(origin: Origin, methods: Option<&str>, cors: &CorsHeaders, response: &mut HeaderMap) {
    response.append(VARY, HeaderValue::from_static("Origin"));
    let Origin::Allowed(name) = origin else {
        return;
    };
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, name);
    response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    let mut insert = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.insert(name, value);
        }
    };
    match methods {
        Some(methods) => {
            insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            insert(ACCESS_CONTROL_ALLOW_HEADERS, &cors.allowed);
            insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFETIME);
        }
        None => insert(ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed),
    }
}

/// Whether the browser keeps the page's cookies apart from ours: the page is of another site, which is another registrable
/// domain or another scheme. Ports do not matter, and `localhost` and `127.0.0.1` are two sites.
pub(super) fn is_of_another_site(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site")
}

/// Says why a sign-in that succeeded will not last: the browser drops a cookie that is not `SameSite=None` where a page of
/// another site has called (RFC 6265bis, section 5.7), and tells nobody.
pub(super) fn warn_of_dropped_cookie(origin: &Origin, response: &HeaderMap) {
    let Origin::Allowed(page) = origin else {
        return;
    };
    let text = |value| HeaderValue::to_str(value).unwrap_or_default();
    let cookies = response.get_all(SET_COOKIE).iter().map(text);
    if cookies.filter(|cookie| !cookie.contains("SameSite=None")).count() > 0 {
        let page = text(page);
        tracing::warn!(
            page,
            "the browser drops the refresh cookie of this sign-in, because page and API are of two sites: whoever signed in is signed \
             out when the page is loaded again. Use the same host name for both, such as localhost: http://localhost:5173 and \
             http://localhost:8000 are one site, http://127.0.0.1:8000 is another"
        );
    }
}
