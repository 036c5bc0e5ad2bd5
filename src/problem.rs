//! The one shape in which every error leaves the server: problem details (RFC 9457).

use std::fmt;
use std::time::Duration;

use poem::error::ResponseError;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};

/// The media type of every error body (RFC 9457, section 3).
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What a client is told when a request fails. Raised anywhere below the HTTP middleware, which adds the request's
/// path and id and renders it as [`ProblemDetails`].
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status of the response.
    pub status: StatusCode,
    /// A stable name that client code can branch on, such as `invalid_credentials`.
    pub code: &'static str,
    /// What went wrong and how to mend it, for a person. Never an internal error text, never a secret.
    pub detail: String,
    /// Response headers that belong to this error, such as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with no headers of its own.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            headers: Vec::new(),
        }
    }

    /// 500 for everything that is our fault and that the client can do nothing about.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "The server failed to handle this request. Quote the request_id when you report it.",
        )
    }

    /// 503 with `Retry-After`: the same request may succeed a little later.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(retry_after)
    }

    /// Adds a response header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds `Retry-After` in whole seconds, rounded up so that a client that waits that long is not refused again.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// The response for this problem, as an answer to the request `request_id` for `path`.
    pub fn into_response_for(self, path: &str, request_id: &str) -> Response {
        let details = ProblemDetails {
            r#type: "about:blank".to_owned(),
            title: title(self.status).to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            instance: path.to_owned(),
            code: self.code.to_owned(),
            request_id: request_id.to_owned(),
        };
        let mut response = Response::builder()
            .status(self.status)
            .content_type(CONTENT_TYPE)
            .body(serde_json::to_vec(&details).unwrap_or_default());
        // An error describes one moment: a shared cache must not replay it to somebody else.
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Every 401 names a way to authenticate (RFC 9110, section 15.5.2; RFC 6750, section 3).
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// The status in the words of RFC 9110, section 15.5, two of which the `http` crate still has from the RFCs before.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response {
        self.clone().into_response_for("", "").into_response()
    }
}

/// An error, as problem details (RFC 9457) with a stable `code` and the `request_id` to quote in a report.
#[derive(Clone, Debug, Serialize, Deserialize, Object)]
#[oai(rename = "Problem")]
pub struct ProblemDetails {
    /// A URI that identifies the kind of problem; `about:blank` says that `title` and `code` are all there is.
    #[oai(validator(min_length = 1))]
    pub r#type: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status of the response.
    #[oai(validator(minimum(value = "400"), maximum(value = "599")))]
    pub status: u16,
    /// What went wrong and how to mend it, in a sentence for a person.
    pub detail: String,
    /// The path that was requested.
    pub instance: String,
    /// A stable name for client code to branch on.
    pub code: String,
    /// The id under which the server logged this request.
    pub request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_is_rendered_with_every_member_of_rfc_9457() {
        let problem = Problem::unavailable("database_unavailable", "Try again.", Duration::from_millis(1200));
        let response = problem.into_response_for("/me", "req-1");
        assert_eq!(response.status(), 503);
        assert_eq!(response.content_type(), Some(CONTENT_TYPE));
        assert_eq!(response.headers()["retry-after"], "2");
        let body: serde_json::Value = response.into_body().into_json().await.unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "Try again.",
                "instance": "/me", "code": "database_unavailable", "request_id": "req-1"
            })
        );
    }

    /// F35
    #[test]
    fn titles_are_those_of_rfc_9110() {
        let title = |status| title(StatusCode::from_u16(status).unwrap());
        assert_eq!([title(413), title(422)], ["Content Too Large", "Unprocessable Content"]);
        assert_eq!([title(401), title(429)], ["Unauthorized", "Too Many Requests"]);
    }
}
