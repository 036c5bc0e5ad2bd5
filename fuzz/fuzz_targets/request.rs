//! Everything that a stranger can send, through all parsers of a request at once and in their true order: path and
//! query, request id, forwarded addresses, origin, cookies, bearer token, Content-Type, JSON body, Accept.
//!
//! An input is a request as text: a line with method and path, headers, an empty line, the body. `$ACCESS` and `$REFRESH`
//! stand for the tokens of an account, so that what lies behind them is reached.

#![no_main]

use std::sync::LazyLock;

use clap::Parser;
use libfuzzer_sys::{Corpus, fuzz_target};
use poem::http::{HeaderName, HeaderValue, Method, Uri};
use poem::{Request, Response};
use slipway::app::App;
use slipway::clock::Clock;
use slipway::config::{Config, Options};
use slipway::http::Peer;
use tokio::runtime::{Builder, Runtime};

struct Server {
    runtime: Runtime,
    app: App,
    access_token: String,
    refresh_token: String,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (app, access_token, refresh_token) = runtime.block_on(async {
        let options = Options::parse_from([
            "slipway",
            "--database-url=sqlite::memory:",
            "--listen=127.0.0.1:0",
            "--metrics-listen=off",
            "--jwt-secret=a secret of tests, of more than 32 bytes",
            "--argon2-memory-kib=8",
            "--argon2-iterations=1",
            "--rate-limit-per-address=0",
            "--rate-limit-per-account=0",
            "--trusted-proxies=10.0.0.0/8",
        ]);
        let app = App::start(&Config::from_options(&options).unwrap(), Clock::manual()).await.unwrap();
        let body = r#"{"username":"ada","password":"correct horse battery"}"#;
        let request = format!("POST /register\nhost: x\ncontent-type: application/json\n\n{body}");
        let mut answer = app.pipeline.answer(parse(request.as_bytes()).unwrap(), Peer::Local).await;
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        let refresh_token = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
        let body = answer.take_body().into_string().await.unwrap();
        let access_token = body.split("\"access_token\":\"").nth(1).unwrap().split('"').next().unwrap();
        (app, access_token.to_owned(), refresh_token)
    });
    Server { runtime, app, access_token, refresh_token }
});

/// `None` for what hyper would not let through.
fn parse(input: &[u8]) -> Option<Request> {
    let end = input.windows(2).position(|two| two == b"\n\n").unwrap_or(input.len());
    let (head, body) = (&input[..end], input.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let uri = Uri::try_from(first.next()?).ok()?;
    let mut request = Request::builder().method(method).uri(uri).body(body.to_vec());
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}

/// What holds for every answer, whatever was asked.
fn check(answer: &Response) {
    let (status, headers) = (answer.status().as_u16(), answer.headers());
    assert_ne!(status, 500);
    assert!(headers.contains_key("x-request-id") && headers.contains_key("content-security-policy"));
    if status >= 400 {
        assert_eq!(headers["content-type"], "application/problem+json");
        assert!(!headers.contains_key("set-cookie"), "an error never touches the cookie (R3)");
    }
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let server = &*SERVER;
    let text = String::from_utf8_lossy(input);
    let with_tokens = text.replace("$ACCESS", &server.access_token).replace("$REFRESH", &server.refresh_token);
    let replaced = if text.contains('$') { with_tokens.as_bytes() } else { input };
    let Some(request) = parse(replaced) else {
        return Corpus::Reject;
    };
    let peer = if input.len() % 2 == 0 { Peer::Local } else { Peer::Address([10, 0, 0, 1].into()) };
    check(&server.runtime.block_on(server.app.pipeline.answer(request, peer)));
    Corpus::Keep
});
