//! Three instances on one PostgreSQL and one Valkey, each with links of its own and a clock of its own, any of which fails.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::faults::{Injected, await_recovery};
use crate::plan::{Fault, Planned};
use crate::support::{Client, Proxy, SECRET, ServerProcess, free_port};

/// How far the clock of each is off: as far as README promises that it does not matter.
const SKEWS: [&str; 3] = ["+0s", "-600s", "+600s"];

/// An instance, and where it is.
pub(crate) struct Instance {
    process: ServerProcess,
    skew: &'static str,
    port: u16,
    database_url: String,
    redis_url: String,
}

/// One of its links.
pub(crate) struct Link {
    /// As `GET /ready` calls what is at its other end.
    name: &'static str,
    proxy: Proxy,
    client: Client,
}

/// Three instances with the links of each to the database and to the cache.
pub(crate) async fn start(database_url: &str, redis_url: &str) -> (Vec<Instance>, Vec<Link>) {
    let (mut instances, mut links) = (Vec::new(), Vec::new());
    for skew in SKEWS {
        let (to_database, database_url) = Proxy::before(database_url).await;
        let (to_cache, redis_url) = Proxy::before(redis_url).await;
        let instance = Instance::start(skew, free_port(), database_url, redis_url);
        let client = instance.client();
        client.await_ready().await;
        for (name, proxy) in [("database", to_database), ("cache", to_cache)] {
            let client = client.clone();
            links.push(Link { name, proxy, client });
        }
        instances.push(instance);
    }
    (instances, links)
}

impl Instance {
    fn start(skew: &'static str, port: u16, database_url: String, redis_url: String) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let settings = [
            ("DATABASE_URL", database_url.as_str()),
            ("REDIS_URL", &redis_url),
            ("JWT_SECRET", SECRET),
            ("LISTEN", &listen),
            ("METRICS_LISTEN", "off"),
            ("ARGON2_MEMORY_KIB", "64"),
            ("RATE_LIMIT_PER_ADDRESS", "0"),
            ("RATE_LIMIT_PER_ACCOUNT", "0"),
            // One that is started while the database is away waits for it.
            ("DATABASE_PATIENCE_SECONDS", "60"),
        ];
        let process = ServerProcess::run_with_clock(skew, &settings);
        Self {
            process,
            skew,
            port,
            database_url,
            redis_url,
        }
    }

    /// Another one beside those that were killed, on links that nothing stands in.
    pub(crate) fn afterwards(database_url: &str, redis_url: &str) -> Self {
        Self::start(SKEWS[0], free_port(), database_url.to_owned(), redis_url.to_owned())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url())
    }

    /// It is killed, and started again, again and again.
    pub(crate) async fn suffer(mut self, plan: Vec<Planned>) -> (Self, Vec<Injected>) {
        let mut injected = Vec::new();
        for planned in plan {
            sleep(planned.after).await;
            self.kill().await;
            sleep(planned.lasts).await;
            let started = Instant::now();
            self = Self::start(self.skew, self.port, self.database_url, self.redis_url);
            self.client().await_answer().await;
            injected.push(Injected {
                victim: "instance",
                fault: planned.fault,
                recovery: started.elapsed(),
            });
        }
        (self, injected)
    }

    pub(crate) async fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.exit(Duration::from_secs(10)).await;
    }
}

impl Link {
    /// One fault after another. The link carries nothing any more when it is dropped.
    pub(crate) async fn suffer(self, plan: Vec<Planned>) -> (Self, Vec<Injected>) {
        let mut injected = Vec::new();
        for planned in plan {
            sleep(planned.after).await;
            match planned.fault {
                Fault::CutOff => self.proxy.cut(),
                Fault::RepliesCut => self.proxy.cut_replies(),
                Fault::Frozen => self.proxy.stall(),
                Fault::Forgotten => self.proxy.forget_connections(),
                other => unreachable!("{other:?} of a link"),
            }
            sleep(planned.lasts).await;
            self.proxy.restore();
            let recovery = await_recovery(&format!("{}: ok", self.name), &self.client).await;
            injected.push(Injected {
                victim: if self.name == "cache" {
                    "link to the cache"
                } else {
                    "link to the database"
                },
                fault: planned.fault,
                recovery,
            });
        }
        (self, injected)
    }
}
