//! Starts that cannot succeed, and processes that end by themselves.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::time::sleep;

use crate::support::{Container, SECRET, ServerProcess, children_of, free_port, program, render, send_signal};

const PATIENCE: Duration = Duration::from_secs(40);

/// The processes of nginx: the master and its workers.
fn nginx_of(pid: u32) -> (u32, Vec<u32>) {
    let masters: Vec<_> = children_of(pid)
        .into_iter()
        .filter(|(_, name, _)| name == "nginx")
        .collect();
    assert_eq!(masters.len(), 1, "{masters:?}");
    let workers = children_of(masters[0].0).into_iter().map(|(pid, ..)| pid);
    (masters[0].0, workers.collect())
}

async fn assert_gone(pids: &[u32]) {
    for _ in 0..200 {
        if pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("a process of {pids:?} still runs after 10 s");
}

/// Ends with status 1, and nobody listens any more; returns the line that says why.
async fn failure(mut container: Container) -> String {
    let status = container.process.exit(PATIENCE).await;
    let output = container.process.output();
    assert_eq!(status.code(), Some(1), "{output}");
    let lines: Vec<_> = output.lines().filter(|line| line.starts_with("slipway: ")).collect();
    assert_eq!(lines.len(), 1, "{output}");
    lines[0].to_owned()
}

#[tokio::test]
async fn what_cannot_work_is_told_in_one_line_that_names_the_setting_and_the_mend() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    for (arguments, settings, parts) in [
        (
            "",
            ("SLIPWAY_NGINX", "/nowhere/nginx"),
            ["nginx has ended", "/nowhere/nginx cannot be run"],
        ),
        (
            "",
            ("SLIPWAY_NGINX_CONFIG", "/nowhere"),
            ["SLIPWAY_NGINX_CONFIG=/nowhere", "nix/nginx-conf.nix"],
        ),
        (
            "",
            ("SLIPWAY_RUNTIME_DIR", "/proc/slipway"),
            ["SLIPWAY_RUNTIME_DIR=/proc/slipway", "mount a volume"],
        ),
        (
            "",
            ("SLIPWAY_RUNTIME_DIR", file),
            ["SLIPWAY_RUNTIME_DIR=", "mount a volume"],
        ),
        ("", ("LISTEN", "0.0.0.0:8000"), ["LISTEN=0.0.0.0:8000", "remove LISTEN"]),
        ("", ("DATABASE_URL", "mysql://x"), ["DATABASE_URL", "use postgres://"]),
        ("", ("TRUSTED_PROXIES", "10.0.0.0/99"), ["TRUSTED_PROXIES", "use CIDRs"]),
        (
            "workerProcesses = \"many\";",
            ("RUST_LOG", "info"),
            ["nginx has ended", "worker_processes"],
        ),
    ] {
        let line = failure(Container::launch(arguments, &[settings], &[])).await;
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_while_the_server_still_waits_for_the_database() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let database = format!("postgres://x@127.0.0.1:{}/x", free_port());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("nginx.conf");
    let listen = format!("listen = \"{}\";", taken.local_addr().unwrap());
    fs::write(&config, render(&listen)).unwrap();
    let production = [
        ("SLIPWAY_ENV", "production"),
        ("DATABASE_URL", database.as_str()),
        ("JWT_SECRET", SECRET),
        ("SLIPWAY_NGINX_CONFIG", config.to_str().unwrap()),
    ];
    let line = failure(Container::launch("", &production, &[])).await;
    assert!(
        line.contains("nginx has ended") && line.contains("Address already in use"),
        "{line}"
    );
}

#[tokio::test]
async fn nginx_is_not_left_behind_by_a_server_that_cannot_start() {
    let database = ("DATABASE_URL", "sqlite:/proc/nowhere/x.db");
    let container = Container::launch("", &[database, ("JWT_SECRET", SECRET)], &[]);
    let address = container.address;
    assert!(failure(container).await.contains("DATABASE_URL cannot be used"));
    Container::await_free_port(address).await;
}

#[tokio::test]
async fn when_nginx_is_killed_the_container_ends_and_says_so() {
    let container = Container::start(&[]).await;
    let (master, workers) = nginx_of(container.process.pid());
    send_signal(master, "KILL");
    let address = container.address;
    assert!(failure(container).await.contains("nginx has ended (signal 9)"));
    assert_gone(&workers).await;
    Container::await_free_port(address).await;
}

#[tokio::test]
async fn a_worker_that_is_killed_is_replaced() {
    let container = Container::start(&[]).await;
    let (_, workers) = nginx_of(container.process.pid());
    send_signal(workers[0], "KILL");
    container.process.await_line("exited on signal 9").await;
    container.client().await_ready().await;
    assert_ne!(nginx_of(container.process.pid()).1, workers);
}

/// In a container the kernel would see to it.
#[tokio::test]
async fn nginx_does_not_outlive_a_process_that_was_killed() {
    let mut container = Container::start(&[]).await;
    let (master, workers) = nginx_of(container.process.pid());
    container.process.signal("KILL");
    container.process.exit(PATIENCE).await;
    assert_gone(&[vec![master], workers].concat()).await;
}

/// R25: what a process does not know it cannot tell.
#[tokio::test]
async fn nginx_gets_no_secret_and_writes_nowhere_but_in_the_runtime_directory() {
    let container = Container::start(&[("JWT_SECRET", SECRET)]).await;
    container.client().get("/hello").await;
    let runtime_dir = container.runtime_dir().canonicalize().unwrap();
    let (master, workers) = nginx_of(container.process.pid());
    for pid in [vec![master], workers].concat() {
        let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        let names: Vec<_> = environment
            .split_terminator('\0')
            .map(|entry| entry.split('=').next().unwrap())
            .collect();
        assert!(names.iter().all(|name| *name == "PATH"), "{names:?}");
        for descriptor in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
            let Ok(file) = fs::read_link(descriptor.path()) else {
                continue;
            };
            let is_file = file.is_absolute() && file != Path::new("/dev/null");
            assert!(!is_file || file.starts_with(&runtime_dir), "{}", file.display());
        }
    }
    let command_line = fs::read_to_string(format!("/proc/{master}/cmdline")).unwrap();
    assert!(!command_line.contains(SECRET));
}

/// Security finding H2: nginx is the same user, without a capability as in the image.
#[tokio::test]
async fn no_other_process_of_its_user_can_look_into_the_server() {
    // Root has some to lose.
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let without_capabilities: &[&str] = if is_root {
        &["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    } else {
        &[]
    };
    let container = Container::launch("", &[("JWT_SECRET", SECRET)], without_capabilities);
    container.await_nginx().await;
    let (nginx, _) = nginx_of(container.process.pid());
    let may_read = |pid: u32, file: &str| {
        let file = format!("/proc/{pid}/{file}");
        let words = [without_capabilities, &["head", "-c1", &file]].concat();
        let read = Command::new(words[0]).args(&words[1..]).output().unwrap();
        read.status.success()
    };
    assert!(may_read(nginx, "environ"), "as a process usually can");
    for file in ["environ", "maps"] {
        assert!(!may_read(container.process.pid(), file), "{file}");
    }
}

#[tokio::test]
async fn the_health_check_can_ask_through_nginx() {
    let mut container = Container::start(&[]).await;
    let address = container.address.to_string();
    let check = || async {
        let mut process = ServerProcess::run(&["healthcheck"], &[("HEALTHCHECK_ADDRESS", &address)]);
        (process.exit(PATIENCE).await.code(), process.output())
    };
    assert_eq!(check().await.0, Some(0));
    container.process.signal("TERM");
    container.process.exit(PATIENCE).await;
    let (code, output) = check().await;
    assert!(code == Some(1) && output.contains("HEALTHCHECK_ADDRESS="), "{output}");
}

/// As PID 1 of a namespace of its own, which is what a container gives it.
#[tokio::test]
async fn as_pid_1_it_reaps_what_others_leave_behind_and_stops_on_sigterm() {
    let unshare = program("unshare");
    let mut starter = vec![
        unshare.to_str().unwrap(),
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
    ];
    let is_root = fs::metadata("/proc/self").is_ok_and(|file| std::os::unix::fs::MetadataExt::uid(&file) == 0);
    if !is_root {
        starter.extend(["--user", "--map-root-user"]);
    }
    let mut container = Container::launch("", &[("RUST_LOG", "info,slipway=debug")], &starter);
    container.process.await_line("serving behind nginx").await;
    container.await_nginx().await;
    let pid_1 = children_of(container.process.pid())[0].0;
    let namespace = fs::read_to_string(format!("/proc/{pid_1}/status")).unwrap();
    let is_pid_1 = namespace
        .lines()
        .any(|line| line.starts_with("NSpid:") && line.ends_with("\t1"));
    assert!(is_pid_1, "{namespace}");

    // A shell that ends before what it has started.
    let mut enter = std::process::Command::new(program("nsenter"));
    enter.args(["--target", &pid_1.to_string(), "--pid", "--mount"]);
    if !is_root {
        enter.args(["--user", "--preserve-credentials"]);
    }
    let orphans = "for n in 1 2 3; do (sleep 0.2 &) ; done";
    assert!(enter.args(["--", "/bin/sh", "-c", orphans]).status().unwrap().success());
    for _ in 0..3 {
        container.process.await_line("reaped a process").await;
    }
    for _ in 0..200 {
        let left: Vec<_> = children_of(pid_1)
            .into_iter()
            .filter(|(_, name, _)| name != "nginx")
            .collect();
        if left.is_empty() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    let children = children_of(pid_1);
    assert!(
        children.iter().all(|(_, name, state)| name == "nginx" && *state != 'Z'),
        "{children:?}"
    );

    container.client().await_ready().await;
    for name in ["HUP", "USR1"] {
        send_signal(pid_1, name);
        container.process.await_line(&format!("\"signal\":\"SIG{name}\"")).await;
    }
    send_signal(pid_1, "TERM");
    let status = container.process.exit(PATIENCE).await;
    assert!(status.success(), "{status}\n{}", container.process.output());
}
