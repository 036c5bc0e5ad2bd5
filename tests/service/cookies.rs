//! The refresh cookie among the cookies of others, which may hold any bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, Container, Storage, TestServer};

/// As Chrome and Firefox send what a script of this host or of its parent domain has set.
const NEIGHBOUR: &[u8] = "city=Zürich".as_bytes();

/// Sends Cookie lines as they are, which no HTTP library would, and returns the answer.
async fn post(address: SocketAddr, path: &str, cookies: &[&[u8]]) -> String {
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n").into_bytes();
    for cookie in cookies {
        request.extend([b"Cookie: ", *cookie, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn is(status: u16, answer: &str) -> bool {
    answer.starts_with(&format!("HTTP/1.1 {status} "))
}

/// F10, security F2: they signed the user out, and a sign-out said that it was one and did nothing.
async fn neighbours_hide_nothing(address: SocketAddr, client: &mut Client, username: &str) {
    client.register(username).await;
    let (mut cookie, quoted) = (client.cookie.clone().unwrap(), |cookie: &str| {
        let (name, value) = cookie.split_once('=').unwrap();
        format!(r#"$Version="1"; {name}="{value}";$Path="/""#)
    });
    for is_quoted in [false, true] {
        let ours = if is_quoted { quoted(&cookie) } else { cookie.clone() };
        let (ours, any) = (ours.as_bytes(), b"a=\xff\xfe\x80\"; \xc3\x28; =;;b".as_slice());
        for cookies in [
            vec![[NEIGHBOUR, b"; ", ours].concat()],
            vec![[ours, b"; ", NEIGHBOUR].concat()],
            vec![[any, b"; ", ours, b"; ", any].concat()],
            vec![any.to_vec(), ours.to_vec(), NEIGHBOUR.to_vec()],
        ] {
            let lines: Vec<&[u8]> = cookies.iter().map(Vec::as_slice).collect();
            let answer = post(address, "/refresh", &lines).await;
            assert!(is(200, &answer), "{answer}");
            let set = answer.split("refresh_token=").nth(1).unwrap();
            cookie = format!("refresh_token={}", set.split(';').next().unwrap());
        }
    }
    let answer = post(address, "/logout", &[&[NEIGHBOUR, b"; ", cookie.as_bytes()].concat()]).await;
    assert!(is(200, &answer), "{answer}");
    assert_eq!(client.refresh_with(&cookie).await.status, 401, "the session has ended");
}

#[tokio::test]
async fn a_neighbour_of_any_bytes_hides_the_cookie_from_neither_refresh_nor_sign_out() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    neighbours_hide_nothing(server.app.address.unwrap(), &mut server.client(), "ada").await;
    let container = Container::start(&[]).await;
    neighbours_hide_nothing(container.address, &mut container.client(), "ada").await;
}

/// Whose session it is cannot be known, so it is not said to have ended.
#[tokio::test]
async fn a_sign_out_that_cannot_read_its_cookie_does_not_say_that_it_signed_out() {
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let address = server.app.address.unwrap();
    let client = server.signed_up("ada").await;
    let ours = client.cookie.clone().unwrap();
    let broken = [ours.as_bytes(), b"\xc3\xa9"].concat();
    let answer = post(address, "/logout", &[&broken]).await;
    assert!(
        is(400, &answer) && answer.contains("\"code\":\"unreadable_cookie\"") && !answer.contains("set-cookie"),
        "{answer}"
    );
    let answer = post(address, "/refresh", &[&broken]).await;
    assert!(is(401, &answer) && !answer.contains("set-cookie"), "{answer}");
    assert_eq!(client.me().await.status, 200);
    // R14: where there is none, nobody is signed in.
    for none in ["city=Bern", "xrefresh_token=1", "refresh_tokens=1", "Refresh_Token=1"] {
        let answer = post(address, "/logout", &[none.as_bytes()]).await;
        assert!(is(200, &answer), "{none}: {answer}");
    }
}
