//! `slipway migrate`: brings the schema up to date.

use std::time::Duration;

use slipway::config::{ConfigError, DatabaseConfig, Options};
use slipway::store::{self, Store, StoreError};

/// How long closing connections may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// # Errors
/// What the database says, and what to do about it.
pub(crate) async fn run(options: &Options) -> Result<(), ConfigError> {
    let store = open(&DatabaseConfig::from_options(options)?).await?;
    close(&store).await;
    tracing::info!("the schema is up to date");
    Ok(())
}

/// The database with an up-to-date schema.
///
/// # Errors
/// What the database says, and what to do about it.
pub(super) async fn open(database: &DatabaseConfig) -> Result<Store, ConfigError> {
    let explain = |error: StoreError| {
        let fix = error.advice().fix;
        ConfigError(format!("DATABASE_URL could not be migrated ({error}): {fix}"))
    };
    let store = store::connect(database).await.map_err(explain)?;
    store::migrate(&store).await.map_err(explain)?;
    Ok(store)
}

pub(super) async fn close(store: &Store) {
    store.close(GOODBYE).await;
}
