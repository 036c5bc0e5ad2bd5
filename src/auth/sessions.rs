//! The life of a session: refresh token rotation with reuse detection (RFC 9700, section 4.14.2), listing and ending.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::revocation::Ended;
use super::{Attempt, Auth, AuthError, Identity, SignedIn};
use crate::store::{Rotation, session};

/// How long a refresh token that was replaced still gets the session's current one: a retry after a lost answer, or
/// several tabs that refresh with one cookie (R2). It begins when the request arrives, and a client may wait for the answer
/// until the request's deadline (10 s) or its own patience (15 s in `web/http.js`): a shorter window would be over before
/// the retry, which would then look like theft. It is Okta's default, too (`leeway`).
pub const GRACE_WINDOW: TimeDelta = TimeDelta::seconds(30);

impl Auth {
    /// Exchanges a refresh token for its successor and a new access token.
    ///
    /// Of concurrent calls with the same token one rotates the session, and the others, within [`GRACE_WINDOW`], get
    /// the successor that it made (R1, R2). A token that was replaced earlier was copied: the whole session is ended.
    ///
    /// # Errors
    /// [`AuthError::InvalidRefreshToken`], [`AuthError::RefreshTokenReused`], [`AuthError::RateLimited`],
    /// [`AuthError::Store`].
    pub async fn refresh(&self, token: Option<&str>, address: Option<IpAddr>) -> Result<SignedIn, AuthError> {
        let Some((id, generation)) = token.and_then(|token| self.refresh_tokens.verify(token)) else {
            self.record("refresh", "invalid_token", None);
            return Err(AuthError::InvalidRefreshToken);
        };
        self.admit(Attempt {
            route: "refresh",
            address,
            account: &id.to_string(),
        })
        .await?;
        let now = self.clock.now();
        // The account is read first: once the session is rotated, nothing that can fail stands between the client and
        // its new token.
        let Some((_, user)) = self.store.session_with_user(id).await? else {
            self.record("refresh", "unknown_session", None);
            return Err(AuthError::InvalidRefreshToken);
        };
        let rotation = Rotation {
            from: generation,
            now,
            idle_until: now + self.session_life.idle,
            grace_until: now + GRACE_WINDOW,
        };
        if let Some(session) = self.store.rotate_session(id, rotation).await? {
            self.record("refresh", "success", Some(user.id));
            return Ok(self.tokens_for(user, session));
        }
        self.refresh_without_rotation(id, generation, now).await
    }

    /// Decides about a token that does not rotate its session: a retry, an ended session or a copied token.
    async fn refresh_without_rotation(
        &self,
        id: Uuid,
        generation: i64,
        now: DateTime<Utc>,
    ) -> Result<SignedIn, AuthError> {
        let Some((session, user)) = self.store.session_with_user(id).await? else {
            return Err(AuthError::InvalidRefreshToken);
        };
        if session.revoked_at.is_some() || session.expires_at <= now {
            self.record("refresh", "ended_session", Some(user.id));
            return Err(AuthError::InvalidRefreshToken);
        }
        if is_forgiven(&session, generation, now) {
            self.record("refresh", "replayed", Some(user.id));
            return Ok(self.tokens_for(user, session));
        }
        if generation >= session.generation {
            // We signed a generation that the database does not have yet: it was restored from a backup.
            self.record("refresh", "unknown_generation", Some(user.id));
            return Err(AuthError::InvalidRefreshToken);
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
        let Some((id, _)) = token.and_then(|token| self.refresh_tokens.verify(token)) else {
            return Ok(());
        };
        let announcement = self.revocations.begin();
        self.store.revoke_session(id, self.clock.now()).await?;
        announcement.make(&[Ended::Session(id)]).await;
        self.record("logout", "success", None);
        Ok(())
    }

    /// The user's live sessions, newest first.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn sessions(&self, identity: &Identity) -> Result<Vec<session::Model>, AuthError> {
        Ok(self.store.live_sessions(identity.user_id, self.clock.now()).await?)
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
        let ended = is_ended.then_some(Ended::Session(id));
        announcement.make(ended.as_slice()).await;
        if !is_ended {
            return Err(AuthError::NoSuchSession);
        }
        self.record("end_session", "success", Some(identity.user_id));
        Ok(())
    }

    /// Ends all of the user's sessions, the present one included (R10).
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn logout_all(&self, identity: &Identity) -> Result<(), AuthError> {
        let announcement = self.revocations.begin();
        let ended = self
            .store
            .revoke_sessions_of(identity.user_id, self.clock.now())
            .await?;
        let ended: Vec<Ended> = ended.into_iter().map(Ended::Session).collect();
        announcement.make(&ended).await;
        self.record("logout_all", "success", Some(identity.user_id));
        Ok(())
    }
}

/// Whether the token of an earlier generation was replaced only just now. That is so for the previous one while its
/// window lasts, and for older ones when several rotations followed quickly on one another: a browser that restores
/// ten tabs sends the same cookie from all of them, and some of these requests arrive after the next rotation.
fn is_forgiven(session: &session::Model, generation: i64, now: DateTime<Utc>) -> bool {
    // Instances' clocks differ a little, so a rotation may seem to lie ahead.
    let is_recent = |moment: DateTime<Utc>| (now - moment).abs() <= GRACE_WINDOW;
    let is_previous = generation + 1 == session.generation;
    let is_in_window = (session.grace_generation..session.generation).contains(&generation);
    (is_previous && is_recent(session.rotated_at)) || (is_in_window && is_recent(session.grace_until - GRACE_WINDOW))
}
