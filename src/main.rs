//! The command line of Slipway.

mod commands;
mod welcome;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use slipway::app::App;
use slipway::clock::Clock;
use slipway::config::{self, Config, ConfigError, Options};
use slipway::container::{self, ContainerOptions};
use slipway::server::Signals;
use slipway::stop;
use slipway::telemetry::LogStream::{Stderr, Stdout};
use slipway::telemetry::{self, LogOutput, LogStream};
use slipway::{api, console};

use crate::commands::healthcheck::{self, HealthcheckOptions};
use crate::commands::import::ImportOptions;
use crate::commands::user::UserOptions;
use crate::commands::{import, migrate, privacy, user};

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
    /// Take over the accounts of the service that Slipway takes the place of; other settings are read from the environment
    Import(ImportOptions),
    /// List, disable, enable and delete accounts, give them one-time passwords, end their sessions; settings are read from
    /// the environment
    User(UserOptions),
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
    let command = config::parse::<Cli>(env::args_os()).command;
    let command = command.unwrap_or_else(|| Command::Serve(Box::new(settings_of_the_environment())));
    let may_be_looked_into = matches!(
        command,
        // Profilers and debuggers look into a server that runs by itself.
        Command::Serve(_) | Command::Openapi | Command::ExecTiedToParent { .. }
    );
    let hidden = if may_be_looked_into {
        Ok(())
    } else {
        privacy::hide_from_others_of_this_user()
    };
    let result = hidden.and_then(|()| match command {
        Command::Serve(options) => run(&options, Stdout, async |logs| serve(&options, logs).await),
        Command::Container(options) => run(&options.server, Stdout, async |logs| {
            container::run(&options, logs).await
        }),
        Command::Migrate(options) => run(&options, Stdout, async |_| migrate::run(&options).await),
        Command::Import(arguments) => {
            let options = settings_of_the_environment();
            run(&options, Stderr, async |_| import::run(&arguments, &options).await)
        }
        Command::User(arguments) => {
            let options = settings_of_the_environment();
            run(&options, Stderr, async |_| user::run(&arguments, &options).await)
        }
        Command::Openapi => print("the document", &api::openapi_json()),
        Command::Healthcheck(options) => healthcheck::run(&options),
        Command::ExecTiedToParent { command } => Err(container::exec_tied_to_parent(&command)),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::say(format!("slipway: {error}\n"), LAST_LINES);
            ExitCode::FAILURE
        }
    }
}

fn settings_of_the_environment() -> Options {
    config::parse(["slipway".into()])
}

/// Runs `command` with what it needs to log and to wait.
fn run(
    options: &Options,
    logs: LogStream,
    command: impl AsyncFnOnce(&LogOutput) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    let logs = telemetry::init_logs(options, logs)?;
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

fn print(what: &str, text: &str) -> Result<(), ConfigError> {
    let explain = |error| ConfigError(format!("{what} cannot be written to standard output: {error}"));
    console::print(text).map_err(explain)
}
