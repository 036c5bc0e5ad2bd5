//! What happens to every request before and after its handler.

mod client_address;
mod cross_origin;
mod errors;
mod host;
mod request_id;
mod routes;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Once, OnceLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use ipnet::IpNet;
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use tracing::Instrument;

pub use client_address::Peer;
pub(crate) use routes::Routes;

use crate::api::{MAX_BODY_BYTES, RequestContext, body_too_large};
use crate::config::{AllowedOrigins, Config, CorsHeaders, Environment};
use crate::draining::Draining;
use crate::problem::{Code, Problem};
use crate::telemetry::{ACCESS_LOG, Metrics};
use cross_origin::{Origin, Target};
use host::Host;
use routes::Route;

/// A request that takes longer is given up: less than nginx' proxy_read_timeout (15 s) and the load balancer's idle
/// timeout (60 s), so that the client hears it from us.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// Where sessions begin.
const SIGN_IN_PATHS: [&str; 2] = ["/login", "/register"];

/// One year, as HSTS preload lists and R27 want.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Wraps all routes: names the request, guards the routes, turns errors into problems, counts and logs.
pub struct Pipeline {
    routes: Routes,
    /// Not set while the server starts.
    endpoint: OnceLock<BoxEndpoint<'static>>,
    metrics: Arc<Metrics>,
    draining: Draining,
    request_ids: request_id::RequestIds,
    trusted_proxies: Vec<IpNet>,
    unknown_proxy: Once,
    allowed_origins: AllowedOrigins,
    cors_headers: CorsHeaders,
    is_production: bool,
}

impl Pipeline {
    /// A pipeline in front of `routes`, which answers that the server is starting until [`Pipeline::open`].
    pub(crate) fn new(config: &Config, routes: Routes, metrics: Arc<Metrics>, draining: Draining) -> Self {
        Self {
            routes,
            endpoint: OnceLock::new(),
            metrics,
            draining,
            request_ids: request_id::RequestIds::new(),
            trusted_proxies: config.trusted_proxies.clone(),
            unknown_proxy: Once::new(),
            allowed_origins: config.allowed_origins.clone(),
            cors_headers: config.cors_headers.clone(),
            is_production: config.environment == Environment::Production,
        }
    }

    /// Has `endpoint` answer from now on.
    pub(crate) fn open(&self, endpoint: BoxEndpoint<'static>) {
        // Whoever opened it first goes on.
        let _ = self.endpoint.set(endpoint);
    }

    /// Answers `request`, which came from `peer`. Never fails: every error becomes a response.
    pub async fn answer(&self, mut request: Request, peer: Peer) -> Response {
        let started = Instant::now();
        let _in_flight = self.metrics.request_started();
        let is_from_trusted_proxy = client_address::is_trusted_proxy(peer, &self.trusted_proxies);
        if !is_from_trusted_proxy && request.headers().contains_key("x-forwarded-for") {
            self.unknown_proxy.call_once(|| {
                tracing::warn!(
                    "X-Forwarded-For comes from somebody whom TRUSTED_PROXIES does not name, and is ignored: if that is a proxy, \
                     all its clients share one limit; this is said once"
                );
            });
        }
        let id = self.request_ids.id_of(&request, is_from_trusted_proxy);
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let route = self.routes.find(&path);
        let address = client_address::client_address(peer, request.headers(), &self.trusted_proxies);
        let context = RequestContext::new(address);
        request.extensions_mut().insert(context.clone());

        let span = tracing::info_span!("request", request_id = %id);
        let mut response = self.respond(request, peer, route, &path, &id).instrument(span).await;
        if let Some(cookie) = context
            .device_cookie()
            .and_then(|cookie| HeaderValue::from_str(cookie).ok())
        {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        self.add_headers(&mut response, &id);
        // While draining, clients are moved to another instance one request at a time.
        if self.draining.has_begun() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }

        let (status, duration) = (response.status().as_u16(), started.elapsed());
        let (method_label, handles) = route.handles(&method, status);
        self.metrics
            .request_answered(handles, method_label, &route.pattern, status, duration);
        tracing::info!(
            target: ACCESS_LOG,
            request_id = id,
            method = method.as_str(),
            route = route.pattern,
            status,
            duration_ms = milliseconds(duration),
            client = address.map(tracing::field::display),
            user_id = context.user_id().map(tracing::field::display),
            "request"
        );
        response
    }

    /// The guards, in order, then the handler.
    async fn respond(&self, request: Request, peer: Peer, route: &Route, path: &str, id: &str) -> Response {
        let host = Host::of(&request);
        let scheme = client_address::client_scheme(peer, request.headers(), &self.trusted_proxies);
        let target = Target {
            host: host.as_ref().ok().and_then(Option::as_ref),
            scheme: scheme.as_ref(),
        };
        let origin = cross_origin::origin_of(request.headers(), target, &self.allowed_origins);
        let is_preflight = cross_origin::is_preflight(request.method(), request.headers());
        let signs_in_from_another_site =
            SIGN_IN_PATHS.contains(&path) && cross_origin::is_of_another_site(request.headers());
        let result = match host {
            Ok(_) => self.guarded(request, route, &origin).await,
            Err(problem) => Err(problem),
        };
        let mut response = result.unwrap_or_else(|problem| problem.into_response_for(path, id));
        if signs_in_from_another_site && !self.is_production {
            cross_origin::warn_of_dropped_cookie(&origin, response.headers());
        }
        let methods = is_preflight.then_some(route.allow.as_str());
        cross_origin::permit(origin, methods, &self.cors_headers, response.headers_mut());
        response
    }

    async fn guarded(&self, request: Request, route: &Route, origin: &Origin) -> Result<Response, Problem> {
        if !route.is_known() {
            return Err(Problem::new(Code::NotFound));
        }
        if *request.method() == Method::OPTIONS {
            return Ok(options_response(route));
        }
        let endpoint = self.endpoint.get().ok_or_else(errors::starting)?;
        cross_origin::refuse_foreign_changes(origin, request.method())?;
        refuse_large_body(&request)?;
        let handled = AssertUnwindSafe(endpoint.call(request)).catch_unwind();
        match tokio::time::timeout(REQUEST_DEADLINE, handled).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(error))) => Err(errors::to_problem(&error, route)),
            Ok(Err(_panic)) => {
                // Where and why is in the line of the panic hook, which does not know the request.
                tracing::error!(route = route.pattern, "the handler panicked");
                Err(Problem::internal())
            }
            Err(_elapsed) => {
                tracing::warn!(route = route.pattern, "the request deadline has passed");
                Err(Problem::new(Code::DeadlineExceeded).retry_after(Duration::from_secs(2)))
            }
        }
    }

    /// Headers of every response (OWASP REST Security Cheat Sheet). A handler that serves a page sets its own
    /// Content-Security-Policy.
    fn add_headers(&self, response: &mut Response, id: &str) {
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert("x-request-id", id);
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
        if self.is_production {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").finish_non_exhaustive()
    }
}

/// To the microsecond, which is as exact as it is true.
fn milliseconds(duration: Duration) -> f64 {
    f64::from(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)) / 1000.0
}

/// 204 with `Allow`.
fn options_response(route: &Route) -> Response {
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
    if let Ok(allow) = HeaderValue::from_str(&route.allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// 413 for a body that says that it is too large. One that does not say is counted while it is read.
fn refuse_large_body(request: &Request) -> Result<(), Problem> {
    let length = request
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY_BYTES) {
        Err(body_too_large())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
