//! Metrics for scrapers, on an address of their own (METRICS_LISTEN).

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

use super::accept::Accept;
use crate::telemetry::{Metrics, TextFormat};

/// Answers everybody who can reach the address: `GET /metrics`, and nothing else.
pub(crate) fn answer_scraper(request: &Request, metrics: &Metrics) -> Response {
    if request.uri().path() != "/metrics" {
        return Response::builder()
            .status(StatusCode::NOT_FOUND)
            .body("metrics are at /metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Response::builder()
            .status(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, HeaderValue::from_static("GET, HEAD"))
            .body("metrics are read with GET\n");
    }
    let formats = [TextFormat::Prometheus, TextFormat::OpenMetrics].map(|format| (format, format.media_type()));
    let format = Accept::of(request).choose(formats).unwrap_or(TextFormat::Prometheus);
    match metrics.encode(format) {
        Ok(text) => Response::builder()
            .header(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()))
            .header(header::VARY, HeaderValue::from_static("Accept"))
            .body(text),
        Err(_) => Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).finish(),
    }
}
