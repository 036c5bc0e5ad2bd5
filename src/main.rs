//! The command line of Slipway.

mod healthcheck;
mod welcome;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use slipway::app::App;
use slipway::clock::Clock;
use slipway::config::{self, Config, ConfigError, DatabaseConfig, Options};
use slipway::container::{self, ContainerOptions};
use slipway::server::Signals;
use slipway::stop;
use slipway::store::StoreError;
use slipway::telemetry::{self, LogOutput};
use slipway::{api, console, store};

use crate::healthcheck::HealthcheckOptions;

/// musl's own allocator takes a lock for every allocation and is a third slower in the whole.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long an exit waits for its last log lines to be written, and for the line that says why it failed. The net under a
/// stop ends this wait, too.
const LAST_LINES: Duration = Duration::from_secs(2);

/// A small production API
#[derive(Parser)]
#[command(name = "slipway", version)]
struct Cli {
    /// What to do; `serve` when nothing is said
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API
    Serve(Box<Options>),
    /// Serve the API behind nginx: what the container image runs
    Container(Box<ContainerOptions>),
    /// Bring the schema of DATABASE_URL up to date and exit
    Migrate(Box<Options>),
    /// Print the OpenAPI document
    Openapi,
    /// Ask the server whether it is alive; the exit code tells a container's health check
    Healthcheck(Box<HealthcheckOptions>),
    /// Become a program that ends when the parent of this process does
    #[command(hide = true)]
    ExecTiedToParent {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let command = config::parse::<Cli>(env::args_os()).command.unwrap_or_else(|| {
        // The settings then come from the environment alone.
        Command::Serve(Box::new(config::parse(["slipway".into()])))
    });
    let result = match command {
        Command::Serve(options) => run(&options, async |logs| serve(&options, logs).await),
        Command::Container(options) => run(&options.server, async |logs| container::run(&options, logs).await),
        Command::Migrate(options) => run(&options, async |_| migrate(&options).await),
        Command::Openapi => print("the document", &api::openapi_json()),
        Command::Healthcheck(options) => healthcheck::run(&options),
        Command::ExecTiedToParent { command } => Err(container::exec_tied_to_parent(&command)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::say(format!("slipway: {error}\n"), LAST_LINES);
            ExitCode::FAILURE
        }
    }
}

/// Runs `command` with what it needs to log and to wait.
fn run(options: &Options, command: impl AsyncFnOnce(&LogOutput) -> Result<(), ConfigError>) -> Result<(), ConfigError> {
    let logs = telemetry::init_logs(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ConfigError(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(command(&logs));
    // A password hash that nobody waits for any more must not hold up the exit.
    runtime.shutdown_background();
    logs.flush(LAST_LINES);
    result
}

async fn serve(options: &Options, logs: &LogOutput) -> Result<(), ConfigError> {
    let signals = Signals::catch();
    let mut signals = signals.map_err(|error| ConfigError(format!("cannot catch signals: {error}")))?;
    let config = Config::from_options(options)?;
    let app = tokio::select! {
        app = App::start(&config, Clock::system()) => app?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before the database answered");
            return Ok(());
        }
    };
    app.metrics.watch_dropped_log_lines(logs.dropped_lines());
    welcome::print(&config, &app);
    let signal = tokio::select! {
        signal = signals.next() => signal,
        error = app.cut_off() => return Err(error),
    };
    tracing::info!(signal, "asked to stop");
    stop::end_process_in_time(config.drain);
    tokio::select! {
        () = app.shut_down() => Ok(()),
        signal = signals.next() => Err(ConfigError(format!("stopped at once by a second signal ({signal})"))),
    }
}

async fn migrate(options: &Options) -> Result<(), ConfigError> {
    let database = DatabaseConfig::from_options(options)?;
    let explain = |error: StoreError| {
        let fix = error.advice().fix;
        ConfigError(format!("DATABASE_URL could not be migrated ({error}): {fix}"))
    };
    let store = store::connect(&database).await.map_err(explain)?;
    store::migrate(&store).await.map_err(explain)?;
    store.close(Duration::from_secs(1)).await;
    tracing::info!("the schema is up to date");
    Ok(())
}

fn print(what: &str, text: &str) -> Result<(), ConfigError> {
    let explain = |error| ConfigError(format!("{what} cannot be written to standard output: {error}"));
    console::print(text).map_err(explain)
}
