//! What nginx answers by itself: problems of the same shape as the server's.

use std::time::Duration;

use crate::support::{Container, PASSWORD};

fn get(target: &str, further: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n{further}\r\n").into_bytes()
}

/// R19
#[tokio::test]
async fn every_error_of_nginx_is_a_problem_with_the_id_that_is_logged() {
    let container = Container::start(&[]).await;
    let long_path = format!("/{}", "a".repeat(9_000));
    let too_long_path = format!("/{}", "a".repeat(30_000));
    let many_headers: String = (0..20).map(|n| format!("X-{n}: {}\r\n", "a".repeat(1_000))).collect();
    let large_header = format!("Cookie: {}\r\n", "a".repeat(17_000));
    let large_body = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n";
    let large_chunk = "POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\na";
    for (request, status, code, instance) in [
        (get("/hello", "Host: y\r\n"), 400, "bad_request", "/hello"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400, "bad_request", "/"),
        (
            b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            400,
            "bad_request",
            "/",
        ),
        (b"nonsense\r\n\r\n".to_vec(), 400, "bad_request", "/"),
        (get("/../x", ""), 400, "bad_request", "/"),
        (get("/%zz", ""), 400, "bad_request", "/"),
        (get("/.env", ""), 404, "not_found", "/.env"),
        (get("/nginx-problem", ""), 404, "not_found", "/nginx-problem"),
        (get("/index.php?x=%22", ""), 404, "not_found", "/index.php"),
        (get("/wp-admin/setup", ""), 404, "not_found", "/wp-admin/setup"),
        (
            b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            405,
            "method_not_allowed",
            "/",
        ),
        (large_body.into(), 413, "body_too_large", "/login"),
        (large_chunk.into(), 413, "body_too_large", "/login"),
        (get(&long_path, ""), 414, "uri_too_long", "/"),
        (get(&too_long_path, ""), 414, "uri_too_long", "/"),
        (get("/hello", &large_header), 431, "headers_too_large", "/hello"),
        (get("/hello", &many_headers), 431, "headers_too_large", "/hello"),
        (
            get("/hello", "Transfer-Encoding: gzip\r\n"),
            501,
            "not_implemented",
            "/hello",
        ),
        (
            b"GET / HTTP/9.1\r\nHost: x\r\n\r\n".to_vec(),
            505,
            "http_version_not_supported",
            "/",
        ),
    ] {
        let what = String::from_utf8_lossy(&request[..request.len().min(80)]).into_owned();
        let answer = container.send_raw(&request).await;
        assert_eq!(answer.assert_problem(status), code, "{what}");
        assert_eq!(answer.json()["instance"], instance, "{what}");
        assert_eq!(answer.headers.contains_key("allow"), status == 405, "{what}");
        let line = container.access_line(answer.header("x-request-id").unwrap()).await;
        assert_eq!(line["status"], status, "{what}");
    }
    assert!(!container.process.output().contains("\"level\":\"ERROR\""));
}

/// `return` in nginx escapes nothing.
#[tokio::test]
async fn nothing_in_a_request_can_change_the_json_of_an_error_or_of_a_log_line() {
    let container = Container::start(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    for hostile in [
        b"/.env\"},{\"status\":200,\"x\":\"".as_slice(),
        b"/.env\\",
        b"/.env\\u0022",
        b"/.env$request_id",
        b"/.env%22%0a%00",
        b"/.env/\xff\xfe\xc3\x28",
        b"/.env<script>",
        b"/.env?\"},{\"a\":\"",
        b"/.env/\x01\x02\x1b[31m",
        b"/.env/\x7f",
    ] {
        let request = [
            b"GET ",
            hostile,
            b" HTTP/1.1\r\nHost: x\r\nX-Amzn-Trace-Id: \"},{\"\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n",
        ]
        .concat();
        let answer = container.send_raw(&request).await;
        let what = String::from_utf8_lossy(hostile);
        answer.assert_problem(if answer.status == 400 { 400 } else { 404 });
        let problem = answer.json();
        assert_eq!(problem.as_object().unwrap().len(), 7, "{what}: {problem}");
        let instance = problem["instance"].as_str().unwrap();
        let path = what.split('?').next().unwrap();
        assert!(instance == "/" || instance == path, "{what}: {instance}");
        let line = container.access_line(answer.header("x-request-id").unwrap()).await;
        assert_eq!(
            (&line["path"], &line["target"]),
            (&instance.into(), &"nginx::access".into())
        );
    }
}

/// The server's own limits say more and come first; nginx' keep a flood away from it.
#[tokio::test]
async fn a_flood_is_stopped_by_nginx_for_each_address_by_itself() {
    let limits = "credentialsPerSecond = 1; credentialsBurst = 3; refreshesPerSecond = 1; refreshesBurst = 5;";
    let settings = [
        ("RATE_LIMIT_PER_ADDRESS", "0"),
        ("RATE_LIMIT_PER_ACCOUNT", "0"),
        ("TRUSTED_PROXIES", "127.0.0.1/32"),
    ];
    let container = Container::start_configured(limits, &settings).await;
    let client = |address: &str| container.client().with_header("x-forwarded-for", address);
    let (mut flood, mut other) = (client("203.0.113.1"), client("203.0.113.2"));
    let mut refused = None;
    for _ in 0..200 {
        let answer = flood.login("nobody", PASSWORD).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let refused = refused.expect("200 logins at once were let through");
    assert_eq!(refused.assert_problem(429), "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit"), None, "it is from nginx");
    assert_eq!(other.login("nobody", PASSWORD).await.status, 401);
    assert_eq!(flood.refresh().await.status, 401, "refreshes are counted by themselves");
    assert_eq!(flood.get("/hello").await.status, 200, "and other routes are not");
    let line = container.access_line(refused.header("x-request-id").unwrap()).await;
    assert_eq!((&line["status"], &line["client"]), (&429.into(), &"203.0.113.1".into()));
}

/// One client has a whole /64 of IPv6, and so 2^64 addresses (security F9).
#[tokio::test]
async fn a_flood_from_many_addresses_of_one_ipv6_network_is_stopped_as_one() {
    let limits = "credentialsPerSecond = 1; credentialsBurst = 3;";
    let settings = [
        ("RATE_LIMIT_PER_ADDRESS", "0"),
        ("RATE_LIMIT_PER_ACCOUNT", "0"),
        ("TRUSTED_PROXIES", "127.0.0.1/32"),
    ];
    let container = Container::start_configured(limits, &settings).await;
    let login = |address: String| {
        let mut client = container.client().with_header("x-forwarded-for", address);
        async move { client.login("nobody", PASSWORD).await.status }
    };
    let mut statuses = Vec::new();
    for host in 0..100 {
        // The bytes of this address include a line break, zero and what is no UTF-8.
        statuses.push(login(format!("2001:db8:a00::ff:fe{host:02x}:a0a")).await);
    }
    assert_eq!(statuses[0], 401);
    assert!(
        statuses.contains(&429),
        "100 logins at once were let through: {statuses:?}"
    );
    assert_eq!(
        login("2001:db8:a00:1::1".to_owned()).await,
        401,
        "another network is another client"
    );
    let mut statuses = Vec::new();
    for network in 2..100 {
        statuses.push(login(format!("2001:db8:a00:{network:x}::1")).await);
    }
    assert!(
        statuses.contains(&429),
        "98 networks of one /48 were let through at once: {statuses:?}"
    );
    assert_eq!(
        login("2001:db8:a01:1::1".to_owned()).await,
        401,
        "another /48 is another customer"
    );
    for last in 1..=20 {
        let mapped = format!("::ffff:203.0.113.{last}");
        assert_eq!(
            login(mapped).await,
            401,
            "IPv4 addresses in IPv6 are clients of their own"
        );
    }
}

/// With the defaults it is the server that refuses, and tells when to come back.
#[tokio::test]
async fn the_limits_of_the_server_are_reached_before_those_of_nginx() {
    let container = Container::start(&[]).await;
    let mut client = container.client();
    let mut refused = client.login("nobody", PASSWORD).await;
    for _ in 0..70 {
        refused = client.login("nobody", PASSWORD).await;
    }
    assert_eq!(refused.assert_problem(429), "rate_limited");
    assert!(refused.headers.contains_key("ratelimit-policy"), "{refused:?}");
}

/// Slowloris. nginx closes such a connection without an answer and logs 408.
#[tokio::test]
async fn a_client_that_dawdles_is_cut_off() {
    let timeouts = "timeouts = import ./nix/timeouts.nix // { clientSend = 1; };";
    let timeouts = timeouts.replace("./", concat!(env!("CARGO_MANIFEST_DIR"), "/"));
    let container = Container::start_configured(&timeouts, &[]).await;
    for start in [
        "GET / HTTP/1.1\r\nX: ",
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    ] {
        let mut stream = container.connect().await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, start.as_bytes())
            .await
            .unwrap();
        let answer = crate::support::read_answer(&mut stream).await;
        assert!(answer.is_none(), "{answer:?}");
    }
    tokio::time::timeout(Duration::from_secs(20), container.process.await_line("\"status\":408"))
        .await
        .unwrap();
}
