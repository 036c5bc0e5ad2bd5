//! Single requests, sent to the server itself and to nginx in front of it.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::{Both, FAR_TOO_MUCH, exchange, exchange_without_end, status};
use crate::support::{Client, Storage, TestServer, Usage};

/// What would be a second request if the first ended where an attacker wants it to.
const SMUGGLED: &str = "GET /hello?name=smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

const CHUNKED_POST: &str =
    "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/// RFC 9112, sections 6.1 and 11.2. The server does not rely on nginx to refuse these. A request that has both lengths
/// is read by its chunks, and hyper (1.12) closes the connection after it.
#[tokio::test]
async fn a_request_of_ambiguous_length_never_lets_a_second_one_through() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let address = server.app.address.unwrap();
    for (headers, body) in [
        ("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "5c\r\n"),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
        ),
        ("Content-Length: 0\r\nContent-Length: 5\r\n", ""),
        ("Content-Length: +5\r\n", "12345"),
        ("Content-Length: -1\r\n", ""),
        ("Content-Length: 0x5\r\n", "12345"),
        ("Content-Length: 5 5\r\n", "12345"),
        ("Content-Length: 99999999999999999999\r\n", ""),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "0\r\n\r\n",
        ),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("X: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("X: y\0z\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "zz\r\n"),
        ("Transfer-Encoding: chunked\r\n", "-1\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0x5\r\n12345\r\n0\r\n\r\n"),
        (
            "Transfer-Encoding: chunked\r\n",
            "10000000000000005\r\n12345\r\n0\r\n\r\n",
        ),
        ("Transfer-Encoding: chunked\r\n", "5\n12345\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "5\r\n1234567\r\n0\r\n\r\n"),
    ] {
        // One route reads the body and the other does not: what remains unread ends a connection anyway.
        for path in ["/login", "/logout"] {
            let content_type = "Content-Type: application/json";
            let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{content_type}\r\n{headers}\r\n{body}{SMUGGLED}");
            let answers = exchange(address, request.as_bytes()).await;
            let what = format!("{path} {headers:?} {body:?}: {answers}");
            assert!(!answers.contains("smuggled"), "{what}");
            assert!(answers.matches("HTTP/1.1").count() <= 1, "{what}");
        }
    }
    assert_eq!(server.client().get("/hello").await.status, 200);
}

#[tokio::test]
async fn what_never_ends_is_refused_before_it_fills_any_memory() {
    let both = Both::start().await;
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000));
    let filler = "a".repeat(4_000);
    for (what, beginning, more) in [
        ("request line", "GET /", filler.clone()),
        ("header", "GET / HTTP/1.1\r\nX: ", filler.clone()),
        ("headers", "GET / HTTP/1.1\r\nHost: x\r\n", format!("X: {filler}\r\n")),
        ("tiny headers", "GET / HTTP/1.1\r\nHost: x\r\n", "X: y\r\n".repeat(500)),
        ("body", CHUNKED_POST, chunk),
        ("body in tiny chunks", CHUNKED_POST, "1\r\na\r\n".repeat(500)),
    ] {
        for (whom, address) in both.addresses() {
            let (sent, answer) = exchange_without_end(address, beginning.as_bytes(), more.as_bytes()).await;
            assert!(sent < FAR_TOO_MUCH, "{whom} took {sent} bytes of a {what} without end");
            // On a busy machine the request's deadline comes before the last of very many tiny chunks.
            assert!(
                matches!(status(&answer), Some(413 | 414 | 431 | 503)),
                "{what}, {whom}: {answer}"
            );
        }
        both.assert_serving().await;
    }
}

/// nginx has no limit on what stands around the data of chunks, and reads it for as long as it comes. It keeps none of
/// it, and passes none on. (Zeros before a chunk's size the server reads, too, until the request's deadline.)
#[tokio::test]
async fn framing_that_never_ends_is_refused_by_the_server_and_kept_nowhere_by_nginx() {
    let both = Both::start().await;
    let filler = "a".repeat(4_000);
    for (what, beginning, more) in [
        ("chunk extension", "5;", filler.clone()),
        ("trailer", "0\r\nX: ", filler),
        ("trailers", "0\r\n", "X: y\r\n".repeat(500)),
    ] {
        let beginning = format!("{CHUNKED_POST}{beginning}");
        let server = both.server.app.address.unwrap();
        let (sent, answer) = exchange_without_end(server, beginning.as_bytes(), more.as_bytes()).await;
        assert!(
            sent < FAR_TOO_MUCH && !answer.contains("200 OK"),
            "{what}: {sent} bytes, {answer}"
        );

        let before = Usage::of(both.container.process.pid()).memory_kib;
        let (sent, answer) = exchange_without_end(both.container.address, beginning.as_bytes(), more.as_bytes()).await;
        let grown = Usage::of(both.container.process.pid())
            .memory_kib
            .saturating_sub(before);
        let on_disk: u64 = files_below(&both.container.runtime_dir()).iter().sum();
        println!(
            "{what}: nginx took {} MiB, {:?}, grew by {grown} KiB",
            sent >> 20,
            status(&answer)
        );
        assert!(
            grown < 4 << 10 && on_disk < 1 << 20,
            "{what}: {grown} KiB of memory, {on_disk} bytes on disk"
        );
        both.assert_serving().await;
    }
    let lines = both.container.access_lines();
    assert!(
        lines.iter().all(|line| line["route"] != "/login"),
        "one reached the server"
    );
}

/// The sizes of all files there.
fn files_below(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let sizes = entries.flat_map(|entry| {
        let file = entry.metadata().unwrap();
        if file.is_dir() {
            files_below(&entry.path())
        } else {
            vec![file.len()]
        }
    });
    sizes.collect()
}

/// Whether a route takes a body or not.
#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_refused_before_it_is_sent() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    for path in ["/login", "/logout", "/logout-all"] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n");
        let answer = exchange(server.app.address.unwrap(), head.as_bytes()).await;
        assert_eq!(status(&answer), Some(413), "{path}: {answer}");
    }
}

/// The server's own, in the one shape that errors have.
async fn refused(client: &Client, what: &str, path: &str, body: &[u8]) {
    let answer = client.post_bytes(path, "application/json", body.to_vec()).await;
    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
    answer.assert_problem(answer.status);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The server unpacks nothing, so there is nothing to blow up.
#[tokio::test]
async fn bodies_made_to_exhaust_a_parser_are_refused() {
    let both = Both::start().await;
    let bomb = gzip(&vec![b' '; 32 << 20]);
    assert!(bomb.len() < 65_536, "it fits into a body");
    let deep = "[".repeat(60_000);
    let nested = format!("{{\"username\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000));
    let many = format!("{{{}\"username\":\"ada\"}}", "\"a\":1,".repeat(10_000));
    let number = format!("{{\"username\":{}}}", "9".repeat(60_000));
    let latin1 = b"{\"username\":\"ad\xe9\",\"password\":\"correct horse battery\"}";
    let surrogate = br#"{"username":"\ud800","password":"correct horse battery"}"#;
    let nul = br#"{"username":"ada\u0000","password":"correct horse battery"}"#;
    let twice = br#"{"username":"ada","username":"bob","password":"correct horse battery"}"#;
    for client in [both.server.client(), both.container.client()] {
        for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip"] {
            let client = client.clone().with_header("content-encoding", encoding);
            refused(&client, encoding, "/login", &bomb).await;
        }
        for (what, body) in [
            ("bomb", bomb.as_slice()),
            ("deep", deep.as_bytes()),
            ("nested", nested.as_bytes()),
            ("many", many.as_bytes()),
            ("number", number.as_bytes()),
            ("latin1", latin1),
            ("surrogate", surrogate),
            ("nul", nul),
            ("twice", twice),
            ("utf16", b"\xff\xfe{\0}\0"),
            ("empty", b""),
        ] {
            refused(&client, what, "/register", body).await;
        }
    }
    both.assert_serving().await;
}

#[tokio::test]
async fn no_way_to_write_a_path_leads_around_a_guard() {
    let both = Both::start().await;
    for path in [
        "/%6de",
        "/me/",
        "//me",
        "/./me",
        "/x/../me",
        "/x/%2e%2e/me",
        "/..%2fme",
        "/%2e/me",
        "/me%2f",
        "/me%00",
        "/me%20",
        "/me;x=y",
        "/ME",
        "/me%ff",
        "/me%c0%af",
        "/me%",
        "/me%2",
        "/me%zz",
        "/\\me",
        "/me\\..\\x",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5cetc",
        "/sessions/..%2f..%2fme",
        "/sessions/%00",
        "/docs/../../Cargo.toml",
        "/docs/%2e%2e%2fCargo.toml",
        "/metrics/",
        "/metrics%2f",
        "/%6detrics",
        "*",
        "x",
        "?",
        "http://x/me",
        "http://x/../me",
        "/me#x",
        "/me\u{e9}",
    ] {
        for (whom, address) in both.addresses() {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answers = exchange(address, request.as_bytes()).await;
            let status = status(&answers).unwrap_or_else(|| panic!("{whom} did not answer to {path}"));
            assert!((400..500).contains(&status), "{whom}, {path}: {answers}");
            let is_problem = answers.contains("application/problem+json");
            // What is no HTTP at all is refused by the parser, before there is a request.
            assert!(is_problem || status == 400, "{whom}, {path}: {answers}");
        }
    }
    for name in ["%ff", "%c3%28", "%00", "a%0d%0aX: y", "%f0%28%8c%bc"] {
        for client in [both.server.client(), both.container.client()] {
            let answer = client.get(&format!("/hello?name={name}")).await;
            assert!(
                answer.header("x").is_none() && answer.status < 500,
                "{name}: {answer:?}"
            );
            answer.json();
        }
    }
    both.assert_serving().await;
}

/// R18: nothing that a client sends can end a line of the log or a header of the answer.
#[tokio::test]
async fn bytes_that_are_no_text_are_taken_in_no_header() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let address = server.app.address.unwrap();
    let client = server.signed_up("ada").await;
    for header in [
        "Authorization: Bearer ",
        "Cookie: refresh_token=",
        "Origin: ",
        "X-Forwarded-For: ",
        "X-Request-Id: ",
    ] {
        for value in [
            b"\xff\xfe".as_slice(),
            b"\xc3\x28",
            b"a\tb",
            b"\x80",
            b"\"",
            b"%0d%0aX: y",
        ] {
            let start =
                format!("POST /refresh HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{header}");
            let request = [start.as_bytes(), value, b"\r\n\r\n"].concat();
            let answers = exchange(address, &request).await;
            assert!(
                matches!(status(&answers), Some(401 | 403)),
                "{header} {value:?}: {answers}"
            );
        }
    }
    let credentials = json!({"username": "ada", "password": "correct horse battery"});
    assert_eq!(client.post("/login", &credentials).await.status, 200);
}
