//! What a service with users and a frontend of its own does without.

use crate::support::{PASSWORD, Storage, TestServer};

const DEMO: [&str; 3] = ["/", "/app.js", "/views/status.js"];
const DOCS: [&str; 4] = ["/openapi.json", "/docs", "/docs/init.js", "/docs/swagger-ui.js"];

async fn statuses(server: &TestServer, paths: &[&str]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for path in paths {
        statuses.push(server.client().get(path).await.status);
    }
    statuses
}

#[tokio::test]
async fn everything_is_offered_unless_something_else_is_said() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    assert_eq!(statuses(&server, &DEMO).await, [200; 3]);
    assert_eq!(statuses(&server, &DOCS).await, [200; 4]);
    assert_eq!(server.client().register("ada").await.status, 201);
}

#[tokio::test]
async fn what_is_switched_off_is_not_found_and_the_api_goes_on() {
    for (switched_off, demo, docs) in [("--demo=off", 404, 200), ("--docs=off", 200, 404)] {
        let server = TestServer::start_with(Storage::SqliteAndMemory, &[switched_off]).await;
        assert_eq!(statuses(&server, &DEMO).await, [demo; 3]);
        assert_eq!(statuses(&server, &DOCS).await, [docs; 4]);
        assert_eq!(server.client().get("/hello").await.status, 200);
        let options = server.client().send(reqwest::Method::OPTIONS, DEMO[0]).await;
        assert_eq!(options.status, if demo == 404 { 404 } else { 204 });
    }
}

#[tokio::test]
async fn nobody_can_register_while_that_is_closed_and_those_who_have_sign_in() {
    let open = TestServer::start(Storage::PostgresAndValkey).await;
    open.signed_up("ada").await;
    let closed = open.another(&["--registration=closed"]).await;
    assert_eq!(
        closed.client().register("bob").await.assert_problem(403),
        "registration_closed"
    );
    assert_eq!(closed.client().login("ada", PASSWORD).await.status, 200);
}
