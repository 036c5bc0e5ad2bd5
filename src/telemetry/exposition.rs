//! The two text formats in which scrapers read metrics.

use std::borrow::Cow;

/// A format of metrics as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus' own, which every scraper reads.
    Prometheus,
    /// OpenMetrics, which Prometheus asks for first.
    OpenMetrics,
}

impl TextFormat {
    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What the older format says of the same metrics. The samples are the same; what is said about them is not: a counter
/// is named as its sample is (`_total`), there is neither an info (a gauge of 1) nor an unknown (untyped), and neither a
/// unit nor an end. (Exemplars, which it does not have either, this server does not make.)
///
/// Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>
pub(super) fn prometheus_text(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    // The help of a metric stands before its type, on which its name depends.
    let mut help = None;
    for line in openmetrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(_), words) => help = words,
            (Some("#"), Some("TYPE"), Some(family), Some(kind)) => {
                let (name, kind) = named(family, kind);
                if let Some(help) = help.take() {
                    push_line(&mut text, &["# HELP ", &name, " ", help]);
                }
                push_line(&mut text, &["# TYPE ", &name, " ", kind]);
            }
            (Some("#"), ..) => {}
            _ => push_line(&mut text, &[line]),
        }
    }
    text
}

fn named<'a>(family: &'a str, kind: &'a str) -> (Cow<'a, str>, &'a str) {
    match kind {
        "counter" => (format!("{family}_total").into(), kind),
        "info" => (format!("{family}_info").into(), "gauge"),
        "unknown" => (family.into(), "untyped"),
        _ => (family.into(), kind),
    }
}

fn push_line(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied().chain(["\n"]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_counters_as_their_samples_and_has_neither_info_nor_unit_nor_end() {
        let openmetrics = "\
            # HELP http_requests Requests answered.\n\
            # TYPE http_requests counter\n\
            http_requests_total{route=\"/a # b\"} 2\n\
            # HELP http_request_duration_seconds Time to answer a request.\n\
            # TYPE http_request_duration_seconds histogram\n\
            # UNIT http_request_duration_seconds seconds\n\
            http_request_duration_seconds_sum 0.5\n\
            http_request_duration_seconds_count 2\n\
            http_request_duration_seconds_bucket{le=\"+Inf\"} 2\n\
            # HELP build Version of the server.\n\
            # TYPE build info\n\
            build_info{version=\"0.1.0\"} 1\n\
            # TYPE odd unknown\n\
            odd 7\n\
            # EOF\n";
        let prometheus = "\
            # HELP http_requests_total Requests answered.\n\
            # TYPE http_requests_total counter\n\
            http_requests_total{route=\"/a # b\"} 2\n\
            # HELP http_request_duration_seconds Time to answer a request.\n\
            # TYPE http_request_duration_seconds histogram\n\
            http_request_duration_seconds_sum 0.5\n\
            http_request_duration_seconds_count 2\n\
            http_request_duration_seconds_bucket{le=\"+Inf\"} 2\n\
            # HELP build_info Version of the server.\n\
            # TYPE build_info gauge\n\
            build_info{version=\"0.1.0\"} 1\n\
            # TYPE odd untyped\n\
            odd 7\n";
        assert_eq!(prometheus_text(openmetrics), prometheus);
    }
}
