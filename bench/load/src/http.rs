//! As much of HTTP/1.1 as a keep-alive client of our own servers needs: answers have a Content-Length.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A raw request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request(pub(crate) Vec<u8>);

/// What matters of an answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `name=value` of a cookie that it sets.
    pub(crate) cookie: Option<String>,
}

/// A connection that is kept.
pub(crate) struct Connection(BufReader<TcpStream>);

/// Requests, each after a line with its length in bytes.
pub(crate) fn parse_requests(mut bytes: &[u8]) -> Result<Vec<Request>, String> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let mut line = String::new();
        bytes.read_line(&mut line).map_err(|error| error.to_string())?;
        let length: usize = line
            .trim()
            .parse()
            .map_err(|_| format!("expected a length instead of {line:?}"))?;
        let (request, rest) = bytes
            .split_at_checked(length)
            .ok_or_else(|| format!("a request of {length} bytes is cut short"))?;
        requests.push(Request(request.to_vec()));
        bytes = rest;
    }
    Ok(requests)
}

impl Request {
    /// Replaces the cookie by the one that `answer` sets, if it sets one.
    pub(crate) fn take_cookie(&mut self, answer: &Answer) {
        let Some(cookie) = &answer.cookie else { return };
        let text = String::from_utf8_lossy(&self.0);
        let Some((before, rest)) = text.split_once("\r\nCookie: ") else {
            return;
        };
        let Some((_, after)) = rest.split_once("\r\n") else {
            return;
        };
        self.0 = format!("{before}\r\nCookie: {cookie}\r\n{after}").into_bytes();
    }
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Connection {
    /// The connection that there is, or a new one.
    pub(crate) fn reuse<'a>(
        connection: &'a mut Option<Self>,
        address: &str,
        patience: Duration,
    ) -> io::Result<&'a mut Self> {
        if connection.is_none() {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            *connection = Some(Self(BufReader::new(stream)));
        }
        connection.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Sends a request and reads its answer.
    pub(crate) fn exchange(&mut self, request: &Request) -> io::Result<Answer> {
        self.0.get_mut().write_all(&request.0)?;
        read_answer(&mut self.0)
    }
}

pub(crate) fn read_answer(stream: &mut impl BufRead) -> io::Result<Answer> {
    let mut answer = Answer::default();
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        if answer.status == 0 {
            let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
            answer.status = status.ok_or(io::ErrorKind::InvalidData)?;
        } else if let Some((name, value)) = text.split_once(':') {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            } else if name.eq_ignore_ascii_case("set-cookie") {
                answer.cookie = value.split(';').next().map(str::to_owned);
            }
        }
    }
    let body = io::copy(&mut stream.by_ref().take(length), &mut io::sink())?;
    if body < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}
