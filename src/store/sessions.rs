//! Beginning, rotating and finding sessions.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, Iterable, QueryFilter,
    QueryOrder, QuerySelect, Select, Statement,
};
use uuid::Uuid;

use super::endings::end_oldest_sessions;
use super::{Ended, Store, StoreError, session, user};

/// A session that is about to be stored.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// A new UUIDv7 of that moment. The session gets a greater one if its account needs it: see [`session::Model::id`].
    pub id: Uuid,
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
    /// What its refresh tokens are verified with.
    pub refresh_verifier: session::RefreshVerifier,
}

/// A rotation that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The generation of the token that is exchanged. The session has this one, or an earlier one if the database was
    /// restored from a backup: we signed the token, so the generations before it are over.
    pub from: i64,
    /// The present moment.
    pub now: DateTime<Utc>,
    /// When the session ends unless it is refreshed again.
    pub idle_until: DateTime<Utc>,
    /// How long the token that is replaced is forgiven.
    pub grace_until: DateTime<Utc>,
}

impl NewSession {
    /// The row of a session that begins now for `user`, at generation 0.
    pub(super) fn of(self, user: &user::Model) -> session::Model {
        session::Model {
            id: session::next_id(self.id, user.sessions_ended_through),
            user_id: user.id,
            generation: 0,
            rotated_at: self.created_at,
            grace_generation: 0,
            // No window was opened yet.
            grace_until: DateTime::UNIX_EPOCH,
            created_at: self.created_at,
            expires_at: self.expires_at,
            absolute_expires_at: self.absolute_expires_at,
            revoked_at: None,
            user_agent: self.user_agent,
            ip: self.ip,
            refresh_verifier: Some(self.refresh_verifier),
        }
    }
}

/// A session that was begun.
#[derive(Clone, Debug)]
pub struct Started {
    /// The session.
    pub session: session::Model,
    /// What was ended because the account had too many.
    pub ended: Vec<Ended>,
}

impl Store {
    /// Begins a session of somebody who knows the password of which `user` has the hash, and ends the oldest ones so that
    /// the account has `at_most` live ones. Sign-ins at the same moment each see those that were begun before them, so
    /// after the last of them there are no more than that.
    ///
    /// `None` when the account has another hash by now, was disabled, or all its sessions were ended since `user` was read: then it has
    /// to be read again, with [`Store::user_after_changes`]. A change of password or a sign-out everywhere that is under
    /// way is waited for, so a session comes either before it, and is over, or after it, and lives. (PostgreSQL locks the
    /// account's row for a moment; SQLite has one writer at a time.)
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn start_session(
        &self,
        user: &user::Model,
        new: NewSession,
        at_most: u32,
    ) -> Result<Option<Started>, StoreError> {
        self.pool
            .write((user.clone(), new), move |db, (user, new)| {
                Box::pin(start_session(db, user, new, at_most))
            })
            .await
    }

    /// The session of that id, whatever its state, with its account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn session_with_user(&self, id: Uuid) -> Result<Option<(session::Model, user::Model)>, StoreError> {
        self.sessions.get(id).await
    }

    /// Moves a live session to the generation behind `from`, in one atomic statement: of any number of concurrent calls with
    /// the same one exactly one gets the session back, the others get `None`. Its absolute end is kept, and so is a
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

    /// At most `limit` of the user's sessions that can still be refreshed, newest first, those older than `before`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is, [`StoreError::Busy`].
    pub async fn live_sessions(
        &self,
        user_id: Uuid,
        before: Option<Uuid>,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<Vec<session::Model>, StoreError> {
        let mut query = live(user_id, now).limit(limit);
        if let Some(before) = before {
            query = query.filter(session::COLUMN.id.lt(before));
        }
        self.pool
            .read(query, |db, query| Box::pin(async move { Ok(query.all(db).await?) }))
            .await
    }
}

/// Two statements and no transaction: a session that was begun is seen by other sign-ins before it is decided which ones
/// are too many.
async fn start_session(
    db: &impl ConnectionTrait,
    user: user::Model,
    new: NewSession,
    at_most: u32,
) -> Result<Option<Started>, StoreError> {
    let now = new.created_at;
    let session = new.of(&user);
    if !insert_unless_changed(db, &user, &session).await? {
        return Ok(None);
    }
    let ended = end_oldest_sessions(db, &session, at_most, now).await?;
    Ok(Some(Started { session, ended }))
}

/// Written once: building it for each refresh costs as much as a fifth of all that the server does for one. A window that is
/// open is kept; one that ends later than a window can was opened before the clock was set back.
const ROTATE: &str = "UPDATE sessions SET generation = $2 + 1, rotated_at = $3,
    grace_generation = CASE WHEN grace_until > $3 AND grace_until <= $5 THEN grace_generation ELSE $2 END,
    grace_until = CASE WHEN grace_until > $3 AND grace_until <= $5 THEN grace_until ELSE $5 END,
    expires_at = CASE WHEN absolute_expires_at < $4 THEN absolute_expires_at ELSE $4 END
    WHERE id = $1 AND generation <= $2 AND revoked_at IS NULL AND expires_at > $3 AND absolute_expires_at > $3
    RETURNING id, user_id, generation, rotated_at, grace_generation, grace_until, created_at, expires_at,
    absolute_expires_at, revoked_at, user_agent, ip, refresh_verifier";

async fn rotate_session(
    db: &impl ConnectionTrait,
    id: Uuid,
    rotation: Rotation,
) -> Result<Option<session::Model>, StoreError> {
    let Rotation {
        from,
        now,
        idle_until,
        grace_until,
    } = rotation;
    let values = [
        id.into(),
        from.into(),
        now.into(),
        idle_until.into(),
        grace_until.into(),
    ];
    let rotate = Statement::from_sql_and_values(db.get_database_backend(), ROTATE, values);
    Ok(session::Entity::find().from_raw_sql(rotate).one(db).await?)
}

/// The user's sessions that can still be refreshed, newest first. Those that were ended all at once are not looked at,
/// however many rows of them are left.
pub(super) fn live(user_id: Uuid, now: DateTime<Utc>) -> Select<session::Entity> {
    session::Entity::find()
        .filter(session::COLUMN.user_id.eq(user_id))
        .filter(Expr::col(session::Column::Id).gt(ended_through(user_id)))
        .filter(session::COLUMN.revoked_at.is_null())
        .filter(session::COLUMN.expires_at.gt(now))
        .order_by_desc(session::Column::Id)
}

/// The last session that was ended together with all others, or an id before all.
pub(super) fn ended_through(user_id: Uuid) -> SelectStatement {
    Query::select()
        .expr(Expr::col(user::Column::SessionsEndedThrough).if_null(Uuid::nil()))
        .from(user::Entity)
        .and_where(Expr::col(user::Column::Id).eq(user_id))
        .take()
}

pub(super) async fn insert_session(
    db: &impl ConnectionTrait,
    session: session::Model,
) -> Result<session::Model, StoreError> {
    Ok(session.into_active_model().reset_all().insert(db).await?)
}

/// Adds `session` if the account is as `user` says, in one statement. Tells whether it was.
async fn insert_unless_changed(
    db: &impl ConnectionTrait,
    user: &user::Model,
    session: &session::Model,
) -> Result<bool, StoreError> {
    let row = session.clone().into_active_model();
    let values = session::Column::iter().filter_map(|column| row.get(column).into_value());
    let unchanged = Query::select()
        .exprs(values.map(Expr::val))
        .from(user::Entity)
        .and_where(user::COLUMN.id.eq(user.id))
        .and_where(user::COLUMN.password_hash.eq(user.password_hash.as_str()))
        .and_where(user::COLUMN.disabled_at.is_null())
        .and_where(
            Expr::col(user::Column::SessionsEndedThrough)
                .if_null(Uuid::nil())
                .lt(session.id),
        )
        .lock_shared()
        .take();
    let mut insert = Query::insert();
    insert
        .into_table(session::Entity)
        .columns(session::Column::iter())
        .select_from(unchanged)
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(db.execute(&insert).await?.rows_affected() == 1)
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

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, QueryTrait};

    use super::*;
    use crate::store;

    async fn explain(db: &impl ConnectionTrait, query: Statement) -> Result<Vec<String>, StoreError> {
        let plan = db.query_all_raw(query).await?;
        Ok(plan.iter().map(|row| row.try_get("", "detail").unwrap()).collect())
    }

    /// R34: what an account has ended or will show on other pages is not looked at.
    #[tokio::test]
    async fn live_sessions_are_found_by_one_range_of_an_index_in_its_order() {
        let database = crate::config::DatabaseConfig {
            url: crate::config::DatabaseUrl::parse("sqlite::memory:").unwrap(),
            max_connections: 1,
        };
        let store = store::connect(&database).await.unwrap();
        store::migrate(&store).await.unwrap();
        let mut query = live(Uuid::now_v7(), Utc::now()).limit(1).build(DbBackend::Sqlite);
        query.sql = format!("EXPLAIN QUERY PLAN {}", query.sql);
        let plan = store
            .pool
            .read(query, |db, query| Box::pin(explain(db, query)))
            .await
            .unwrap();
        assert!(
            plan[0].contains("sessions USING INDEX sessions_user_id_id_idx (user_id=? AND id>?)"),
            "{plan:?}"
        );
        assert!(!plan.iter().any(|step| step.contains("ORDER BY")), "{plan:?}");
    }
}
