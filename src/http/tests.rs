use std::sync::Arc;

use clap::Parser;
use poem::endpoint::make;
use poem::http::StatusCode;
use poem::{EndpointExt, FromRequest, Request, Response};

use super::*;
use crate::config::Options;

fn pipeline(endpoint: BoxEndpoint<'static>) -> Pipeline {
    let secret = "--jwt-secret=0123456789abcdef0123456789ABCDEF";
    let config = Config::from_options(&Options::parse_from(["slipway", secret])).unwrap();
    let routes = Routes::new([("/x", vec!["GET".to_owned()])]);
    let pipeline = Pipeline::new(&config, routes, Arc::default(), Draining::default());
    pipeline.open(endpoint);
    pipeline
}

async fn get(pipeline: &Pipeline) -> (Response, serde_json::Value) {
    let request = Request::builder().uri_str("/x").header("host", "x").finish();
    let mut response = pipeline.answer(request, Peer::Local).await;
    let problem = response.take_body().into_json().await.unwrap();
    (response, problem)
}

/// R19: a panic is answered like any other error, without its text, and the next request is served.
#[tokio::test]
async fn a_panic_becomes_a_500_with_a_generic_body() {
    let pipeline = pipeline(make(panics).boxed());
    for _ in 0..2 {
        let (response, problem) = get(&pipeline).await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.content_type(), Some(crate::problem::CONTENT_TYPE));
        assert_eq!(
            (&problem["code"], &problem["instance"]),
            (&"internal_error".into(), &"/x".into())
        );
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
}

async fn panics(_request: Request) -> poem::Result<Response> {
    panic!("hunter2")
}

/// R19: so does an error that no one foresaw.
#[tokio::test]
async fn an_unforeseen_error_becomes_a_500_with_a_generic_body() {
    let (response, problem) = get(&pipeline(make(fails).boxed())).await;
    assert_eq!(response.status(), 500);
    assert!(!problem.to_string().contains("hunter2"), "{problem}");
}

async fn fails(_request: Request) -> poem::Result<Response> {
    Err(poem::error::InternalServerError(std::io::Error::other("hunter2")))
}

/// R38: whatever a handler or the framework says is the client's fault stays that.
#[tokio::test]
async fn an_error_of_the_framework_keeps_its_4xx_status() {
    for (status, code) in [
        (StatusCode::CONFLICT, "client_error"),
        (StatusCode::PRECONDITION_FAILED, "client_error"),
        (StatusCode::UNAUTHORIZED, "client_error"),
        (StatusCode::NOT_FOUND, "not_found"),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
    ] {
        let refuses = make(move |_| async move {
            Err::<Response, _>(poem::Error::from_string("the note was changed meanwhile", status))
        });
        let (response, problem) = get(&pipeline(refuses.boxed())).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.content_type(), Some(crate::problem::CONTENT_TYPE));
        assert_eq!(
            (&problem["code"], &problem["status"]),
            (&code.into(), &status.as_u16().into())
        );
        assert_eq!(problem["detail"], "the note was changed meanwhile");
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    }
}

#[tokio::test]
async fn a_payload_of_the_framework_that_is_wrong_is_the_clients_fault() {
    let reads_json = make(|request: Request| async move {
        let (request, mut body) = request.split();
        poem::web::Json::<serde_json::Value>::from_request(&request, &mut body).await?;
        Ok::<_, poem::Error>(Response::default())
    });
    let (response, problem) = get(&pipeline(reads_json.boxed())).await;
    assert_eq!(
        (response.status().as_u16(), &problem["code"]),
        (415, &"unsupported_media_type".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_longer_than_the_deadline_is_given_up_with_503() {
    let (response, problem) = get(&pipeline(make(sleeps).boxed())).await;
    assert_eq!(
        (response.status().as_u16(), &problem["code"]),
        (503, &"deadline_exceeded".into())
    );
    assert!(response.headers().contains_key("retry-after"));
}

async fn sleeps(_request: Request) -> poem::Result<Response> {
    tokio::time::sleep(REQUEST_DEADLINE * 2).await;
    Ok(Response::default())
}

#[tokio::test]
async fn a_body_may_say_that_it_has_as_many_bytes_as_the_limit_and_not_one_more() {
    let pipeline = pipeline(make(answers).boxed());
    for (length, status) in [(MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)] {
        let request = Request::builder()
            .uri_str("/x")
            .header("host", "x")
            .header("content-length", length)
            .finish();
        assert_eq!(pipeline.answer(request, Peer::Local).await.status(), status, "{length}");
    }
}

async fn answers(_request: Request) -> poem::Result<Response> {
    Ok(Response::default())
}

#[test]
fn the_duration_of_a_request_is_logged_in_milliseconds() {
    let durations = [0, 1_500, 10_000_000].map(Duration::from_micros);
    assert_eq!(durations.map(milliseconds), [0.0, 1.5, 10_000.0]);
}
