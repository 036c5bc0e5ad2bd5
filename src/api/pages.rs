//! What is served besides the API: its document, Swagger UI and the demo client, all from the binary.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use poem::error::MethodNotAllowedError;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use ring::digest;

use super::openapi_json;
use crate::config::Offers;

/// Scripts, styles and data from this server only, and no inline script.
const STRICT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The same, and the inline styles that Swagger UI is made with.
const SWAGGER_UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What no page of ours uses, so that a script that got in cannot, either.
const PERMISSIONS_POLICY: &str =
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";

/// Pages that are files of `web/` and are served under the same path.
macro_rules! web_files {
    ($($media_type:ident $path:literal),+ $(,)?) => {
        [$((
            $path,
            $media_type,
            STRICT_POLICY,
            Source::File(include_str!(concat!("../../web", $path))),
        )),+]
    };
}

/// The demo client.
const DEMO: PageRow = (
    "/",
    HTML,
    STRICT_POLICY,
    Source::File(include_str!("../../web/index.html")),
);

/// What it consists of.
const WEB_FILES: &[PageRow] = &web_files![
    CSS "/styles.css",
    SVG "/icon.svg",
    JAVASCRIPT "/app.js",
    JAVASCRIPT "/api.js",
    JAVASCRIPT "/chart.js",
    JAVASCRIPT "/connection.js",
    JAVASCRIPT "/dom.js",
    JAVASCRIPT "/format.js",
    JAVASCRIPT "/history.js",
    JAVASCRIPT "/http.js",
    JAVASCRIPT "/session.js",
    JAVASCRIPT "/ui.js",
    JAVASCRIPT "/views/account.js",
    JAVASCRIPT "/views/hello.js",
    JAVASCRIPT "/views/sessions.js",
    JAVASCRIPT "/views/sign-in.js",
    JAVASCRIPT "/views/status.js",
];

/// Path, media type, policy and where the content comes from.
type PageRow = (&'static str, &'static str, &'static str, Source);

/// The document, and Swagger UI.
const DOCS: &[PageRow] = &[
    ("/openapi.json", JSON, STRICT_POLICY, Source::Made(openapi_json)),
    (
        "/docs",
        HTML,
        SWAGGER_UI_POLICY,
        Source::File(include_str!("docs.html")),
    ),
    (
        "/docs/init.js",
        JAVASCRIPT,
        STRICT_POLICY,
        Source::File(include_str!("docs_init.js")),
    ),
    (
        "/docs/swagger-ui.js",
        JAVASCRIPT,
        STRICT_POLICY,
        Source::Compressed(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"))),
    ),
    (
        "/docs/swagger-ui.css",
        CSS,
        STRICT_POLICY,
        Source::Compressed(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"))),
    ),
];

#[derive(Clone, Copy)]
enum Source {
    File(&'static str),
    Made(fn() -> String),
    /// By build.rs.
    Compressed(&'static [u8]),
}

/// The pages, and the API behind them. A page is found by its exact path before poem's router is asked, which a nested
/// route would do for every request of the API as well.
pub(super) struct Site<E> {
    pages: HashMap<&'static str, Page>,
    api: E,
}

impl<E> Site<E> {
    pub(super) fn new(api: E, offers: Offers) -> Self {
        let pages =
            offered(offers).map(|(path, media_type, policy, source)| (*path, Page::new(media_type, policy, *source)));
        Self {
            pages: pages.collect(),
            api,
        }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Site<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        match self.pages.get(request.uri().path()) {
            None => self.api.call(request).await,
            Some(page) if matches!(*request.method(), Method::GET | Method::HEAD) => Ok(page.answer(&request)),
            Some(_) => Err(MethodNotAllowedError.into()),
        }
    }
}

/// Every page's path with its method.
pub(super) fn paths(offers: Offers) -> impl Iterator<Item = (String, Vec<String>)> {
    offered(offers).map(|(path, ..)| ((*path).to_owned(), vec!["GET".to_owned()]))
}

fn offered(offers: Offers) -> impl Iterator<Item = &'static PageRow> {
    let demo = std::iter::once(&DEMO).chain(WEB_FILES).filter(move |_| offers.demo);
    demo.chain(DOCS.iter().filter(move |_| offers.docs))
}

struct Page {
    media_type: &'static str,
    policy: &'static str,
    source: Source,
    /// Compressed when it is first asked for: at start it would delay the first answer.
    compressed: OnceLock<Compressed>,
}

struct Compressed {
    gzip: Cow<'static, [u8]>,
    etag: HeaderValue,
}

impl Page {
    fn new(media_type: &'static str, policy: &'static str, source: Source) -> Self {
        Self {
            media_type,
            policy,
            source,
            compressed: OnceLock::new(),
        }
    }

    fn compressed(&self) -> &Compressed {
        self.compressed.get_or_init(|| match self.source {
            Source::File(content) => Compressed::new(content.as_bytes()),
            Source::Made(make) => Compressed::new(make().as_bytes()),
            Source::Compressed(gzip) => Compressed::of(Cow::Borrowed(gzip)),
        })
    }
}

impl Compressed {
    fn new(content: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to a vector does not fail.
        let _ = encoder.write_all(content);
        Self::of(Cow::Owned(encoder.finish().unwrap_or_default()))
    }

    fn of(gzip: Cow<'static, [u8]>) -> Self {
        let hash = digest::digest(&digest::SHA256, &gzip);
        let etag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
        Self {
            gzip,
            etag: HeaderValue::from_str(&etag).unwrap_or_else(|_| HeaderValue::from_static("W/\"\"")),
        }
    }

    fn decompressed(&self) -> Vec<u8> {
        let mut content = Vec::new();
        // What was compressed here can be decompressed.
        let _ = GzDecoder::new(&*self.gzip).read_to_end(&mut content);
        content
    }
}

impl Page {
    fn answer(&self, request: &Request) -> Response {
        let page = self.compressed();
        let response = Response::builder()
            .header(header::ETAG, page.etag.clone())
            // Asked again each time, and answered with 304 unless a deploy changed it.
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::VARY, "Accept-Encoding")
            .header(header::CONTENT_SECURITY_POLICY, self.policy)
            .header("cross-origin-opener-policy", "same-origin")
            .header("permissions-policy", PERMISSIONS_POLICY);
        let known = request.header(header::IF_NONE_MATCH).unwrap_or_default();
        if known.split(',').any(|etag| page.etag == etag.trim()) {
            return response.status(StatusCode::NOT_MODIFIED).finish();
        }
        let response = response.content_type(self.media_type);
        let accepted = request.header(header::ACCEPT_ENCODING).unwrap_or_default();
        if accepted.contains("gzip") {
            response
                .header(header::CONTENT_ENCODING, "gzip")
                .body(page.gzip.to_vec())
        } else {
            response.body(page.decompressed())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_and_style_of_swagger_ui_are_there_whole() {
        for (path, part, least) in [
            ("/docs/swagger-ui.js", "SwaggerUIBundle", 1_000_000),
            ("/docs/swagger-ui.css", ".swagger-ui", 100_000),
        ] {
            let (_, media_type, policy, source) = DOCS.iter().find(|(page, ..)| *page == path).unwrap();
            let content = Page::new(media_type, policy, *source).compressed().decompressed();
            let text = String::from_utf8(content).unwrap();
            assert!(
                text.contains(part) && text.len() > least,
                "{path}: {} bytes",
                text.len()
            );
        }
    }

    #[test]
    fn what_is_compressed_comes_back_whole() {
        assert_eq!(Compressed::new(b"slipway").decompressed(), b"slipway");
    }
}
