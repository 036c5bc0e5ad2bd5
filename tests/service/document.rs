//! The examples of the OpenAPI document are what the server answers.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestServer, on_both_storages};

on_both_storages! {
    the_example_of_each_success_has_the_members_of_the_answer,
    the_example_of_an_error_is_the_error,
}

fn document() -> Value {
    serde_json::from_str(&slipway::api::openapi_json()).unwrap()
}

/// The members of a value, all the way down, with the type of each: `user.id: string`.
fn shape(value: &Value, place: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, member)| shape(member, &format!("{place}.{name}"), into));
        }
        Value::Array(items) => items.iter().for_each(|item| shape(item, &format!("{place}[]"), into)),
        Value::String(_) => _ = into.insert(format!("{place}: string")),
        Value::Number(_) => _ = into.insert(format!("{place}: number")),
        Value::Bool(_) => _ = into.insert(format!("{place}: boolean")),
        Value::Null => _ = into.insert(format!("{place}: null")),
    }
}

fn shape_of(value: &Value) -> BTreeSet<String> {
    let mut members = BTreeSet::new();
    shape(value, "", &mut members);
    members
}

async fn the_example_of_each_success_has_the_members_of_the_answer(server: TestServer) {
    let document = document();
    let mut left: BTreeSet<String> = operations(&document).collect();
    let mut compare = |id: &str, answer: &Answer| {
        let (_, operation) = operation(&document, id);
        let content = &operation["responses"][answer.status.to_string()]["content"]["application/json"];
        let (example, answer) = (&content["example"], answer.json());
        // An account that has signed in once has one session, as the example has.
        assert_eq!(shape_of(example), shape_of(&answer), "{id}");
        let members = example.as_object();
        if members.is_some_and(|members| members.keys().eq(["message"])) {
            assert_eq!(example, &answer, "{id}");
        }
        assert!(left.remove(id), "{id}");
    };
    let mut client = server.client();
    compare("register", &client.register("ada").await);
    compare("listSessions", &client.get("/sessions").await);
    compare("hello", &client.get("/hello?name=Ada").await);
    compare("login", &client.login("ada", PASSWORD).await);
    compare("refresh", &client.refresh().await);
    compare("me", &client.me().await);
    compare("health", &client.get("/health").await);
    compare("ready", &client.get("/ready").await);
    compare("metrics", &client.get("/metrics").await);
    compare(
        "changePassword",
        &client.change_password(PASSWORD, "another horse battery").await,
    );
    compare("logoutOthers", &client.logout_others().await);
    let id = client.me().await.json()["session_id"].as_str().unwrap().to_owned();
    compare("endSession", &client.end_session(&id).await);
    client.login("ada", "another horse battery").await;
    compare("logout", &client.logout().await);
    client.login("ada", "another horse battery").await;
    compare("logoutAll", &client.logout_all().await);
    client.login("ada", "another horse battery").await;
    let body = json!({"password": "another horse battery"});
    compare("deleteMe", &client.send_json(Method::DELETE, "/me", Some(&body)).await);
    assert!(left.is_empty(), "not tried: {left:?}");
}

async fn the_example_of_an_error_is_the_error(server: TestServer) {
    let document = document();
    let mut client = server.signed_up("ada").await;
    let credentials = |name, password| json!({"username": name, "password": password});
    let answers = [
        client.post("/register", &credentials("bob", "short")).await,
        client.post("/register", &credentials("Ada", PASSWORD)).await,
        client.post("/register", &credentials("admin", PASSWORD)).await,
        client.post("/register", &credentials("bob", "password1")).await,
        client.post("/login", &credentials("ada", "wrong")).await,
        client.change_password("wrong", "another horse battery").await,
        client.on_another_device().me().await,
        client.with_token(Some("x")).me().await,
        client.on_another_device().refresh().await,
        client.post_bytes("/login", "application/json", "").await,
        client.post_bytes("/login", "text/plain", "{}").await,
        client
            .post_bytes("/login", "application/json", vec![b' '; 65_537])
            .await,
        client.end_session("01935c2a-7d70-7b11-8a40-1c9f63d20b5e").await,
        client
            .clone()
            .with_header("origin", "https://evil.example")
            .logout()
            .await,
        client.clone().with_header("accept", "text/plain").get("/metrics").await,
        client.clone().with_header("host", "a b").get("/hello").await,
    ];
    for answer in &answers {
        let code = answer.assert_problem(answer.status);
        let mut example = document["components"]["examples"][&code]["value"].clone();
        let mut problem = answer.json();
        for problem in [&mut example, &mut problem] {
            problem["request_id"].take();
            problem["instance"].take();
        }
        assert_eq!(example, problem, "{code}");
    }
}

fn operations(document: &Value) -> impl Iterator<Item = String> {
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned())
}

fn operation<'a>(document: &'a Value, id: &str) -> (&'a String, &'a Value) {
    let items = document["paths"].as_object().unwrap().values();
    let mut operations = items.flat_map(|item| item.as_object().unwrap());
    operations
        .find(|(_, operation)| operation["operationId"] == id)
        .unwrap()
}

/// Where an answer has a body, viewers show what it looks like.
#[test]
fn every_answer_has_an_example() {
    let document = document();
    for id in operations(&document) {
        let (_, operation) = operation(&document, &id);
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = match response["$ref"].as_str() {
                Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
                None => response,
            };
            for (media_type, content) in response["content"].as_object().unwrap() {
                let has_example = content.get("example").is_some() || content.get("examples").is_some();
                assert!(has_example || media_type.contains("text"), "{id} {status} {media_type}");
            }
            assert!(!response["headers"]["X-Request-Id"].is_null(), "{id} {status}");
        }
        // What has no body cannot have one that is too large.
        assert_eq!(
            operation["responses"].get("413").is_some(),
            operation.get("requestBody").is_some(),
            "{id}"
        );
    }
}
