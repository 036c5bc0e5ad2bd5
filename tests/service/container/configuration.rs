//! The configuration by itself, and the timeouts that it shares with the server and the load balancer.

use std::collections::HashMap;
use std::time::Duration;

use clap::Parser;
use slipway::config::{Config, Options};
use slipway::{http, server, stop};

use crate::support::{Container, Storage, TestServer, evaluate, program, render};

fn timeouts() -> HashMap<String, u64> {
    let folder = env!("CARGO_MANIFEST_DIR");
    serde_json::from_value(evaluate(&format!("import {folder}/nix/timeouts.nix"))).unwrap()
}

/// R15
#[test]
fn the_timeout_chain_is_the_same_in_rust_and_in_nix() {
    let timeouts = timeouts();
    let arguments = ["slipway", "--slipway-env=production", "--database-url=postgres://x/y"];
    let secret = format!("--jwt-secret={}", crate::support::SECRET);
    let options = Options::parse_from(arguments.into_iter().chain([secret.as_str()]));
    for (name, seconds) in [
        ("serverKeepAlive", server::KEEP_ALIVE),
        ("requestDeadline", http::REQUEST_DEADLINE),
        ("drain", Config::from_options(&options).unwrap().drain),
        ("stop", stop::STOP_WITHIN),
    ] {
        assert_eq!(Duration::from_secs(timeouts[name]), seconds, "{name}");
    }
}

/// R15, R16
#[test]
fn no_link_of_the_timeout_chain_is_out_of_order() {
    let timeouts = timeouts();
    let t = |name: &str| timeouts[name];
    assert!(t("nginxKeepAlive") > t("loadBalancerIdle"));
    assert!(t("serverKeepAlive") > t("nginxUpstreamKeepAlive"));
    assert!(t("requestDeadline") < t("nginxProxyRead") && t("nginxProxyRead") < t("loadBalancerIdle"));
    assert!(t("drain") > t("healthCheckInterval") * t("unhealthyThreshold"));
    assert!(t("drain") > t("deregistrationDelay"));
    assert!(t("stop") > t("requestDeadline"));
    assert!(t("stopTimeout") > t("drain") + t("stop"));
}

/// The values of a directive.
fn values<'a>(config: &'a str, directive: &str) -> Vec<&'a str> {
    let lines = config.lines().map(str::trim);
    lines
        .filter_map(|line| line.strip_prefix(directive)?.strip_prefix(' ')?.strip_suffix(';'))
        .collect()
}

#[test]
fn the_configuration_names_no_path_but_below_the_runtime_directory() {
    let config = render("");
    assert!(!config.contains("/nix/"), "nothing of the store");
    for directive in [
        "pid",
        "lock_file",
        "client_body_temp_path",
        "proxy_temp_path",
        "fastcgi_temp_path",
        "uwsgi_temp_path",
        "scgi_temp_path",
    ] {
        let values = values(&config, directive);
        assert!(
            values.len() == 1 && !values[0].starts_with('/'),
            "{directive}: {values:?}"
        );
    }
    assert_eq!(
        values(&config, "include"),
        ["trusted-proxies.conf", "allowed-origins.conf", "exposed-headers.conf"]
    );
    assert_eq!(values(&config, "error_log"), ["stderr warn"]);
    assert_eq!(
        values(&config, "access_log"),
        ["/dev/stdout access if=$has_no_other_line"]
    );
    assert_eq!(values(&config, "server"), ["unix:http.sock"]);
    assert_eq!(values(&config, "listen"), ["8080 default_server"]);
    assert_eq!(values(&config, "keepalive_timeout"), ["75s", "60s"]);
    let minimal = render("unusedModules = [ ];");
    assert!(!minimal.contains("fastcgi_temp_path"));
}

/// Whoever changes the configuration sees in a second whether nginx takes it.
#[test]
fn nginx_accepts_the_configuration_for_every_kind_of_build() {
    for arguments in [
        "",
        "unusedModules = [ ];",
        "listen = \"[::]:8080 ipv6only=off\"; workerProcesses = \"auto\";",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let write = |name, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("nginx.conf", &render(arguments));
        write("trusted-proxies.conf", "set_real_ip_from 10.0.0.0/8;\n");
        // The longest name there can be.
        let origin = format!("https://{}:65535", "a".repeat(253));
        write("allowed-origins.conf", &format!("\"{origin}\" \"{origin}\";\n"));
        write("exposed-headers.conf", "set $exposed_headers \"ETag\";\n");
        let test = std::process::Command::new(program("nginx"))
            .args(["-t", "-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            test.status.success(),
            "{arguments}: {}",
            String::from_utf8_lossy(&test.stderr)
        );
    }
}

/// A client cannot tell who answered.
#[tokio::test]
async fn what_nginx_and_the_server_both_refuse_they_refuse_in_the_same_words() {
    let container = Container::start(&[]).await;
    let server = TestServer::start(Storage::SqliteAndMemory).await;
    let large = vec![b' '; 65_537];
    let mut pairs = Vec::new();
    for client in [container.client(), server.client()] {
        let missing = client.get("/.env").await;
        let too_large = client.post_bytes("/login", "application/json", large.clone()).await;
        pairs.push([missing, too_large].map(|answer| {
            let mut problem = answer.json();
            problem.as_object_mut().unwrap().remove("request_id");
            problem
        }));
    }
    assert_eq!(pairs[0], pairs[1]);
}
