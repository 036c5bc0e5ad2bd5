//! Pages of other origins: those that are allowed may call the API, the others may change nothing.

use reqwest::Method;

use crate::support::{Client, PASSWORD, Storage, TestServer, on_both_storages};

const ALLOWED: &str = "http://localhost:5173";
const FOREIGN: &str = "https://evil.example";

on_both_storages! {
    a_foreign_page_cannot_refresh_or_sign_out_with_the_users_cookie,
    an_allowed_page_and_the_servers_own_pages_can_refresh,
    permissions_are_given_to_exact_origins_and_never_to_all,
    a_preflight_tells_an_allowed_page_what_it_may_send,
    state_is_changed_by_post_and_delete_only,
}

fn of_page(client: &Client, headers: &[(&'static str, &str)]) -> Client {
    headers
        .iter()
        .fold(client.clone(), |client, (name, value)| client.with_header(name, *value))
}

/// R7
async fn a_foreign_page_cannot_refresh_or_sign_out_with_the_users_cookie(server: TestServer) {
    let client = server.signed_up("ada").await;
    for headers in [
        vec![("origin", FOREIGN)],
        vec![("origin", "null")],
        vec![("origin", "http://localhost:5174")],
        vec![("origin", "http://localhost:5173.evil.example")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("origin", FOREIGN), ("sec-fetch-site", "same-origin")],
    ] {
        let page = of_page(&client, &headers);
        for path in ["/refresh", "/logout", "/logout-all"] {
            let answer = page.send(Method::POST, path).await;
            assert_eq!(answer.assert_problem(403), "cross_origin_request", "{path} {headers:?}");
            assert_eq!(answer.set_cookie(), None);
        }
        assert_eq!(
            of_page(&server.client(), &headers).login("ada", PASSWORD).await.status,
            403
        );
    }
    let mut client = client;
    assert_eq!(client.refresh().await.status, 200, "nothing happened to the session");
}

/// R7
async fn an_allowed_page_and_the_servers_own_pages_can_refresh(server: TestServer) {
    let client = server.signed_up("ada").await;
    let own = server.url.clone();
    for headers in [
        vec![],
        vec![("origin", ALLOWED)],
        vec![("origin", ALLOWED), ("sec-fetch-site", "cross-site")],
        vec![("origin", own.as_str())],
        vec![("sec-fetch-site", "same-origin")],
        vec![("sec-fetch-site", "none")],
    ] {
        let answer = of_page(&client, &headers).send(Method::POST, "/refresh").await;
        assert_eq!(answer.status, 200, "{headers:?}: {answer:?}");
    }
}

/// R8
async fn permissions_are_given_to_exact_origins_and_never_to_all(server: TestServer) {
    let client = server.client();
    let allowed = of_page(&client, &[("origin", ALLOWED)]).get("/hello").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some(ALLOWED));
    assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
    assert!(
        allowed
            .header("access-control-expose-headers")
            .unwrap()
            .contains("Retry-After")
    );
    for origin in [FOREIGN, "null", "http://LOCALHOST:5173", "http://localhost:5173/"] {
        let foreign = of_page(&client, &[("origin", origin)]).get("/hello").await;
        assert_eq!(
            (foreign.status, foreign.header("access-control-allow-origin")),
            (200, None),
            "{origin}"
        );
    }
    for answer in [&allowed, &client.get("/hello").await, &client.get("/nowhere").await] {
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    let refused = of_page(&client, &[("origin", ALLOWED)]).me().await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        Some(ALLOWED),
        "errors can be read, too"
    );
}

/// R8
async fn a_preflight_tells_an_allowed_page_what_it_may_send(server: TestServer) {
    let ask = |origin| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        let page = of_page(&server.client(), &headers);
        async move { page.send(Method::OPTIONS, "/login").await }
    };
    let allowed = ask(ALLOWED).await;
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(ALLOWED));
    assert_eq!(allowed.header("access-control-allow-methods"), Some("POST, OPTIONS"));
    assert!(
        allowed
            .header("access-control-allow-headers")
            .unwrap()
            .contains("Authorization")
    );
    let foreign = ask(FOREIGN).await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    assert_eq!(foreign.header("access-control-allow-methods"), None);
    // Fetch standard, section 3.2.2: it is a preflight only if it asks for a method.
    let no_preflight = of_page(&server.client(), &[("origin", ALLOWED)])
        .send(Method::OPTIONS, "/login")
        .await;
    assert_eq!(no_preflight.header("access-control-allow-origin"), Some(ALLOWED));
    assert_eq!(no_preflight.header("access-control-allow-methods"), None);
}

/// R7
async fn state_is_changed_by_post_and_delete_only(server: TestServer) {
    let client = server.signed_up("ada").await;
    for path in ["/refresh", "/logout", "/logout-all", "/register", "/login", "/password"] {
        assert_eq!(
            client.get(path).await.assert_problem(405),
            "method_not_allowed",
            "{path}"
        );
    }
    assert_eq!(client.me().await.status, 200);
}

/// R8: production trusts no origin that it was not told.
#[tokio::test]
async fn in_production_no_foreign_origin_is_allowed_unless_it_is_configured() {
    let configured = ["--slipway-env=production", "--allowed-origins=https://app.example.com"];
    let server = TestServer::start_with(Storage::PostgresAndValkey, &configured).await;
    let permitted = |origin| {
        let page = server.client().with_header("origin", origin);
        async move {
            page.get("/hello")
                .await
                .header("access-control-allow-origin")
                .map(str::to_owned)
        }
    };
    assert_eq!(
        permitted("https://app.example.com").await.as_deref(),
        Some("https://app.example.com")
    );
    assert_eq!(permitted(ALLOWED).await, None);
}
