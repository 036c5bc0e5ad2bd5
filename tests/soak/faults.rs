//! Carries out what is planned, and watches how long the server takes to get over it.

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::time::sleep;

use crate::dependencies::Dependency;
use crate::plan::{Fault, Planned};
use crate::support::{Client, Proxy, ServerProcess};

/// A server that needs longer has not recovered by itself. Far above what was seen (3 s), because it only has to tell a
/// recovery from none.
const PATIENCE: Duration = Duration::from_secs(60);

/// A dependency and what stands between it and the server.
pub(crate) struct Victim<D> {
    /// As `GET /ready` calls it.
    pub(crate) name: &'static str,
    pub(crate) dependency: D,
    pub(crate) proxy: Proxy,
}

/// A fault that is over.
#[derive(Clone, Debug)]
pub(crate) struct Injected {
    pub(crate) victim: &'static str,
    pub(crate) fault: Fault,
    /// From the end of the fault until the server used the dependency again.
    pub(crate) recovery: Duration,
}

impl<D: Dependency> Victim<D> {
    /// One fault after another; `client` asks the server how it is.
    pub(crate) async fn suffer(mut self, plan: Vec<Planned>, client: Client) -> (Self, Vec<Injected>) {
        let mut injected = Vec::new();
        for planned in plan {
            sleep(planned.after).await;
            self.begin(planned.fault).await;
            sleep(planned.lasts).await;
            self.end(planned.fault).await;
            injected.push(Injected {
                victim: self.name,
                fault: planned.fault,
                recovery: await_recovery(&format!("{}: ok", self.name), &client).await,
            });
        }
        (self, injected)
    }

    async fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Killed => self.dependency.kill(),
            Fault::Stopped | Fault::Stalled => self.dependency.signal("STOP"),
            Fault::Demoted => self.dependency.take_writes(false).await,
            Fault::Unread | Fault::Frozen | Fault::Forgotten | Fault::InstanceKilled => unreachable!("no dependency's"),
            Fault::CutOff => self.proxy.cut(),
            Fault::RepliesCut => self.proxy.cut_replies(),
            Fault::DiskFull => self.dependency.disk().expect("it has one").fill(),
        }
    }

    async fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Killed | Fault::Unread | Fault::Frozen | Fault::Forgotten | Fault::InstanceKilled => {}
            Fault::Stopped | Fault::Stalled => self.dependency.signal("CONT"),
            Fault::Demoted => self.dependency.take_writes(true).await,
            Fault::CutOff | Fault::RepliesCut => self.proxy.restore(),
            Fault::DiskFull => self.dependency.disk().expect("it has one").clear(),
        }
        // A full disk ends PostgreSQL when it needs more of its log.
        if self.dependency.has_ended() {
            self.dependency.start().await;
        }
    }
}

/// Waits until `client`'s server is ready, or says that at least this is well: something else may be away.
pub(crate) async fn await_recovery(healthy: &str, client: &Client) -> Duration {
    let started = Instant::now();
    let mut last = String::new();
    while started.elapsed() < PATIENCE {
        match client.try_send(Method::GET, "/ready").await {
            Ok(answer) if answer.status == 200 || answer.text.contains(healthy) => return started.elapsed(),
            Ok(answer) => last = answer.text,
            Err(error) => last = error.to_string(),
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("no {healthy:?} within {PATIENCE:?} at {}: {last}", client.url());
}

/// Nobody reads what the server prints, and then somebody does again; it has to go on all the while.
pub(crate) async fn leave_unread(process: &ServerProcess, plan: Vec<Planned>) -> Vec<Injected> {
    let mut injected = Vec::new();
    for planned in plan {
        sleep(planned.after).await;
        process.read_output(false);
        sleep(planned.lasts).await;
        process.read_output(true);
        injected.push(Injected {
            victim: "log",
            fault: planned.fault,
            recovery: Duration::ZERO,
        });
    }
    injected
}
