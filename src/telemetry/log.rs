//! Starts logging.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use super::json_line::{JsonFields, JsonLine};
use super::log_output::LogOutput;
use crate::config::{ConfigError, LogFormat, Options};

/// Starts logging to `output` as `options` ask for. Panics are logged, too, as one line without a backtrace.
///
/// # Errors
/// When `RUST_LOG` cannot be understood.
pub fn init(options: &Options, output: &LogOutput) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&options.rust_log).map_err(|error| {
        ConfigError(format!(
            "RUST_LOG={} is not a filter ({error}): use a level such as info, or slipway=debug,warn",
            options.rust_log
        ))
    })?;
    let logs = fmt().with_env_filter(filter).with_writer(output.clone());
    let started = match options.log_format() {
        LogFormat::Json => logs.fmt_fields(JsonFields).event_format(JsonLine).finish().try_init(),
        LogFormat::Text => logs.with_ansi(std::io::stdout().is_terminal()).finish().try_init(),
    };
    // In a process that logs already, as tests do, the first configuration stays.
    let _ = started;
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(message, place, "panic");
    }));
    Ok(())
}
