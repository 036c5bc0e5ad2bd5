//! What nobody needs any more is deleted in the background.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, TestServer, count, on_both_storages};

on_both_storages! { sessions_that_ended_and_accounts_that_were_deleted_go_after_60_seconds_and_no_others }

async fn sessions_that_ended_and_accounts_that_were_deleted_go_after_60_seconds_and_no_others(server: TestServer) {
    let ended = server.signed_up("ada").await;
    let living = server.signed_up("bob").await;
    let deleted = server.signed_up("eve").await;
    ended.logout_all().await;
    let body = json!({"password": PASSWORD});
    assert_eq!(deleted.send_json(Method::DELETE, "/me", Some(&body)).await.status, 200);
    let db = server.database().await;
    let rows = async || {
        let sessions = count(&db, "SELECT count(*) FROM sessions").await;
        (sessions, count(&db, "SELECT count(*) FROM users").await)
    };
    assert_eq!(rows().await, (3, 3), "they tell instances which access tokens are over");
    // Longer than access tokens live, and shorter than a session without use.
    server.step_seconds(60 * 60);
    tokio::time::timeout(Duration::from_secs(75), async {
        while rows().await != (1, 2) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await
    .expect("the session that ended, or the account, is still there");
    assert_eq!(living.clone().refresh().await.status, 200);
}
