//! What nobody needs any more is deleted in the background.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};

use crate::support::{TestServer, on_both_storages};

on_both_storages! { sessions_that_ended_are_deleted_after_60_seconds_and_no_other }

async fn sessions_that_ended_are_deleted_after_60_seconds_and_no_other(server: TestServer) {
    let ended = server.signed_up("ada").await;
    let living = server.signed_up("bob").await;
    ended.logout_all().await;
    assert_eq!(sessions_in_the_database(&server).await, 2);
    // Longer than access tokens live, and shorter than a session without use.
    server.step_seconds(60 * 60);
    tokio::time::timeout(Duration::from_secs(75), async {
        while sessions_in_the_database(&server).await != 1 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await
    .expect("the session that ended is still there");
    assert_eq!(living.clone().refresh().await.status, 200);
}

async fn sessions_in_the_database(server: &TestServer) -> i64 {
    let db = server.database().await;
    let count = Statement::from_string(db.get_database_backend(), "SELECT count(*) AS count FROM sessions");
    let row = db.query_one_raw(count).await.unwrap().unwrap();
    db.close().await.unwrap();
    row.try_get("", "count").unwrap()
}
