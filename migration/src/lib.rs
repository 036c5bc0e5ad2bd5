//! The database schema, step by step.
//!
//! Every step runs while the previous version of the server still serves (a rolling deploy), so a step only expands:
//! add tables, nullable columns and indexes; remove what no running version reads in a later release (R21).

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{MigratorTrait, SchemaManager};

mod m20261123_000001_users_and_sessions;
mod m20261126_000001_ending_all_sessions;
mod m20261126_000002_keys_and_states;
mod service;

/// All steps, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut steps: Vec<Box<dyn MigrationTrait>> = vec![
            Box::new(m20261123_000001_users_and_sessions::Migration),
            Box::new(m20261126_000001_ending_all_sessions::Migration),
            Box::new(m20261126_000002_keys_and_states::Migration),
        ];
        steps.extend(service::steps());
        steps
    }
}
