//! A PostgreSQL and a Valkey of the soak's own: they can be killed, stopped and started again, and their disk is small.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::support::{children_of, free_port, send_signal};

/// A new database has some 25 MB; the rest is for what the soak writes.
const DISK_MB: u32 = 160;

/// A dependency as one process with its children.
pub(crate) trait Dependency: Send + Sync + 'static {
    /// Starts it and waits until it answers.
    fn start(&mut self) -> impl Future<Output = ()> + Send;
    fn process(&mut self) -> &mut Child;
    /// Where it writes, if it writes anything.
    fn disk(&self) -> Option<&SmallDisk>;
    /// Whether it takes writes, as a primary does and a replica does not.
    fn take_writes(&mut self, does: bool) -> impl Future<Output = ()> + Send;

    /// It and its children, which it must be told before they are: it would start new ones.
    fn signal(&mut self, name: &str) {
        let parent = self.process().id();
        let children = children_of(parent);
        send_signal(parent, name);
        for (child, ..) in children {
            // One that has just ended needs no signal.
            let _ = Command::new("kill")
                .args(["-s", name, &child.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }

    fn kill(&mut self) {
        self.signal("KILL");
        self.process().wait().unwrap();
    }

    fn has_ended(&mut self) -> bool {
        self.process().try_wait().unwrap().is_some()
    }
}

/// A small file system in memory that only whoever enters its namespace sees. It is gone with this value, however the
/// test ends.
pub(crate) struct SmallDisk {
    folder: TempDir,
    /// Keeps the namespace until its standard input is closed.
    holder: Child,
    is_root: bool,
}

impl SmallDisk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let mount =
            format!("mount -t tmpfs -o size={DISK_MB}m,mode=1777 none \"$0\" && echo mounted && exec cat >/dev/null");
        // Without being root only in a user namespace, where it is enough to be oneself.
        let namespaces: &[&str] = if is_root {
            &["--mount"]
        } else {
            &["--user", "--map-current-user", "--keep-caps", "--mount"]
        };
        let mut holder = Command::new("unshare")
            .args(namespaces)
            .args(["sh", "-c", &mount])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(
            line, "mounted\n",
            "no file system in memory could be mounted (unshare of util-linux says why above)"
        );
        Self {
            folder,
            holder,
            is_root,
        }
    }

    /// The folder as this process sees it; programs that enter see it as `folder`.
    fn seen_from_outside(&self) -> PathBuf {
        let path = self.folder.path().strip_prefix("/").unwrap();
        Path::new(&format!("/proc/{}/root", self.holder.id())).join(path)
    }

    /// A command that runs on this disk, for root as somebody who may do nothing else: PostgreSQL does not run as root.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--mount"]);
        if self.is_root {
            command.args(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        } else {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    pub(crate) fn fill(&self) {
        let mut filler = fs::File::create(self.seen_from_outside().join("filler")).unwrap();
        let block = vec![0; 1 << 16];
        while std::io::Write::write_all(&mut filler, &block).is_ok() {}
    }

    pub(crate) fn clear(&self) {
        fs::remove_file(self.seen_from_outside().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

pub(crate) struct Postgres {
    process: Option<Child>,
    port: u16,
    disk: SmallDisk,
}

impl Postgres {
    pub(crate) async fn new() -> Self {
        let disk = SmallDisk::new();
        let initdb = disk
            .command(&program(&["initdb"]))
            .args([
                "-U",
                "slipway",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            // Small segments of the log, so that a full disk is felt by it, too.
            .args(["--wal-segsize=1", "-D"])
            .arg(disk.folder.path().join("data"))
            .output()
            .unwrap();
        assert!(initdb.status.success(), "{}", String::from_utf8_lossy(&initdb.stderr));
        let mut postgres = Self {
            process: None,
            port: free_port(),
            disk,
        };
        postgres.start().await;
        postgres
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://slipway@127.0.0.1:{}/postgres", self.port)
    }
}

impl Dependency for Postgres {
    async fn start(&mut self) {
        // Its processes of before may not have ended yet, and then it refuses to start.
        for _ in 0..200 {
            let process = self
                .disk
                .command(&program(&["postgres"]))
                .arg("-D")
                .arg(self.disk.folder.path().join("data"))
                .args([
                    "-p",
                    &self.port.to_string(),
                    "-k",
                    "",
                    "-c",
                    "listen_addresses=127.0.0.1",
                ])
                .args(["-c", "max_wal_size=16MB", "-c", "min_wal_size=2MB"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            self.process = Some(process.unwrap());
            while !self.has_ended() {
                if Database::connect(self.url()).await.is_ok() {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("PostgreSQL did not start again");
    }

    fn process(&mut self) -> &mut Child {
        self.process.as_mut().unwrap()
    }

    fn disk(&self) -> Option<&SmallDisk> {
        Some(&self.disk)
    }

    async fn take_writes(&mut self, does: bool) {
        let db = Database::connect(self.url()).await.unwrap();
        let value = if does { "off" } else { "on" };
        for statement in [
            format!("ALTER SYSTEM SET default_transaction_read_only = {value}"),
            "SELECT pg_reload_conf()".to_owned(),
        ] {
            db.execute_unprepared(&statement).await.unwrap();
        }
        db.close().await.unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if !self.has_ended() {
            // One that is stopped takes no other signal.
            self.kill();
        }
    }
}

pub(crate) struct Valkey {
    process: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl Valkey {
    pub(crate) async fn new() -> Self {
        let mut valkey = Self {
            process: None,
            port: free_port(),
            folder: TempDir::new().unwrap(),
        };
        valkey.start().await;
        valkey
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Dependency for Valkey {
    async fn start(&mut self) {
        for _ in 0..200 {
            let process = Command::new(program(&["valkey-server", "redis-server"]))
                .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "no"])
                .current_dir(self.folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn();
            self.process = Some(process.unwrap());
            // A connection of somebody else may have its port for a moment, and then it ends at once.
            while !self.has_ended() {
                sleep(Duration::from_millis(50)).await;
                if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() && !self.has_ended() {
                    return;
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("Valkey did not start again");
    }

    fn process(&mut self) -> &mut Child {
        self.process.as_mut().unwrap()
    }

    fn disk(&self) -> Option<&SmallDisk> {
        None
    }

    async fn take_writes(&mut self, _: bool) {
        unreachable!("only the database is demoted");
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.kill();
        }
    }
}

/// The path of the first of these programs that is there.
fn program(names: &[&str]) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    // Debian keeps PostgreSQL's programs beside one another by release, and off the path.
    let releases = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = path
        .split(':')
        .map(PathBuf::from)
        .chain(releases.map(|release| release.path().join("bin")));
    let mut candidates = folders.flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    let found = candidates.find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| panic!("none of {names:?} is installed: run ./test, which installs them"))
}
