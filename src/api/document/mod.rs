//! The OpenAPI document: what poem-openapi generates, with what it leaves out.

mod errors;
mod examples;
mod headers;

use serde_json::{Map, Value, json};

use super::service;
use crate::config::Offers;

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
    plain_references(&mut document);
    let schemas = document["components"]["schemas"].clone();
    each_operation(&mut document, |method, operation| {
        examples::describe(operation, &schemas);
        say_when_public(operation);
        errors::describe(operation, method);
        headers::describe(operation);
    });
    // Whoever has no cookie is signed out already.
    document["paths"]["/logout"]["post"]["security"] = json!([{ "cookie": [] }, {}]);
    errors::add_examples(&mut document);
    errors::share(&mut document);
    headers::add_components(&mut document);
    for schema in ["Credentials", "SignIn", "PasswordChange", "Deletion"] {
        forbid_unknown_fields(&mut document, schema);
    }
    document
}

fn each_operation(document: &mut Value, mut change: impl FnMut(&str, &mut Value)) {
    for item in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                change(method, operation);
            }
        }
    }
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

/// A reference with a description is an intersection to generators, such as `ErrorCode & unknown`: what it refers to has
/// a description of its own.
fn plain_references(value: &mut Value) {
    let parts = value.get("allOf").and_then(Value::as_array).map(Vec::as_slice);
    if let Some([reference, description]) = parts
        && reference.get("$ref").is_some()
        && description
            .as_object()
            .is_some_and(|members| members.keys().eq(["description"]))
    {
        *value = reference.clone();
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(plain_references),
        Value::Array(items) => items.iter_mut().for_each(plain_references),
        _ => {}
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
        assert_eq!(count, 15);
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
