//! Finding out whether a pooler in between hands sessions around.
//!
//! A pooler in transaction mode (PgBouncer, Supavisor, RDS Proxy) gives each transaction whatever session with the server is
//! free. What a client sets or prepares stays behind in a session that then serves others: a statement that is prepared by
//! name may not be there, or be another client's of the same name.

use sea_orm::sqlx::{self, Executor, PgConnection, Row};

/// How often both connections are asked. With an idle pooler the first answers tell already; a busy one may give both of
/// them the sessions that they had, but not again and again.
const ROUNDS: usize = 5;

/// Whether the sessions behind two connections are shared: one that changes, or is behind both, is the proof.
///
/// # Errors
/// The database's.
pub(super) async fn are_sessions_shared(
    first: &mut PgConnection,
    second: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let mut first_session = session(first).await?;
    let mut second_session = session(second).await?;
    for _ in 0..ROUNDS {
        // One after the other and each of them twice: a pooler that gives out the session that was used last shows by one
        // session behind both, and one that takes them in turn by another one behind the same.
        let again = session(second).await?;
        let first_again = session(first).await?;
        if again != second_session || first_again != first_session || first_session == second_session {
            return Ok(true);
        }
        (first_session, second_session) = (session(first).await?, session(second).await?);
    }
    Ok(false)
}

/// The server's process behind a connection, which is its session. By the simple protocol, for which nothing is prepared.
async fn session(db: &mut PgConnection) -> Result<i32, sqlx::Error> {
    db.fetch_one("SELECT pg_backend_pid()").await?.try_get(0)
}
