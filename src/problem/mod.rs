//! The one shape in which every error leaves the server: problem details (RFC 9457).

mod code;
mod item;

use std::fmt;
use std::time::Duration;

use poem::error::ResponseError;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};

pub use code::Code;
pub use item::{ErrorItem, ErrorItemCode};

/// The media type of every error body (RFC 9457, section 3).
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What a client is told when a request fails. Raised anywhere below the HTTP middleware, which adds the request's
/// path and id and renders it as [`ProblemDetails`].
#[derive(Clone, Debug)]
pub struct Problem {
    /// A stable name that client code can branch on.
    pub code: Code,
    status: StatusCode,
    /// What went wrong and how to correct it, for a person. Never an internal error text, never a secret.
    pub detail: String,
    /// Each thing that is wrong, where there may be several.
    pub errors: Vec<ErrorItem>,
    /// Response headers that belong to this error, such as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem in the words of its code, with no headers of its own.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            status: code.status(),
            detail: code.detail().to_owned(),
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// 500 for everything that is our fault and that the client can do nothing about.
    pub fn internal() -> Self {
        Self::new(Code::InternalError)
    }

    /// A client's fault that is known by its status (400 to 499) alone, in the words of whoever found it.
    pub fn of_client(status: StatusCode, detail: impl Into<String>) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidInput,
            _ => Code::ClientError,
        };
        Self {
            status,
            ..Self::new(code).with_detail(detail)
        }
    }

    /// The HTTP status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Says what went wrong in words of this request.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Says each thing that is wrong.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<ErrorItem>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds a response header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds `Retry-After`: the same request may succeed after that.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)))
    }

    /// The body of the response, as an answer to the request `request_id` for `path`.
    pub fn details(&self, path: &str, request_id: &str) -> ProblemDetails {
        ProblemDetails {
            r#type: "about:blank".to_owned(),
            title: title(self.status()).to_owned(),
            status: self.status().as_u16(),
            detail: self.detail.clone(),
            instance: path.to_owned(),
            code: self.code,
            request_id: request_id.to_owned(),
            errors: (!self.errors.is_empty()).then(|| self.errors.clone()),
        }
    }

    /// The response for this problem, as an answer to the request `request_id` for `path`.
    pub fn into_response_for(self, path: &str, request_id: &str) -> Response {
        let details = self.details(path, request_id);
        let mut response = Response::builder()
            .status(self.status)
            .content_type(CONTENT_TYPE)
            .body(serde_json::to_vec(&details).unwrap_or_default());
        // An error describes one moment: a shared cache must not replay it to somebody else.
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Every 401 names a way to authenticate (RFC 9110, section 15.5.2).
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(challenge(self.code));
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// `wait` in whole seconds, of which there is one at least, rounded up: whoever waits that long is not refused again.
pub fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// RFC 6750, section 3: an error is for a token that came and was refused; a request without one learns the scheme alone.
fn challenge(code: Code) -> &'static str {
    match code {
        Code::AccessTokenExpired => {
            "Bearer error=\"invalid_token\", error_description=\"The access token has expired\""
        }
        _ if code.is_of_refused_token() => "Bearer error=\"invalid_token\"",
        _ => "Bearer",
    }
}

/// The status in the words of RFC 9110, section 15.5, two of which the `http` crate still has from the RFCs before.
pub(crate) fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status().as_u16(), self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.code.status()
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
    /// What went wrong and how to correct it, in a sentence for a person.
    pub detail: String,
    /// The path that was requested.
    pub instance: String,
    /// What went wrong, for code.
    pub code: Code,
    /// The id under which the server logged this request.
    pub request_id: String,
    /// Each thing that is wrong, where there may be several: all wrong fields of a body at once.
    #[oai(skip_serializing_if_is_none)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<ErrorItem>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_is_rendered_with_every_member_of_rfc_9457() {
        let problem = Problem::new(Code::DatabaseUnavailable)
            .with_detail("Try again.")
            .retry_after(Duration::from_millis(1200));
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

    /// RFC 6750, section 3.1
    #[test]
    fn only_a_token_that_came_is_called_invalid() {
        assert_eq!(challenge(Code::AccessTokenMissing), "Bearer");
        assert_eq!(challenge(Code::InvalidCredentials), "Bearer");
        for code in [Code::AccessTokenExpired, Code::InvalidAccessToken, Code::SessionEnded] {
            assert!(
                challenge(code).starts_with("Bearer error=\"invalid_token\""),
                "{code:?}"
            );
        }
    }

    /// F35
    #[test]
    fn titles_are_those_of_rfc_9110() {
        let title = |status| title(StatusCode::from_u16(status).unwrap());
        assert_eq!([title(413), title(422)], ["Content Too Large", "Unprocessable Content"]);
        assert_eq!([title(401), title(429)], ["Unauthorized", "Too Many Requests"]);
    }
}
