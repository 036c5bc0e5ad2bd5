//! `postgresql.conf` and `pg_hba.conf` of the image.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::{Volume, server_user_name};

const POSTGRESQL_CONF: &str = include_str!("../../../nix/images/postgresql.conf");

#[test]
fn every_setting_is_in_force_as_it_is_written() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    let settings = POSTGRESQL_CONF
        .lines()
        .filter_map(|line| line.split('#').next()?.split_once('='));
    let settings: Vec<_> = settings
        .map(|(name, value)| format!("{}={}", name.trim(), value.trim().trim_matches('\'').trim()))
        // The tests give each container a port and a folder of its own.
        .filter(|setting| !setting.starts_with("port=") && !setting.starts_with("unix_socket_directories="))
        .collect();
    assert!(settings.len() > 40, "only {} settings were found", settings.len());
    let names: Vec<_> = settings
        .iter()
        .filter_map(|setting| setting.split('=').next())
        .collect();
    let in_force = format!(
        "SELECT name || '=' || trim(current_setting(name)) FROM unnest(ARRAY['{}']) AS name",
        names.join("', '")
    );
    assert_eq!(container.sql(&in_force).lines().collect::<Vec<_>>(), settings);
}

/// What a benchmark would be tempted to change (R22).
#[test]
fn commits_are_on_the_disk_before_they_are_acknowledged() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert_eq!(container.sql(&format!("SHOW {name}")), "on", "{name}");
    }
}

#[test]
fn only_the_loopback_interface_and_a_socket_of_our_own_are_listened_on() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    container.await_line("listening on IPv4 address \"127.0.0.1\"");
    assert_eq!(
        container.output().matches("listening on").count(),
        2,
        "{}",
        container.output()
    );
    let socket = fs::read_dir(volume.run_folder()).unwrap().flatten();
    let socket = socket
        .map(|entry| entry.path())
        .find(|path| path.extension().is_none_or(|end| end != "lock"));
    assert_eq!(fs::metadata(socket.unwrap()).unwrap().mode() & 0o777, 0o700);
}

/// It has no password, so whoever could reach it would be in.
#[test]
fn the_superuser_connects_through_the_socket_and_in_no_other_way() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    let error = container.try_sql("postgres", "", "SELECT 1").unwrap_err();
    assert!(error.contains("pg_hba.conf rejects connection"), "{error}");
    let answer = container.try_sql_through_the_socket("postgres", "SELECT 1");
    if server_user_name() == "postgres" {
        assert_eq!(answer, Ok("1".to_owned()));
    } else {
        assert!(answer.unwrap_err().contains("Peer authentication failed"));
    }
}

#[test]
fn the_application_needs_its_password_in_every_way() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    let error = container.try_sql("slipway", "wrong", "SELECT 1").unwrap_err();
    assert!(error.contains("password authentication failed"), "{error}");
    let error = container.try_sql_through_the_socket("slipway", "SELECT 1").unwrap_err();
    assert!(error.contains("no password supplied"), "{error}");
}

#[test]
fn a_violated_constraint_does_not_bring_a_row_into_the_log() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    // As the application does: the value is not part of the statement.
    container.sql("CREATE TABLE people AS SELECT chr(97) || 'da' || 'lovelace' AS name");
    container.sql("CREATE UNIQUE INDEX ON people (name)");
    let error = container.try_sql(
        "slipway",
        crate::support::PASSWORD,
        "INSERT INTO people SELECT name FROM people",
    );
    assert!(error.unwrap_err().contains("adalovelace"), "the client is told");
    container.await_line("duplicate key value");
    assert!(!container.output().contains("adalovelace"), "{}", container.output());
}
