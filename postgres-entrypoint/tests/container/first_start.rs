//! Making the data directory.

use crate::support::{Volume, await_that};

/// A script for [`Volume::replace_program`]: a set-up of the role that never comes to an end.
const HANGS_IN_SINGLE_USER_MODE: &str =
    "[ \"$1\" != --single ] || { mkdir \"$(dirname \"$0\")/../run/hangs\"; sleep 600; }\nexec $real \"$@\"";

#[test]
fn the_application_owns_its_database_and_is_no_superuser() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    let role = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles";
    assert_eq!(
        container.sql(&format!("{role} WHERE rolname = current_user")),
        "f|f|f|f|f"
    );
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()";
    assert_eq!(container.sql(owner), "slipway");
    container.sql("CREATE TABLE things (id int)");
}

#[test]
fn role_and_database_have_the_names_that_the_settings_say() {
    let volume = Volume::new();
    let container = volume.start_with(&[("POSTGRES_USER", "user"), ("POSTGRES_DB", "user")]);
    container.await_ready();
    let answer = container.try_sql("user", crate::support::PASSWORD, "SELECT current_user");
    assert_eq!(
        answer,
        Ok("user".to_owned()),
        "a reserved word of SQL is a name like any other"
    );
}

#[test]
fn text_is_unicode_and_sorted_by_code_point_and_pages_have_checksums() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    assert_eq!(container.sql("SHOW server_encoding"), "UTF8");
    assert_eq!(container.sql("SELECT 'Z' < 'a', 'z' < 'ä', upper('ä') = 'Ä'"), "t|t|t");
    assert_eq!(container.sql("SHOW data_checksums"), "on");
}

#[test]
fn a_restart_keeps_the_rows_and_makes_nothing_anew() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    container.sql("CREATE TABLE things AS SELECT 42 AS id");
    container.stop();
    let container = volume.start_and_await_ready();
    assert_eq!(container.sql("SELECT id FROM things"), "42");
    let output = container.output();
    assert!(
        !output.contains("making a data directory") && !output.contains("setting the password"),
        "{output}"
    );
}

#[test]
fn a_first_start_that_was_killed_in_initdb_is_repeated() {
    let volume = Volume::new();
    // Most of it is there, and what PostgreSQL cannot do without is not.
    let half = "$real \"$@\" && rm \"$2/global/pg_control\" && mkdir \"$2/half\" && sleep 600";
    volume.replace_program("initdb", half);
    let container = volume.start();
    let new = volume.data().with_extension("new");
    await_that("initdb is in the middle", || new.join("half").exists());
    container.kill();
    assert!(!volume.data().exists(), "a data directory is there before it is whole");

    volume.restore_program("initdb");
    let container = volume.start_and_await_ready();
    container.await_line("an earlier first start was stopped in the middle");
    assert_eq!(container.sql("SELECT 1"), "1");
    assert!(!new.exists());
}

#[test]
fn a_first_start_that_was_killed_before_the_role_was_there_is_repeated() {
    let volume = Volume::new();
    volume.replace_program("postgres", HANGS_IN_SINGLE_USER_MODE);
    let container = volume.start();
    await_that("the set-up has begun", || volume.run_folder().join("hangs").exists());
    container.kill();
    assert!(!volume.data().exists(), "a data directory is there before it is whole");

    volume.restore_program("postgres");
    let container = volume.start_and_await_ready();
    assert_eq!(container.sql("SELECT 1"), "1");
}

#[test]
fn the_health_check_fails_until_the_set_up_is_done() {
    let volume = Volume::new();
    volume.replace_program("postgres", HANGS_IN_SINGLE_USER_MODE);
    let container = volume.start();
    await_that("the set-up has begun", || volume.run_folder().join("hangs").exists());
    assert_eq!(container.pg_isready(), Some(2));
}

#[test]
fn an_initdb_that_fails_says_why_and_leaves_no_data_directory() {
    let volume = Volume::new();
    volume.replace_program("initdb", "echo 'no space left' >&2; exit 1");
    let mut container = volume.start();
    assert_eq!(container.await_exit().code(), Some(1));
    container.await_line("initdb failed: exit status: 1: no space left");
    assert!(!volume.data().exists());
}
