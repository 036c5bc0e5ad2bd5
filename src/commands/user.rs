//! `slipway user`: what an operator does with accounts.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use slipway::auth::{Auth, AuthError, OneTimePassword};
use slipway::cache::Cache;
use slipway::clock::Clock;
use slipway::config::{Config, ConfigError, Options};
use slipway::store::{Store, user};
use slipway::telemetry::Metrics;
use slipway::{common_clock, console};

use super::migrate;

/// Accounts that are read at a time.
const PAGE: u64 = 500;

/// What is done, and how it is told.
#[derive(Args)]
pub(crate) struct UserOptions {
    #[command(subcommand)]
    action: Action,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// All accounts, in the order of their names
    List,
    /// One account
    Show(Named),
    /// Sign an account out everywhere, and let nobody sign in to it
    Disable(Named),
    /// Let an account that was disabled sign in again
    Enable(Named),
    /// Delete an account and its sessions for good
    Delete(Named),
    /// Sign an account out everywhere and print a new password, which is good for 24 hours and has to be changed
    SetPassword(Named),
    /// Sign an account out everywhere
    EndSessions(Named),
}

#[derive(Args)]
struct Named {
    /// The name, in any case of its letters
    #[arg(value_name = "NAME")]
    name: String,
}

/// Instances follow within five seconds, at once when REDIS_URL is theirs.
///
/// # Errors
/// When there is no such account, or what the database says.
pub(crate) async fn run(arguments: &UserOptions, options: &Options) -> Result<(), ConfigError> {
    let config = Config::from_options(options)?;
    let store = migrate::open(&config.database).await?;
    let done = act(arguments, &config, &store).await;
    migrate::close(&store).await;
    done
}

async fn act(arguments: &UserOptions, config: &Config, store: &Store) -> Result<(), ConfigError> {
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::default()));
    let followed = common_clock::follow_once(&clock, store).await;
    followed.map_err(|error| failed(error.into()))?;
    let cache = Cache::open(&config.cache, &clock, &metrics);
    let cache = cache.map_err(|error| ConfigError(format!("REDIS_URL cannot be used: {error}")))?;
    let auth = Auth::new(config, clock, store.clone(), cache, metrics);
    let print = |account: &user::Model, more: Value| print(account, more, arguments.json);
    let named = async |named: &Named| {
        let found = auth.account_named(&named.name).await.map_err(failed)?;
        found.ok_or_else(|| ConfigError(format!("there is no account {:?}: see slipway user list", named.name)))
    };
    match &arguments.action {
        Action::List => return list(&auth, arguments.json).await,
        Action::Show(name) => print(&named(name).await?, json!({})),
        Action::Disable(name) => {
            auth.disable_account(named(name).await?.id).await.map_err(failed)?;
            print(&named(name).await?, json!({}))
        }
        Action::Enable(name) => {
            auth.enable_account(named(name).await?.id).await.map_err(failed)?;
            print(&named(name).await?, json!({}))
        }
        Action::Delete(name) => {
            let account = named(name).await?;
            auth.delete_account(account.id).await.map_err(failed)?;
            print(&account, json!({"deleted": true}))
        }
        Action::SetPassword(name) => {
            let given = auth.give_one_time_password(named(name).await?.id).await;
            let OneTimePassword { password, expires_at } = given.map_err(failed)?;
            print(
                &named(name).await?,
                json!({"password": password, "password_expires_at": expires_at}),
            )
        }
        Action::EndSessions(name) => {
            let account = named(name).await?;
            auth.end_all_sessions_of(account.id).await.map_err(failed)?;
            print(&account, json!({"sessions_ended": true}))
        }
    }
}

async fn list(auth: &Auth, as_json: bool) -> Result<(), ConfigError> {
    let mut after = String::new();
    loop {
        let page = auth.accounts_after(&after, PAGE).await.map_err(failed)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after.clone_from(&last.username_key);
        for account in &page {
            print(account, json!({}), as_json)?;
        }
    }
}

/// One line about an account, with what was done to it.
fn print(account: &user::Model, more: Value, as_json: bool) -> Result<(), ConfigError> {
    let mut shown = json!({
        "username": account.username,
        "id": account.id,
        "created_at": account.created_at,
        "state": state(account),
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    let line = if as_json { shown.to_string() } else { words(&shown) };
    let cannot = |error| ConfigError(format!("the account cannot be written to standard output: {error}"));
    console::print(&(line + "\n")).map_err(cannot)
}

fn state(account: &user::Model) -> &'static str {
    match (account.disabled_at, account.password_expires_at) {
        (Some(_), _) => "disabled",
        (None, Some(_)) => "one-time password",
        (None, None) => "active",
    }
}

/// `ada  id=…  created_at=…  state=active`
fn words(shown: &Value) -> String {
    let members = shown.as_object().into_iter().flatten();
    let words = members.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if name == "username" {
            value
        } else {
            format!("{name}={value}")
        }
    });
    words.collect::<Vec<_>>().join("  ")
}

fn failed(error: AuthError) -> ConfigError {
    ConfigError(format!("nothing was done: {error}"))
}
