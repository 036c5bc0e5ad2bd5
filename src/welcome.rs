//! What a person sees who starts the server on a terminal.

use std::net::SocketAddr;
use std::time::Duration;

use slipway::app::App;
use slipway::config::{Config, DatabaseUrl, Environment, Listen};
use slipway::console;

/// How long the start waits for whoever reads it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where the API is. In development by the name that frontends are served under as well: to browsers `127.0.0.1` is another
/// site, for which they keep no cookies of ours.
fn url(address: SocketAddr, environment: Environment) -> String {
    if environment == Environment::Development && address.ip().is_loopback() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// Prints where everything is, on standard error. In production the log says it instead.
pub(crate) fn print(config: &Config, app: &App) {
    let listen = match (app.address, &config.listen) {
        (Some(address), _) => url(address, config.environment),
        (None, Listen::Unix(path)) => format!("unix:{}", path.display()),
        (None, Listen::Tcp(address)) => format!("http://{address}"),
    };
    if config.environment == Environment::Production {
        tracing::info!(listen, version = env!("CARGO_PKG_VERSION"), "serving");
        return;
    }
    let metrics = app
        .metrics_address
        .map_or_else(|| "off".to_owned(), |address| format!("http://{address}/metrics"));
    let database = match &config.database.url {
        DatabaseUrl::Sqlite(url) => format!("SQLite in {} (DATABASE_URL=postgres://… for PostgreSQL)", url.path),
        DatabaseUrl::Postgres(_) => "PostgreSQL".to_owned(),
    };
    let cache = match config.cache.url {
        None => "in this process (REDIS_URL=redis://… for Valkey)",
        Some(_) => "Valkey",
    };
    let text = format!(
        "
  Slipway {version} is serving in development mode. Stop it with Ctrl-C.

    Demo page    {listen}/
    Swagger UI   {listen}/docs
    Metrics      {metrics}
    Database     {database}
    Cache        {cache}

    Try it:      curl '{listen}/hello?name=Ada'

",
        version = env!("CARGO_PKG_VERSION")
    );
    console::say(text, PATIENCE);
}
