//! Starts logging.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use super::json_line::{JsonFields, JsonLine};
use super::log_output::{LogOutput, LogStream};
use crate::config::{ConfigError, LogFormat, Options};

/// Starts logging to `stream` as `options` ask for. Panics are logged, too, as one line without a backtrace.
///
/// # Errors
/// When `RUST_LOG` cannot be understood, or the system has no thread for the log.
pub fn init(options: &Options, stream: LogStream) -> Result<LogOutput, ConfigError> {
    let filter = EnvFilter::try_new(&options.rust_log).map_err(|error| {
        ConfigError(format!(
            "RUST_LOG={} is not a filter ({error}): use a level such as info, or slipway=debug,warn",
            options.rust_log
        ))
    })?;
    let output = LogOutput::new(stream, options.log_format());
    let output = output.map_err(|error| ConfigError(format!("cannot start the log: {error}")))?;
    let logs = fmt()
        .with_env_filter(filter)
        .with_writer(output.clone())
        // It would go to standard error by a print that panics when that cannot be written, either.
        .log_internal_errors(false);
    let started = match options.log_format() {
        LogFormat::Json => logs.fmt_fields(JsonFields).event_format(JsonLine).finish().try_init(),
        LogFormat::Text => logs.with_ansi(stream.is_terminal()).finish().try_init(),
    };
    // In a process that logs already, as tests do, the first configuration stays.
    let _ = started;
    let log = output.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        log.panicked(message, panic.location().map(ToString::to_string));
    }));
    Ok(output)
}
