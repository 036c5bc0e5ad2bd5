//! What the server's secret is good for, when it is replaced and when it leaked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::support::{Client, PASSWORD, SECRET, TestServer, on_both_storages};

on_both_storages! {
    replacing_the_secret_signs_nobody_out_however_long_a_laptop_was_closed,
    a_secret_that_leaked_forges_no_refresh_token,
    replacing_a_secret_that_leaked_ends_every_access_token_and_signs_nobody_out,
    sessions_from_before_they_had_a_key_go_on,
}

const NEXT: &str = "--jwt-secret=the secret that takes its place, 32 bytes";
const PREVIOUS: &str = "--jwt-secret-previous=a secret of tests, of more than 32 bytes";

/// Security finding F7.
async fn replacing_the_secret_signs_nobody_out_however_long_a_laptop_was_closed(server: TestServer) {
    let mut open = server.signed_up("ada").await;
    let mut closed = server.client();
    closed.login("ada", PASSWORD).await;
    let during = server.another(&[NEXT, PREVIOUS]).await;
    assert_eq!(
        open.at(&during.url).me().await.status,
        200,
        "its access token is accepted for its ten minutes"
    );
    server.step_seconds(13 * 24 * 3600);
    let after = server.another(&[NEXT]).await;
    for client in [&mut open, &mut closed] {
        *client = client.at(&after.url);
        assert_eq!(client.refresh().await.status, 200);
        assert_eq!(client.me().await.status, 200);
    }
}

/// Security findings F7 and H14: with the secret and an access token, which names the session.
async fn a_secret_that_leaked_forges_no_refresh_token(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let session = session_id(&client).await;
    for generation in 0..3 {
        let forged = format!("refresh_token={}", token_of_the_server(session, generation));
        let refused = client.refresh_with(&forged).await;
        assert_eq!(refused.assert_problem(401), "session_ended");
    }
    assert_eq!(
        client.refresh().await.status,
        200,
        "and what was forged ends nobody's session"
    );
}

async fn replacing_a_secret_that_leaked_ends_every_access_token_and_signs_nobody_out(server: TestServer) {
    let client = server.signed_up("ada").await;
    let after = server.another(&[NEXT]).await;
    let mut client = client.at(&after.url);
    assert_eq!(client.me().await.status, 401);
    assert_eq!(client.refresh().await.status, 200);
    assert_eq!(client.me().await.status, 200);
}

async fn sessions_from_before_they_had_a_key_go_on(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let session = session_id(&client).await;
    let database = server.database().await;
    let before = "UPDATE sessions SET refresh_verifier = NULL";
    database.execute_unprepared(before).await.unwrap();
    client.cookie = Some(format!("refresh_token={}", token_of_the_server(session, 0)));
    let replayed = client.cookie.clone().unwrap();
    for generation in 1..3 {
        assert_eq!(client.refresh().await.status, 200);
        let expected = format!("refresh_token={}", token_of_the_server(session, generation));
        assert_eq!(client.cookie.as_deref(), Some(expected.as_str()));
    }
    assert_eq!(
        client.refresh_with(&replayed).await.status,
        200,
        "within the grace window"
    );
    assert_eq!(client.logout().await.status, 200);
    assert_eq!(client.refresh().await.status, 401);
}

async fn session_id(client: &Client) -> Uuid {
    client.me().await.json()["session_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// As the server made refresh tokens before sessions had a key: of its secret alone.
fn token_of_the_server(session: Uuid, generation: i64) -> String {
    let hmac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let key = hmac(SECRET.as_bytes(), b"slipway refresh token v1");
    let body = [&session.as_bytes()[..], &generation.to_be_bytes()].concat();
    let mac = hmac(key.as_ref(), &body);
    URL_SAFE_NO_PAD.encode([&body, mac.as_ref()].concat())
}
