//! A TCP proxy between the server and what it depends on, which cuts, stalls, forgets and refuses on command.

use std::net::SocketAddr;
use std::sync::Arc;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    mode: Mode,
    /// Where new connections lead.
    target: SocketAddr,
    /// Grows by one when the connections that exist are forgotten: they stay open, and nothing comes through any more.
    age: u64,
}

/// Forwards to `target` until told otherwise.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

impl Proxy {
    pub(crate) async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, changes) = watch::channel(State {
            mode: Mode::Forward,
            target: target.parse().unwrap(),
            age: 0,
        });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, changes.clone()));
            }
        });
        Self {
            address,
            state: Arc::new(state),
        }
    }

    /// A proxy in front of the host and port of `url`, and the URL through it.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let host = host_of(url);
        let proxy = Self::to(host).await;
        let through = url.replace(host, &proxy.address.to_string());
        (proxy, through)
    }

    pub(crate) fn cut(&self) {
        self.set_mode(Mode::Cut);
    }

    pub(crate) fn cut_replies(&self) {
        self.set_mode(Mode::CutReplies);
    }

    pub(crate) fn stall(&self) {
        self.set_mode(Mode::Stall);
    }

    pub(crate) fn restore(&self) {
        self.set_mode(Mode::Forward);
    }

    /// What a fail-over looks like in which the old server vanishes without a word: connections that exist carry nothing
    /// any more, ever, and new ones are good.
    pub(crate) fn forget_connections(&self) {
        self.state.send_modify(|state| state.age += 1);
    }

    /// Leads new connections to another target, as a name does that points to another address; old ones stay.
    pub(crate) fn lead_to(&self, target: &str) {
        let target = target.parse().unwrap();
        self.state.send_modify(|state| state.target = target);
    }

    fn set_mode(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }
}

fn host_of(url: &str) -> &str {
    let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    authority.rsplit('@').next().unwrap()
}

async fn forward(mut client: TcpStream, mut state: watch::Receiver<State>) {
    let mut server = None;
    let age = state.borrow().age;
    loop {
        let now = *state.borrow_and_update();
        let mode = if now.age == age { now.mode } else { Mode::Stall };
        match mode {
            Mode::Cut => return,
            Mode::Stall => {
                if state.changed().await.is_err() {
                    return;
                }
            }
            Mode::Forward | Mode::CutReplies => {
                if server.is_none() {
                    let Ok(stream) = TcpStream::connect(now.target).await else {
                        return;
                    };
                    server = Some(stream);
                }
                let Some(server) = &mut server else { return };
                let forwarding = async {
                    if mode == Mode::CutReplies {
                        forward_half_a_reply(&mut client, server).await;
                    } else {
                        let _ = copy_bidirectional(&mut client, server).await;
                    }
                };
                tokio::select! {
                    () = forwarding => return,
                    changed = state.changed() => if changed.is_err() { return },
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
