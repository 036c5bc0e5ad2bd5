//! `slipway healthcheck`: the image has no curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use clap::Parser;
use slipway::config::{ConfigError, Listen, Options};

/// Less than the interval of a container's health check.
const DEADLINE: Duration = Duration::from_secs(3);

/// Whom to ask.
#[derive(Parser)]
pub(crate) struct HealthcheckOptions {
    /// Whom to ask instead of LISTEN, such as nginx in front of the server: `127.0.0.1:8080`
    #[arg(long, env = "HEALTHCHECK_ADDRESS")]
    address: Option<String>,

    /// Ask `GET /ready` and so for the database and the cache, too. Not for what replaces an instance that fails: a dead
    /// database would then take every instance with it
    #[arg(long)]
    ready: bool,

    #[command(flatten)]
    server: Options,
}

/// Asks `GET /health`, or `GET /ready`. A server that says that it is starting is alive, however long it waits for the
/// database or migrates it: it would only start again.
///
/// # Errors
/// When the answer is another than 200, or none comes in time.
pub(crate) fn run(options: &HealthcheckOptions) -> Result<(), ConfigError> {
    let (setting, value) = match &options.address {
        Some(address) => ("HEALTHCHECK_ADDRESS", address.as_str()),
        None => ("LISTEN", options.server.listen()),
    };
    let listen = Listen::parse(setting, value)?;
    let path = if options.ready { "/ready" } else { "/health" };
    let answer = match &listen {
        Listen::Tcp(address) => TcpStream::connect_timeout(&reachable(*address), DEADLINE).and_then(|stream| {
            stream.set_read_timeout(Some(DEADLINE))?;
            ask(stream, path)
        }),
        Listen::Unix(socket) => UnixStream::connect(socket).and_then(|stream| {
            stream.set_read_timeout(Some(DEADLINE))?;
            ask(stream, path)
        }),
    };
    match answer {
        Ok(Answer { status, .. }) if status.contains(" 200 ") => Ok(()),
        Ok(Answer { is_starting: true, .. }) if !options.ready => Ok(()),
        Ok(Answer { status, .. }) => Err(ConfigError(format!("{setting}={value} answered {status}"))),
        Err(error) => Err(ConfigError(format!("{setting}={value} does not answer: {error}"))),
    }
}

/// A server that listens on every address is asked on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

struct Answer {
    /// The status line.
    status: String,
    is_starting: bool,
}

fn ask(mut stream: impl Read + Write, path: &str) -> std::io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(Answer {
        status: response.lines().next().unwrap_or_default().to_owned(),
        is_starting: response.contains(r#""code":"starting""#),
    })
}
