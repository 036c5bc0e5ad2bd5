//! The server with real nginx in front of it, configured by what Nix makes of nix/nginx-conf.nix.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Answer, Client, ServerProcess, free_port, piped};

/// A running `slipway container`.
pub(crate) struct Container {
    pub(crate) process: ServerProcess,
    /// Where nginx listens.
    pub(crate) address: SocketAddr,
    /// Holds the configuration and the runtime directory.
    pub(crate) folder: TempDir,
}

impl Container {
    /// One that is ready.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_configured("", settings).await
    }

    /// One that is ready, whose nginx configuration gets further arguments such as `workerProcesses = 2;`.
    pub(crate) async fn start_configured(arguments: &str, settings: &[(&str, &str)]) -> Self {
        let container = Self::launch(arguments, settings, &[]);
        container.process.await_line("serving behind nginx").await;
        container.await_nginx().await;
        container
    }

    /// One that has just been started, by another program if there is a `starter`.
    pub(crate) fn launch(arguments: &str, settings: &[(&str, &str)], starter: &[&str]) -> Self {
        Self::launch_at(free_address(), arguments, settings, starter)
    }

    /// The same, at an address that nobody else listens at.
    pub(crate) fn launch_at(address: SocketAddr, arguments: &str, settings: &[(&str, &str)], starter: &[&str]) -> Self {
        Self::spawn(piped(), address, arguments, settings, starter)
    }

    /// One that has just been started, with standard output and standard error of the test's choice.
    pub(crate) fn launch_into(streams: [Stdio; 2], settings: &[(&str, &str)]) -> Self {
        Self::spawn(streams, free_address(), "", settings, &[])
    }

    fn spawn(
        streams: [Stdio; 2],
        address: SocketAddr,
        arguments: &str,
        settings: &[(&str, &str)],
        starter: &[&str],
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("nginx.conf");
        std::fs::write(&config, render(&format!("listen = \"{address}\"; {arguments}"))).unwrap();
        let runtime_dir = folder.path().join("run");
        let nginx = program("nginx");
        let defaults = [
            ("SLIPWAY_NGINX", nginx.to_str().unwrap()),
            ("SLIPWAY_NGINX_CONFIG", config.to_str().unwrap()),
            ("SLIPWAY_RUNTIME_DIR", runtime_dir.to_str().unwrap()),
            ("METRICS_LISTEN", "127.0.0.1:0"),
            ("ARGON2_MEMORY_KIB", "64"),
            ("ACCEPT_RISKS", "weak-hashes,no-limits"),
            ("LOG_FORMAT", "json"),
        ];
        let settings = [&defaults, settings].concat();
        let process = ServerProcess::run_into(streams, starter, &["container"], &settings);
        Self {
            process,
            address,
            folder,
        }
    }

    pub(crate) fn runtime_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address))
    }

    /// Waits until nginx accepts connections.
    pub(crate) async fn await_nginx(&self) {
        for _ in 0..600 {
            if TcpStream::connect(self.address).await.is_ok() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("nginx did not listen within 30 s:\n{}", self.process.output());
    }

    /// Waits until nobody listens where nginx did.
    pub(crate) async fn await_free_port(address: SocketAddr) {
        for _ in 0..200 {
            if std::net::TcpListener::bind(address).is_ok() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("somebody still listens at {address} after 10 s");
    }

    pub(crate) async fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends bytes on a connection of their own and returns the first answer.
    pub(crate) async fn send_raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let answer = read_answer(&mut stream).await;
        answer.unwrap_or_else(|| panic!("no answer to {}", String::from_utf8_lossy(bytes)))
    }

    /// The access lines of nginx and of the server alike.
    pub(crate) fn access_lines(&self) -> Vec<Value> {
        let output = self.process.output();
        let lines = output.lines().filter(|line| line.contains("::access"));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one access line of a request, once it is there.
    pub(crate) async fn access_line(&self, request_id: &str) -> Value {
        self.process
            .await_line(&format!("\"message\":\"request\",\"request_id\":\"{request_id}\""))
            .await;
        let mut lines = self.access_lines();
        lines.retain(|line| line["request_id"] == request_id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }
}

fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

/// Reads one answer with a Content-Length; `None` when the connection ended before it.
pub(crate) async fn read_answer(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Answer> {
    let reading = async {
        let mut status = None;
        let mut headers = HeaderMap::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end();
            if status.is_none() {
                status = Some(
                    line.split(' ')
                        .nth(1)
                        .unwrap_or_else(|| panic!("{line}"))
                        .parse()
                        .unwrap(),
                );
            } else if let Some((name, value)) = line.split_once(": ") {
                headers.append(
                    HeaderName::try_from(name).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                );
            } else {
                assert_eq!(line, "");
                break;
            }
        }
        let length = headers
            .get("content-length")
            .map_or("0", |length| length.to_str().unwrap());
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        Some(Answer {
            status: status.unwrap(),
            headers,
            text: String::from_utf8(body).unwrap(),
        })
    };
    timeout(Duration::from_secs(30), reading)
        .await
        .expect("no answer within 30 s")
}

/// The nginx configuration for these arguments.
pub(crate) fn render(arguments: &str) -> String {
    let folder = env!("CARGO_MANIFEST_DIR");
    let config = evaluate(&format!("import {folder}/nix/nginx-conf.nix {{ {arguments} }}"));
    config.as_str().unwrap().to_owned()
}

/// What a Nix expression is.
pub(crate) fn evaluate(expression: &str) -> Value {
    let nix = Command::new(program("nix-instantiate"))
        .args(["--eval", "--strict", "--json", "--store", "dummy://", "-E", expression])
        .output()
        .unwrap();
    assert!(nix.status.success(), "{}", String::from_utf8_lossy(&nix.stderr));
    serde_json::from_slice(&nix.stdout).unwrap()
}

/// The path of a program, which ./test has installed if it was missing.
pub(crate) fn program(name: &str) -> PathBuf {
    any_program(&[name])
}

/// The same of the first of these that is there.
pub(crate) fn any_program(names: &[&str]) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin"]);
    let candidates = folders.map(Path::new).collect::<Vec<_>>();
    let mut candidates = names
        .iter()
        .flat_map(|name| candidates.iter().map(move |folder| folder.join(name)));
    let found = candidates.find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| panic!("none of {names:?} is installed: run ./test, which installs it"))
}
