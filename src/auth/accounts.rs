//! Registering, signing in and changing the password.

use uuid::Uuid;

use super::credentials::username_key;
use super::password::Verdict;
use super::refresh_token::{RefreshTokens, SessionSecret};
use super::{Attempt, Auth, AuthError, Device, Identity, Password, SignedIn, TypedPassword, Username, blocklist};
use crate::store::{Ended, NewSession, PasswordChange, PasswordChanged, Started, StoreError, session, user};

/// A user agent is kept for a person to recognise, not to parse; longer ones are cut.
const MAX_USER_AGENT: usize = 256;

impl Auth {
    /// Adds an account and signs it in.
    ///
    /// # Errors
    /// [`AuthError::UsernameReserved`], [`AuthError::UsernameTaken`], [`AuthError::WeakPassword`],
    /// [`AuthError::RateLimited`], [`AuthError::Busy`], [`AuthError::Store`].
    pub async fn register(
        &self,
        username: &Username,
        password: &Password,
        device: &Device,
    ) -> Result<SignedIn, AuthError> {
        self.admit(Attempt {
            route: "register",
            address: device.address,
            account: Some(&username.key()),
            device: None,
        })
        .await?;
        if blocklist::is_reserved(username) {
            return Err(AuthError::UsernameReserved);
        }
        if blocklist::is_easily_guessed(password, username.as_str()) {
            return Err(AuthError::WeakPassword { field: "password" });
        }
        let user = user::Model {
            id: Uuid::now_v7(),
            username: username.as_str().to_owned(),
            username_key: username.key(),
            password_hash: self.passwords.hash(password.expose(), device.address).await?,
            created_at: self.clock.now(),
            sessions_ended_through: None,
            sessions_ended_at: None,
            password_expires_at: None,
            disabled_at: None,
            deleted_at: None,
        };
        let (secret, new) = self.new_session(device)?;
        match self.store.insert_user_with_session(user, new).await {
            Ok((user, session)) => {
                self.end_session_of(device.refresh_token.as_deref()).await?;
                self.record("register", "success", Some(user.id));
                let refresh_token = self.refresh_tokens.first(&session, secret);
                Ok(self.with_device_token(self.tokens_for(user, session, refresh_token), &username.key()))
            }
            Err(StoreError::Taken) => {
                self.record("register", "username_taken", None);
                Err(AuthError::UsernameTaken)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Signs an account in on a device, and ends the session that the device had (OWASP ASVS 7.2.4). An unknown name, one
    /// that no account can have, and a wrong password take the same time and give the same error (R11); that an account is
    /// disabled is told to whoever knows its password.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`], [`AuthError::AccountDisabled`], [`AuthError::RateLimited`], [`AuthError::Busy`],
    /// [`AuthError::Store`].
    pub async fn login(
        &self,
        username: &str,
        password: &TypedPassword,
        device: &Device,
    ) -> Result<SignedIn, AuthError> {
        let Some(key) = username_key(username) else {
            return self.login_by_a_name_of_nobody(password, device).await;
        };
        let token = device.token.as_deref();
        let known_device = token.and_then(|token| self.device_tokens.verify(token, &key));
        let attempt = Attempt {
            route: "login",
            address: device.address,
            account: Some(&key),
            device: known_device.as_ref(),
        };
        self.admit(attempt).await?;
        let user = self.store.user_by_name(&key).await?;
        let stored = user.as_ref().map(|user| user.password_hash.as_str());
        let verdict = self.passwords.verify(password, stored, device.address).await?;
        if verdict == Verdict::Unverifiable {
            self.record("login", "unverifiable_hash", user.map(|user| user.id));
            return Err(AuthError::InvalidCredentials);
        }
        let (Some(mut user), true) = (user, verdict.is_right()) else {
            self.record("login", "invalid_credentials", None);
            return Err(AuthError::InvalidCredentials);
        };
        self.refuse_unless_usable(&user)?;
        if let Verdict::RightWithNewHash(next) = verdict
            && self
                .store
                .replace_password_hash(user.id, &user.password_hash, &next)
                .await?
        {
            user.password_hash = next;
        }
        let (secret, session) = self.start_session(&mut user, password, device).await?;
        self.end_session_of(device.refresh_token.as_deref()).await?;
        self.rate_limiter.forgive(attempt).await;
        self.record("login", "success", Some(user.id));
        let refresh_token = self.refresh_tokens.first(&session, secret);
        let signed_in = self.tokens_for(user, session, refresh_token);
        Ok(match known_device {
            Some(_) => signed_in,
            None => self.with_device_token(signed_in, &key),
        })
    }

    /// Whether the right password of the account signs in.
    fn refuse_unless_usable(&self, user: &user::Model) -> Result<(), AuthError> {
        if user.disabled_at.is_some() {
            self.record("login", "disabled", Some(user.id));
            return Err(AuthError::AccountDisabled);
        }
        if user.password_expires_at.is_some_and(|end| end <= self.clock.now()) {
            self.record("login", "expired_password", Some(user.id));
            return Err(AuthError::InvalidCredentials);
        }
        Ok(())
    }

    /// Takes as long as a sign-in with a wrong password.
    async fn login_by_a_name_of_nobody(
        &self,
        password: &TypedPassword,
        device: &Device,
    ) -> Result<SignedIn, AuthError> {
        self.admit(Attempt {
            route: "login",
            address: device.address,
            account: Some(""),
            device: None,
        })
        .await?;
        self.passwords.verify(password, None, device.address).await?;
        self.record("login", "invalid_credentials", None);
        Err(AuthError::InvalidCredentials)
    }

    /// Hands a device that is not known yet a token by which it is at the next sign-in.
    fn with_device_token(&self, signed_in: SignedIn, username_key: &str) -> SignedIn {
        SignedIn {
            device_token: self.device_tokens.issue(username_key),
            ..signed_in
        }
    }

    /// Replaces the password, ends all sessions and begins a new one: who knew the old password is out, and so is who
    /// holds a copy of this session's tokens (OWASP ASVS 7.4.3, 7.2.4).
    ///
    /// # Errors
    /// [`AuthError::WrongPassword`], [`AuthError::WeakPassword`], [`AuthError::RateLimited`], [`AuthError::Busy`],
    /// [`AuthError::Store`].
    pub async fn change_password(
        &self,
        identity: &Identity,
        current: &TypedPassword,
        new: &Password,
        device: &Device,
    ) -> Result<SignedIn, AuthError> {
        let user = self.user_who_knows(identity, current, device).await?;
        if blocklist::is_easily_guessed(new, &user.username) {
            return Err(AuthError::WeakPassword { field: "new_password" });
        }
        let next = self.passwords.hash(new.expose(), device.address).await?;
        let (secret, session) = self.new_session(device)?;
        let change = PasswordChange {
            user,
            next,
            session,
            now: self.clock.now(),
        };
        let announcement = self.revocations.begin();
        let Some(PasswordChanged { user, session, ended }) = self.store.change_password(change).await? else {
            // Another change was faster, so `current` is not the current password any more.
            announcement.make(&[Ended::Account(identity.user_id)]).await;
            return Err(AuthError::WrongPassword);
        };
        announcement.make(&ended).await;
        self.clean_up_soon_after(&ended);
        self.record("password", "success", Some(user.id));
        let refresh_token = self.refresh_tokens.first(&session, secret);
        Ok(self.tokens_for(user, session, refresh_token))
    }

    /// Deletes the account of somebody who knows its password, with all its sessions. Its name is free at once.
    ///
    /// # Errors
    /// [`AuthError::WrongPassword`], [`AuthError::RateLimited`], [`AuthError::Busy`], [`AuthError::Store`].
    pub async fn delete_own_account(
        &self,
        identity: &Identity,
        password: &TypedPassword,
        device: &Device,
    ) -> Result<(), AuthError> {
        let user = self.user_who_knows(identity, password, device).await?;
        self.delete_account(user.id).await
    }

    /// The account that makes a request, if it knows its password. Guesses are counted.
    async fn user_who_knows(
        &self,
        identity: &Identity,
        password: &TypedPassword,
        device: &Device,
    ) -> Result<user::Model, AuthError> {
        self.admit(Attempt {
            route: "password",
            address: device.address,
            account: Some(&identity.user_id.to_string()),
            device: None,
        })
        .await?;
        let user = self.user(identity).await?;
        let stored = Some(user.password_hash.as_str());
        let verdict = self.passwords.verify(password, stored, device.address).await?;
        if !verdict.is_right() {
            self.record("password", "wrong_password", Some(user.id));
            return Err(AuthError::WrongPassword);
        }
        Ok(user)
    }

    /// The account that makes a request.
    ///
    /// # Errors
    /// [`AuthError::EndedSession`] when it no longer exists or has ended all its sessions, [`AuthError::Store`].
    pub async fn user(&self, identity: &Identity) -> Result<user::Model, AuthError> {
        let user = self.store.user_by_id(identity.user_id).await?;
        let user = user.ok_or(AuthError::EndedSession)?;
        if user.has_ended(identity.session_id) {
            // Whoever ended them has not yet announced it, or never will.
            self.revocations.begin().make(&[Ended::Account(user.id)]).await;
            return Err(AuthError::EndedSession);
        }
        Ok(user)
    }

    /// Begins a session of somebody who knows the password of which `user` has the hash, and keeps the account within its
    /// limit (OWASP ASVS 7.1.2). A change of password ends the sessions that exist at that moment; one that was being made
    /// with the old password just then must not survive it.
    async fn start_session(
        &self,
        user: &mut user::Model,
        password: &TypedPassword,
        device: &Device,
    ) -> Result<(SessionSecret, session::Model), AuthError> {
        loop {
            let announcement = self.revocations.begin();
            let (secret, new) = self.new_session(device)?;
            let at_most = self.session_life.max_per_account.get();
            let started = self.store.start_session(user, new, at_most).await?;
            if let Some(Started { session, ended }) = started {
                announcement.make(&ended).await;
                self.clean_up_soon_after(&ended);
                return Ok((secret, session));
            }
            announcement.make(&[]).await;
            let now = self.store.user_after_changes(user.id).await?;
            let stored = now.as_ref().map(|user| user.password_hash.as_str());
            // Another sign-in may have replaced the hash by a stronger one of the same password.
            let is_right = stored == Some(&user.password_hash)
                || self
                    .passwords
                    .verify(password, stored, device.address)
                    .await?
                    .is_right();
            match now {
                Some(now) if is_right => {
                    self.refuse_unless_usable(&now)?;
                    *user = now;
                }
                _ => {
                    self.record("login", "invalid_credentials", Some(user.id));
                    return Err(AuthError::InvalidCredentials);
                }
            }
        }
    }

    fn new_session(&self, device: &Device) -> Result<(SessionSecret, NewSession), AuthError> {
        let now = self.clock.now();
        let absolute_expires_at = now + self.session_life.lifetime.delta();
        let random = RefreshTokens::for_new_session();
        let (secret, refresh_verifier) = random.ok_or_else(AuthError::no_random_numbers)?;
        let new = NewSession {
            id: self.session_ids.next(now),
            created_at: now,
            expires_at: absolute_expires_at.min(now + self.session_life.idle.delta()),
            absolute_expires_at,
            user_agent: device.user_agent.chars().take(MAX_USER_AGENT).collect(),
            ip: device.address.map(|address| address.to_string()).unwrap_or_default(),
            refresh_verifier,
        };
        Ok((secret, new))
    }

    /// Counts and logs what came of an attempt (OWASP ASVS 16.3.1). Never a password, a token or an unknown name,
    /// which may be a password that was typed into the wrong field.
    pub(super) fn record(&self, event: &'static str, outcome: &'static str, user_id: Option<Uuid>) {
        self.metrics.auth_outcome(event, outcome);
        let user_id = user_id.map(tracing::field::display);
        tracing::info!(target: "slipway::auth", event, outcome, user_id, "auth");
    }
}
