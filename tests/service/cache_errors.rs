//! A Valkey that answers, and answers with errors: it is noticed, said once, gone on without, and used again when it is
//! over (reports.md F8 and F25).

use std::time::Duration;

use tokio::time::sleep;

use crate::support::{Client, PASSWORD, Proxy, ServerProcess, Valkey, free_port};

/// A server as a process of its own, whose log and metrics can be read, on SQLite and this Valkey.
struct Server {
    process: ServerProcess,
    client: Client,
    metrics: Client,
}

const BEGUN: &str = "the cache is unavailable; going on from the database";
const OVER: &str = "connected to the cache";

impl Server {
    async fn start(redis_url: &str) -> Self {
        let metrics = format!("127.0.0.1:{}", free_port());
        let process = ServerProcess::start(&[
            ("REDIS_URL", redis_url),
            ("METRICS_LISTEN", &metrics),
            ("RATE_LIMIT_PER_ACCOUNT", "3"),
            ("RATE_LIMIT_PER_ADDRESS", "0"),
        ]);
        let line = process.await_line("Demo page").await;
        Self {
            process,
            client: Client::new(line.split_whitespace().last().unwrap().trim_end_matches('/')),
            metrics: Client::new(&format!("http://{metrics}")),
        }
    }

    async fn await_unavailable(&self) {
        for _ in 0..600 {
            let answer = self.client.get("/ready").await;
            if answer.status == 503 {
                assert_eq!(answer.assert_problem(503), "not_ready");
                assert_eq!(answer.detail(), "database: ok, cache: unavailable");
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("not noticed within 30 s:\n{}", self.process.output());
    }

    /// Waits until `GET /ready` is 200 again, which a server that is tried less and less often may delay.
    async fn await_available(&self) {
        for _ in 0..1200 {
            if self.client.get("/ready").await.status == 200 {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("not used again within 60 s:\n{}", self.process.output());
    }

    fn lines(&self, text: &str) -> Vec<String> {
        let output = self.process.output();
        output
            .lines()
            .filter(|line| line.contains(text))
            .map(str::to_owned)
            .collect()
    }

    async fn errors(&self, kind: &str) -> u64 {
        let metrics = self.metrics.get("/metrics").await.text;
        let name = format!("cache_errors_total{{kind=\"{kind}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        count.map_or(0, |count| count.parse().unwrap())
    }

    /// The limit and the sign-out hold without the cache.
    async fn assert_it_goes_on(&self) {
        let mut ada = self.client.on_another_device();
        let name = format!("zelda{}", free_port());
        assert_eq!(ada.register(&name).await.status, 201);
        let ended = ada.clone();
        assert_eq!(ada.login(&name, PASSWORD).await.status, 200);
        for _ in 0..3 {
            assert_eq!(
                self.client
                    .on_another_device()
                    .login(&name, "a wrong password")
                    .await
                    .status,
                401
            );
        }
        assert_eq!(
            self.client.on_another_device().login(&name, PASSWORD).await.status,
            429,
            "R13"
        );
        assert_eq!(ended.logout().await.status, 200);
        assert_eq!((ended.me().await.status, ada.me().await.status), (401, 200), "R10");
    }

    /// One line when it began and one when it was over, and not one for each request.
    async fn assert_said_once(&self, kind: &str) {
        let (begun, over) = (self.lines(BEGUN), self.lines(OVER));
        assert!(
            begun.iter().all(|line| line.contains(&format!("kind=\"{kind}\""))),
            "{begun:?}"
        );
        assert_eq!((begun.len(), over.len()), (1, 2), "{}", self.process.output());
        assert!(self.errors(kind).await >= 1);
        assert!(
            !self.process.output().contains("zelda"),
            "a name is in the log: {}",
            self.process.output()
        );
    }
}

/// Goes through one kind of trouble, which begins and ends by these commands.
async fn is_noticed_and_over(kind: &str, begin: &str, end: &str) {
    let valkey = Valkey::start(&[]).await;
    let server = Server::start(&valkey.url()).await;
    server.await_available().await;
    let _: () = valkey.run(begin).await;
    server.await_unavailable().await;
    server.assert_it_goes_on().await;
    let _: () = valkey.run(end).await;
    server.await_available().await;
    server.assert_it_goes_on().await;
    server.assert_said_once(kind).await;
}

#[tokio::test]
async fn a_full_cache_that_may_evict_nothing_is_noticed() {
    is_noticed_and_over("oom", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0").await;
}

#[tokio::test]
async fn a_user_who_may_not_count_any_more_is_noticed() {
    is_noticed_and_over("noperm", "ACL SETUSER default -incr", "ACL SETUSER default +incr").await;
}

#[tokio::test]
async fn a_user_who_may_have_no_transactions_any_more_is_noticed() {
    is_noticed_and_over("noperm", "ACL SETUSER default -multi", "ACL SETUSER default +multi").await;
}

#[tokio::test]
async fn a_primary_with_too_few_replicas_is_noticed() {
    let (begin, end) = (
        "CONFIG SET min-replicas-to-write 1",
        "CONFIG SET min-replicas-to-write 0",
    );
    is_noticed_and_over("noreplicas", begin, end).await;
}

#[tokio::test]
async fn a_cache_that_cannot_save_and_therefore_takes_no_writes_is_noticed() {
    let valkey = Valkey::start(&["--save", "3600", "1"]).await;
    let server = Server::start(&valkey.url()).await;
    server.await_available().await;
    valkey.fail_to_save().await;
    server.await_unavailable().await;
    server.assert_it_goes_on().await;
    let _: () = valkey.run("CONFIG SET stop-writes-on-bgsave-error no").await;
    server.await_available().await;
    server.assert_said_once("misconf").await;
}

/// It answers PING and every read.
#[tokio::test]
async fn a_demoted_primary_is_left_for_the_new_one() {
    let (old, new) = (Valkey::start(&[]).await, Valkey::start(&[]).await);
    let (proxy, url) = Proxy::before(&old.url()).await;
    let server = Server::start(&url).await;
    server.await_available().await;
    let [host, port] = new
        .address()
        .split(':')
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let _: () = old.run(&format!("REPLICAOF {host} {port}")).await;
    server.await_unavailable().await;
    server.assert_it_goes_on().await;
    assert_eq!(new.run::<Vec<String>>("KEYS slipway:rate:login:*").await, [""; 0]);
    proxy.lead_to(&new.address());
    server.await_available().await;
    server.assert_it_goes_on().await;
    // From this network, and from all.
    assert_eq!(new.run::<Vec<String>>("KEYS slipway:rate:login:*").await.len(), 2);
    server.assert_said_once("readonly").await;
}

/// While nobody uses it, too: what it knows of ended sessions is getting old.
#[tokio::test]
async fn a_demoted_primary_is_noticed_without_any_request() {
    let valkey = Valkey::start(&[]).await;
    let server = Server::start(&valkey.url()).await;
    server.await_available().await;
    let _: () = valkey.run("REPLICAOF 127.0.0.1 1").await;
    server.process.await_line(BEGUN).await;
    assert!(server.errors("readonly").await > 0);
}

#[tokio::test]
async fn a_command_that_was_renamed_away_is_said_without_what_was_sent() {
    let valkey = Valkey::start(&["--rename-command", "INCR", ""]).await;
    let server = Server::start(&valkey.url()).await;
    server.await_unavailable().await;
    server.assert_it_goes_on().await;
    let line = server.process.await_line(BEGUN).await;
    assert!(line.contains("kind=\"unknown_command\""), "{line}");
    assert!(
        !server.process.output().contains("slipway:rate"),
        "{}",
        server.process.output()
    );
}

#[tokio::test]
async fn a_wrong_password_is_said_without_the_password() {
    let valkey = Valkey::start(&[]).await;
    let _: () = valkey.run("ACL SETUSER slipway on >right ~* +@all").await;
    let url = valkey.url().replace("://", "://slipway:a-wrong-password@");
    let server = Server::start(&url).await;
    server.await_unavailable().await;
    server.assert_it_goes_on().await;
    let line = server.process.await_line(BEGUN).await;
    assert!(line.contains("kind=\"wrongpass\""), "{line}");
    assert!(
        !server.process.output().contains("a-wrong-password"),
        "{}",
        server.process.output()
    );
}

/// F25: one 503 of `/ready` and one warning after each idle time.
#[tokio::test]
async fn a_server_that_closes_idle_connections_is_connected_to_again_without_a_word() {
    let valkey = Valkey::start(&["--timeout", "1"]).await;
    let server = Server::start(&valkey.url()).await;
    server.await_available().await;
    let mut ada = server.client.clone();
    assert_eq!(ada.register("ada").await.status, 201);
    let before: u64 = valkey.info("total_connections_received").await.parse().unwrap();
    for request in ["/ready", "/me", "/ready"] {
        // Idle connections are looked for once a second, and a second is over after up to two.
        sleep(Duration::from_secs(4)).await;
        assert_eq!(ada.get(request).await.status, 200);
    }
    let after: u64 = valkey.info("total_connections_received").await.parse().unwrap();
    // One of them is our own.
    assert!(after - before > 3, "it closed no connection: {before}, {after}");
    assert_eq!(
        (server.lines("WARN").len(), server.lines(OVER).len()),
        (0, 1),
        "{}",
        server.process.output()
    );
    let metrics = server.metrics.get("/metrics").await.text;
    assert!(!metrics.contains("cache_lookups_total{result=\"error\"}"), "{metrics}");
}
