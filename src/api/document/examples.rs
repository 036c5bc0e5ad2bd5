//! Examples of answers that succeed, beside each of them: viewers show them, and mock servers answer with them.

use serde_json::{Map, Value, json};

/// What the operations that answer with a `Message` say. A test compares it with the answers.
const MESSAGES: [(&str, &str); 5] = [
    ("logout", "logged out"),
    ("logoutAll", "logged out everywhere"),
    ("logoutOthers", "logged out everywhere else"),
    ("endSession", "session ended"),
    ("deleteMe", "account deleted"),
];

const SCHEMAS: &str = "#/components/schemas/";

/// Puts the example of its schema beside each answer of `operation` in JSON.
pub(super) fn describe(operation: &mut Value, schemas: &Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    for response in operation["responses"]
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut)
    {
        let Some(content) = response.pointer_mut("/content/application~1json") else {
            continue;
        };
        if let Some(example) = example_of(&content["schema"], schemas, &id) {
            content["example"] = example;
        }
    }
}

fn example_of(schema: &Value, schemas: &Value, operation: &str) -> Option<Value> {
    if schema["type"] == "array" {
        return Some(json!([example_of(&schema["items"], schemas, operation)?]));
    }
    let name = schema["$ref"].as_str()?.strip_prefix(SCHEMAS)?;
    if name == "Message" {
        let (_, message) = MESSAGES.iter().find(|(id, _)| *id == operation)?;
        return Some(json!({ "message": message }));
    }
    schemas[name].get("example").cloned()
}
