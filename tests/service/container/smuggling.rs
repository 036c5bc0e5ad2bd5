//! Requests whose end two servers could see in different places (request smuggling, RFC 9112, section 11.2).

use tokio::io::AsyncWriteExt;

use crate::support::{Container, read_answer};

/// What would be a second request if the first ended where an attacker wants it to.
const SMUGGLED: &str = "GET /hello?name=smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_request_of_ambiguous_length_is_refused_and_its_connection_is_closed() {
    let container = Container::start(&[]).await;
    for (headers, body) in [
        ("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "5c\r\n"),
        ("Content-Length: 0\r\nContent-Length: 5\r\n", ""),
        ("Content-Length: 0\r\nContent-Length: 0\r\n", ""),
        ("Content-Length: 0, 0\r\n", ""),
        ("Content-Length: +5\r\n", "12345"),
        ("Content-Length: -1\r\n", ""),
        ("Content-Length: 0x5\r\n", "12345"),
        ("Content-Length: 5 5\r\n", "12345"),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "0\r\n\r\n",
        ),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("X: y\r\n\tz\r\n", ""),
        ("X: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("X: y\0z\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "zz\r\n"),
    ] {
        let mut stream = container.connect().await;
        let request = format!("POST /login HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}{SMUGGLED}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await.unwrap();
        answer.assert_problem(if answer.status == 501 { 501 } else { 400 });
        assert_eq!(
            read_answer(&mut stream).await.map(|answer| answer.text),
            None,
            "{headers:?}"
        );
    }
    assert!(
        !container.process.output().contains("\"slipway::access\""),
        "one reached the server"
    );
}

#[tokio::test]
async fn a_request_that_both_sides_end_in_the_same_place_leaves_the_connection_in_step() {
    let container = Container::start(&[]).await;
    for first in [
        "GET /hello?name=first HTTP/1.1\nHost: x\n\n",
        "GET /hello?name=first HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345",
        "GET /hello?name=first HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n12345\r\n0\r\nX: y\r\n\r\n",
        "GET http://x/hello?name=first HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stream = container.connect().await;
        stream.write_all(first.as_bytes()).await.unwrap();
        stream
            .write_all(b"GET /hello?name=second HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        for name in ["first", "second"] {
            let answer = read_answer(&mut stream).await.unwrap();
            assert_eq!(answer.json()["message"], format!("hello {name}"), "{first:?}");
        }
    }
}
