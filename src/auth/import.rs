//! Taking over the accounts of the service that this one takes the place of.

use chrono::{DateTime, Utc};
use ring::digest;
use uuid::{Builder, Uuid};

use super::AuthError;
use super::credentials::username_key;
use super::password::is_verifiable;
use crate::store::{Imported, OtherAccount, OtherService, Store, user};

/// Accounts that are read and written at a time.
const BATCH: u64 = 500;
/// Names that are reported one by one, so that a report can be read.
const NAMED: usize = 20;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Accounts there.
    pub found: u64,
    /// Accounts that are new here.
    pub added: u64,
    /// Accounts that were here, whose password or state was changed there.
    pub changed: u64,
    /// Accounts whose name cannot be one here: empty, longer than 64 characters, or with control characters.
    pub without_name: u64,
    /// Accounts whose password cannot be verified here, so that an operator has to give them another one.
    pub without_password: u64,
    /// Accounts whose name another account has here, in whatever case of its letters. The first of them by name.
    pub taken: Vec<String>,
    /// How many of those there are.
    pub taken_count: u64,
}

/// Copies all accounts, those that may not sign in as disabled ones. Can be repeated: an account is found again by its
/// number there, and what was changed there is taken over until its first sign-in here.
///
/// # Errors
/// [`AuthError::Store`].
pub async fn import_accounts(from: &OtherService, to: &Store, now: DateTime<Utc>) -> Result<ImportReport, AuthError> {
    let mut report = ImportReport::default();
    let mut last = i64::MIN;
    loop {
        let batch = from.accounts_after(last, BATCH).await?;
        let Some(end) = batch.last() else {
            return Ok(report);
        };
        last = end.id;
        report.found += batch.len() as u64;
        let mut accounts = Vec::new();
        for account in batch {
            match imported(account, now) {
                Some(account) => accounts.push(account),
                None => report.without_name += 1,
            }
        }
        let unverifiable = |account: &&user::Model| !is_verifiable(&account.password_hash);
        report.without_password += accounts.iter().filter(unverifiable).count() as u64;
        let Imported {
            added,
            changed,
            left_out,
        } = to.import_accounts(accounts).await?;
        report.added += added;
        report.changed += changed;
        report.taken_count += left_out.len() as u64;
        let room = NAMED.saturating_sub(report.taken.len());
        report.taken.extend(left_out.into_iter().take(room));
    }
}

/// The account as it is here; `None` when it has no name that somebody could type.
fn imported(account: OtherAccount, now: DateTime<Utc>) -> Option<user::Model> {
    Some(user::Model {
        id: id_of(account.id),
        username_key: username_key(&account.username)?,
        username: account.username,
        password_hash: account.password_hash,
        created_at: account.created_at.unwrap_or(now),
        sessions_ended_through: None,
        sessions_ended_at: None,
        password_expires_at: None,
        disabled_at: (!account.is_active).then_some(now),
        deleted_at: None,
    })
}

/// The same each time, so that a repetition finds the account; a UUIDv8 (RFC 9562), which no account of this service has.
fn id_of(number: i64) -> Uuid {
    let hash = digest::digest(&digest::SHA256, format!("imported account {number}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}
