//! One writer at a time.

use std::fs;
use std::io::{BufRead, Write};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Container, Volume, descendants};

const WAITS: &str = "another PostgreSQL uses this volume";

/// R22.
#[test]
fn a_second_writer_waits_says_for_whom_and_takes_over() {
    let volume = Volume::new();
    let metadata = "http://169.254.170.2/v4/0123456789abcdef-0000000001";
    let first = volume.start_with(&[("ECS_CONTAINER_METADATA_URI_V4", metadata)]);
    first.await_ready();
    first.sql("CREATE TABLE things AS SELECT 42 AS id");

    let second = volume.start();
    let line = second.await_line(WAITS);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(
        line.contains(&format!("host {}, ECS task 0123456789abcdef, since 2", host.trim())),
        "{line}"
    );
    assert!(line.contains("\"level\":\"WARN\""), "{line}");
    assert_eq!(first.sql("SELECT id FROM things"), "42");
    assert_runs_no_postgres(&second);

    first.stop();
    second.await_ready();
    second.await_line("the other PostgreSQL has ended");
    assert_eq!(second.sql("SELECT id FROM things"), "42");
    assert_eq!(
        second.output().matches(WAITS).count(),
        1,
        "it repeats itself only every 30 s"
    );
}

#[test]
fn a_killed_container_leaves_no_lock_behind() {
    let volume = Volume::new();
    volume.start_and_await_ready().kill();
    let container = volume.start_and_await_ready();
    assert!(!container.output().contains(WAITS));
}

/// A backend that is busy notices only later that its postmaster is gone, and may write until then.
#[test]
fn a_second_writer_waits_for_the_last_process_of_a_killed_postmaster() {
    let volume = Volume::new();
    let mut first = volume.start_with_children_that_outlive_it();
    first.await_ready();
    let (mut client, mut input, mut output) = first.session();
    writeln!(input, "SELECT pg_backend_pid();").unwrap();
    let mut backend = String::new();
    output.read_line(&mut backend).unwrap();
    let backend = Pid::from_raw(backend.trim().parse().unwrap());
    kill(backend, Signal::SIGSTOP).unwrap();
    first.signal(Signal::SIGKILL);

    let second = volume.start();
    second.await_line(WAITS);
    assert_runs_no_postgres(&second);
    kill(backend, Signal::SIGKILL).unwrap();
    second.await_ready();
    drop(input);
    client.wait().unwrap();
    first.await_exit();
}

#[test]
fn while_it_waits_sigterm_and_sigint_end_it_at_once() {
    let volume = Volume::new();
    let first = volume.start_and_await_ready();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut second = volume.start();
        second.await_line(WAITS);
        second.signal(signal);
        assert!(second.await_exit().success(), "{signal}");
        second.await_line(&format!("asked to stop by {signal} before PostgreSQL ran"));
    }
    assert_eq!(first.sql("SELECT 1"), "1");
}

fn assert_runs_no_postgres(container: &Container) {
    let pid = container.pid_1();
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(
        (name.trim(), descendants(pid)),
        ("postgres-entryp", vec![]),
        "the kernel keeps 15 characters"
    );
}
