//! Whether the server is alive (for the load balancer) and ready (for people and deploys).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use tokio::time::timeout;

use super::errors::documented_errors;
use super::{State, Tag};
use crate::common_clock;
use crate::problem::{Code, ErrorItem, Problem};

/// How long each dependency may take to answer; a probe must be told before it gives up itself.
const CHECK_DEADLINE: Duration = Duration::from_secs(1);

pub(super) struct StatusApi;

/// The server is alive.
#[derive(Object)]
#[oai(example)]
struct Health {
    /// `ok`
    status: String,
}

/// The server can do its work.
#[derive(Object)]
#[oai(example)]
struct Readiness {
    /// `ready`
    status: String,
    dependencies: Dependencies,
    clock: ClockStatus,
}

/// Whether the machine's clock is that of the database, within 30 s. The server goes by the database's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
enum ClockStatus {
    Ok,
    Off,
}

/// What the server depends on.
#[derive(Object)]
struct Dependencies {
    database: DependencyStatus,
    cache: DependencyStatus,
}

/// Whether a dependency answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
enum DependencyStatus {
    Ok,
    Unavailable,
}

#[derive(ApiResponse)]
enum HealthResponse {
    /// Alive
    #[oai(status = 200)]
    Alive(Json<Health>),
}

#[derive(ApiResponse)]
enum ReadyResponse {
    /// Ready
    #[oai(status = 200)]
    Ready(Json<Readiness>),
}

documented_errors! {
    /// Why the server should get no more requests.
    HealthError { Draining }
}

documented_errors! {
    /// Why the server cannot do its work.
    ReadyError { Draining, NotReady }
}

#[OpenApi(tag = "Tag::Status")]
impl StatusApi {
    /// Alive?
    ///
    /// Asks no dependency: an instance must not be replaced because the database is away.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self, state: Data<&Arc<State>>) -> Result<HealthResponse, HealthError> {
        refuse_while_draining(&state)?;
        Ok(HealthResponse::Alive(Json(Health::example())))
    }

    /// Ready?
    ///
    /// Asks the database for an answer and the cache to take a write, each within a second.
    #[oai(path = "/ready", method = "get", operation_id = "ready")]
    async fn ready(&self, state: Data<&Arc<State>>) -> Result<ReadyResponse, ReadyError> {
        refuse_while_draining(&state)?;
        let (database, cache) = tokio::join!(check(state.store.ping()), check(state.cache.check()));
        let dependencies = Dependencies { database, cache };
        if (database, cache) != (DependencyStatus::Ok, DependencyStatus::Ok) {
            return Err(not_ready(&dependencies).into());
        }
        let clock = if common_clock::is_off(&state.clock) {
            ClockStatus::Off
        } else {
            ClockStatus::Ok
        };
        Ok(ReadyResponse::Ready(Json(Readiness {
            status: "ready".to_owned(),
            dependencies,
            clock,
        })))
    }
}

async fn check<E>(answer: impl Future<Output = Result<(), E>>) -> DependencyStatus {
    match timeout(CHECK_DEADLINE, answer).await {
        Ok(Ok(())) => DependencyStatus::Ok,
        // Why is in the log; a probe anyone can call does not tell it (R17).
        Ok(Err(_)) | Err(_) => DependencyStatus::Unavailable,
    }
}

fn refuse_while_draining(state: &State) -> Result<(), Problem> {
    if !state.draining.has_begun() {
        return Ok(());
    }
    Err(Problem::new(Code::Draining))
}

/// 503 that says which dependency is away.
fn not_ready(dependencies: &Dependencies) -> Problem {
    let states = [("database", dependencies.database), ("cache", dependencies.cache)];
    let detail = states
        .map(|(name, status)| format!("{name}: {}", status.as_str()))
        .join(", ");
    let away = states.iter().filter(|(_, status)| *status != DependencyStatus::Ok);
    Problem::new(Code::NotReady)
        .with_detail(detail)
        .with_errors(away.map(|(name, _)| ErrorItem::of_dependency(*name)).collect())
        .retry_after(Duration::from_secs(1))
}

impl DependencyStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Example for Health {
    fn example() -> Self {
        Self {
            status: "ok".to_owned(),
        }
    }
}

impl Example for Readiness {
    fn example() -> Self {
        Self {
            status: "ready".to_owned(),
            dependencies: Dependencies {
                database: DependencyStatus::Ok,
                cache: DependencyStatus::Ok,
            },
            clock: ClockStatus::Ok,
        }
    }
}
