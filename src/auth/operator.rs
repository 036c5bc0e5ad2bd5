//! What an operator does with accounts, by `slipway user`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

use super::credentials::username_key;
use super::{Auth, AuthError};
use crate::store::{AccountChange, user};

/// How long a one-time password can be used (OWASP ASVS 6.4.1 asks for a short period): long enough to hand it over.
pub const ONE_TIME_PASSWORD_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// 96 bits, 16 characters that can be read to somebody.
const ONE_TIME_PASSWORD_BYTES: usize = 12;

/// A password that an operator hands to a user, who has to change it. It is known only here: the database has its hash.
#[derive(Debug)]
pub struct OneTimePassword {
    /// The password itself.
    pub password: String,
    /// Until when it can be used.
    pub expires_at: DateTime<Utc>,
}

impl Auth {
    /// The account of that name, in any case of its letters.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn account_named(&self, name: &str) -> Result<Option<user::Model>, AuthError> {
        match username_key(name) {
            Some(key) => Ok(self.store.user_by_name(&key).await?),
            None => Ok(None),
        }
    }

    /// At most `limit` accounts in the order of their names, those behind the one that is found by the key `after`.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn accounts_after(&self, after: &str, limit: u64) -> Result<Vec<user::Model>, AuthError> {
        Ok(self.store.users_after(after, limit).await?)
    }

    /// Signs an account out everywhere and lets nobody sign in to it.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn disable_account(&self, id: Uuid) -> Result<(), AuthError> {
        self.change_account(id, AccountChange::Disable, "disable_account").await
    }

    /// Lets an account that was disabled sign in again.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn enable_account(&self, id: Uuid) -> Result<(), AuthError> {
        self.store.enable_account(id).await?;
        self.record("enable_account", "success", Some(id));
        Ok(())
    }

    /// Deletes an account with all its sessions. Its name is free at once.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn delete_account(&self, id: Uuid) -> Result<(), AuthError> {
        self.change_account(id, AccountChange::Delete, "delete_account").await
    }

    /// Signs an account out everywhere.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn end_all_sessions_of(&self, id: Uuid) -> Result<(), AuthError> {
        self.change_account(id, AccountChange::EndSessions, "end_sessions")
            .await
    }

    /// Signs an account out everywhere and gives it a new password, which is good for [`ONE_TIME_PASSWORD_LIFETIME`] and for
    /// nothing but to be changed.
    ///
    /// # Errors
    /// [`AuthError::Busy`], [`AuthError::Store`].
    pub async fn give_one_time_password(&self, id: Uuid) -> Result<OneTimePassword, AuthError> {
        let mut random = [0; ONE_TIME_PASSWORD_BYTES];
        let filled = SystemRandom::new().fill(&mut random);
        filled.map_err(|_| AuthError::no_random_numbers())?;
        let password = URL_SAFE_NO_PAD.encode(random);
        let expires_at = self.clock.now() + ONE_TIME_PASSWORD_LIFETIME;
        let hash = self.passwords.hash(&password, None).await?;
        let change = AccountChange::GiveOneTimePassword(hash, expires_at);
        self.change_account(id, change, "one_time_password").await?;
        Ok(OneTimePassword { password, expires_at })
    }

    async fn change_account(&self, id: Uuid, change: AccountChange, event: &'static str) -> Result<(), AuthError> {
        let announcement = self.revocations.begin();
        let ended = self.store.change_account(id, change, self.clock.now()).await?;
        announcement.make(&ended).await;
        self.clean_up_soon_after(&ended);
        self.record(event, "success", Some(id));
        Ok(())
    }
}
