//! A PostgreSQL of a test's own, to be frozen, demoted or filled up without anybody else noticing.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use tokio::time::sleep;

use super::process::{children_of, free_port, send_signal};

pub(crate) struct Postgres {
    server: Child,
    port: u16,
    _folder: TempDir,
}

impl Postgres {
    /// Starts one with further settings, such as `max_connections=12`.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let folder = readable_folder();
        let data = folder.path().join("data");
        let options = [
            "-U",
            "slipway",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ];
        let made = run(program("initdb").arg("-D").arg(&data).args(options));
        assert!(made.status.success(), "{made:?}");
        let port = free_port();
        let mut command = program("postgres");
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k", ""]);
        for setting in ["fsync=off", "listen_addresses=127.0.0.1"].iter().chain(settings) {
            command.args(["-c", setting]);
        }
        let server = command.stderr(Stdio::null()).spawn().unwrap();
        let postgres = Self {
            server,
            port,
            _folder: folder,
        };
        await_port(port).await;
        postgres.execute("postgres", "CREATE DATABASE app").await;
        postgres
    }

    /// The URL of its database `app`.
    pub(crate) fn url(&self) -> String {
        self.url_of("app")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://slipway@127.0.0.1:{}/{database}", self.port)
    }

    /// Executes a statement by a connection of its own.
    pub(crate) async fn execute(&self, database: &str, statement: &str) {
        let mut connected = Database::connect(self.url_of(database)).await;
        for _ in 0..100 {
            if connected.is_ok() {
                break;
            }
            // It listens before it is ready.
            sleep(Duration::from_millis(100)).await;
            connected = Database::connect(self.url_of(database)).await;
        }
        let db = connected.unwrap();
        db.execute_unprepared(statement).await.unwrap();
        db.close().await.unwrap();
    }

    /// What `app` holds, in the database `app` of the other one, too.
    pub(crate) fn copy_to(&self, other: &Self) {
        let dump = run(program("pg_dump").args(["--inserts", &self.url()]));
        assert!(dump.status.success(), "{dump:?}");
        let folder = readable_folder();
        let file = folder.path().join("dump.sql");
        std::fs::write(&file, dump.stdout).unwrap();
        let filled = run(program("psql").arg("-q").arg("-f").arg(&file).arg(other.url()));
        assert!(filled.status.success(), "{filled:?}");
    }

    /// Every session is read-only from now on, those that exist, too: what is left of a writer after a fail-over.
    pub(crate) async fn demote(&self) {
        for statement in [
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "SELECT pg_reload_conf()",
        ] {
            self.execute("postgres", statement).await;
        }
    }

    /// Stops all of its processes where they are.
    pub(crate) fn freeze(&self) {
        self.signal_all("STOP");
    }

    fn signal_all(&self, name: &str) {
        let postmaster = self.server.id();
        send_signal(postmaster, name);
        for (child, ..) in children_of(postmaster) {
            // One that has just ended needs no signal.
            let kill = Command::new("kill")
                .args(["-s", name, &child.to_string()])
                .stderr(Stdio::null())
                .status();
            drop(kill);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.signal_all("CONT");
        // Immediate shutdown.
        send_signal(self.server.id(), "QUIT");
        let _ = self.server.wait();
    }
}

async fn await_port(port: u16) {
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing listens on {port} after 30 s");
}

/// A program of the newest PostgreSQL that is installed.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map(|entries| entries.flatten().collect::<Vec<_>>());
    let paths = versions.unwrap_or_default().into_iter().map(|version| version.path());
    let path = paths
        .map(|path| path.join("bin").join(name))
        .filter(|path| path.exists())
        .max();
    as_server_user(path.as_deref().unwrap_or(Path::new(name)))
}

/// It refuses to run as root, who lends it to a user who may do nothing else.
fn as_server_user(program: impl AsRef<Path>) -> Command {
    let program = program.as_ref();
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    // It ends with this process, however that ends.
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--pdeathsig=QUIT",
            "--",
        ])
        .arg(program);
    command
}

/// A folder into which that user may write.
fn readable_folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
