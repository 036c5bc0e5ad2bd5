//! A folder that takes the place of the volume, with what a container finds beside it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::container::Container;
use super::programs::{Namespaces, postgres_folder, server_user};

/// The application's password, unless a test says another.
pub(crate) const PASSWORD: &str = "the-password-of-these-tests";

const ENTRYPOINT: &str = env!("CARGO_BIN_EXE_postgres-entrypoint");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nix/images");

/// A volume; nothing is on it at first.
pub(crate) struct Volume {
    folder: TempDir,
}

impl Volume {
    /// An empty one, owned by the server's user, who can neither enter nor write the folder of the build.
    pub(crate) fn new() -> Self {
        let volume = Self {
            folder: TempDir::new().unwrap(),
        };
        fs::set_permissions(&volume.folder, Permissions::from_mode(0o755)).unwrap();
        for name in ["volume", "run", "config", "programs"] {
            fs::create_dir(volume.path(name)).unwrap();
        }
        fs::copy(ENTRYPOINT, volume.path("postgres-entrypoint")).unwrap();
        for name in ["postgresql.conf", "pg_hba.conf"] {
            fs::copy(Path::new(CONFIG).join(name), volume.path("config").join(name)).unwrap();
        }
        let (uid, gid) = server_user();
        for name in ["volume", "run"] {
            chown(volume.path(name), Some(uid), Some(gid)).unwrap();
        }
        volume
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("volume/data")
    }

    /// Where the socket is, and anything that a program of [`Self::replace_program`] writes.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.path("run")
    }

    /// Starts a container.
    pub(crate) fn start(&self) -> Container {
        self.start_with(&[])
    }

    /// Starts a container and waits until PostgreSQL answers.
    pub(crate) fn start_and_await_ready(&self) -> Container {
        let container = self.start();
        container.await_ready();
        container
    }

    /// Starts a container with these variables added to the usual ones, or in place of them.
    pub(crate) fn start_with(&self, variables: &[(&str, &str)]) -> Container {
        self.launch(Namespaces::ProcessesToo, variables)
    }

    /// Starts the entry point as a process whose children outlive it.
    pub(crate) fn start_with_children_that_outlive_it(&self) -> Container {
        self.launch(Namespaces::Memory, &[])
    }

    fn launch(&self, namespaces: Namespaces, variables: &[(&str, &str)]) -> Container {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let run = self.run_folder();
        let mut command = vec![self.path("postgres-entrypoint").display().to_string()];
        // Handed on to postgres: a free port, and a way to share memory whose files go away with the data directory.
        command.extend([
            "-p".to_owned(),
            port.to_string(),
            "-k".to_owned(),
            run.display().to_string(),
        ]);
        command.extend(["-c", "dynamic_shared_memory_type=mmap"].map(str::to_owned));
        let mut environment = BTreeMap::from([
            ("PATH".to_owned(), self.search_path()),
            ("PGDATA".to_owned(), self.data().display().to_string()),
            (
                "POSTGRES_CONFIG_DIR".to_owned(),
                self.path("config").display().to_string(),
            ),
            ("POSTGRES_PASSWORD".to_owned(), PASSWORD.to_owned()),
        ]);
        environment.extend(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Container::start(namespaces, &command, &environment, port, run)
    }

    fn search_path(&self) -> String {
        let (replaced, postgres) = (self.path("programs"), postgres_folder());
        format!("{}:{}:/usr/bin:/bin", replaced.display(), postgres.display())
    }

    /// Puts a shell script in the place of a program of PostgreSQL. `$real` is that program.
    pub(crate) fn replace_program(&self, name: &str, script: &str) {
        let real = postgres_folder().join(name);
        let path = self.path("programs").join(name);
        fs::write(&path, format!("#!/bin/sh\nreal={}\n{script}\n", real.display())).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    /// Undoes [`Self::replace_program`].
    pub(crate) fn restore_program(&self, name: &str) {
        fs::remove_file(self.path("programs").join(name)).unwrap();
    }

    /// Every file on the volume with what a change of it would change.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, (u32, u64, i64, i64)> {
        let files = files_below(&self.data()).into_iter();
        let facts = |path: PathBuf| {
            let facts = fs::symlink_metadata(&path).unwrap();
            (path, (facts.mode(), facts.size(), facts.mtime(), facts.mtime_nsec()))
        };
        files.map(facts).collect()
    }

    /// The files on the volume that contain `text`.
    pub(crate) fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let contains = |path: &PathBuf| {
            let content = fs::read(path).unwrap_or_default();
            content.windows(text.len()).any(|window| window == text.as_bytes())
        };
        files_below(&self.path("volume")).into_iter().filter(contains).collect()
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                [files_below(&path), vec![path]].concat()
            } else {
                vec![path]
            }
        })
        .collect()
}
