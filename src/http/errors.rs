//! Errors of the framework, in the words of the contract.

use std::time::Duration;

use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{HeaderValue, header};
use poem_openapi::error::{ContentTypeError, ParseParamError, ParsePathError};

use super::routes::Route;
use crate::api::unsupported_media_type;
use crate::problem::{Code, ErrorItem, ErrorItemCode, Problem};

/// What the client is told about `error`, raised while answering a request for `route`.
pub(super) fn to_problem(error: &poem::Error, route: &Route) -> Problem {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone();
    }
    if error.is::<MethodNotAllowedError>() {
        return method_not_allowed(route);
    }
    if error.is::<NotFoundError>() {
        return Problem::new(Code::NotFound);
    }
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        return invalid_parameter(error.name, &error.reason);
    }
    if let Some(error) = error.downcast_ref::<ParsePathError>() {
        return invalid_parameter(path_parameter(route, error.name), &error.reason);
    }
    if error.is::<ContentTypeError>() {
        return unsupported_media_type();
    }
    // Of a handler, or of a payload of the framework's: no fault of a client's may look like one of ours.
    if error.status().is_client_error() {
        return Problem::of_client(error.status(), error.to_string());
    }
    tracing::error!(%error, "a request failed in a way that no one foresaw");
    Problem::internal()
}

/// 503 until the database answers and has the schema of this version.
pub(super) fn starting() -> Problem {
    Problem::new(Code::Starting).retry_after(Duration::from_secs(1))
}

/// 405 with `Allow` (RFC 9110, section 15.5.6).
fn method_not_allowed(route: &Route) -> Problem {
    let detail = format!("This path answers to {}.", route.allow);
    let problem = Problem::new(Code::MethodNotAllowed).with_detail(detail);
    match HeaderValue::from_str(&route.allow) {
        Ok(allow) => problem.with_header(header::ALLOW, allow),
        Err(_) => problem,
    }
}

/// 422: well-formed, but not what the route takes.
fn invalid_parameter(name: &str, message: &str) -> Problem {
    let reason = reason(message);
    let item = ErrorItem::of_parameter(name, ErrorItemCode::Invalid, &reason);
    Problem::new(Code::InvalidInput)
        .with_detail(format!("{name}: {reason}"))
        .with_errors(vec![item])
}

/// The name that the document gives a parameter of the path; poem-openapi numbers them: `param0`.
fn path_parameter<'a>(route: &'a Route, name: &'a str) -> &'a str {
    let number = name
        .strip_prefix("param")
        .and_then(|number| number.parse::<usize>().ok());
    let named = number.and_then(|number| route.pattern.split(['{', '}']).nth(2 * number + 1));
    named.unwrap_or(name)
}

/// The part of poem-openapi's message that means something to a client, in words: it puts internal type names in front.
fn reason(message: &str) -> String {
    let message = message.split(" (occurred while parsing").next().unwrap_or_default();
    let reason = message.rsplit_once("\": ").map_or(message, |(_, reason)| reason);
    let rule = reason
        .strip_prefix("verification failed. ")
        .and_then(|rule| rule.strip_suffix(')'));
    let rule = rule.and_then(|rule| rule.split_once('('));
    let limit = |rule: &str| rule.split(',').next().unwrap_or_default().to_owned();
    match rule {
        Some(("maxLength", most)) => format!("must be at most {most} characters."),
        Some(("minimum", least)) => format!("must be at least {}.", limit(least)),
        Some(("maximum", most)) => format!("must be at most {}.", limit(most)),
        _ => format!("{}.", reason.trim_end_matches('.')),
    }
}
