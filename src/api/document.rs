//! The OpenAPI document: what poem-openapi generates, with what it leaves out.

use serde_json::{Map, Value, json};

use super::service;
use crate::config::Offers;
use crate::problem::CONTENT_TYPE;

/// Methods under which a path item has operations.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The OpenAPI document of this version, as it is served, printed by `slipway openapi` and committed.
pub fn openapi_json() -> String {
    let mut document = document();
    // Pretty, because it is committed and read in diffs.
    let text = serde_json::to_string_pretty(&document.take()).unwrap_or_default();
    text + "\n"
}

/// Every path that is served, with its methods in upper case.
pub(crate) fn served_paths(offers: Offers) -> Vec<(String, Vec<String>)> {
    let document = document();
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let methods = |item: &Value| {
        let operations = METHODS.iter().filter(|method| item.get(**method).is_some());
        operations.map(|method| method.to_ascii_uppercase()).collect()
    };
    let api = paths.iter().map(|(path, item)| (path.clone(), methods(item)));
    api.chain(super::pages::paths(offers)).collect()
}

fn document() -> Value {
    let generated = service().spec();
    #[expect(clippy::expect_used, reason = "an empty document would serve no route")]
    let mut document: Value = serde_json::from_str(&generated).expect("generated JSON is JSON");
    document["openapi"] = json!("3.0.3");
    plain_media_types(&mut document);
    if let Some(paths) = document["paths"].as_object_mut() {
        for item in paths.values_mut() {
            for method in METHODS {
                if let Some(operation) = item.get_mut(method) {
                    add_errors_of_protected(operation);
                    add_common_errors(operation, method);
                    say_when_public(operation);
                }
            }
        }
    }
    // Whoever has no cookie is signed out already.
    document["paths"]["/logout"]["post"]["security"] = json!([{ "cookie": [] }, {}]);
    forbid_unknown_fields(&mut document, "Credentials");
    forbid_unknown_fields(&mut document, "SignIn");
    forbid_unknown_fields(&mut document, "PasswordChange");
    forbid_unknown_fields(&mut document, "Deletion");
    document
}

/// Generators look for `application/json` and stumble over parameters such as a charset.
fn plain_media_types(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Object(content)) = members.get_mut("content") {
                let plain = |name: &String| name.split(';').next().unwrap_or_default().to_owned();
                *content = std::mem::take(content)
                    .iter()
                    .map(|(name, schema)| (plain(name), schema.clone()))
                    .collect();
            }
            members.values_mut().for_each(plain_media_types);
        }
        Value::Array(items) => items.iter_mut().for_each(plain_media_types),
        _ => {}
    }
}

/// What an operation answers to whoever is not signed in, or with a one-time password.
fn add_errors_of_protected(operation: &mut Value) {
    let schemes = operation["security"].as_array();
    let is_protected = schemes.is_some_and(|schemes| schemes.iter().any(|scheme| scheme.get("bearer").is_some()));
    if is_protected {
        add_error(
            operation,
            "401",
            "The access token is missing, expired or of an ended session",
        );
        add_error(
            operation,
            "403",
            "The password has to be changed first, or the request comes from a page of another origin",
        );
    }
}

/// Unless the operation documents that status itself.
fn add_error(operation: &mut Value, status: &str, description: &str) {
    let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    let content = Map::from_iter([(CONTENT_TYPE.to_owned(), problem)]);
    let response = json!({ "description": description, "content": content });
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.entry(status).or_insert(response);
    }
}

/// What any operation can answer, because the guards in front of it or the server as a whole refuse.
fn add_common_errors(operation: &mut Value, method: &str) {
    let has_body = operation.get("requestBody").is_some();
    let mut add = |status: &str, description: &str| add_error(operation, status, description);
    if has_body {
        add("400", "The body is not JSON, or the request names no host");
        add("415", "The body is not declared as JSON");
        add("422", "A field is missing or not valid; `detail` names it");
    }
    if method != "get" {
        add("403", "The request comes from a page of another origin");
    }
    add("400", "The request names no host, or several");
    add("413", "The body is too large");
    add("500", "The server failed");
    add(
        "503",
        "Starting, overloaded, or the database is away; `Retry-After` says when to come back",
    );
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.sort_keys();
    }
}

/// Without a word about security, a reader cannot tell a public operation from one whose author forgot it (F29).
fn say_when_public(operation: &mut Value) {
    if let Some(operation) = operation.as_object_mut() {
        operation.entry("security").or_insert_with(|| json!([]));
    }
}

/// The parser refuses unknown fields, and clients should know.
fn forbid_unknown_fields(document: &mut Value, schema: &str) {
    if let Some(schema) = document["components"]["schemas"].get_mut(schema) {
        schema["additionalProperties"] = json!(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_camel_case_id_a_summary_and_a_tag() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths
            .values()
            .flat_map(|item| METHODS.iter().filter_map(|method| item.get(*method)));
        let mut count = 0;
        for operation in operations {
            let id = operation["operationId"].as_str().unwrap();
            assert!(
                id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(char::is_alphanumeric),
                "{id}"
            );
            assert!(
                operation["summary"].is_string() && operation["tags"][0].is_string(),
                "{id}"
            );
            count += 1;
        }
        assert_eq!(count, 14);
    }

    #[test]
    fn both_security_schemes_are_declared_and_used() {
        let document = document();
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_eq!(document["components"]["securitySchemes"]["cookie"]["in"], "cookie");
        assert!(document["paths"]["/me"]["get"]["security"][0]["bearer"].is_array());
        assert!(document["paths"]["/refresh"]["post"]["security"][0]["cookie"].is_array());
    }

    /// F29: those that need nothing say so, and nobody is added to them unseen.
    #[test]
    fn every_operation_says_what_it_needs_and_the_public_ones_are_these() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let mut public = Vec::new();
        for (path, item) in paths {
            for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
                let security = item[*method]["security"].as_array().unwrap();
                if security.is_empty() {
                    public.push(format!("{method} {path}"));
                }
            }
        }
        assert_eq!(
            public,
            [
                "get /hello",
                "post /register",
                "post /login",
                "get /health",
                "get /ready"
            ]
        );
    }
}
