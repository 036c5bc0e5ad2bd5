//! Ending all sessions of an account by one row, however many there are.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{timestamp_with_time_zone_null, uuid_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Users {
    Table,
    SessionsEndedThrough,
    SessionsEndedAt,
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    UserId,
}

/// The newest sessions of an account, page by page, without a look at the others. It answers all that
/// `sessions_user_id_idx` answers, too; that one is left to a later release.
const OF_USER: &str = "sessions_user_id_id_idx";
/// The few accounts whose sessions were ended lately; partial, so that an account that never did costs nothing.
const ENDED_AT: &str = "users_sessions_ended_at_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One statement for each column: SQLite adds no two at once.
        for mut column in [
            uuid_null(Users::SessionsEndedThrough),
            timestamp_with_time_zone_null(Users::SessionsEndedAt),
        ] {
            let add = Table::alter().table(Users::Table).add_column(&mut column).to_owned();
            manager.alter_table(add).await?;
        }
        let of_user = Index::create()
            .name(OF_USER)
            .table(Sessions::Table)
            .col(Sessions::UserId)
            .col(Sessions::Id)
            .to_owned();
        manager.create_index(of_user).await?;
        let ended_at = Index::create()
            .name(ENDED_AT)
            .table(Users::Table)
            .col(Users::SessionsEndedAt)
            .cond_where(Expr::col(Users::SessionsEndedAt).is_not_null())
            .to_owned();
        manager.create_index(ended_at).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [OF_USER, ENDED_AT] {
            manager.drop_index(Index::drop().name(name).to_owned()).await?;
        }
        for column in [Users::SessionsEndedAt, Users::SessionsEndedThrough] {
            let drop = Table::alter().table(Users::Table).drop_column(column).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}
