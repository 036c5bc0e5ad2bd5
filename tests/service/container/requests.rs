//! Requests through nginx.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::support::{Answer, Container, PASSWORD, SECRET, read_answer};

#[tokio::test]
async fn accounts_and_sessions_work_through_nginx() {
    let container = Container::start(&[]).await;
    let mut client = container.client();
    assert_eq!(client.register("ada").await.status, 201);
    assert_eq!(client.me().await.json()["username"], "ada");
    let first = client.cookie.clone();
    assert_eq!(client.refresh().await.status, 200);
    assert_ne!(client.cookie, first);
    assert_eq!(client.logout().await.status, 200);
    assert_eq!(client.refresh().await.assert_problem(401), "session_ended");
    let page = client.get("/").await;
    assert!(page.status == 200 && page.text.contains("</html>"));
}

/// R13
#[tokio::test]
async fn a_client_cannot_choose_its_address() {
    let forged = "6.6.6.6, 203.0.113.5";
    for (trusted, seen) in [
        ("", "127.0.0.1"),
        ("10.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "203.0.113.5"),
    ] {
        let container = Container::start(&[("TRUSTED_PROXIES", trusted)]).await;
        let client = container.client().with_header("x-forwarded-for", forged);
        let by_server = client.get("/hello").await;
        let by_nginx = client.get("/.env").await;
        for answer in [by_server, by_nginx] {
            let line = container.access_line(answer.header("x-request-id").unwrap()).await;
            assert_eq!(line["client"], seen, "with TRUSTED_PROXIES={trusted}");
        }
    }
}

#[tokio::test]
async fn a_request_has_one_id_in_the_answer_and_in_the_log_whoever_answers() {
    let trace = "Root=1-5759e988-bd862e3f";
    let behind_a_proxy = Container::start(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let direct = Container::start(&[]).await;
    for (container, path) in [
        (&behind_a_proxy, "/nowhere"),
        (&behind_a_proxy, "/.env"),
        (&direct, "/nowhere"),
    ] {
        for (header, given, kept) in [
            ("x-amzn-trace-id", trace, std::ptr::eq(container, &behind_a_proxy)),
            // A load balancer passes on what a client has chosen (H6).
            ("x-request-id", "journey-1", false),
            ("x-amzn-trace-id", "a b", false),
            ("x-amzn-trace-id", "\",\"forged\":\"", false),
            ("x-amzn-trace-id", &"a".repeat(129), false),
        ] {
            let client = container.client().with_header("x-forwarded-for", "203.0.113.7");
            let answer = client.with_header(header, given).get(path).await;
            assert_eq!(answer.assert_problem(404), "not_found");
            let id = answer.header("x-request-id").unwrap();
            assert_eq!(id == given, kept, "{path} {given}");
            assert!(answer.headers.get_all("x-request-id").iter().count() == 1);
            if !kept {
                assert_eq!(id.len(), 32, "the server takes over the id that nginx made: {id}");
                assert_eq!(container.access_line(id).await["status"], 404);
            }
        }
    }
}

/// Everything but what is different in each answer.
fn constant_headers(answer: &Answer) -> BTreeMap<&str, Vec<&str>> {
    let mut headers = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in &answer.headers {
        headers.entry(name.as_str()).or_default().push(value.to_str().unwrap());
    }
    for name in ["date", "content-length", "x-request-id", "vary"] {
        headers.remove(name);
    }
    headers
}

/// R27: HSTS of at least a year, and the other headers of the server, each once.
#[tokio::test]
async fn what_nginx_answers_has_the_headers_of_what_the_server_answers() {
    let container = Container::start(&[
        ("SLIPWAY_ENV", "production"),
        ("DATABASE_URL", "sqlite:slipway.db"),
        ("JWT_SECRET", SECRET),
    ])
    .await;
    let client = container.client().with_header("x-forwarded-proto", "https");
    let (by_server, by_nginx) = (client.get("/nowhere").await, client.get("/wp-login.php").await);
    let headers = constant_headers(&by_server);
    assert_eq!(headers, constant_headers(&by_nginx));
    assert!(headers.values().all(|values| values.len() == 1), "{headers:?}");
    assert_eq!(headers["server"], ["nginx"], "no version");
    assert!(headers["strict-transport-security"][0].contains("max-age=31536000"));
    assert_eq!(
        (headers["x-content-type-options"][0], headers["cache-control"][0]),
        ("nosniff", "no-store")
    );
}

/// R8: an error that a page cannot read looks to it as if the network were down.
#[tokio::test]
async fn a_page_of_an_allowed_origin_can_read_what_nginx_answers_and_no_other_page_can() {
    let allowed = "https://app.example.com";
    let list = format!("{allowed},https://other.example.com,{allowed}");
    let container = Container::start(&[("ALLOWED_ORIGINS", &list)]).await;
    for (origin, permitted) in [
        (allowed, Some(allowed)),
        ("https://other.example.com", Some("https://other.example.com")),
        ("https://app.example.com.evil.example", None),
        ("http://app.example.com", None),
        ("null", None),
    ] {
        let page = container.client().with_header("origin", origin);
        let (by_server, by_nginx) = (page.get("/nowhere").await, page.get("/wp-login.php").await);
        assert_eq!(constant_headers(&by_server), constant_headers(&by_nginx), "{origin}");
        assert_eq!(by_nginx.header("access-control-allow-origin"), permitted);
        assert_eq!(by_nginx.header("vary"), Some("Origin"));
    }
    let without_origin = container.client().get("/wp-login.php").await;
    assert_eq!(without_origin.header("access-control-allow-origin"), None);
    assert_eq!(without_origin.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn long_answers_are_compressed_once_and_answers_with_tokens_are_not() {
    let container = Container::start(&[]).await;
    let mut client = container.client().with_header("accept-encoding", "gzip");
    client.register("ada").await;
    let signed_in = client.login("ada", PASSWORD).await;
    assert_eq!(signed_in.header("content-encoding"), None, "it holds a token");
    for _ in 0..10 {
        container.client().login("ada", PASSWORD).await;
    }
    for path in ["/sessions", "/openapi.json", "/docs/swagger-ui.js"] {
        // The text is not looked at: it is compressed.
        let response = reqwest::Client::new()
            .get(format!("http://{}{path}", container.address))
            .header("accept-encoding", "gzip")
            .bearer_auth(client.access_token.as_ref().unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip", "{path}");
        let varies = response.headers().get_all("vary").iter();
        assert!(varies.into_iter().any(|value| value == "Accept-Encoding"), "{path}");
        assert_eq!(&response.bytes().await.unwrap()[..2], [0x1f, 0x8b], "{path}");
    }
    assert_eq!(
        container.client().get("/openapi.json").await.header("content-encoding"),
        None
    );
}

/// R18: and never two lines for one request, for every line has a price.
#[tokio::test]
async fn every_request_is_logged_once_by_whoever_answered_it() {
    let slow = [("ARGON2_MEMORY_KIB", "200000"), ("ARGON2_ITERATIONS", "4")];
    let container = Container::start(&slow).await;
    let client = container.client();
    let mut ids = Vec::new();
    for (path, answered_by) in [
        ("/hello", "slipway::access"),
        ("/nowhere?token=hunter2", "slipway::access"),
        ("/.git/config?token=hunter2", "nginx::access"),
    ] {
        let id = client.get(path).await.header("x-request-id").unwrap().to_owned();
        assert_eq!(container.access_line(&id).await["target"], answered_by);
        ids.push(id);
    }
    // A client that does not wait for its answer.
    let mut impatient = container.connect().await;
    let body = r#"{"username":"nobody","password":"correct horse battery"}"#;
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    impatient.write_all(request.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    drop(impatient);
    container.process.await_line("\"status\":499").await;
    let line = container
        .access_lines()
        .into_iter()
        .find(|line| line["status"] == 499)
        .unwrap();
    assert_eq!(line["target"], "nginx::access");
    assert!(line["duration_ms"].as_u64().is_some(), "{line}");
    for field in ["timestamp", "level", "message", "method", "client", "path"] {
        assert!(
            line[field].as_str().is_some_and(|value| !value.is_empty()),
            "{field} in {line}"
        );
    }
    assert!(!container.process.output().contains("hunter2"));
    assert_eq!(container.access_lines().len(), ids.len() + 1);
}

/// R15: longer than the load balancer keeps it (60 s), and longer than nginx keeps its own to the server.
#[tokio::test]
async fn a_connection_to_nginx_that_was_idle_for_65_seconds_is_still_good() {
    let container = Container::start(&[]).await;
    let mut stream = container.connect().await;
    for pause in [65, 0] {
        let request = b"POST /logout HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.unwrap().status, 200);
        sleep(Duration::from_secs(pause)).await;
    }
}
