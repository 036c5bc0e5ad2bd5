//! A TCP proxy between the server and what it depends on, which cuts, stalls and refuses on command.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Forward,
    /// Connections are cut, new ones are closed at once.
    Cut,
    /// Connections are cut in the middle of the next thing that the target says, which has then done what it was asked.
    CutReplies,
    /// Connections stay open and nothing comes through.
    Stall,
}

/// Forwards to `target` until told otherwise.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    mode: Arc<watch::Sender<Mode>>,
}

impl Proxy {
    pub(crate) async fn to(target: &str) -> Self {
        let target = Arc::new(Mutex::new(target.parse().unwrap()));
        let targets = Arc::clone(&target);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, changes) = watch::channel(Mode::Forward);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let target = *targets.lock().unwrap();
                tokio::spawn(forward(client, target, changes.clone()));
            }
        });
        Self {
            address,
            target,
            mode: Arc::new(mode),
        }
    }

    /// A proxy in front of the host and port of `url`, and the URL through it.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
        let host = authority.rsplit('@').next().unwrap();
        let proxy = Self::to(host).await;
        let through = url.replace(host, &proxy.address.to_string());
        (proxy, through)
    }

    /// Leads new connections to another target, as a name does that points to another address; old ones stay.
    pub(crate) fn lead_to(&self, target: &str) {
        *self.target.lock().unwrap() = target.parse().unwrap();
    }

    pub(crate) fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    pub(crate) fn cut_replies(&self) {
        self.mode.send_replace(Mode::CutReplies);
    }

    pub(crate) fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    pub(crate) fn restore(&self) {
        self.mode.send_replace(Mode::Forward);
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, mut mode: watch::Receiver<Mode>) {
    let mut server = None;
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Cut => return,
            Mode::Stall => {
                if mode.changed().await.is_err() {
                    return;
                }
            }
            Mode::Forward | Mode::CutReplies => {
                if server.is_none() {
                    let Ok(stream) = TcpStream::connect(target).await else {
                        return;
                    };
                    server = Some(stream);
                }
                let Some(server) = &mut server else { return };
                let forwarding = async {
                    if now == Mode::CutReplies {
                        forward_half_a_reply(&mut client, server).await;
                    } else {
                        let _ = copy_bidirectional(&mut client, server).await;
                    }
                };
                tokio::select! {
                    () = forwarding => return,
                    changed = mode.changed() => if changed.is_err() { return },
                }
            }
        }
    }
}

/// Forwards what the client says, and the first half of what the server answers.
async fn forward_half_a_reply(client: &mut TcpStream, server: &mut TcpStream) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let mut reply = [0; 4096];
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        length = from_server.read(&mut reply) => {
            let _ = to_client.write_all(&reply[..length.unwrap_or(0) / 2]).await;
        }
    }
}
