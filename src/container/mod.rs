//! What the app image runs as PID 1: the server on a unix socket, with nginx in front of it as a child.
//!
//! Both start at once: a port that is taken is told at once and not after a minute of waiting for the database. Both end
//! together, too: whichever ends by itself takes the other with it, and the container is replaced.

mod children;
mod exec;
mod nginx;
mod nginx_message;
mod output;
mod runtime_dir;

use std::time::Duration;

use clap::Parser;

pub use exec::exec_tied_to_parent;
pub use nginx_message::nginx_message;

use self::nginx::Nginx;
use self::runtime_dir::RuntimeDir;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Options};
use crate::server::Signals;
use crate::stop::{self, StopDeadlines};
use crate::telemetry::LogOutput;

/// The settings of `slipway container`: those of the server, and where nginx is.
#[derive(Clone, Parser)]
#[command(name = "slipway container")]
pub struct ContainerOptions {
    /// The settings of `slipway serve`. LISTEN is not one of them here.
    #[command(flatten)]
    pub server: Options,

    /// The nginx program. (The name NGINX would not do: nginx takes a variable of that name for sockets it inherits)
    #[arg(long, env = "SLIPWAY_NGINX", default_value = "nginx")]
    pub nginx: String,

    /// The nginx configuration, as nix/nginx-conf.nix makes it
    #[arg(long, env = "SLIPWAY_NGINX_CONFIG")]
    pub nginx_config: String,

    /// A folder that this user may write to and nobody else uses: the socket between nginx and the server, and nginx'
    /// temporary files. Best kept in memory (a tmpfs)
    #[arg(long, env = "SLIPWAY_RUNTIME_DIR", default_value = "/run/slipway")]
    pub runtime_dir: String,
}

/// Runs nginx and the server until a signal asks for the end, and then stops without losing a request (R16): while the
/// load balancer looks elsewhere both serve as before, then nginx finishes what is under way, then the server ends.
///
/// # Errors
/// One line that names the setting that is to blame and how to mend it, or says that nginx has ended by itself, or that
/// a second signal came.
pub async fn run(options: &ContainerOptions, logs: &LogOutput) -> Result<(), ConfigError> {
    let signals = Signals::catch();
    let mut signals = signals.map_err(|error| ConfigError(format!("cannot catch signals: {error}")))?;
    let runtime_dir = RuntimeDir::open(&options.runtime_dir)?;
    let config = Config::from_options(&behind_nginx(&options.server, &runtime_dir)?)?;
    runtime_dir.furnish(
        &options.nginx_config,
        &config.trusted_proxies,
        &config.allowed_origins,
        &config.cors_headers,
    )?;

    let mut nginx = Nginx::start(&options.nginx, runtime_dir.path(), logs)?;
    let app = tokio::select! {
        app = App::start(&config, Clock::system()) => app?,
        () = nginx.ended() => return Err(nginx.explain_end().await),
        signal = signals.next() => {
            tracing::info!(signal, "stopped before the database answered");
            stop::end_process_in_time(Duration::ZERO);
            nginx.stop(StopDeadlines::from_now()).await;
            return Ok(());
        }
    };
    app.metrics.watch_dropped_log_lines(logs.dropped_lines());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving behind nginx");
    let signal = tokio::select! {
        signal = signals.next() => signal,
        () = nginx.ended() => return end_without_nginx(app, nginx).await,
        error = app.cut_off() => {
            stop::end_process_in_time(Duration::ZERO);
            nginx.stop(StopDeadlines::from_now()).await;
            return Err(error);
        }
    };
    tracing::info!(signal, "asked to stop");
    stop::end_process_in_time(config.drain);
    tokio::select! {
        result = shut_down(app, nginx) => result,
        signal = signals.next() => Err(ConfigError(format!("stopped at once by a second signal ({signal})"))),
    }
}

async fn shut_down(app: App, mut nginx: Nginx) -> Result<(), ConfigError> {
    tokio::select! {
        () = app.drain() => {}
        () = nginx.ended() => return end_without_nginx(app, nginx).await,
    }
    let deadlines = StopDeadlines::from_now();
    nginx.stop(deadlines).await;
    app.stop(deadlines).await;
    Ok(())
}

/// nginx has ended, and nobody can reach the server any more.
async fn end_without_nginx(app: App, mut nginx: Nginx) -> Result<(), ConfigError> {
    stop::end_process_in_time(Duration::ZERO);
    let deadlines = StopDeadlines::from_now();
    let error = nginx.explain_end().await;
    tracing::error!("{error}; stopping");
    app.stop(deadlines).await;
    Err(error)
}

/// The server's settings with the socket that nginx knows.
fn behind_nginx(options: &Options, runtime_dir: &RuntimeDir) -> Result<Options, ConfigError> {
    let socket = format!("unix:{}", runtime_dir.socket().display());
    match &options.listen {
        Some(listen) if *listen != socket => Err(ConfigError(format!(
            "LISTEN={listen} cannot be used in a container, where nginx serves and expects the server at {socket}: \
             remove LISTEN, and choose the port in the nginx configuration"
        ))),
        _ => Ok(Options {
            listen: Some(socket),
            ..options.clone()
        }),
    }
}
