//! The host that a request says it is for (RFC 9112, section 3.2), tried on the server itself and on nginx in front.

use super::{Both, exchange, status};

/// F13, R38: a MUST, and what the guard against foreign pages compares the origin with.
#[tokio::test]
async fn a_request_that_does_not_name_one_host_is_refused() {
    let both = Both::start().await;
    for hosts in [
        "",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a b\r\n",
        "Host:\r\n",
        "Host: a/b\r\n",
    ] {
        for target in ["/hello", "/nowhere", "http://a/hello"] {
            for (server, address) in both.addresses() {
                let request = format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
                let answer = exchange(address, request.as_bytes()).await;
                assert_eq!(status(&answer), Some(400), "{server}, {target} {hosts:?}: {answer}");
                assert!(
                    answer.contains("application/problem+json") && answer.contains("\"code\":\"bad_request\""),
                    "{server}, {target} {hosts:?}: {answer}"
                );
            }
        }
    }
    both.assert_serving().await;
}

#[tokio::test]
async fn a_client_of_http_1_0_need_not_name_a_host() {
    let both = Both::start().await;
    for host in ["", "Host: a\r\n"] {
        for (server, address) in both.addresses() {
            let answer = exchange(address, format!("GET /hello HTTP/1.0\r\n{host}\r\n").as_bytes()).await;
            assert_eq!(status(&answer), Some(200), "{server}, {host:?}: {answer}");
        }
    }
}

/// RFC 9112, section 3.2.2 (MUST): the Host line is then not looked at.
#[tokio::test]
async fn the_host_of_a_request_in_absolute_form_is_that_of_its_target() {
    let both = Both::start().await;
    for (origin, expected) in [
        ("http://a.example:81", 200),
        ("http://b.example", 403),
        ("http://a.example", 403),
    ] {
        for (server, address) in both.addresses() {
            let request = format!(
                "POST http://a.example:81/logout HTTP/1.1\r\nHost: b.example\r\nOrigin: {origin}\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let answer = exchange(address, request.as_bytes()).await;
            assert_eq!(status(&answer), Some(expected), "{server}, {origin}: {answer}");
        }
    }
}
