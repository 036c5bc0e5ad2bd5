//! Ending sessions before their time.
//!
//! A session ends by its own row, or with all others of its account by one row, that of the account: what it takes does
//! not grow with the number of sessions. Then the sessions' own rows follow, a bounded number of them at once (for the
//! previous version, which knows only those, during a deploy and after a rollback), the rest by the cleanup.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, LockType, Query, SelectStatement};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    UpdateMany,
};
use uuid::Uuid;

use super::sessions::{ended_through, live};
use super::{Store, StoreError, session, user};

/// The most sessions whose rows one request changes: more than an account has by default, and a few milliseconds of work.
pub const ROWS_AT_ONCE: u64 = 200;

/// What was ended, so that it can be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A session, as its row says.
    Session(Uuid),
    /// All sessions of an account up to some moment, as the account's row says.
    Account(Uuid),
}

impl Store {
    /// Ends one session whoever owns it. Tells whether it was live until now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn revoke_session(&self, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.revoke_one(revoke(now).filter(session::COLUMN.id.eq(id))).await
    }

    /// Ends one live session of that user. Tells whether it was live until now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn revoke_session_of(&self, user_id: Uuid, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let of_user = revoke(now)
            .filter(session::COLUMN.id.eq(id))
            .filter(session::COLUMN.user_id.eq(user_id))
            .filter(Expr::col(session::Column::Id).gt(ended_through(user_id)));
        self.revoke_one(of_user).await
    }

    async fn revoke_one(&self, update: UpdateMany<session::Entity>) -> Result<bool, StoreError> {
        self.pool
            .write(update, |db, update| {
                Box::pin(async move { Ok(update.exec(db).await?.rows_affected == 1) })
            })
            .await
    }

    /// Ends all sessions of that user, however many there are. Does nothing when `asked_in`, the session in which that is
    /// asked for, was ended with all others before: a repetition must not end what began since.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn end_all_sessions(
        &self,
        user_id: Uuid,
        asked_in: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Vec<Ended>, StoreError> {
        let (ended, _) = self
            .pool
            .write((user_id, asked_in, now), |db, (user_id, asked_in, now)| {
                Box::pin(end_all_sessions(db, user_id, Some(asked_in), now))
            })
            .await?;
        Ok(ended)
    }

    /// The ids of at most `limit` sessions that were revoked at `since` or later, in the order of the ids, from the first one
    /// behind `after` on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn sessions_revoked_since(
        &self,
        since: DateTime<Utc>,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<Uuid>, StoreError> {
        let revoked = session::Entity::find()
            .filter(session::COLUMN.revoked_at.gte(since))
            .filter(session::COLUMN.id.gt(after.unwrap_or_else(Uuid::nil)));
        self.ids(revoked, session::Column::Id, limit).await
    }

    /// The same of accounts whose sessions were all ended.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn accounts_ended_since(
        &self,
        since: DateTime<Utc>,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<Uuid>, StoreError> {
        let ended = user::Entity::find()
            .filter(user::COLUMN.sessions_ended_at.gte(since))
            .filter(user::COLUMN.id.gt(after.unwrap_or_else(Uuid::nil)));
        self.ids(ended, user::Column::Id, limit).await
    }

    async fn ids<E: EntityTrait>(&self, of: Select<E>, id: E::Column, limit: u64) -> Result<Vec<Uuid>, StoreError> {
        let query = of.select_only().column(id).order_by_asc(id).limit(limit);
        self.pool
            .read(query, |db, query| {
                Box::pin(async move { Ok(query.into_tuple().all(db).await?) })
            })
            .await
    }
}

/// Ends all sessions of that user; with `asked_in` see [`Store::end_all_sessions`]. Returns also the last session that is
/// over, if one is. What ends them is the first of its two statements, so it needs no transaction.
pub(super) async fn end_all_sessions(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    asked_in: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(Vec<Ended>, Option<Uuid>), StoreError> {
    let last = || Expr::col((user::Entity, user::Column::SessionsEndedThrough));
    let newest = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::COLUMN.user_id.eq(user_id))
        .filter(Expr::col((session::Entity, session::Column::Id)).gt(last().if_null(Uuid::nil())))
        .order_by_desc(session::Column::Id)
        .limit(1)
        .into_query();
    let mut update = Query::update();
    update
        .table(user::Entity)
        .value(user::Column::SessionsEndedThrough, Expr::from(newest).if_null(last()))
        .value(user::Column::SessionsEndedAt, now)
        .and_where(user::COLUMN.id.eq(user_id))
        .and_where_option(asked_in.map(|session| last().if_null(Uuid::nil()).lt(session)))
        .returning_col(user::Column::SessionsEndedThrough);
    let mut ended = vec![Ended::Account(user_id)];
    let Some(row) = db.query_one(&update).await? else {
        return Ok((ended, None));
    };
    let last: Option<Uuid> = row.try_get_by_index(0)?;
    if let Some(last) = last {
        let rows = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::COLUMN.user_id.eq(user_id))
            .filter(session::COLUMN.id.lte(last))
            .filter(session::COLUMN.revoked_at.is_null())
            .order_by_desc(session::Column::Id)
            .limit(ROWS_AT_ONCE);
        ended.extend(
            revoke_all(db, rows.into_query(), now)
                .await?
                .into_iter()
                .map(Ended::Session),
        );
    }
    Ok((ended, last))
}

/// Ends the oldest live sessions of the account of `newest`, so that `at_most` are left, that one among them. However many
/// there are, it changes the rows of [`ROWS_AT_ONCE`] of them at most, and that of the account.
pub(super) async fn end_oldest_sessions(
    db: &impl ConnectionTrait,
    newest: &session::Model,
    at_most: u32,
    now: DateTime<Utc>,
) -> Result<Vec<Ended>, StoreError> {
    // The newest one has the greatest id, unless the clock of another instance is ahead.
    let oldest = live(newest.user_id, now)
        .select_only()
        .column(session::Column::Id)
        .filter(session::COLUMN.id.ne(newest.id))
        .offset(u64::from(at_most.saturating_sub(1)))
        .limit(ROWS_AT_ONCE);
    let oldest = revoke_all(db, oldest.into_query(), now).await?;
    let mut ended: Vec<Ended> = oldest.iter().copied().map(Ended::Session).collect();
    let last = oldest.iter().copied().filter(|id| *id < newest.id).max();
    if let Some(last) = last.filter(|_| oldest.len() as u64 >= ROWS_AT_ONCE) {
        // There may be any number of older ones, from before there was a limit or when it was higher.
        let through = user::Column::SessionsEndedThrough;
        let mut update = Query::update();
        update
            .table(user::Entity)
            .value(through, last)
            .value(user::Column::SessionsEndedAt, now)
            .and_where(user::COLUMN.id.eq(newest.user_id))
            .and_where(Expr::col(through).if_null(Uuid::nil()).lt(last));
        db.execute(&update).await?;
        ended.push(Ended::Account(newest.user_id));
    }
    Ok(ended)
}

/// Ends those of the selected sessions that are not ended yet, and returns their ids. They are locked in the order of
/// their ids: two requests that each waited for a row of the other would both fail.
async fn revoke_all(
    db: &impl ConnectionTrait,
    selected: SelectStatement,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, StoreError> {
    let locked = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(Expr::col(session::Column::Id).in_subquery(selected))
        .order_by_asc(session::Column::Id)
        .lock(LockType::NoKeyUpdate);
    let mut update = revoke(now)
        .filter(Expr::col(session::Column::Id).in_subquery(locked.into_query()))
        .into_query();
    update.returning_col(session::Column::Id);
    let rows = db.query_all(&update).await?;
    let ids: Result<_, DbErr> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
    Ok(ids?)
}

/// An update that ends those of the filtered sessions that are not ended yet.
fn revoke(now: DateTime<Utc>) -> UpdateMany<session::Entity> {
    session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::val(now))
        .filter(session::COLUMN.revoked_at.is_null())
}
