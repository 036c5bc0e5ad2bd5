//! The programs of PostgreSQL, as they are found on `PATH`.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use crate::error::StartError;
use crate::settings::Settings;

/// PostgreSQL's own administrator. It has no password, and `pg_hba.conf` lets it in through the local socket only.
const SUPERUSER: &str = "postgres";
/// The first major version with collations of its own.
const FIRST_WITH_BUILTIN_LOCALES: u32 = 17;

/// When what a statement changed is on disk.
#[derive(Clone, Copy)]
pub(crate) enum Durability {
    /// Before the statement is acknowledged.
    Commit,
    /// When the system likes, or somebody asks for it: for a directory that is thrown away when that does not happen.
    None,
}

/// The major version of the image's PostgreSQL, such as `17`.
pub(crate) fn major_version() -> Result<String, StartError> {
    let output = output("postgres", command("postgres").arg("--version"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // postgres (PostgreSQL) 17.10, or 19beta1
    let version = text.split_whitespace().nth(2).unwrap_or_default();
    let major: String = version.chars().take_while(char::is_ascii_digit).collect();
    if major.is_empty() {
        return Err(failed("postgres", format!("--version says {:?}", text.trim())));
    }
    Ok(major)
}

/// Makes a data directory in the new folder `data`. Nothing of it is on disk yet.
pub(crate) fn initdb(data: &Path, major: &str) -> Result<(), StartError> {
    let mut command = command("initdb");
    command
        .arg("--pgdata")
        .arg(data)
        .arg("--no-sync")
        .args(["--username", SUPERUSER, "--encoding=UTF8", "--data-checksums"])
        // What the image brings is used instead; this is for whoever starts PostgreSQL without it.
        .args(["--auth-local=peer", "--auth-host=reject"])
        .args(locale(major));
    let output = output("initdb", &mut command)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed("initdb", format!("{}: {}", output.status, said.trim())))
}

/// Text is sorted by code point, which no update of a C library changes: an index that was sorted by an older one would
/// miss rows. Upper and lower case are Unicode's: PostgreSQL's own tables where it has them, else those of the C library,
/// whose C.UTF-8 is in Debian's libc-bin and in nixpkgs' glibc.
fn locale(major: &str) -> &'static [&'static str] {
    if major.parse().unwrap_or(0) >= FIRST_WITH_BUILTIN_LOCALES {
        &["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    } else {
        &["--locale=C", "--lc-ctype=C.UTF-8"]
    }
}

/// Runs statements as the superuser in a `postgres` that nobody can connect to, and stops at the first that fails.
/// PostgreSQL recovers from a crash first when that is needed.
///
/// A statement is one line without a semicolon inside. It comes in by standard input and not in the arguments, which
/// other processes can read, and it is not logged.
pub(crate) fn execute(
    settings: &Settings,
    data: &Path,
    statements: &[String],
    durability: Durability,
) -> Result<(), StartError> {
    let fsync = match durability {
        Durability::Commit => "fsync=on",
        Durability::None => "fsync=off",
    };
    let mut child = command("postgres")
        .arg("--single")
        .args(options(settings, data))
        .args(["-c", fsync])
        .args(["-c", "exit_on_error=on"])
        .args(["-c", "log_min_error_statement=panic"])
        .args(["-c", "log_min_duration_statement=-1"])
        .arg("postgres") // the database that is always there
        .stdin(Stdio::piped())
        .stdout(Stdio::null()) // its prompt
        .spawn()
        .map_err(|error| not_run("postgres", &error))?;
    let written = child
        .stdin
        .take()
        .map_or(Ok(()), |mut stdin| writeln!(stdin, "{}", statements.join("\n")));
    let status = child.wait().map_err(|error| not_run("postgres", &error))?;
    match written {
        Ok(()) if status.success() => Ok(()),
        _ => Err(failed("postgres", set_up_failed(status))),
    }
}

fn set_up_failed(status: ExitStatus) -> String {
    format!("the role or database could not be set up ({status}); PostgreSQL says why above")
}

/// Replaces this process by the server. Returns only when that fails.
pub(crate) fn become_server(settings: &Settings) -> StartError {
    let error = command("postgres")
        .args(options(settings, &settings.data))
        .args(env::args_os().skip(1))
        .exec();
    not_run("postgres", &error)
}

/// The data from the volume, the settings from the image.
fn options(settings: &Settings, data: &Path) -> [OsString; 6] {
    let from_image = |setting: &str, file: &str| {
        let mut option = OsString::from(setting);
        option.push("=");
        option.push(settings.config.join(file));
        option
    };
    [
        "-D".into(),
        data.into(),
        "-c".into(),
        from_image("config_file", "postgresql.conf"),
        "-c".into(),
        from_image("hba_file", "pg_hba.conf"),
    ]
}

/// A program that gets nothing of our environment but `PATH`: neither the password nor the credentials of the task.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

fn output(program: &'static str, command: &mut Command) -> Result<Output, StartError> {
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|error| not_run(program, &error))
}

fn not_run(program: &'static str, error: &io::Error) -> StartError {
    let path = env::var_os("PATH").unwrap_or_default();
    failed(program, format!("{error} (PATH={})", path.display()))
}

fn failed(program: &'static str, reason: String) -> StartError {
    StartError::Program { program, reason }
}
