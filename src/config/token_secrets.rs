//! The secrets that sign tokens; in development one is generated and kept, so that a restart signs nobody out.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};

use super::{ConfigError, DatabaseConfig, DatabaseUrl, Options, Secret};

/// HS256 wants a key of at least the hash's length (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// Words that stand in examples; a secret that holds one was copied and is known to everybody.
const PLACEHOLDERS: [&str; 5] = ["changeme", "change-me", "change_me", "your-secret", "example"];

/// A secret that tokens can be signed with: long enough, and neither a placeholder nor one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSecret(Secret);

/// The secret that signs, and those that are only accepted.
pub(super) fn token_secrets(
    options: &Options,
    database: &DatabaseConfig,
) -> Result<(TokenSecret, Vec<TokenSecret>), ConfigError> {
    let current = match &options.jwt_secret {
        Some(secret) => secret.clone(),
        None => kept_secret(&secret_path(database))?,
    };
    let signing = TokenSecret::check("JWT_SECRET", &current)?;
    let previous = options.jwt_secret_previous.as_deref();
    let also_accepted = previous.map(|previous| TokenSecret::check("JWT_SECRET_PREVIOUS", previous));
    Ok((signing, also_accepted.into_iter().collect::<Result<_, _>>()?))
}

impl TokenSecret {
    /// The secret without blanks and line ends around it: an editor, `echo` or a file of a secret store puts them there,
    /// and not everywhere where the same secret is set.
    ///
    /// # Errors
    /// When it is too short or can be guessed; names `setting`.
    pub fn check(setting: &str, secret: &str) -> Result<Self, ConfigError> {
        let secret = secret.trim();
        let bytes = secret.len();
        if bytes < MIN_SECRET_BYTES {
            return Err(ConfigError(format!(
                "{setting} has {bytes} bytes and needs at least {MIN_SECRET_BYTES}: make one with: openssl rand -base64 48"
            )));
        }
        let lower = secret.to_ascii_lowercase();
        let is_one_character = secret
            .bytes()
            .zip(secret.bytes().skip(1))
            .all(|(one, next)| one == next);
        if is_one_character || PLACEHOLDERS.iter().any(|word| lower.contains(word)) {
            return Err(ConfigError(format!(
                "{setting} is a placeholder that anyone can guess: make one with: openssl rand -base64 48"
            )));
        }
        Ok(Self(Secret::new(secret)))
    }

    /// The secret itself; never log what this returns.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// A secret that `name` stands for.
    #[cfg(test)]
    pub(crate) fn for_tests(name: &str) -> Self {
        Self(Secret::new(format!("{name:?} 0123456789abcdef0123456789ABCDEF")))
    }
}

/// Beside the SQLite file, or in `data/` when the database is elsewhere.
fn secret_path(database: &DatabaseConfig) -> PathBuf {
    let file = match &database.url {
        DatabaseUrl::Sqlite(url) => url.file(),
        DatabaseUrl::Postgres(_) => None,
    };
    let folder = file
        .as_deref()
        .and_then(Path::parent)
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("data")).join("jwt_secret")
}

/// Reads the secret at `path`, or makes one that only this user can read.
fn kept_secret(path: &Path) -> Result<String, ConfigError> {
    let explain = |error: std::io::Error| {
        ConfigError(format!(
            "JWT_SECRET is not set and {} cannot be used ({error}): mend the file, or set JWT_SECRET",
            path.display()
        ))
    };
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(explain)?;
    }
    if path.exists() {
        return fs::read_to_string(path).map_err(explain);
    }
    let mut bytes = [0; 48];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| ConfigError("the system has no random numbers for JWT_SECRET: set it yourself".to_owned()))?;
    let fresh = STANDARD.encode(bytes);
    // Two servers may start at the same moment: each writes a file of its own whole, and the link that comes first
    // decides for both.
    let own = path.with_extension(format!("{}.new", std::process::id()));
    let linked = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&own)
        .and_then(|mut file| file.write_all(fresh.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::hard_link(&own, path));
    let _ = fs::remove_file(&own);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(explain(error)),
        _ => fs::read_to_string(path).map_err(explain),
    }
}
