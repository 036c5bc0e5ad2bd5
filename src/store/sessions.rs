//! Queries on sessions.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use uuid::Uuid;

use super::{Store, StoreError, session, user};

/// A session that is about to be stored, at generation 0.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// When the user signed in.
    pub created_at: DateTime<Utc>,
    /// When it ends unless it is refreshed before.
    pub expires_at: DateTime<Utc>,
    /// When it ends in any case.
    pub absolute_expires_at: DateTime<Utc>,
    /// The browser's name for itself.
    pub user_agent: String,
    /// The client's address.
    pub ip: String,
}

/// A rotation that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The generation that the session must have.
    pub from: i64,
    /// The present moment.
    pub now: DateTime<Utc>,
    /// When the session ends unless it is refreshed again.
    pub idle_until: DateTime<Utc>,
    /// How long the token that is replaced is forgiven.
    pub grace_until: DateTime<Utc>,
}

pub(super) async fn insert_session(db: &impl ConnectionTrait, new: NewSession) -> Result<session::Model, StoreError> {
    let session = session::ActiveModel {
        id: Set(new.id),
        user_id: Set(new.user_id),
        generation: Set(0),
        rotated_at: Set(new.created_at),
        grace_generation: Set(0),
        // No window was opened yet.
        grace_until: Set(DateTime::UNIX_EPOCH),
        created_at: Set(new.created_at),
        expires_at: Set(new.expires_at),
        absolute_expires_at: Set(new.absolute_expires_at),
        revoked_at: Set(None),
        user_agent: Set(new.user_agent),
        ip: Set(new.ip),
    };
    Ok(session.insert(db).await?)
}

impl Store {
    /// Adds a session.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn insert_session(&self, new: NewSession) -> Result<session::Model, StoreError> {
        self.pool.write(new, |db, new| Box::pin(insert_session(db, new))).await
    }

    /// The session of that id, whatever its state, with its account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn session_with_user(&self, id: Uuid) -> Result<Option<(session::Model, user::Model)>, StoreError> {
        self.sessions.get(id).await
    }

    /// Moves a live session to its next generation, in one atomic statement: of any number of concurrent calls with the
    /// same generation exactly one gets the session back, the others get `None`. Its absolute end is kept, and so is a
    /// grace window that is still open.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn rotate_session(&self, id: Uuid, rotation: Rotation) -> Result<Option<session::Model>, StoreError> {
        let rotate = (id, rotation);
        self.pool
            .write(rotate, |db, (id, rotation)| Box::pin(rotate_session(db, id, rotation)))
            .await
    }

    /// The user's sessions that can still be refreshed, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn live_sessions(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<Vec<session::Model>, StoreError> {
        let of_user = (user_id, now);
        self.pool
            .read(of_user, |db, (user_id, now)| Box::pin(live_sessions(db, user_id, now)))
            .await
    }

    /// Ends one session whoever owns it. Tells whether it was live until now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn revoke_session(&self, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.pool
            .write((id, now), |db, (id, now)| Box::pin(revoke_session(db, id, None, now)))
            .await
    }

    /// Ends one session of that user. Tells whether it was live until now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn revoke_session_of(&self, user_id: Uuid, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let of_user = (id, user_id, now);
        self.pool
            .write(of_user, |db, (id, user_id, now)| {
                Box::pin(revoke_session(db, id, Some(user_id), now))
            })
            .await
    }

    /// Ends all sessions of that user, and returns the ids of those that were live.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn revoke_sessions_of(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<Vec<Uuid>, StoreError> {
        let of_user = (user_id, now);
        self.pool
            .write(of_user, |db, (user_id, now)| {
                Box::pin(revoke_sessions_of(db, user_id, None, now))
            })
            .await
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
        let page = (since, after, limit);
        self.pool
            .read(page, |db, (since, after, limit)| {
                Box::pin(sessions_revoked_since(db, since, after, limit))
            })
            .await
    }

    /// Deletes at most `limit` sessions that ended before `before`, and tells how many. Small batches keep locks short
    /// on a large table.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn delete_ended_sessions(&self, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        self.pool
            .write((before, limit), |db, (before, limit)| {
                Box::pin(delete_ended_sessions(db, before, limit))
            })
            .await
    }
}

async fn rotate_session(
    db: &impl ConnectionTrait,
    id: Uuid,
    rotation: Rotation,
) -> Result<Option<session::Model>, StoreError> {
    let Rotation { from, now, .. } = rotation;
    let absolute = Expr::col(session::Column::AbsoluteExpiresAt);
    let expires_at = Expr::case(absolute.clone().lt(rotation.idle_until), absolute).finally(rotation.idle_until);
    let (window, window_end) = (session::Column::GraceGeneration, session::Column::GraceUntil);
    // One that ends later than a window can was opened before the clock was set back.
    let is_open = || {
        let end = Expr::col(window_end);
        end.clone().gt(now).and(end.lte(rotation.grace_until))
    };
    let grace_generation = Expr::case(is_open(), Expr::col(window)).finally(from);
    let grace_until = Expr::case(is_open(), Expr::col(window_end)).finally(rotation.grace_until);
    let rotated = session::Entity::update_many()
        .col_expr(session::Column::Generation, Expr::val(from + 1))
        .col_expr(window, grace_generation.into())
        .col_expr(window_end, grace_until.into())
        .col_expr(session::Column::RotatedAt, Expr::val(now))
        .col_expr(session::Column::ExpiresAt, expires_at.into())
        .filter(session::COLUMN.id.eq(id))
        .filter(session::COLUMN.generation.eq(from))
        .filter(session::COLUMN.revoked_at.is_null())
        .filter(session::COLUMN.expires_at.gt(now))
        .filter(session::COLUMN.absolute_expires_at.gt(now))
        .exec_with_returning(db)
        .await?;
    Ok(rotated.into_iter().next())
}

async fn live_sessions(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<session::Model>, StoreError> {
    let query = session::Entity::find()
        .filter(session::COLUMN.user_id.eq(user_id))
        .filter(session::COLUMN.revoked_at.is_null())
        .filter(session::COLUMN.expires_at.gt(now))
        .order_by_desc(session::Column::CreatedAt);
    Ok(query.all(db).await?)
}

/// Ends one session, of that user if it is said whose.
async fn revoke_session(
    db: &impl ConnectionTrait,
    id: Uuid,
    user_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let mut update = revoke(now).filter(session::COLUMN.id.eq(id));
    if let Some(user_id) = user_id {
        update = update.filter(session::COLUMN.user_id.eq(user_id));
    }
    Ok(update.exec(db).await?.rows_affected == 1)
}

async fn sessions_revoked_since(
    db: &impl ConnectionTrait,
    since: DateTime<Utc>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Uuid>, StoreError> {
    let query = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::COLUMN.revoked_at.gte(since))
        .filter(session::COLUMN.id.gt(after.unwrap_or_else(Uuid::nil)))
        .order_by_asc(session::Column::Id)
        .limit(limit);
    Ok(query.into_tuple().all(db).await?)
}

async fn delete_ended_sessions(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<u64, StoreError> {
    let ended: Vec<Uuid> = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(
            session::COLUMN
                .expires_at
                .lt(before)
                .or(session::COLUMN.revoked_at.lt(before)),
        )
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    if ended.is_empty() {
        return Ok(0);
    }
    let deleted = session::Entity::delete_many()
        .filter(session::COLUMN.id.is_in(ended))
        .exec(db)
        .await?;
    Ok(deleted.rows_affected)
}

pub(super) async fn find_with_users(
    db: &impl ConnectionTrait,
    ids: Vec<Uuid>,
) -> Result<Vec<(Uuid, (session::Model, user::Model))>, StoreError> {
    let query = session::Entity::find().filter(session::COLUMN.id.is_in(ids));
    let found = query.find_also_related(user::Entity).all(db).await?;
    let with_user = |(session, user): (session::Model, Option<user::Model>)| Some((session.id, (session, user?)));
    Ok(found.into_iter().filter_map(with_user).collect())
}

/// Ends all sessions of that user but `kept`, and returns the ids of those that were live.
pub(super) async fn revoke_sessions_of(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    kept: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, StoreError> {
    let mut update = revoke(now).filter(session::COLUMN.user_id.eq(user_id));
    if let Some(kept) = kept {
        update = update.filter(session::COLUMN.id.ne(kept));
    }
    let revoked = update.exec_with_returning(db).await?;
    Ok(revoked.into_iter().map(|session| session.id).collect())
}

/// An update that ends those of the filtered sessions that are not ended yet.
fn revoke(now: DateTime<Utc>) -> sea_orm::UpdateMany<session::Entity> {
    session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::val(now))
        .filter(session::COLUMN.revoked_at.is_null())
}
