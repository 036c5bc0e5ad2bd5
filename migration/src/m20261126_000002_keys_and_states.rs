//! A key of its own for each session's refresh tokens, and accounts that are disabled, deleted or have a one-time password.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{binary_null, timestamp_with_time_zone_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Users {
    Table,
    PasswordExpiresAt,
    DisabledAt,
    DeletedAt,
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    RefreshVerifier,
}

/// The few accounts that wait for their row to be deleted; partial, so that all others cost nothing.
const DELETED_AT: &str = "users_deleted_at_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One statement for each column: SQLite adds no two at once.
        for mut column in [
            timestamp_with_time_zone_null(Users::PasswordExpiresAt),
            timestamp_with_time_zone_null(Users::DisabledAt),
            timestamp_with_time_zone_null(Users::DeletedAt),
        ] {
            let add = Table::alter().table(Users::Table).add_column(&mut column).to_owned();
            manager.alter_table(add).await?;
        }
        let verifier = Table::alter()
            .table(Sessions::Table)
            .add_column(binary_null(Sessions::RefreshVerifier))
            .to_owned();
        manager.alter_table(verifier).await?;
        let deleted_at = Index::create()
            .name(DELETED_AT)
            .table(Users::Table)
            .col(Users::DeletedAt)
            .cond_where(Expr::col(Users::DeletedAt).is_not_null())
            .to_owned();
        manager.create_index(deleted_at).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(DELETED_AT).to_owned()).await?;
        let verifier = Table::alter()
            .table(Sessions::Table)
            .drop_column(Sessions::RefreshVerifier)
            .to_owned();
        manager.alter_table(verifier).await?;
        for column in [Users::DeletedAt, Users::DisabledAt, Users::PasswordExpiresAt] {
            let drop = Table::alter().table(Users::Table).drop_column(column).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}
