//! What PostgreSQL is not started on.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use crate::support::{Container, Volume, is_root};

#[test]
fn data_of_another_major_version_is_refused_and_not_touched() {
    let volume = Volume::new();
    volume.start_and_await_ready().stop();
    fs::write(volume.data().join("PG_VERSION"), "14\n").unwrap();
    let before = volume.snapshot();
    let line = refusal(volume.start());
    for part in [
        "was made by PostgreSQL 14 and this image has",
        "nothing was changed",
        "pg_dump",
        "pg_restore",
    ] {
        assert!(line.contains(part), "{part:?} is missing in: {line}");
    }
    assert_eq!(volume.snapshot(), before);
}

#[test]
fn a_folder_of_something_else_is_refused_and_not_touched() {
    let volume = Volume::new();
    fs::create_dir(volume.data()).unwrap();
    fs::write(volume.data().join("photo.jpg"), "a memory").unwrap();
    let line = refusal(volume.start());
    assert!(line.contains("is neither empty nor a data directory"), "{line}");
    assert_eq!(fs::read_to_string(volume.data().join("photo.jpg")).unwrap(), "a memory");
}

#[test]
fn an_empty_folder_is_as_good_as_none() {
    let volume = Volume::new();
    fs::create_dir(volume.data()).unwrap();
    volume.start_and_await_ready();
}

#[test]
fn another_role_or_database_than_that_of_the_data_is_refused() {
    let volume = Volume::new();
    volume.start_and_await_ready().stop();
    let line = refusal(volume.start_with(&[("POSTGRES_DB", "other")]));
    assert!(
        line.contains("POSTGRES_DB=other, but") && line.contains("was made for slipway and slipway"),
        "{line}"
    );
}

#[test]
fn a_volume_that_is_missing_or_belongs_to_somebody_else_is_refused() {
    let volume = Volume::new();
    let line = refusal(volume.start_with(&[("PGDATA", "/nowhere/data")]));
    assert!(
        line.contains("/nowhere/data.lock cannot be written") && line.contains("mount the volume at /nowhere"),
        "{line}"
    );

    let folder = volume.data().parent().unwrap().to_owned();
    if is_root() {
        chown(&folder, Some(0), Some(0)).unwrap();
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
    let line = refusal(volume.start());
    assert!(
        line.contains("Permission denied") && line.contains("let the user of this container own it"),
        "{line}"
    );
}

#[test]
fn everything_that_is_wrong_with_the_settings_is_said_in_one_line() {
    let volume = Volume::new();
    let line = refusal(volume.start_with(&[("POSTGRES_PASSWORD", ""), ("POSTGRES_USER", "postgres")]));
    assert!(
        line.contains("POSTGRES_PASSWORD is not set") && line.contains("POSTGRES_USER=postgres"),
        "{line}"
    );
    assert!(
        line.starts_with("{\"timestamp\":\"2") && line.ends_with("\"}"),
        "{line}"
    );
}

#[test]
fn a_log_for_people_has_lines_for_people() {
    let volume = Volume::new();
    let line = refusal(volume.start_with(&[("POSTGRES_PASSWORD", ""), ("LOG_FORMAT", "text")]));
    assert!(
        line.contains(" ERROR postgres_entrypoint: POSTGRES_PASSWORD is not set"),
        "{line}"
    );
}

#[test]
fn a_program_that_is_missing_is_named() {
    let volume = Volume::new();
    let line = refusal(volume.start_with(&[("PATH", "/nowhere")]));
    assert!(
        line.contains("postgres failed") && line.contains("PATH=/nowhere"),
        "{line}"
    );
}

/// The line in which a container says why it does not start.
fn refusal(mut container: Container) -> String {
    let status = container.await_exit();
    assert_eq!(status.code(), Some(1), "{}", container.output());
    container.await_line("ERROR")
}
