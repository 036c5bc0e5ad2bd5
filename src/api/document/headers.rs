//! The response headers of the document.

use serde_json::{Map, Value, json};

/// Name, description, schema type and example. Those that no response has are left out.
const HEADERS: [(&str, &str, &str, &str); 5] = [
    (
        "X-Request-Id",
        "The id under which the server logged this request",
        "string",
        "8f14e45fceea167a5a36dedd4bea2543",
    ),
    (
        "Retry-After",
        "After how many seconds the same request may succeed",
        "integer",
        "42",
    ),
    (
        "RateLimit-Policy",
        "The limits that apply: attempts `q` in `w` seconds (draft-ietf-httpapi-ratelimit-headers). Not from nginx",
        "string",
        "\"address\";q=60;w=60",
    ),
    (
        "RateLimit",
        "What is left of each limit: `r` attempts, and all of them again in `t` seconds. Not from nginx",
        "string",
        "\"address\";r=0;t=42",
    ),
    (
        "WWW-Authenticate",
        "`Bearer`, and `error=\"invalid_token\"` where a token came and was refused (RFC 6750)",
        "string",
        "Bearer error=\"invalid_token\"",
    ),
];

/// Adds the header that every response of `operation` has, and names the others as HTTP does: poem-openapi writes capitals.
pub(super) fn describe(operation: &mut Value) {
    for response in operation["responses"]
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut)
    {
        let headers = response["headers"].take();
        let mut named = Map::new();
        named.insert(
            "X-Request-Id".to_owned(),
            json!({ "$ref": "#/components/headers/X-Request-Id" }),
        );
        for (name, header) in headers.as_object().into_iter().flatten() {
            let name = match name.as_str() {
                "SET-COOKIE" => "Set-Cookie",
                "LINK" => "Link",
                other => other,
            };
            named.insert(name.to_owned(), header.clone());
        }
        response["headers"] = named.into();
    }
}

pub(super) fn add_components(document: &mut Value) {
    let component = |(name, description, ty, example): (&str, &str, &str, &str)| {
        let example = example
            .parse::<u64>()
            .map_or_else(|_| json!(example), |number| json!(number));
        let header = json!({ "description": description, "schema": { "type": ty }, "example": example });
        (name.to_owned(), header)
    };
    document["components"]["headers"] = HEADERS.map(component).into_iter().collect::<Map<_, _>>().into();
}
