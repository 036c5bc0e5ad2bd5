//! What the server does, for people: totals as JSON, or everything as text.

use std::sync::Arc;

use poem::web::Data;
use poem::{FromRequest, Request, RequestBody};
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi, ResponseContent};

use super::accept::Accept;
use super::errors::documented_errors;
use super::security::MetricsReader;
use super::{State, Tag};
use crate::problem::{Code, Problem};
use crate::telemetry::{LATENCY_BOUNDS, ProcessUsage, TextFormat, Totals};

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
    /// Totals, or everything as text when `Accept` asks for it
    #[oai(status = 200)]
    Told(MetricsContent),
}

/// One response with several media types: responses of the same status would hide one another in the document.
#[derive(ResponseContent)]
enum MetricsContent {
    Summary(Json<Summary>),
    #[oai(content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")]
    OpenMetrics(PlainText<String>),
    #[oai(content_type = "text/plain; version=0.0.4; charset=utf-8")]
    Prometheus(PlainText<String>),
}

documented_errors! {
    /// Why the metrics are not told.
    MetricsError { MetricsTokenRequired }
}

/// The text that the request prefers to the totals.
struct WantedText(Option<TextFormat>);

impl<'a> FromRequest<'a> for WantedText {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let text = |format: TextFormat| (Some(format), format.media_type());
        let offers = [
            (None, "application/json"),
            text(TextFormat::OpenMetrics),
            text(TextFormat::Prometheus),
        ];
        Ok(Self(Accept::of(request).choose(offers).flatten()))
    }
}

#[OpenApi(tag = "Tag::Status")]
impl MetricsApi {
    /// What the server does
    ///
    /// Totals for signed-in people. The text that Prometheus reads is for scrapers: with METRICS_TOKEN as the bearer token, or
    /// without a token from the separate address METRICS_LISTEN.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(
        &self,
        state: Data<&Arc<State>>,
        reader: MetricsReader,
        wanted: WantedText,
    ) -> Result<MetricsResponse, MetricsError> {
        if wanted.0.is_some() && matches!(reader, MetricsReader::Person) {
            return Err(Problem::new(Code::MetricsTokenRequired).into());
        }
        let text = |format| {
            state
                .metrics
                .encode(format)
                .map_err(|_| Problem::internal())
                .map(PlainText)
        };
        let content = match wanted.0 {
            Some(TextFormat::OpenMetrics) => MetricsContent::OpenMetrics(text(TextFormat::OpenMetrics)?),
            Some(TextFormat::Prometheus) => MetricsContent::Prometheus(text(TextFormat::Prometheus)?),
            None => MetricsContent::Summary(Json(Summary::new(&state.metrics.totals(), ProcessUsage::now()))),
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
            open_file_descriptors: usage.and_then(|usage| usage.open_fds),
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

    #[test]
    fn the_texts_have_the_media_types_that_scrapers_get_elsewhere() {
        let text = || PlainText(String::new());
        for (content, format) in [
            (MetricsContent::OpenMetrics(text()), TextFormat::OpenMetrics),
            (MetricsContent::Prometheus(text()), TextFormat::Prometheus),
        ] {
            assert_eq!(content.into_response().content_type(), Some(format.media_type()));
        }
    }
}
