//! The error responses of the document, written from the codes that operations have.

use std::collections::BTreeMap;

use poem::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::api::errors::example;
use crate::problem::{self, CONTENT_TYPE, Code};

/// In the place of `{id}`.
const SESSION_ID: &str = "01935c2a-7d70-7b11-8a40-1c9f63d20b5e";

/// Operations that a one-time password may do.
const OF_ANY_PASSWORD: [&str; 2] = ["me", "changePassword"];

/// Describes what `operation` answers when it fails: its own codes, of which poem-openapi's document has the names, and
/// those that the guards in front of it and the server as a whole cause.
pub(super) fn describe(operation: &mut Value, method: &str) {
    let mut codes = common_codes(operation, method);
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    for (status, response) in responses.iter() {
        codes.extend(own_codes(status, response));
    }
    let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
    for code in Code::ALL.iter().filter(|code| codes.contains(code)) {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        responses.insert(status.to_string(), response(status, &codes));
    }
    responses.sort_keys();
}

/// The codes that `documented_errors!` has put in the place of a description.
fn own_codes(status: &str, response: &Value) -> Vec<Code> {
    let names: Vec<&str> = response["description"]
        .as_str()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let is_named = |code: &&Code| names.contains(&format!("{code:?}").as_str());
    let is_of_status = |code: &&Code| code.status().as_str() == status;
    Code::ALL
        .iter()
        .filter(is_named)
        .filter(is_of_status)
        .copied()
        .collect()
}

fn common_codes(operation: &Value, method: &str) -> Vec<Code> {
    let has_body = operation.get("requestBody").is_some();
    let schemes = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default();
    let takes_bearer = schemes.iter().any(|scheme| scheme.get("bearer").is_some());
    let any_password = OF_ANY_PASSWORD.iter().any(|id| operation["operationId"] == *id);
    let groups: [(bool, &[Code]); 7] = [
        (
            true,
            &[
                Code::BadRequest,
                Code::RateLimited,
                Code::InternalError,
                Code::Starting,
                Code::DeadlineExceeded,
            ],
        ),
        (
            has_body || !schemes.is_empty(),
            &[Code::Busy, Code::DatabaseUnavailable],
        ),
        (method != "get", &[Code::CrossOriginRequest]),
        (
            has_body,
            &[
                Code::MalformedJson,
                Code::BodyTooLarge,
                Code::UnsupportedMediaType,
                Code::InvalidInput,
            ],
        ),
        (takes_bearer, Code::OF_BEARER),
        (takes_bearer && !any_password, &[Code::PasswordChangeRequired]),
        (operation.get("parameters").is_some(), &[Code::InvalidInput]),
    ];
    let applying = groups.iter().filter(|(applies, _)| *applies);
    applying.flat_map(|(_, codes)| codes.iter().copied()).collect()
}

fn response(status: u16, codes: &[Code]) -> Value {
    let description: Vec<String> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.as_str(), code.when()))
        .collect();
    let example = |code: &Code| {
        let place = format!("#/components/examples/{}", code.as_str());
        (code.as_str().to_owned(), json!({ "$ref": place }))
    };
    let examples: Map<String, Value> = codes.iter().map(example).collect();
    let content = json!({ "schema": { "$ref": "#/components/schemas/Problem" }, "examples": examples });
    let content = Map::from_iter([(CONTENT_TYPE.to_owned(), content)]);
    let mut response = json!({ "description": description.join("; ") + ".", "content": content });
    let names: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        429 => &["Retry-After", "RateLimit", "RateLimit-Policy"],
        503 => &["Retry-After"],
        _ => &[],
    };
    let header = |name: &&str| {
        (
            (*name).to_owned(),
            json!({ "$ref": format!("#/components/headers/{name}") }),
        )
    };
    if !names.is_empty() {
        response["headers"] = names.iter().map(header).collect::<Map<_, _>>().into();
    }
    response
}

/// Moves responses that several operations have to the components, each under the words of its status; one of which there
/// are several kinds stays where it is, but for the most frequent.
pub(super) fn share(document: &mut Value) {
    let mut counts = Vec::<(String, Value, usize)>::new();
    each_error(document, |status, response| {
        match counts.iter_mut().find(|(_, known, _)| known == response) {
            Some((_, _, count)) => *count += 1,
            None => counts.push((status.to_owned(), response.clone(), 1)),
        }
    });
    counts.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    let mut shared = BTreeMap::<String, Value>::new();
    for (status, response, _) in counts.into_iter().filter(|(_, _, count)| *count > 1) {
        shared.entry(name(&status)).or_insert(response);
    }
    each_error(document, |status, response| {
        if shared.get(&name(status)) == Some(response) {
            *response = json!({ "$ref": format!("#/components/responses/{}", name(status)) });
        }
    });
    document["components"]["responses"] = shared.into_iter().collect::<Map<_, _>>().into();
}

fn each_error(document: &mut Value, mut look: impl FnMut(&str, &mut Value)) {
    let items = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = items.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        let responses = operation["responses"].as_object_mut().into_iter().flatten();
        for (status, response) in responses.filter(|(status, _)| status.as_str() >= "400") {
            look(status, response);
        }
    }
}

/// `Unauthorized` for 401.
fn name(status: &str) -> String {
    let status = status
        .parse()
        .ok()
        .and_then(|status: u16| StatusCode::from_u16(status).ok());
    status.map(problem::title).unwrap_or_default().split(' ').collect()
}

/// One example for each code that an operation has, as the server says it.
pub(super) fn add_examples(document: &mut Value) {
    let mut examples = Map::new();
    for code in Code::ALL {
        if let Some(path) = first_path_with(document, *code) {
            let problem = example(*code).details(&path, "8f14e45fceea167a5a36dedd4bea2543");
            let (when, client) = (code.when(), code.client());
            let example = json!({ "summary": when, "description": client, "value": problem });
            examples.insert(code.as_str().to_owned(), example);
        }
    }
    document["components"]["examples"] = examples.into();
}

fn first_path_with(document: &Value, code: Code) -> Option<String> {
    let has_code = |response: &Value| !response["content"][CONTENT_TYPE]["examples"][code.as_str()].is_null();
    let has_operation = |item: &&Value| {
        let operations = item.as_object().into_iter().flat_map(Map::values);
        let mut responses = operations.filter_map(|operation| operation["responses"].as_object());
        responses.any(|responses| responses.values().any(has_code))
    };
    let paths = document["paths"].as_object()?;
    let (path, _) = paths.iter().find(|(_, item)| has_operation(item))?;
    Some(path.replace("{id}", SESSION_ID))
}
