//! The application's password.

use std::fs;

use crate::support::{PASSWORD, Volume, await_that, descendants};

const NEW: &str = "another-password-of-these-tests";
const SETS: &str = "setting the password of role slipway";

#[test]
fn a_new_password_replaces_the_old_one_at_the_next_start() {
    let volume = Volume::new();
    volume.start_and_await_ready().stop();
    let container = volume.start_with(&[("POSTGRES_PASSWORD", NEW)]);
    container.await_ready();
    container.await_line(SETS);
    assert_eq!(container.try_sql("slipway", NEW, "SELECT 1"), Ok("1".to_owned()));
    let error = container.try_sql("slipway", PASSWORD, "SELECT 1").unwrap_err();
    assert!(error.contains("password authentication failed"), "{error}");
    container.stop();

    let container = volume.start_with(&[("POSTGRES_PASSWORD", NEW)]);
    container.await_ready();
    assert!(!container.output().contains(SETS), "nothing has changed since");
}

#[test]
fn a_new_password_is_set_although_everything_was_killed_before() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    container.sql("CREATE TABLE things AS SELECT 42 AS id");
    container.kill();
    let container = volume.start_with(&[("POSTGRES_PASSWORD", NEW)]);
    container.await_ready();
    assert_eq!(
        container.try_sql("slipway", NEW, "SELECT id FROM things"),
        Ok("42".to_owned())
    );
}

#[test]
fn a_start_that_was_killed_before_the_new_password_was_set_is_repeated() {
    let volume = Volume::new();
    volume.start_and_await_ready().stop();
    let hangs = "[ \"$1\" != --single ] || sleep 600\nexec $real \"$@\"";
    volume.replace_program("postgres", hangs);
    let container = volume.start_with(&[("POSTGRES_PASSWORD", NEW)]);
    container.await_line(SETS);
    container.kill();
    volume.restore_program("postgres");
    let container = volume.start_with(&[("POSTGRES_PASSWORD", NEW)]);
    container.await_ready();
    assert_eq!(container.try_sql("slipway", NEW, "SELECT 1"), Ok("1".to_owned()));
}

/// As when the directory was restored from a backup, or PostgreSQL was upgraded.
#[test]
fn a_data_directory_without_our_file_gets_the_password() {
    let volume = Volume::new();
    volume.start_and_await_ready().stop();
    fs::remove_file(volume.data().join("application-role")).unwrap();
    let container = volume.start_with(&[("POSTGRES_PASSWORD", NEW)]);
    container.await_ready();
    assert_eq!(container.try_sql("slipway", NEW, "SELECT 1"), Ok("1".to_owned()));
}

#[test]
fn the_password_may_come_from_a_file() {
    let volume = Volume::new();
    let file = volume.run_folder().join("secret");
    fs::write(&file, format!("{NEW}\n")).unwrap();
    let variables = [
        ("POSTGRES_PASSWORD", ""),
        ("POSTGRES_PASSWORD_FILE", file.to_str().unwrap()),
    ];
    let container = volume.start_with(&variables);
    container.await_ready();
    assert_eq!(container.try_sql("slipway", NEW, "SELECT 1"), Ok("1".to_owned()));
}

#[test]
fn the_password_is_in_no_argument_no_environment_no_log_and_no_file() {
    let volume = Volume::new();
    // Every program that the entry point starts waits until somebody has looked at it.
    let waits = "mkdir \"$(dirname \"$0\")/../run/looks-$$\"; \
        while [ -e \"$(dirname \"$0\")/../run/looks-$$\" ]; do sleep 0.02; done\nexec $real \"$@\"";
    volume.replace_program("initdb", waits);
    volume.replace_program("postgres", waits);
    let container = volume.start();
    // postgres --version, initdb, postgres --single, postgres
    for _ in 0..4 {
        let mut waiting = None;
        await_that("a program has begun", || {
            let mut entries = fs::read_dir(volume.run_folder()).unwrap();
            waiting = entries.next().map(|entry| entry.unwrap().path());
            waiting.is_some()
        });
        let pid = container.pid_1();
        let mut processes = descendants(pid);
        if fs::read_to_string(format!("/proc/{pid}/comm")).unwrap() != "postgres-entryp\n" {
            processes.push(pid);
        }
        assert!(!processes.is_empty());
        for process in processes {
            let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            let environment = String::from_utf8(environment).unwrap();
            // The shell of the script adds the folder it is in.
            let names: Vec<_> = environment
                .split('\0')
                .filter_map(|entry| entry.split_once('='))
                .map(|(name, _)| name)
                .collect();
            assert!(
                names
                    .iter()
                    .all(|name| ["PATH", "PWD", "OLDPWD", "_", "SHLVL"].contains(name)),
                "{names:?}"
            );
        }
        assert_eq!(processes_with_argument(PASSWORD), Vec::<String>::new());
        fs::remove_dir(waiting.unwrap()).unwrap();
    }
    container.await_ready();
    assert_eq!(processes_with_argument(PASSWORD), Vec::<String>::new());
    assert_eq!(volume.files_with(PASSWORD), Vec::<std::path::PathBuf>::new());
    assert!(!container.output().contains(PASSWORD) && !container.output().contains("SCRAM-SHA-256$"));
}

/// The verifier would help to guess the password.
#[test]
fn a_set_up_that_fails_does_not_log_its_statement() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    container.stop();
    let file = volume.data().join("application-role");
    let known = fs::read_to_string(&file).unwrap();
    fs::write(&file, known.replace("slipway\nslipway\n", "nobody\nslipway\n")).unwrap();
    let mut container = volume.start_with(&[("POSTGRES_USER", "nobody"), ("POSTGRES_PASSWORD", NEW)]);
    assert_eq!(container.await_exit().code(), Some(1));
    container.await_line("role \"nobody\" does not exist");
    container.await_line("PostgreSQL says why above");
    assert!(!container.output().contains("SCRAM-SHA-256$"), "{}", container.output());
}

fn processes_with_argument(text: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.map(|process| fs::read(process.path().join("cmdline")).unwrap_or_default());
    let arguments = arguments.map(|arguments| String::from_utf8_lossy(&arguments).replace('\0', " "));
    arguments.filter(|arguments| arguments.contains(text)).collect()
}
