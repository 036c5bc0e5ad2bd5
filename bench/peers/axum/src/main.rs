//! The routes that are measured, on axum and sqlx, as their documentation and that of tower-http would have it.
//!
//! Serves the tables that `slipway migrate` makes. Settings are those of Slipway by the same names: LISTEN,
//! DATABASE_URL, REDIS_URL, JWT_SECRET.

mod accounts;
mod auth;
mod error;

use std::env;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tower::ServiceBuilder;
use tower_http::ServiceBuilderExt;
use tower_http::request_id::MakeRequestUuid;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::Level;

use crate::auth::Tokens;
use crate::error::Error;

/// The limits of the server that is compared (REQUEST_DEADLINE and MAX_BODY_BYTES).
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
const MAX_BODY_BYTES: usize = 64 * 1024;
/// As many as the server that is compared opens.
const DATABASE_CONNECTIONS: u32 = 10;

#[derive(Clone)]
struct App {
    database: PgPool,
    cache: MultiplexedConnection,
    tokens: Tokens,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().json().init();
    let app = App {
        database: PgPoolOptions::new()
            .max_connections(DATABASE_CONNECTIONS)
            .connect(&env::var("DATABASE_URL")?)
            .await?,
        cache: redis::Client::open(env::var("REDIS_URL")?)?
            .get_multiplexed_async_connection()
            .await?,
        tokens: Tokens::new(env::var("JWT_SECRET")?.as_bytes()),
    };
    let listener = tokio::net::TcpListener::bind(env::var("LISTEN")?).await?;
    axum::serve(listener, router(app))
        .with_graceful_shutdown(stopped())
        .await?;
    Ok(())
}

fn router(app: App) -> Router {
    let middleware = ServiceBuilder::new()
        .set_x_request_id(MakeRequestUuid)
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_response(DefaultOnResponse::new().level(Level::INFO)),
        )
        .propagate_x_request_id()
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_DEADLINE,
        ));
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/hello", get(hello))
        .route("/register", post(accounts::register))
        .route("/login", post(accounts::login))
        .route("/refresh", post(accounts::refresh))
        .route("/me", get(accounts::me))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware)
        .with_state(app)
}

/// What each access line says besides status and latency.
fn span(request: &axum::extract::Request) -> tracing::Span {
    let id = request.headers().get("x-request-id");
    tracing::info_span!(
        "request",
        method = %request.method(),
        path = request.uri().path(),
        request_id = id.and_then(|id| id.to_str().ok()),
    )
}

async fn stopped() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    if let Ok(mut terminate) = terminate {
        terminate.recv().await;
    }
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

async fn health() -> Json<Status> {
    Json(Status { status: "ok" })
}

async fn ready(State(mut app): State<App>) -> Result<Json<Status>, Error> {
    sqlx::query("SELECT 1").execute(&app.database).await?;
    redis::cmd("PING").query_async::<()>(&mut app.cache).await?;
    Ok(Json(Status { status: "ready" }))
}

#[derive(Deserialize)]
struct Greeted {
    name: Option<String>,
}

#[derive(Serialize)]
struct Greeting {
    message: String,
}

async fn hello(Query(greeted): Query<Greeted>) -> Json<Greeting> {
    let name = greeted.name.as_deref().unwrap_or("world");
    Json(Greeting {
        message: format!("hello {name}"),
    })
}
