//! Pages of other origins: those that are allowed may call the API, the others may change nothing.

use reqwest::Method;

use crate::support::{Answer, Client, Container, PASSWORD, ServerProcess, Storage, TestServer, on_both_storages};

const ALLOWED: &str = "http://localhost:5173";
const FOREIGN: &str = "https://evil.example";

on_both_storages! {
    a_foreign_page_cannot_refresh_or_sign_out_with_the_users_cookie,
    an_allowed_page_and_the_servers_own_pages_can_refresh,
    a_page_of_which_the_browser_says_that_it_is_the_servers_own_is_believed,
    permissions_are_given_to_exact_origins_and_never_to_all,
    a_preflight_tells_an_allowed_page_what_it_may_send,
    the_headers_that_frontends_send_and_read_are_permitted,
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
        vec![("origin", FOREIGN), ("sec-fetch-site", "cross-site")],
        vec![("origin", FOREIGN), ("sec-fetch-site", "none")],
        vec![("origin", server.url.as_str()), ("sec-fetch-site", "cross-site")],
        vec![("origin", server.url.as_str()), ("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "same-origin, cross-site")],
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

/// F12: a proxy may have made something else of the Host. The browser has compared the two before, and no page can write
/// this header.
async fn a_page_of_which_the_browser_says_that_it_is_the_servers_own_is_believed(server: TestServer) {
    let client = server.signed_up("ada").await;
    let behind_a_proxy = [
        ("host", "10.0.0.5:8080"),
        ("origin", "https://api.example.com"),
        ("sec-fetch-site", "same-origin"),
    ];
    let page = of_page(&client, &behind_a_proxy);
    assert_eq!(page.send(Method::POST, "/refresh").await.status, 200);
    let mut page = of_page(&server.client(), &behind_a_proxy);
    assert_eq!(page.login("ada", PASSWORD).await.status, 200);
}

/// H5: an attacker on the network can write pages that come in plain text from the same name.
#[tokio::test]
async fn a_page_of_another_scheme_is_foreign_where_a_trusted_proxy_says_how_the_client_called() {
    let trusting = TestServer::start_with(Storage::SqliteAndMemory, &["--trusted-proxies=127.0.0.0/8"]).await;
    let distrusting = TestServer::start(Storage::SqliteAndMemory).await;
    for (server, origin, forwarded, expected) in [
        (&trusting, "https://api.example.com", Some("https"), 200),
        (&trusting, "http://api.example.com", Some("https"), 403),
        (&trusting, "http://api.example.com", Some("http"), 200),
        (&trusting, "https://api.example.com", Some("http"), 403),
        // A port may be written or not.
        (&trusting, "https://api.example.com:443", Some("https"), 200),
        (&trusting, "https://api.example.com:80", Some("https"), 403),
        // Nobody says, or nobody who is known: TLS may have ended at a proxy.
        (&trusting, "https://api.example.com", None, 200),
        (&trusting, "http://api.example.com", None, 200),
        (&trusting, "ftp://api.example.com", None, 403),
        (&distrusting, "http://api.example.com", Some("https"), 200),
    ] {
        let mut page = of_page(&server.client(), &[("host", "api.example.com"), ("origin", origin)]);
        if let Some(scheme) = forwarded {
            page = page.with_header("x-forwarded-proto", scheme);
        }
        let answer = page.send(Method::POST, "/logout").await;
        assert_eq!(answer.status, expected, "{origin} {forwarded:?}: {answer:?}");
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

/// A header that is not listed has the browser block the whole request: Sentry, OpenTelemetry and axios add these by default.
async fn the_headers_that_frontends_send_and_read_are_permitted(server: TestServer) {
    let (sent, read) = permitted_headers(&server.client(), ALLOWED).await;
    for name in [
        "authorization",
        "content-type",
        "sentry-trace",
        "baggage",
        "traceparent",
        "tracestate",
        "x-requested-with",
        "idempotency-key",
        "cache-control",
        "pragma",
        "if-match",
        "if-none-match",
        "x-request-id",
    ] {
        assert!(sent.contains(&name.to_owned()), "{name} in {sent:?}");
    }
    for name in [
        "retry-after",
        "ratelimit",
        "www-authenticate",
        "etag",
        "location",
        "date",
        "link",
        "x-request-id",
    ] {
        assert!(read.contains(&name.to_owned()), "{name} in {read:?}");
    }
}

#[tokio::test]
async fn the_guide_lists_the_headers_that_pages_may_send_and_read() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md")).unwrap();
    let (_, section) = guide.split_once("\n**Headers.**").unwrap();
    let section = section.split("\n\n").next().unwrap().to_ascii_lowercase();
    let (sent, read) = permitted_headers(&server.client(), ALLOWED).await;
    for name in sent.iter().chain(&read) {
        assert!(section.contains(&format!("`{name}`")), "{name}");
    }
}

/// What pages of `origin` may send and read, in small letters.
async fn permitted_headers(client: &Client, origin: &str) -> (Vec<String>, Vec<String>) {
    let page = client.clone().with_header("origin", origin);
    let asking = page.clone().with_header("access-control-request-method", "POST");
    let (preflight, answer) = (asking.send(Method::OPTIONS, "/login").await, page.get("/hello").await);
    let list = |answer: &Answer, header| {
        let names = answer.header(header).unwrap_or_default().to_ascii_lowercase();
        names.split(", ").map(str::to_owned).collect()
    };
    (
        list(&preflight, "access-control-allow-headers"),
        list(&answer, "access-control-expose-headers"),
    )
}

/// One list: the server's own answers pass through nginx, and what nginx answers by itself can be read as well.
#[tokio::test]
async fn settings_add_headers_and_previews_for_the_server_and_for_nginx_alike() {
    let settings = [
        ("ALLOWED_HEADERS", "X-Tenant"),
        ("EXPOSED_HEADERS", "Server-Timing"),
        ("ALLOWED_ORIGINS", "https://*.preview.example.com"),
    ];
    let container = Container::start(&settings).await;
    for (origin, permitted) in [
        ("https://feature-7.preview.example.com", true),
        ("https://a.b.preview.example.com", false),
        ("https://preview.example.com", false),
        ("http://a.preview.example.com", false),
        ("https://a.preview.example.com.evil.example", false),
        ("https://aXpreview.example.com", false),
    ] {
        let page = container.client().with_header("origin", origin);
        let (by_server, by_nginx) = (page.get("/nowhere").await, page.get("/.env").await);
        by_server.assert_problem(404);
        by_nginx.assert_problem(404);
        for header in [
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "access-control-expose-headers",
        ] {
            assert_eq!(
                by_server.header(header),
                by_nginx.header(header),
                "{header} for {origin}"
            );
        }
        assert_eq!(
            by_nginx.header("access-control-allow-origin"),
            permitted.then_some(origin)
        );
        let (sent, read) = permitted_headers(&container.client(), origin).await;
        assert_eq!(sent.contains(&"x-tenant".to_owned()), permitted, "{origin}");
        assert_eq!(read.contains(&"server-timing".to_owned()), permitted, "{origin}");
    }
}

/// The commonest trap of the first hour: page and API under localhost and 127.0.0.1. The browser says nothing.
#[tokio::test]
async fn a_sign_in_whose_cookie_the_browser_drops_is_said_in_the_log_of_development() {
    let process = ServerProcess::start(&[]);
    let client = process.client().await;
    let page = of_page(&client, &[("origin", ALLOWED), ("sec-fetch-site", "same-site")]);
    assert_eq!(page.clone().register("ada").await.status, 201);
    assert!(
        !process.output().contains("drops the refresh cookie"),
        "{}",
        process.output()
    );
    let page = of_page(&client, &[("origin", ALLOWED), ("sec-fetch-site", "cross-site")]);
    assert_eq!(page.clone().login("ada", "a wrong password").await.status, 401);
    assert!(
        !process.output().contains("drops the refresh cookie"),
        "{}",
        process.output()
    );
    assert_eq!(page.clone().login("ada", PASSWORD).await.status, 200);
    let line = process.await_line("drops the refresh cookie").await;
    assert!(
        line.contains("WARN") && line.contains(ALLOWED) && line.contains("two sites"),
        "{line}"
    );
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

/// H5, through nginx, which passes on what the load balancer says.
#[tokio::test]
async fn behind_nginx_a_page_of_another_scheme_is_foreign_too() {
    let container = Container::start(&[]).await;
    for (scheme, expected) in [("https", 200), ("http", 403)] {
        let origin = format!("{scheme}://api.example.com");
        let headers = [
            ("host", "api.example.com"),
            ("origin", origin.as_str()),
            ("x-forwarded-proto", "https"),
        ];
        let page = of_page(&container.client(), &headers);
        assert_eq!(page.send(Method::POST, "/logout").await.status, expected, "{origin}");
    }
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
