//! PgBouncer in front of PostgreSQL, with the configuration that its package has, but for addresses and the pool's mode.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep};

use super::{free_port, program, send_signal};

/// When a client gets another connection to the server (`pool_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolMode {
    /// Never, while it is connected.
    Session,
    /// With each transaction.
    Transaction,
}

/// A running PgBouncer, gone with this value.
pub(crate) struct PgBouncer {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl PgBouncer {
    /// One in front of the database that `url` names.
    pub(crate) async fn before(url: &str, mode: PoolMode) -> Self {
        let (start, rest) = url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let (host, server_port) = server.split_once(':').unwrap();
        let user = start.rsplit_once("//").unwrap().1.split(':').next().unwrap();
        let port = free_port();
        let folder = TempDir::new().unwrap();
        let users = folder.path().join("users.txt");
        fs::write(&users, format!("\"{user}\" \"\"\n")).unwrap();
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        let configuration = format!(
            "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\n",
            users.display()
        );
        let path = folder.path().join("pgbouncer.ini");
        fs::write(&path, configuration).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // It refuses to run as root, which lends it to a user who may do nothing else.
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
            command.arg(program("pgbouncer"));
            command
        } else {
            Command::new(program("pgbouncer"))
        };
        let process = command.arg(&path).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let bouncer = Self {
            process: process.unwrap(),
            url: format!("{start}@127.0.0.1:{port}/{database}"),
            _folder: folder,
        };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return bouncer;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("PgBouncer did not listen within 30 s");
    }

    /// The database through it.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        send_signal(self.process.id(), "KILL");
        let _ = self.process.wait();
    }
}
