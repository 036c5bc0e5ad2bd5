//! What the server tells about itself: log lines and metrics.

mod exposition;
mod json_line;
mod latency;
mod log;
mod log_output;
mod log_writer;
mod metrics;
mod plain_line;
mod process;

pub use exposition::TextFormat;
pub use latency::{LATENCY_BOUNDS, LatencySnapshot};
pub use log::init as init_logs;
pub use log_output::{ACCESS_LOG, LogLine, LogOutput, LogStream};
pub use metrics::{CacheLookup, DatabasePool, Metrics, RequestHandles, Totals};
pub use process::ProcessUsage;
