//! Accounts and their sessions.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
    Username,
    UsernameKey,
    PasswordHash,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    UserId,
    Generation,
    RotatedAt,
    GraceGeneration,
    GraceUntil,
    CreatedAt,
    ExpiresAt,
    AbsoluteExpiresAt,
    RevokedAt,
    UserAgent,
    Ip,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let users = Table::create()
            .table(Users::Table)
            .col(uuid(Users::Id).primary_key())
            .col(string(Users::Username))
            .col(string(Users::UsernameKey).unique_key())
            .col(string(Users::PasswordHash))
            .col(timestamp_with_time_zone(Users::CreatedAt))
            .to_owned();
        manager.create_table(users).await?;

        let user_of_session = ForeignKey::create()
            .name("sessions_user_id_fkey")
            .from(Sessions::Table, Sessions::UserId)
            .to(Users::Table, Users::Id)
            .on_delete(ForeignKeyAction::Cascade)
            .to_owned();
        let sessions = Table::create()
            .table(Sessions::Table)
            .col(uuid(Sessions::Id).primary_key())
            .col(uuid(Sessions::UserId))
            .col(big_integer(Sessions::Generation))
            .col(timestamp_with_time_zone(Sessions::RotatedAt))
            .col(big_integer(Sessions::GraceGeneration))
            .col(timestamp_with_time_zone(Sessions::GraceUntil))
            .col(timestamp_with_time_zone(Sessions::CreatedAt))
            .col(timestamp_with_time_zone(Sessions::ExpiresAt))
            .col(timestamp_with_time_zone(Sessions::AbsoluteExpiresAt))
            .col(timestamp_with_time_zone_null(Sessions::RevokedAt))
            .col(string(Sessions::UserAgent))
            .col(string(Sessions::Ip))
            .foreign_key(&mut user_of_session.clone())
            .to_owned();
        manager.create_table(sessions).await?;

        // One for each way in which sessions are found: by user, by what may be deleted, by what was revoked lately.
        for (name, column) in [
            ("sessions_user_id_idx", Sessions::UserId),
            ("sessions_expires_at_idx", Sessions::ExpiresAt),
            ("sessions_revoked_at_idx", Sessions::RevokedAt),
        ] {
            let index = Index::create().name(name).table(Sessions::Table).col(column).to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Sessions::Table).to_owned())
            .await?;
        manager.drop_table(Table::drop().table(Users::Table).to_owned()).await
    }
}
