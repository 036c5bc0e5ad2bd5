//! What nobody needs any more is deleted in the background.

use std::time::Duration;

use crate::support::{TestServer, count, on_both_storages};

on_both_storages! { sessions_that_ended_are_deleted_after_60_seconds_and_no_other }

async fn sessions_that_ended_are_deleted_after_60_seconds_and_no_other(server: TestServer) {
    let ended = server.signed_up("ada").await;
    let living = server.signed_up("bob").await;
    ended.logout_all().await;
    let (db, sessions) = (server.database().await, "SELECT count(*) FROM sessions");
    assert_eq!(count(&db, sessions).await, 2);
    // Longer than access tokens live, and shorter than a session without use.
    server.step_seconds(60 * 60);
    tokio::time::timeout(Duration::from_secs(75), async {
        while count(&db, sessions).await != 1 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await
    .expect("the session that ended is still there");
    assert_eq!(living.clone().refresh().await.status, 200);
}
