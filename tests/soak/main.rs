//! Two hours compressed into ten minutes: people use the service through nginx while PostgreSQL and Valkey fail at
//! random, clients hang up in the middle of what they asked for, and nobody reads the log for a while. What is compressed
//! is how often something goes wrong, about every four seconds; clocks run as they do. At the end the server is killed,
//! and another one must know everything that this one acknowledged.
//!
//!     ./test --soak           ten minutes with a new seed, which is printed
//!     ./test --soak SEED      the same faults, and the same wishes of everybody, again
//!
//! `SOAK_FLEET=1` has three instances instead of one behind nginx, on one PostgreSQL and one Valkey: each with links of its own,
//! which fail, and a clock of its own, and each killed now and then. Whichever instance is asked, what one has acknowledged
//! holds, and an ended session is accepted for five seconds at most.
//!
//! `SOAK_MINUTES=2` makes it shorter. A run of half a minute with a fixed seed is among the usual tests.

// A test that unwraps says where it failed; clippy.toml allows that in test functions, this in their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// It is run to be read.
#![allow(clippy::print_stdout)]

// The helpers of tests/service, not all of which are needed here.
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../service/support/mod.rs"]
mod support;

mod dependencies;
mod faults;
mod fleet;
mod person;
mod plan;
mod random;
mod report;
mod watch;

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use tokio::time::sleep;

use dependencies::{Postgres, Valkey};
use faults::Victim;
use fleet::Instance;
use person::{Person, Service};
use plan::{FleetPlan, Plan};
use report::Report;
use support::{Container, PgBouncer, Proxy, SECRET, Usage, free_port};

const PEOPLE: u64 = 12;
/// For how long an instance may accept the access token of a session that was ended (docs/SESSIONS.md).
const SIGN_OUT_BOUND: Duration = Duration::from_secs(5);
/// After which connections that nobody uses any more are closed: nginx keeps its own to the server for a second here.
const QUIET: Duration = Duration::from_secs(5);
/// Of which the people do 1,200 in five seconds on two cores; after fewer the allocator has not yet what it keeps.
const WARM_UP_OPERATIONS: u64 = 1000;
const WARM_UP_ROUNDS: u32 = 6;
/// A pool that has grown may stay so: the server holds ten connections to the database at most.
const MORE_DESCRIPTORS: u64 = 10;
/// What the allocator may keep of memory that was given back to it.
const MORE_MEMORY_KIB: u64 = 16 * 1024;

#[tokio::test]
async fn half_a_minute_of_faults_loses_nothing_that_was_acknowledged() {
    soak(7, Duration::from_secs(30)).await;
}

#[tokio::test]
async fn half_a_minute_of_faults_of_three_instances_loses_nothing_and_lets_nobody_in_again() {
    soak_fleet(7, Duration::from_secs(30)).await;
}

#[tokio::test]
#[ignore = "takes ten minutes: run it with ./test --soak"]
async fn ten_minutes_of_faults_lose_nothing_that_was_acknowledged() {
    let (seed, length) = asked_for();
    if env::var_os("SOAK_FLEET").is_some() {
        soak_fleet(seed, length).await;
    } else {
        soak(seed, length).await;
    }
}

/// The seed and the length of a run by hand.
fn asked_for() -> (u64, Duration) {
    let number = |name| {
        env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().unwrap_or_else(|_| panic!("{name}={value}")))
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let minutes = number("SOAK_MINUTES").unwrap_or(10);
    let seed = number("SOAK_SEED").unwrap_or(now.as_secs());
    (seed, Duration::from_secs(60 * minutes))
}

async fn soak(seed: u64, length: Duration) {
    println!("seed {seed}: ./test --soak {seed} does the same again");
    let plan = Plan::new(seed, length);
    let (postgres, valkey) = (Postgres::new().await, Valkey::new().await);
    let pooler = match plan.pooled {
        Some(mode) => Some(PgBouncer::before(&postgres.url(), mode).await),
        None => None,
    };
    println!("the database is pooled: {:?}", plan.pooled);
    let pooled = pooler.as_ref().map_or_else(|| postgres.url(), PgBouncer::url);
    let (to_postgres, database_url) = Proxy::before(&pooled).await;
    let (to_valkey, redis_url) = Proxy::before(&valkey.url()).await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let container = start_server(address, &database_url, &redis_url).await;
    let server = container.process.pid();
    let service = Service {
        urls: vec![format!("http://{address}")],
        bound: Duration::ZERO,
    };
    let report = Report::new();
    let watching = tokio::spawn(watch::watch_for_open_transactions(
        postgres.url(),
        watch::LONGEST_PAUSE,
        report.clone(),
    ));

    warm_up(&service, seed).await;
    sleep(QUIET).await;
    let before = Usage::of(server);

    let failing_database = Victim {
        name: "database",
        dependency: postgres,
        proxy: to_postgres,
    };
    let failing_cache = Victim {
        name: "cache",
        dependency: valkey,
        proxy: to_valkey,
    };
    let (mut people, (_postgres, of_the_database), (_valkey, of_the_cache), of_the_log) = tokio::join!(
        let_live(&service, PEOPLE, seed, Instant::now() + length, &report),
        failing_database.suffer(plan.database, container.client()),
        failing_cache.suffer(plan.cache, container.client()),
        faults::leave_unread(&container.process, plan.log),
    );
    container.client().await_ready().await;
    people.iter_mut().for_each(Person::close_connections);
    sleep(QUIET).await;
    let after = Usage::of(server);

    container.process.signal("KILL");
    drop(container);
    Container::await_free_port(address).await;
    let _another = start_server(address, &database_url, &redis_url).await;
    join_all(people.into_iter().map(Person::check_everything)).await;
    watching.abort();

    report.print_operations();
    report::print_faults(&[of_the_database, of_the_cache, of_the_log].concat());
    println!("before: {before}; {QUIET:?} after the last request: {after}");
    report.assert_no_violation();
    assert!(
        after.descriptors <= before.descriptors.map(|count| count + MORE_DESCRIPTORS),
        "descriptors are left over"
    );
    assert!(
        after.memory_kib <= before.memory_kib + MORE_MEMORY_KIB,
        "memory is left over"
    );
}

/// The same with three instances, to any of which a request may come, with clocks that are ten minutes off, and with faults of
/// every link and of the instances themselves.
async fn soak_fleet(seed: u64, length: Duration) {
    println!("seed {seed}: SOAK_FLEET=1 ./test --soak {seed} does the same again");
    let (postgres, valkey) = (Postgres::new().await, Valkey::new().await);
    let (database_url, redis_url) = (postgres.url(), valkey.url());
    let (instances, links) = fleet::start(&database_url, &redis_url).await;
    let plan = FleetPlan::new(seed, length, instances.len() as u64);
    let service = Service {
        urls: instances.iter().map(Instance::url).collect(),
        bound: SIGN_OUT_BOUND,
    };
    let report = Report::new();
    let watching = tokio::spawn(watch::watch_for_open_transactions(
        database_url.clone(),
        watch::LONGEST_PAUSE_ON_A_VANISHED_LINK,
        report.clone(),
    ));
    let client = instances[0].client();
    let failing_database = Victim {
        name: "database",
        // Nobody comes through it: links have proxies of their own.
        proxy: Proxy::before(&database_url).await.0,
        dependency: postgres,
    };
    let failing_cache = Victim {
        name: "cache",
        proxy: Proxy::before(&redis_url).await.0,
        dependency: valkey,
    };
    let failing_links = join_all(links.into_iter().zip(plan.links).map(|(link, plan)| link.suffer(plan)));
    let failing_instances = instances.into_iter().zip(plan.instances);
    let failing_instances = join_all(failing_instances.map(|(instance, plan)| instance.suffer(plan)));
    let (mut people, (_postgres, of_the_database), (_valkey, of_the_cache), of_links, instances) = tokio::join!(
        let_live(&service, PEOPLE, seed, Instant::now() + length, &report),
        failing_database.suffer(plan.database, client.clone()),
        failing_cache.suffer(plan.cache, client),
        failing_links,
        failing_instances,
    );
    let mut injected = [of_the_database, of_the_cache].concat();
    let (_links, of_links): (Vec<_>, Vec<_>) = of_links.into_iter().unzip();
    injected.extend(of_links.concat());
    sleep(SIGN_OUT_BOUND).await;
    join_all(people.iter().map(Person::check_that_all_instances_know)).await;
    for (mut instance, of_instance) in instances {
        instance.kill().await;
        injected.extend(of_instance);
    }
    let another = Instance::afterwards(&database_url, &redis_url);
    another.client().await_ready().await;
    let afterwards = Service {
        urls: vec![another.url()],
        ..service
    };
    people.iter_mut().for_each(|person| person.turn_to(&afterwards));
    join_all(people.into_iter().map(Person::check_everything)).await;
    watching.abort();
    report.print_operations();
    report::print_faults(&injected);
    report.assert_no_violation();
}

/// The server behind nginx, which lets everybody be in a hurry.
async fn start_server(address: SocketAddr, database_url: &str, redis_url: &str) -> Container {
    let timeouts = format!("import {}/nix/timeouts.nix", env!("CARGO_MANIFEST_DIR"));
    let nginx = format!(
        "timeouts = {timeouts} // {{ nginxUpstreamKeepAlive = 1; }}; credentialsPerSecond = 1000; \
         credentialsBurst = 10000; refreshesPerSecond = 1000; refreshesBurst = 10000;"
    );
    let settings = [
        ("DATABASE_URL", database_url),
        ("REDIS_URL", redis_url),
        ("RATE_LIMIT_PER_ADDRESS", "0"),
        ("RATE_LIMIT_PER_ACCOUNT", "0"),
        ("JWT_SECRET", SECRET),
    ];
    let container = Container::launch_at(address, &nginx, &settings, &[]);
    container.await_nginx().await;
    container.client().await_ready().await;
    container
}

/// Everybody, each in a task of their own, until the deadline. Numbers tell them and their accounts apart.
/// Everything is opened and filled once that is opened and filled only once; on a busy machine that takes longer.
async fn warm_up(service: &Service, seed: u64) {
    let report = Report::new();
    for _ in 0..WARM_UP_ROUNDS {
        let until = Instant::now() + Duration::from_secs(5);
        drop(let_live(service, 0, seed, until, &report).await);
        if report.operations() >= WARM_UP_OPERATIONS {
            return;
        }
    }
}

async fn let_live(service: &Service, first: u64, seed: u64, deadline: Instant, report: &Report) -> Vec<Person> {
    let people = (first..first + PEOPLE).map(|number| Person::new(number, seed, service.clone(), report.clone()));
    let lives: Vec<_> = people.map(|person| tokio::spawn(person.live(deadline))).collect();
    join_all(lives).await.into_iter().map(Result::unwrap).collect()
}
