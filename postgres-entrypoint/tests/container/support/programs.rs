//! The programs that the tests need, and the user who may run PostgreSQL.

use std::env;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

/// The folder of `initdb` and `postgres`: `TEST_POSTGRES_BIN`, to try another version, or where it is installed.
pub(crate) fn postgres_folder() -> PathBuf {
    match env::var_os("TEST_POSTGRES_BIN") {
        Some(folder) => folder.into(),
        None => program("initdb").parent().unwrap().to_owned(),
    }
}

/// The path of a program, on `PATH` or where Debian keeps those of PostgreSQL.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    folders.extend(versions.map(|version| version.unwrap().path().join("bin")));
    let mut candidates = folders.iter().map(|folder| folder.join(name));
    let found = candidates.find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: apt-get install postgresql util-linux"))
}

fn myself() -> Metadata {
    fs::metadata("/proc/self").unwrap()
}

pub(crate) fn is_root() -> bool {
    myself().uid() == 0
}

/// PostgreSQL refuses to run as root, so root lends it to a user who may do nothing else.
pub(crate) fn server_user() -> (u32, u32) {
    if !is_root() {
        let me = myself();
        return (me.uid(), me.gid());
    }
    let (_, uid, gid) = users().into_iter().find(|(name, ..)| name == "postgres").unwrap();
    (uid, gid)
}

/// The name of that user.
pub(crate) fn server_user_name() -> String {
    let (uid, _) = server_user();
    let user = users().into_iter().find(|(_, other, _)| *other == uid);
    user.map(|(name, ..)| name).unwrap_or_default()
}

fn users() -> Vec<(String, u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let user = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        Some((fields[0].to_owned(), fields[2].parse().ok()?, fields[3].parse().ok()?))
    };
    passwd.lines().filter_map(user).collect()
}

/// A command whose arguments are a program that runs as the server's user.
pub(crate) fn as_server_user() -> Vec<String> {
    if !is_root() {
        return Vec::new();
    }
    let (uid, gid) = server_user();
    let setpriv = program("setpriv").display().to_string();
    let arguments = [
        format!("--reuid={uid}"),
        format!("--regid={gid}"),
        "--clear-groups".to_owned(),
    ];
    [vec![setpriv], arguments.to_vec()].concat()
}

/// A command whose arguments are a program that runs as the server's user, in namespaces of its own.
pub(crate) fn in_namespaces(of: Namespaces) -> Vec<String> {
    let mut command = vec![program("unshare").display().to_string()];
    if !is_root() {
        command.extend(["--user", "--map-current-user"].map(str::to_owned));
    }
    // What PostgreSQL shares by System V's means ends with the namespace and is not left behind by a kill.
    command.push("--ipc".to_owned());
    if of == Namespaces::ProcessesToo {
        command.extend(["--pid", "--fork"].map(str::to_owned));
    }
    let works = Command::new(&command[0]).args(&command[1..]).arg("true").status();
    assert!(
        works.unwrap().success(),
        "{} is not allowed: run the tests as root, or with sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        command.join(" ")
    );
    [command, as_server_user()].concat()
}

/// What a container does not share with others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespaces {
    /// Processes, of which the entry point is number 1 and takes all others with it, and memory.
    ProcessesToo,
    /// Memory alone; children outlive the entry point.
    Memory,
}
