//! The HTTP contract: one file for each tag of the OpenAPI document.

mod accept;
mod accounts;
mod context;
mod cookies;
mod document;
mod errors;
mod hello;
mod input;
mod metrics;
mod pages;
mod paging;
mod scrape;
mod security;
mod sessions;
mod signed_in;
mod status;
mod wrong_fields;

use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, IntoEndpoint};
use poem_openapi::{ContactObject, LicenseObject, OpenApi, OpenApiService, ServerObject, Tags};

pub use context::RequestContext;
pub use document::openapi_json;
pub(crate) use document::served_paths;
pub(crate) use input::{MAX_BODY_BYTES, body_too_large, unsupported_media_type};
pub(crate) use scrape::answer_scraper;

use crate::auth::Auth;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::{CookieConfig, Offers, TokenSecret};
use crate::draining::Draining;
use crate::store::Store;
use crate::telemetry::Metrics;

/// What the handlers need; they get it as an argument.
#[derive(Debug)]
pub struct State {
    /// Accounts and sessions.
    pub auth: Auth,
    /// For the life of the refresh cookie.
    pub clock: Clock,
    /// For `GET /ready`.
    pub store: Store,
    /// For `GET /ready`.
    pub cache: Cache,
    /// For `GET /metrics`.
    pub metrics: Arc<Metrics>,
    /// What scrapers send to `GET /metrics`, if they may.
    pub metrics_token: Option<TokenSecret>,
    /// For `GET /health`, and for answers that go on until the server stops.
    pub draining: Draining,
    /// What is served besides signing in.
    pub offers: Offers,
    /// How the refresh cookie is set.
    pub cookie: CookieConfig,
}

#[derive(Tags)]
enum Tag {
    /// Register, sign in, and who is signed in.
    Accounts,
    /// Stay signed in, see where, and sign out.
    Sessions,
    /// A greeting.
    Hello,
    /// Whether the server is alive and what it does.
    Status,
}

/// Every operation; the one place where a new tag's file is added.
fn service() -> OpenApiService<impl OpenApi + 'static, ()> {
    let apis = (
        hello::HelloApi,
        accounts::AccountsApi,
        sessions::SessionsApi,
        status::StatusApi,
        metrics::MetricsApi,
    );
    OpenApiService::new(apis, "Slipway", env!("CARGO_PKG_VERSION"))
        .description(
            "Accounts and sessions over HTTP. Sign in with `POST /login`; send the access token as a bearer token; \
             renew it with `POST /refresh` and the refresh cookie. Every error is `application/problem+json` \
             (RFC 9457), whose `code` is one of `ErrorCode`.",
        )
        .contact(ContactObject::new().name("Slipway").url(env!("CARGO_PKG_REPOSITORY")))
        .license(LicenseObject::new("MIT").url("https://spdx.org/licenses/MIT.html"))
        .server(ServerObject::new("/").description("Where this document was served"))
        .server(ServerObject::new("http://localhost:8000").description("A developer's machine"))
}

/// All routes: the API, and what it `offers` of its document, Swagger UI and the demo client.
pub fn endpoint(state: Arc<State>) -> BoxEndpoint<'static> {
    let site = pages::Site::new(service().into_endpoint(), state.offers);
    site.data(state).boxed()
}
