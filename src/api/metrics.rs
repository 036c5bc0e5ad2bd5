//! What the server does, for people: totals as JSON, or everything as OpenMetrics text.

use std::sync::Arc;

use poem::http::header;
use poem::web::Data;
use poem::{FromRequest, Request, RequestBody};
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi, ResponseContent};

use super::RequestContext;
use super::errors::documented_errors;
use super::security::BearerToken;
use super::{State, Tag};
use crate::problem::Problem;
use crate::telemetry::{LATENCY_BOUNDS, ProcessUsage, Totals};

pub(super) struct MetricsApi;

/// Totals since this process started.
#[derive(Object)]
#[oai(example)]
struct Summary {
    /// The version of the server.
    version: String,
    uptime_seconds: f64,
    /// Requests that were answered.
    request_count: u64,
    /// Of these, answered with a status of 400 to 499.
    client_error_count: u64,
    /// Of these, answered with a status of 500 or more.
    server_error_count: u64,
    /// Requests that are being answered, this one included.
    in_flight_requests: i64,
    latency: Latency,
    /// Memory in RAM; absent where the system does not tell.
    #[oai(skip_serializing_if_is_none)]
    memory_bytes: Option<u64>,
    /// Processor time used.
    #[oai(skip_serializing_if_is_none)]
    cpu_seconds: Option<f64>,
    /// File descriptors that are open.
    #[oai(skip_serializing_if_is_none)]
    open_file_descriptors: Option<u64>,
}

/// How long answers took, in seconds; quantiles are absent before the first answer.
#[derive(Object)]
struct Latency {
    #[oai(skip_serializing_if_is_none)]
    p50: Option<f64>,
    #[oai(skip_serializing_if_is_none)]
    p95: Option<f64>,
    #[oai(skip_serializing_if_is_none)]
    p99: Option<f64>,
    /// Answers by duration. The difference between two readings tells the latency in between.
    buckets: Vec<Bucket>,
}

/// Answers that took longer than the bucket before, and at most this long.
#[derive(Object)]
struct Bucket {
    /// In seconds; absent in the last bucket, which has no bound.
    #[oai(skip_serializing_if_is_none)]
    up_to: Option<f64>,
    count: u64,
}

#[derive(ApiResponse)]
enum MetricsResponse {
    /// Totals, or OpenMetrics text when `Accept` asks for it
    #[oai(status = 200)]
    Told(MetricsContent),
}

/// One response with two media types: two responses of the same status would hide one another in the document.
#[derive(ResponseContent)]
enum MetricsContent {
    Summary(Json<Summary>),
    #[oai(content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")]
    OpenMetrics(PlainText<String>),
}

documented_errors! {
    /// Why the metrics are not told.
    MetricsError {
        401 => "The access token is missing, expired or of an ended session",
    }
}

/// Whether the request prefers the text that scrapers read.
struct WantsText(bool);

impl<'a> FromRequest<'a> for WantsText {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let accept = request.header(header::ACCEPT).unwrap_or_default();
        Ok(Self(
            accept.contains("openmetrics-text") || accept.contains("text/plain"),
        ))
    }
}

#[OpenApi(tag = "Tag::Status")]
impl MetricsApi {
    /// What the server does
    ///
    /// For signed-in people. Scrapers read the same as text, without a token, from the separate METRICS_LISTEN address.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(
        &self,
        state: Data<&Arc<State>>,
        token: BearerToken,
        context: RequestContext,
        wants_text: WantsText,
    ) -> Result<MetricsResponse, MetricsError> {
        state.identify(&token, &context).await?;
        let content = if wants_text.0 {
            let (_media_type, text) = state.metrics.encode().map_err(|_| Problem::internal())?;
            MetricsContent::OpenMetrics(PlainText(text))
        } else {
            let summary = Summary::new(&state.metrics.totals(), ProcessUsage::now());
            MetricsContent::Summary(Json(summary))
        };
        Ok(MetricsResponse::Told(content))
    }
}

impl Summary {
    fn new(totals: &Totals, usage: Option<ProcessUsage>) -> Self {
        let bounds = LATENCY_BOUNDS.into_iter().map(Some).chain([None]);
        let buckets = totals.latency.counts.iter().zip(bounds);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: totals.uptime.as_secs_f64(),
            request_count: totals.requests,
            client_error_count: totals.client_errors,
            server_error_count: totals.server_errors,
            in_flight_requests: totals.in_flight,
            latency: Latency {
                p50: totals.latency.quantile(0.50),
                p95: totals.latency.quantile(0.95),
                p99: totals.latency.quantile(0.99),
                buckets: buckets.map(|(count, up_to)| Bucket { up_to, count: *count }).collect(),
            },
            memory_bytes: usage.map(|usage| usage.resident_memory_bytes),
            cpu_seconds: usage.map(|usage| usage.cpu_seconds),
            open_file_descriptors: usage.map(|usage| usage.open_fds),
        }
    }
}

impl Example for Summary {
    fn example() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: 3600.5,
            request_count: 12_000,
            client_error_count: 40,
            server_error_count: 0,
            in_flight_requests: 1,
            latency: Latency {
                p50: Some(0.0004),
                p95: Some(0.002),
                p99: Some(0.03),
                buckets: vec![
                    Bucket {
                        up_to: Some(0.0005),
                        count: 11_000,
                    },
                    Bucket { up_to: None, count: 0 },
                ],
            },
            memory_bytes: Some(14_000_000),
            cpu_seconds: Some(12.5),
            open_file_descriptors: Some(24),
        }
    }
}

#[cfg(test)]
mod tests {
    use poem::IntoResponse;

    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn the_text_has_the_media_type_that_scrapers_get_elsewhere() {
        let (media_type, text) = Metrics::default().encode().unwrap();
        let response = MetricsContent::OpenMetrics(PlainText(text)).into_response();
        assert_eq!(response.content_type(), Some(media_type));
    }
}
