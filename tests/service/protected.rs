//! What is documented as protected is.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestServer, on_both_storages};

on_both_storages! {
    every_protected_operation_refuses_whoever_is_not_signed_in,
}

/// Finding 7 of the review of the code: `security` in the document was a promise that a handler could forget.
async fn every_protected_operation_refuses_whoever_is_not_signed_in(server: TestServer) {
    let ended = server.signed_up("ada").await;
    assert_eq!(ended.logout_all().await.status, 200);
    let tokens = [
        (None, "access_token_missing"),
        (Some(String::new()), "access_token_missing"),
        (Some("nonsense".to_owned()), "invalid_access_token"),
        (Some("a.b.c".to_owned()), "invalid_access_token"),
        (ended.access_token, "session_ended"),
    ];
    let operations = protected_operations();
    assert!(operations.len() >= 7, "{operations:?}");
    for (method, path) in operations {
        for (token, expected) in &tokens {
            let client = server.client().with_token(token.as_deref());
            // Whatever else is wrong with the request is not told to a stranger.
            for body in [None, Some(json!({"nonsense": true}))] {
                let answer = client.send_json(method.clone(), &path, body.as_ref()).await;
                let code = answer.assert_problem(401);
                assert_eq!(code, *expected, "{method} {path} with {token:?}");
                answer.assert_challenge_for(&code);
            }
        }
    }
}

/// Those whose `security` asks for an access token.
fn protected_operations() -> Vec<(Method, String)> {
    let document: Value = serde_json::from_str(&slipway::api::openapi_json()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            if security.iter().any(|scheme| scheme.get("bearer").is_some()) {
                let path = path.replace("{id}", "01935c2a-7d70-7b11-8a40-1c9f63d20b5e");
                found.push((method.to_uppercase().parse().unwrap(), path));
            }
        }
    }
    found
}
