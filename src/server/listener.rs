//! A socket that connections come from: TCP or unix.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};

use crate::config::{ConfigError, Listen};
use crate::http::Peer;

/// What the owner and the group of a unix socket may do at most: whoever can open it is believed what it says about the
/// client's address.
const SOCKET_MODE: u32 = 0o660;
/// Connections that may wait to be accepted: as many as the system allows, as Rust's own library has it.
const BACKLOG: u32 = i32::MAX.unsigned_abs();

/// An open listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

/// An accepted connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A stream that can be waited for without room for what it will bring.
pub(super) trait AwaitReadable {
    /// Ready when a read would not wait.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl AwaitReadable for TokioIo<TcpStream> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_read_ready(cx)
    }
}

impl AwaitReadable for TokioIo<UnixStream> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_read_ready(cx)
    }
}

impl Listener {
    /// Opens the socket that `setting` names.
    ///
    /// # Errors
    /// One line that names the setting and how to mend it.
    pub async fn bind(setting: &str, listen: &Listen) -> Result<Self, ConfigError> {
        let bound = match listen {
            Listen::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Listen::Unix(path) => bind_unix(path).map(Self::Unix),
        };
        bound.map_err(|error| ConfigError(explain(setting, listen, &error)))
    }

    /// The address that was bound, with the port that the system chose for port 0; `None` for a unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are small and written whole: waiting to fill a packet would only delay them.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::Address(address.ip())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Local))
            }
        }
    }
}

/// A socket file that a killed server left behind is removed; one that a server still answers on is not.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match open_unix(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let is_socket = fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
            if !is_socket || std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            fs::remove_file(path)?;
            open_unix(path)
        }
        bound => bound,
    }
}

/// Nobody can connect before the socket listens, and by then its mode is right whatever the umask is.
fn open_unix(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let mode = fs::metadata(path)?.permissions().mode() & SOCKET_MODE;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)
}

fn explain(setting: &str, listen: &Listen, error: &io::Error) -> String {
    let place = match listen {
        Listen::Tcp(address) => address.to_string(),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    };
    let mend = match error.kind() {
        ErrorKind::AddrInUse => "something else listens there: stop it, or choose another port",
        ErrorKind::PermissionDenied => "choose a port above 1023, or a folder that this user may write to",
        ErrorKind::AddrNotAvailable => "this machine does not have that address: use 127.0.0.1 or 0.0.0.0",
        ErrorKind::NotFound => "make the folder first",
        _ => "choose another address",
    };
    format!("{setting}={place} cannot be used ({error}): {mend}")
}
