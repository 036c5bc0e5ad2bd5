//! Clients that mean harm. Each is answered with an error or cut off in time, and others are served meanwhile.
//!
//! What nginx refuses by itself is in `container/errors.rs`, and requests whose end it and the server could see in
//! different places are in `container/smuggling.rs`.

mod connections;
mod hosts;
mod refusals;
mod requests;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Container, Storage, TestServer};

/// Longer than any deadline of the server or of nginx; only a connection that is never closed reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server itself and behind nginx.
struct Both {
    server: TestServer,
    container: Container,
}

impl Both {
    async fn start() -> Self {
        Self {
            server: TestServer::start(Storage::SqliteAndMemory).await,
            container: Container::start(&[]).await,
        }
    }

    fn addresses(&self) -> [(&'static str, SocketAddr); 2] {
        [
            ("server", self.server.app.address.unwrap()),
            ("nginx", self.container.address),
        ]
    }

    async fn assert_serving(&self) {
        for client in [self.server.client(), self.container.client()] {
            assert_eq!(client.get("/hello").await.status, 200);
        }
    }
}

/// Sends bytes on a connection of their own and returns all that comes back until it is closed. To say that nothing
/// more will come would end a request that should be refused, so that is not said.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answers = Vec::new();
    let talking = async {
        let (mut reader, mut writer) = stream.split();
        // Whoever refuses a request need not read the rest of it, and then both ends may fail.
        let (_, _) = tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut answers));
    };
    let what = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    timeout(PATIENCE, talking)
        .await
        .unwrap_or_else(|_| panic!("not closed after {PATIENCE:?}: {what}"));
    String::from_utf8_lossy(&answers).into_owned()
}

/// More than any buffer on the way; whoever takes so much takes everything.
const FAR_TOO_MUCH: usize = 32 << 20;

/// Sends `beginning` and then `more` again and again until there is an answer, the connection is closed or far too much
/// was taken. Returns how much it was, and the answer. (nginx reads on after an answer, so that the client sees it.)
async fn exchange_without_end(address: SocketAddr, beginning: &[u8], more: &[u8]) -> (usize, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = vec![0; 4096];
    let mut sent = 0;
    let sending = async {
        writer.write_all(beginning).await.unwrap();
        while sent < FAR_TOO_MUCH && writer.write_all(more).await.is_ok() {
            sent += more.len();
        }
        if sent < FAR_TOO_MUCH {
            std::future::pending::<()>().await;
        }
    };
    let length = tokio::select! {
        read = timeout(PATIENCE, reader.read(&mut answer)) => read.expect("neither answered nor closed").unwrap_or(0),
        () = sending => 0,
    };
    answer.truncate(length);
    (sent, String::from_utf8_lossy(&answer).into_owned())
}

/// The status of the first answer; `None` when there is none.
fn status(answers: &str) -> Option<u16> {
    answers.split(' ').nth(1)?.parse().ok()
}
