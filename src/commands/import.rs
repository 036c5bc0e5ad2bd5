//! `slipway import`: takes over the accounts of the service that Slipway takes the place of.

use std::fmt::Write;

use clap::Args;
use slipway::auth::{ImportReport, import_accounts};
use slipway::clock::Clock;
use slipway::config::{ConfigError, DatabaseConfig, DatabaseUrl, Options};
use slipway::console;
use slipway::store::{OtherService, StoreError};

use super::migrate;

/// Where the accounts are.
#[derive(Args)]
pub(crate) struct ImportOptions {
    /// The database of the other service, `postgres://user:password@host/name` or `sqlite:path/to/file`. It is only read
    #[arg(long, env = "IMPORT_FROM", hide_env_values = true, value_name = "URL")]
    from: String,
}

/// # Errors
/// What either database says.
pub(crate) async fn run(arguments: &ImportOptions, options: &Options) -> Result<(), ConfigError> {
    let url = DatabaseUrl::parse(&arguments.from);
    let url = url.map_err(|error| ConfigError(error.0.replacen("DATABASE_URL", "--from", 1)))?;
    let explain = |error: StoreError| {
        let fix = error.advice().fix;
        ConfigError(format!("--from cannot be read ({error}): {fix}"))
    };
    let from = OtherService::open(&url).await.map_err(explain)?;
    // Before anything is changed here.
    from.accounts_after(i64::MIN, 1).await.map_err(explain)?;
    let to = migrate::open(&DatabaseConfig::from_options(options)?).await?;
    let report = import_accounts(&from, &to, Clock::system().now()).await;
    migrate::close(&to).await;
    let report = report.map_err(|error| {
        ConfigError(format!(
            "the import stopped ({error}); what was imported stays, and it can be run again"
        ))
    })?;
    let cannot = |error| ConfigError(format!("the report cannot be written to standard output: {error}"));
    console::print(&text(&report)).map_err(cannot)
}

fn text(report: &ImportReport) -> String {
    let ImportReport {
        found, added, changed, ..
    } = report;
    let mut text = format!("{found} accounts found: {added} imported, {changed} brought up to date\n");
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            let _ = writeln!(text, "{count} {what}");
        }
    };
    add(
        report.without_password,
        "have a password hash of a kind that Slipway does not know: `slipway user set-password NAME` gives them another one",
    );
    add(
        report.without_name,
        "were left out: their name is empty, longer than 64 characters, or has control characters",
    );
    add(
        report.taken_count,
        "were left out, because another account has their name, perhaps in other letters of the same; rename them there and \
         import again:",
    );
    for name in &report.taken {
        let _ = writeln!(text, "  {name:?}");
    }
    text
}
