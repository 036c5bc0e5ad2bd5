//! The steps of your own service. Those of the platform are in `lib.rs`: a later version of it adds there, and a merge meets
//! nothing of yours.

use sea_orm_migration::MigrationTrait;

/// Your steps, oldest first; they run after those of the platform.
pub(crate) fn steps() -> Vec<Box<dyn MigrationTrait>> {
    vec![]
}
