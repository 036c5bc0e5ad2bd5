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
use slipway::telemetry::{self, LogOutput};
use slipway::{api, store};

use crate::healthcheck::HealthcheckOptions;

/// musl's own allocator takes a lock for every allocation and is a third slower in the whole.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let logs = LogOutput::stdout();
    let result = match command {
        Command::Serve(options) => run(serve(&options, &logs), &logs),
        Command::Container(options) => run(container::run(&options, &logs), &logs),
        Command::Migrate(options) => run(migrate(&options, &logs), &logs),
        Command::Openapi => {
            print!("{}", api::openapi_json());
            Ok(())
        }
        Command::Healthcheck(options) => healthcheck::run(&options),
        Command::ExecTiedToParent { command } => Err(container::exec_tied_to_parent(&command)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("slipway: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: impl Future<Output = Result<(), ConfigError>>, logs: &LogOutput) -> Result<(), ConfigError> {
    let when_asleep = logs.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(move || when_asleep.flush())
        .build();
    let runtime = runtime.map_err(|error| ConfigError(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(command);
    // A password hash that nobody waits for any more must not hold up the exit.
    runtime.shutdown_background();
    logs.flush();
    result
}

async fn serve(options: &Options, logs: &LogOutput) -> Result<(), ConfigError> {
    telemetry::init_logs(options, logs)?;
    let config = Config::from_options(options)?;
    let signals = Signals::catch();
    let mut signals = signals.map_err(|error| ConfigError(format!("cannot catch signals: {error}")))?;
    let app = tokio::select! {
        app = App::start(&config, Clock::System) => app?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before the database answered");
            return Ok(());
        }
    };
    welcome::print(&config, &app);
    let signal = signals.next().await;
    tracing::info!(signal, "asked to stop");
    tokio::select! {
        () = app.shut_down() => Ok(()),
        signal = signals.next() => Err(ConfigError(format!("stopped at once by a second signal ({signal})"))),
    }
}

async fn migrate(options: &Options, logs: &LogOutput) -> Result<(), ConfigError> {
    telemetry::init_logs(options, logs)?;
    let database = DatabaseConfig::from_options(options)?;
    let explain = |error| ConfigError(format!("DATABASE_URL could not be migrated: {error}"));
    let store = store::connect(&database).await.map_err(explain)?;
    store::migrate(&store).await.map_err(explain)?;
    store.close(Duration::from_secs(1)).await;
    println!("the schema is up to date");
    Ok(())
}
