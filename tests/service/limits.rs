//! Rate limits and the password-hash queue.

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, PASSWORD, Proxy, ServerProcess, Storage, TestServer, Valkey, free_port, redis_url};

async fn limited(storage: Storage, limits: &[&str]) -> TestServer {
    TestServer::start_with(storage, limits).await
}

/// A client behind a trusted proxy that saw it at `address`.
fn from(server: &TestServer, address: &str) -> Client {
    server.client().with_header("x-forwarded-for", address)
}

/// What an attacker gets in a minute and what the owner of the account still gets (security finding F4), with the limits that
/// hold by default.
#[tokio::test]
async fn guesses_of_any_number_of_networks_are_limited_and_keep_no_known_device_out() {
    for storage in [Storage::SqliteAndMemory, Storage::PostgresAndValkey] {
        println!("{storage:?}: networks of the attacker, guesses that were compared, what the owner gets");
        for (networks, guesses, compared, from_elsewhere) in [(1, 12, 10, 200), (10, 12, 100, 429), (1000, 2, 100, 429)]
        {
            let limits = [
                "--rate-limit-per-account=10",
                "--rate-limit-per-address=60",
                "--trusted-proxies=127.0.0.0/8",
            ];
            let server = limited(storage, &limits).await;
            server.signed_up("ada").await;
            let mut laptop = from(&server, "198.51.100.1");
            let signed_in = laptop.login("ada", PASSWORD).await;
            let device = signed_in.set_cookies()[1].split(';').next().unwrap().to_owned();
            assert!(device.starts_with("device="), "{device}");

            let mut wrong = 0;
            for network in 0..networks {
                let address = format!("10.9.{}.{}", network / 250, network % 250);
                for _ in 0..guesses {
                    let guess = from(&server, &address).login("Ada", "a wrong password").await;
                    wrong += usize::from(guess.status == 401);
                }
            }
            assert_eq!(wrong, compared, "{storage:?}");

            let mut known = from(&server, "198.51.100.2").with_header("cookie", device);
            let mut new = from(&server, "198.51.100.3");
            let (known, new) = (known.login("ada", PASSWORD).await, new.login("ada", PASSWORD).await);
            println!(
                "{networks:>4} {wrong:>4}   known device {}, new device elsewhere {}",
                known.status, new.status
            );
            assert_eq!((known.status, new.status), (200, from_elsewhere), "{storage:?}");
            assert_eq!(known.set_cookies().len(), 1, "it keeps its cookie");
            if new.status == 429 {
                assert_eq!(new.assert_problem(429), "rate_limited");
                let retry_after: u64 = new.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=60).contains(&retry_after), "{retry_after}");
                assert!(
                    new.header("ratelimit-policy")
                        .unwrap()
                        .contains("\"account_all\";q=100;w=60"),
                    "{new:?}"
                );
            }
            let other = from(&server, "203.0.113.200").login("bob", PASSWORD).await;
            assert_eq!(other.status, 401, "others are not concerned");
        }
    }
}

/// Somebody else's token is none, and a known device has no more guesses than others.
#[tokio::test]
async fn a_device_is_known_for_its_account_alone_and_has_a_limit_of_its_own() {
    let server = limited(Storage::SqliteAndMemory, &["--rate-limit-per-account=3"]).await;
    let mut ada = server.client();
    let cookies = ada.register("ada").await.set_cookies();
    let device = cookies[1].split(';').next().unwrap();
    assert!(
        cookies[1].contains("; Path=/; Max-Age=34560000; HttpOnly; SameSite="),
        "{cookies:?}"
    );
    let from_device = || server.client().with_header("cookie", device);
    for _ in 0..3 {
        assert_eq!(from_device().login("ada", "a wrong password").await.status, 401);
    }
    assert_eq!(from_device().login("ada", PASSWORD).await.status, 429);
    assert_eq!(
        server.client().login("ada", PASSWORD).await.status,
        200,
        "others have theirs"
    );
    server.signed_up("bob").await;
    for _ in 0..3 {
        assert_eq!(server.client().login("bob", "a wrong password").await.status, 401);
    }
    assert_eq!(
        from_device().login("bob", PASSWORD).await.status,
        429,
        "it is not known for bob"
    );
}

/// R13
#[tokio::test]
async fn guessing_many_accounts_from_one_address_is_limited_and_the_header_cannot_be_forged() {
    for storage in [Storage::SqliteAndMemory, Storage::PostgresAndValkey] {
        let limits = ["--rate-limit-per-address=3", "--trusted-proxies=127.0.0.0/8"];
        let server = limited(storage, &limits).await;
        for name in ["ann", "bob", "cid"] {
            // What the client wrote itself stands before what the proxy appended.
            let forged = format!("198.51.100.{}, 203.0.113.5", name.len());
            assert_eq!(from(&server, &forged).login(name, PASSWORD).await.status, 401);
        }
        assert_eq!(
            from(&server, "6.6.6.6, 203.0.113.5")
                .login("dan", PASSWORD)
                .await
                .assert_problem(429),
            "rate_limited"
        );
        assert_eq!(from(&server, "203.0.113.6").login("dan", PASSWORD).await.status, 401);
    }
}

/// R13
#[tokio::test]
async fn without_trusted_proxies_a_client_cannot_choose_its_address() {
    let server = limited(Storage::SqliteAndMemory, &["--rate-limit-per-address=2"]).await;
    for hop in 0..2 {
        from(&server, &format!("203.0.113.{hop}")).login("ada", PASSWORD).await;
    }
    assert_eq!(from(&server, "203.0.113.7").login("ada", PASSWORD).await.status, 429);
}

/// R13
#[tokio::test]
async fn every_route_that_takes_a_secret_is_limited_by_itself() {
    let server = limited(Storage::PostgresAndValkey, &["--rate-limit-per-account=2"]).await;
    let mut client = server.signed_up("ada").await;
    for _ in 0..2 {
        assert_eq!(client.change_password("not the password", PASSWORD).await.status, 403);
    }
    // Every page load is a refresh. One that gets the next token cannot be a guess, and does not count; of the others ten times
    // as many are admitted.
    let replaced = client.cookie.clone().unwrap();
    for _ in 0..30 {
        assert_eq!(client.refresh().await.status, 200);
    }
    let replaced_last = client.cookie.clone().unwrap();
    assert_eq!(client.refresh().await.status, 200);
    for _ in 0..20 {
        assert_eq!(client.refresh_with(&replaced_last).await.status, 200);
    }
    let refused = client.refresh_with(&replaced_last).await;
    assert_eq!(refused.assert_problem(429), "rate_limited");
    assert_eq!(client.refresh_with(&replaced).await.status, 429);
    assert_eq!(client.refresh().await.status, 200, "the owner goes on");
    assert_eq!(refused.set_cookie(), None, "R3");
    assert_eq!(client.change_password(PASSWORD, PASSWORD).await.status, 429);
    assert_eq!(client.me().await.status, 200, "reading is not limited");
    assert_eq!(server.client().register("ada").await.status, 409);
    assert_eq!(server.client().register("ada").await.status, 429);
}

/// Two instances count together through Valkey.
#[tokio::test]
async fn a_limit_holds_over_all_instances() {
    let server = limited(Storage::PostgresAndValkey, &["--rate-limit-per-account=2"]).await;
    let other = server.another(&[]).await;
    assert_eq!(server.client().login("ada", PASSWORD).await.status, 401);
    assert_eq!(other.client().login("ada", PASSWORD).await.status, 401);
    assert_eq!(server.client().login("ada", PASSWORD).await.status, 429);
    assert_eq!(other.client().login("ada", PASSWORD).await.status, 429);
}

/// D14: each by itself while Valkey is away, so that all of them admit as many times the limit; a metric says that it is so.
#[tokio::test]
async fn without_valkey_each_instance_admits_the_whole_limit_and_counts_that_it_does() {
    let (proxy, url) = Proxy::before(&redis_url()).await;
    let redis = format!("--redis-url={url}");
    let server = limited(Storage::PostgresAndValkey, &["--rate-limit-per-account=2", &redis]).await;
    let other = server.another(&[]).await;
    proxy.cut();
    for instance in [&server, &other] {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(instance.client().login("ada", PASSWORD).await.status);
        }
        assert_eq!(statuses, [401, 401, 429]);
        let text = instance.scrape("text/plain").await.text;
        // The limits of the account and of all networks are counted one after the other.
        let alone = text
            .lines()
            .find_map(|line| line.strip_prefix("attempts_counted_alone_total "));
        assert!(alone.unwrap().parse::<u64>().unwrap() >= 3, "{alone:?}");
    }
}

/// Security finding F8, in Valkey: it would fill up with names that nobody has.
#[tokio::test]
async fn what_an_address_attempts_beyond_its_limit_makes_no_counter_for_the_name_it_tried() {
    let valkey = Valkey::start(&[]).await;
    let redis = format!("--redis-url={}", valkey.url());
    let server = limited(
        Storage::PostgresAndValkey,
        &["--rate-limit-per-address=3", "--rate-limit-per-account=9", &redis],
    )
    .await;
    for name in ["ann", "bob", "cid"] {
        assert_eq!(server.client().login(name, PASSWORD).await.status, 401);
    }
    let counters = "KEYS *:login:account:*";
    assert_eq!(valkey.run::<Vec<String>>(counters).await.len(), 3);
    for number in 0..20 {
        let refused = server.client().login(&format!("junk{number}"), PASSWORD).await;
        assert_eq!(refused.assert_problem(429), "rate_limited");
        assert_eq!(refused.header("ratelimit-policy"), Some("\"address\";q=3;w=60"));
    }
    assert_eq!(valkey.run::<Vec<String>>(counters).await.len(), 3);
}

/// One network cannot keep others from having their passwords checked (security finding H13).
#[tokio::test]
async fn one_network_leaves_half_of_the_queue_to_others() {
    let slow = [
        "--argon2-memory-kib=32768",
        "--argon2-iterations=2",
        "--password-hash-concurrency=1",
        "--password-hash-queue=7",
        "--trusted-proxies=127.0.0.0/8",
    ];
    let server = limited(Storage::SqliteAndMemory, &slow).await;
    let sign_in = |address: String| {
        let mut client = from(&server, &address);
        async move { client.login("nobody", PASSWORD).await.status }
    };
    let flood = join_all((0..40).map(|_| sign_in("203.0.113.1".to_owned())));
    let others = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        join_all((2..5).map(|number| sign_in(format!("203.0.113.{number}")))).await
    };
    let (flood, others) = tokio::join!(flood, others);
    assert!(flood.contains(&503), "{flood:?}");
    assert_eq!(others, [401; 3]);
}

/// A login storm is answered in part, with the rest told when to come back, and health is not concerned.
#[tokio::test]
async fn more_sign_ins_than_may_wait_are_told_to_come_back() {
    let slow = [
        // Slow enough for a queue, and fast enough for two to wait for it on a machine that is busy.
        "--argon2-memory-kib=32768",
        "--argon2-iterations=2",
        "--password-hash-concurrency=1",
        "--password-hash-queue=2",
        "--trusted-proxies=127.0.0.0/8",
    ];
    let server = limited(Storage::SqliteAndMemory, &slow).await;
    let storm = (0..12).map(|number| {
        let mut client = from(&server, &format!("203.0.113.{number}"));
        async move { client.login("nobody", PASSWORD).await }
    });
    let client = server.client();
    let (answers, health) = tokio::join!(join_all(storm), client.get("/health"));
    assert_eq!(health.status, 200);
    let busy: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    let checked = answers.iter().filter(|answer| answer.status == 401).count();
    assert!(checked >= 3, "one runs, two wait: {checked}");
    assert_eq!(busy.len() + checked, 12);
    for answer in busy {
        assert_eq!(answer.assert_problem(503), "busy");
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
}

/// hyper keeps the room for the future of a request as long as its connection lives, and ours takes as much as all else
/// that a connection has.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn an_idle_connection_keeps_no_room_for_a_request() {
    const CONNECTIONS: u64 = 400;
    let address = format!("127.0.0.1:{}", free_port());
    let server = ServerProcess::start(&[("LISTEN", &address)]);
    let client = server.client().await;
    client.get("/health").await;
    let before = resident_kib(server.pid());
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        idle.push(stream);
    }
    let each = (resident_kib(server.pid()) - before) / CONNECTIONS;
    // 15 without that room and 22 with it, in a debug build.
    assert!(each < 19, "{each} KiB");
}

/// Memory of a process that is in RAM, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
