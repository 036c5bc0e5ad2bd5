//! The life of a session: refresh token rotation with reuse detection (RFC 9700, section 4.14.2), listing and ending.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::refresh_token::Verified;
use super::{Attempt, Auth, AuthError, Identity, SignedIn};
use crate::store::{Ended, ROWS_AT_ONCE, Rotation, session};

/// How long a refresh token that was replaced before the previous one still gets the session's current one: several tabs that
/// refresh with one cookie (R2), some of which arrive after the next rotation. It begins when the request arrives, and a
/// client may wait for the answer until the request's deadline (10 s) or its own patience (15 s in `web/http.js`): a shorter
/// window would be over before a retry, which would then look like theft. It is Okta's default, too (`leeway`).
pub const GRACE_WINDOW: TimeDelta = TimeDelta::seconds(30);

/// Some of a user's live sessions.
#[derive(Clone, Debug)]
pub struct SessionPage {
    /// Newest first.
    pub sessions: Vec<session::Model>,
    /// The last of them, if there are older ones.
    pub next: Option<Uuid>,
}

impl Auth {
    /// Exchanges a refresh token for its successor and a new access token.
    ///
    /// Of concurrent calls with the same token one rotates the session, and the others get the successor that it made (R1,
    /// R2), and so does whoever comes back with it as long as that successor was not exchanged itself; see [`is_forgiven`].
    /// Any other token that was replaced was copied: the whole session is ended.
    ///
    /// A token that rotates its session is not counted as an attempt: it cannot be guessed, and each of them works once.
    ///
    /// # Errors
    /// [`AuthError::InvalidRefreshToken`], [`AuthError::RefreshTokenReused`], [`AuthError::RateLimited`],
    /// [`AuthError::Store`].
    pub async fn refresh(&self, token: Option<&str>, address: Option<IpAddr>) -> Result<SignedIn, AuthError> {
        let Some(presented) = token.and_then(|token| self.refresh_tokens.parse(token)) else {
            self.record("refresh", "invalid_token", None);
            return Err(AuthError::InvalidRefreshToken);
        };
        let id = presented.session_id();
        // Also, the account is known before the session is rotated: after that, nothing that can fail stands between the
        // client and its new token.
        let found = self.store.session_with_user(id).await?;
        let verified = found.as_ref().and_then(|(session, _)| presented.verify(session));
        let (Some((session, user)), Some(verified)) = (found, verified) else {
            self.admit_refresh(address, None).await?;
            self.record("refresh", "unknown_session", None);
            return Err(AuthError::InvalidRefreshToken);
        };
        // All sessions may be ended between this look and the rotation. Then the client is handed tokens that are over:
        // what decides about them is the account's row, whenever they are used.
        if user.has_ended(session.id) {
            self.admit_refresh(address, Some(id)).await?;
            self.record("refresh", "ended_session", Some(user.id));
            return Err(AuthError::InvalidRefreshToken);
        }
        let now = self.clock.now();
        let rotation = Rotation {
            from: verified.generation,
            now,
            idle_until: now + self.session_life.idle.delta(),
            grace_until: now + GRACE_WINDOW,
        };
        if let Some(session) = self.store.rotate_session(id, rotation).await? {
            self.record("refresh", "success", Some(user.id));
            let refresh_token = self.refresh_tokens.current(&session, &verified);
            return Ok(self.tokens_for(user, session, refresh_token));
        }
        self.admit_refresh(address, Some(id)).await?;
        self.refresh_without_rotation(id, &verified, now).await
    }

    /// Counts a refresh that rotates nothing, for the session if its token was verified: nobody else's attempts count for one.
    async fn admit_refresh(&self, address: Option<IpAddr>, session: Option<Uuid>) -> Result<(), AuthError> {
        let account = session.map(|id| id.to_string());
        self.admit(Attempt {
            route: "refresh",
            address,
            account: account.as_deref(),
            device: None,
        })
        .await
    }

    /// Decides about a token that does not rotate its session: a retry, an ended session or a copied token.
    async fn refresh_without_rotation(
        &self,
        id: Uuid,
        verified: &Verified,
        now: DateTime<Utc>,
    ) -> Result<SignedIn, AuthError> {
        let Some((session, user)) = self.store.session_with_user(id).await? else {
            return Err(AuthError::InvalidRefreshToken);
        };
        if session.was_ended(&user) || session.expires_at <= now {
            self.record("refresh", "ended_session", Some(user.id));
            return Err(AuthError::InvalidRefreshToken);
        }
        if is_forgiven(&session, verified.generation, now) {
            self.record("refresh", "replayed", Some(user.id));
            let refresh_token = self.refresh_tokens.current(&session, verified);
            return Ok(self.tokens_for(user, session, refresh_token));
        }
        let announcement = self.revocations.begin();
        self.store.revoke_session(id, now).await?;
        announcement.make(&[Ended::Session(id)]).await;
        self.record("refresh", "token_reused", Some(user.id));
        Err(AuthError::RefreshTokenReused)
    }

    /// Ends the session of a refresh token, of whichever generation. Without a token, or with one that is not ours,
    /// there is nothing to end, which is a success, too (R14).
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn logout(&self, token: Option<&str>) -> Result<(), AuthError> {
        if self.end_session_of(token).await? {
            self.record("logout", "success", None);
        }
        Ok(())
    }

    /// Ends the session of a refresh token, and tells whether it is one.
    pub(super) async fn end_session_of(&self, token: Option<&str>) -> Result<bool, AuthError> {
        let Some(presented) = token.and_then(|token| self.refresh_tokens.parse(token)) else {
            return Ok(false);
        };
        let id = presented.session_id();
        let found = self.store.session_with_user(id).await?;
        if found.and_then(|(session, _)| presented.verify(&session)).is_none() {
            return Ok(false);
        }
        let announcement = self.revocations.begin();
        self.store.revoke_session(id, self.clock.now()).await?;
        announcement.make(&[Ended::Session(id)]).await;
        Ok(true)
    }

    /// At most `limit` of the user's live sessions, newest first, those older than `before`.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn sessions(
        &self,
        identity: &Identity,
        before: Option<Uuid>,
        limit: u64,
    ) -> Result<SessionPage, AuthError> {
        let now = self.clock.now();
        // One more shows whether there are any.
        let found = self.store.live_sessions(identity.user_id, before, limit + 1, now);
        let mut sessions = found.await?;
        let has_more = sessions.len() as u64 > limit;
        sessions.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = sessions.last().filter(|_| has_more).map(|session| session.id);
        Ok(SessionPage { sessions, next })
    }

    /// Ends one of the user's own sessions.
    ///
    /// # Errors
    /// [`AuthError::NoSuchSession`] when it is not live or not the user's; [`AuthError::Store`].
    pub async fn end_session(&self, identity: &Identity, id: Uuid) -> Result<(), AuthError> {
        let announcement = self.revocations.begin();
        let is_ended = self
            .store
            .revoke_session_of(identity.user_id, id, self.clock.now())
            .await?;
        // Also one that was ended before: whoever did that may not have announced it.
        let is_over = is_ended || self.is_over(identity.user_id, id).await?;
        let ended = is_over.then_some(Ended::Session(id));
        announcement.make(ended.as_slice()).await;
        if !is_ended {
            return Err(AuthError::NoSuchSession);
        }
        self.record("end_session", "success", Some(identity.user_id));
        Ok(())
    }

    /// Whether `id` is a session of that user that was ended.
    async fn is_over(&self, user_id: Uuid, id: Uuid) -> Result<bool, AuthError> {
        let found = self.store.session_with_user(id).await?;
        Ok(found.is_some_and(|(session, user)| user.id == user_id && session.was_ended(&user)))
    }

    /// Ends all of the user's sessions but the present one. A repetition goes on where an earlier attempt was cut off.
    ///
    /// One statement for each session, a page of them after the other: an account has `MAX_SESSIONS_PER_ACCOUNT` at most.
    ///
    /// # Errors
    /// [`AuthError::EndedSession`] when the present one is over: what began since is not its to end. [`AuthError::Store`].
    pub async fn logout_others(&self, identity: &Identity) -> Result<(), AuthError> {
        self.user(identity).await?;
        let mut before = None;
        loop {
            let announcement = self.revocations.begin();
            let page = self.sessions(identity, before, ROWS_AT_ONCE).await?;
            let others = page.sessions.iter().map(|session| session.id);
            let mut ended = Vec::new();
            for id in others.filter(|id| *id != identity.session_id) {
                self.store
                    .revoke_session_of(identity.user_id, id, self.clock.now())
                    .await?;
                ended.push(Ended::Session(id));
            }
            announcement.make(&ended).await;
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        self.record("logout_others", "success", Some(identity.user_id));
        Ok(())
    }

    /// Ends all of the user's sessions, the present one included (R10, R34). A repetition announces that again.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn logout_all(&self, identity: &Identity) -> Result<(), AuthError> {
        let announcement = self.revocations.begin();
        let ended = self
            .store
            .end_all_sessions(identity.user_id, identity.session_id, self.clock.now())
            .await?;
        announcement.make(&ended).await;
        self.clean_up_soon_after(&ended);
        self.record("logout_all", "success", Some(identity.user_id));
        Ok(())
    }
}

/// Whether the token of an earlier generation gets the current one.
///
/// The previous one does for as long as the session lives: nobody has used its successor yet, so that may never have
/// arrived (Supabase's GoTrue has this rule, too). A thief who has it learns nothing that ends unnoticed: at the next rotation
/// either he or the owner holds a token that was replaced twice.
///
/// Older ones do when several rotations followed quickly on one another: a browser that restores ten tabs sends the same
/// cookie from all of them, and some of these requests arrive after the next rotation.
fn is_forgiven(session: &session::Model, generation: i64, now: DateTime<Utc>) -> bool {
    let is_previous = generation + 1 == session.generation;
    let is_in_window = (session.grace_generation..session.generation).contains(&generation);
    // The clock may have been set back since.
    let is_recent = || (now - (session.grace_until - GRACE_WINDOW)).abs() <= GRACE_WINDOW;
    is_previous || (is_in_window && is_recent())
}
