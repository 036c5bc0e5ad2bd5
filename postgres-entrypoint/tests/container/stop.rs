//! The image's stop signal.

use std::io::{BufRead, Write};

use nix::sys::signal::Signal;

use crate::support::{Volume, await_that};

/// SIGTERM would wait until the last client goes by itself.
#[test]
fn sigint_stops_postgresql_although_clients_are_connected() {
    let volume = Volume::new();
    let mut container = volume.start_and_await_ready();
    let (mut client, mut input, mut output) = container.session();
    writeln!(
        input,
        "CREATE TABLE things (id int); BEGIN; INSERT INTO things VALUES (1) RETURNING id;"
    )
    .unwrap();
    let mut answer = String::new();
    output.read_line(&mut answer).unwrap();
    assert_eq!(answer, "1\n");
    container.signal(Signal::SIGINT);
    assert!(container.await_exit().success());
    container.await_line("database system is shut down");
    drop(input);
    client.wait().unwrap();

    let container = volume.start_and_await_ready();
    assert_eq!(
        container.sql("SELECT count(*) FROM things"),
        "0",
        "what was not committed is not there"
    );
    assert!(!container.output().contains("not properly shut down"));
}

#[test]
fn in_the_middle_of_initdb_it_stops_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let volume = Volume::new();
        volume.replace_program("initdb", "mkdir \"$2\"; sleep 600");
        let mut container = volume.start();
        await_that("initdb has begun", || volume.data().with_extension("new").exists());
        container.signal(signal);
        assert!(container.await_exit().success());
    }
}
