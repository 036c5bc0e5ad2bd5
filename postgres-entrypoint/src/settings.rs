//! The settings, all from the environment.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `POSTGRES_PASSWORD` or `POSTGRES_PASSWORD_FILE` | the application's password, or the file that holds it | required |
//! | `POSTGRES_USER` | the application's role, which owns the database | `slipway` |
//! | `POSTGRES_DB` | the application's database | `slipway` |
//! | `PGDATA` | the data directory; a volume is mounted at its parent | `/var/lib/postgresql/data` |
//! | `POSTGRES_CONFIG_DIR` | where `postgresql.conf` and `pg_hba.conf` are | `/etc/postgresql` |
//! | `LOG_FORMAT` | `json` or `text` | `json` |

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::StartError;

/// As many characters as 8 random bytes have in hexadecimal: the password is a machine's and nobody has to remember it.
const MIN_PASSWORD_LENGTH: usize = 16;
/// PostgreSQL cuts longer names off (`NAMEDATALEN` - 1).
const MAX_NAME_LENGTH: usize = 63;
/// Roles and databases that PostgreSQL makes itself.
const TAKEN_NAMES: [&str; 3] = ["postgres", "template0", "template1"];

/// What the container was told.
pub(crate) struct Settings {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The folder of `postgresql.conf` and `pg_hba.conf`.
    pub(crate) config: PathBuf,
    /// The application's role; safe to stand in SQL between double quotes.
    pub(crate) role: String,
    /// The application's database; safe to stand in SQL between double quotes.
    pub(crate) database: String,
    /// The application's password.
    pub(crate) password: Password,
}

/// A password, which is not shown by mistake.
pub(crate) struct Password(String);

impl Password {
    pub(crate) fn new(password: &str) -> Self {
        Self(password.to_owned())
    }

    /// The password itself; never log what this returns.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Settings {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`StartError::Settings`] with everything that is missing or wrong at once.
    pub(crate) fn from_environment() -> Result<Self, StartError> {
        Self::from_variables(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// What [`Settings::from_environment`] does, of other variables.
    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, StartError> {
        let mut problems = Vec::new();
        // Deployment tools set an empty variable where there is no value.
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let or_default = |name: &'static str, default: &str| set(name).unwrap_or_else(|| default.to_owned());
        let mut note = |checked: Result<(), String>| problems.extend(checked.err());

        let data = or_default("PGDATA", "/var/lib/postgresql/data");
        let config = or_default("POSTGRES_CONFIG_DIR", "/etc/postgresql");
        let role = or_default("POSTGRES_USER", "slipway");
        let database = or_default("POSTGRES_DB", "slipway");
        note(check_data(&data));
        note(check_config(&config));
        note(check_name("POSTGRES_USER", &role));
        note(check_name("POSTGRES_DB", &database));
        note(check_log_format(&or_default("LOG_FORMAT", "json")));
        let password = password(set("POSTGRES_PASSWORD"), set("POSTGRES_PASSWORD_FILE"));
        let password = password.map_err(|problem| problems.push(problem));
        match password {
            Ok(password) if problems.is_empty() => Ok(Self {
                data: data.into(),
                config: config.into(),
                role,
                database,
                password,
            }),
            _ => Err(StartError::Settings(problems)),
        }
    }

    /// A path on the volume, such as `/var/lib/postgresql/data.lock` for `lock`.
    pub(crate) fn beside_data(&self, extension: &str) -> PathBuf {
        let mut path = self.data.clone().into_os_string();
        path.push(".");
        path.push(extension);
        path.into()
    }
}

fn check_data(data: &str) -> Result<(), String> {
    let path = Path::new(data);
    if path.is_absolute() && path.file_name().is_some() {
        return Ok(());
    }
    Err(format!(
        "PGDATA={data} is not the absolute path of a folder on a volume: use one such as /var/lib/postgresql/data"
    ))
}

fn check_config(config: &str) -> Result<(), String> {
    let missing = ["postgresql.conf", "pg_hba.conf"].map(|name| Path::new(config).join(name));
    match missing.iter().find(|path| !path.is_file()) {
        Some(path) => Err(format!(
            "{} is missing: POSTGRES_CONFIG_DIR must be a folder with postgresql.conf and pg_hba.conf",
            path.display()
        )),
        None => Ok(()),
    }
}

fn check_name(setting: &str, name: &str) -> Result<(), String> {
    let begins_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let goes_on_well = |other: char| other.is_ascii_lowercase() || other.is_ascii_digit() || other == '_';
    if !begins_well || !name.chars().all(goes_on_well) || name.len() > MAX_NAME_LENGTH {
        return Err(format!(
            "{setting}={name} is not a name of at most {MAX_NAME_LENGTH} lower-case letters, digits and underscores"
        ));
    }
    if TAKEN_NAMES.contains(&name) || name.starts_with("pg_") {
        return Err(format!(
            "{setting}={name} is PostgreSQL's own: choose another name, such as slipway"
        ));
    }
    Ok(())
}

fn check_log_format(format: &str) -> Result<(), String> {
    match format {
        "json" | "text" => Ok(()),
        other => Err(format!("LOG_FORMAT={other} is neither json nor text: use one of them")),
    }
}

fn password(value: Option<String>, file: Option<String>) -> Result<Password, String> {
    const MAKE_ONE: &str = "make one with: openssl rand -hex 24";
    let (setting, password) = match (value, file) {
        (Some(password), None) => ("POSTGRES_PASSWORD", password),
        (None, Some(file)) => {
            let read = fs::read_to_string(&file);
            let password = read.map_err(|error| {
                format!("POSTGRES_PASSWORD_FILE={file} cannot be read ({error}): mount the secret there")
            })?;
            // Editors end a file with a line break.
            (
                "POSTGRES_PASSWORD_FILE",
                password.trim_end_matches(['\r', '\n']).to_owned(),
            )
        }
        (None, None) => return Err(format!("POSTGRES_PASSWORD is not set: {MAKE_ONE}")),
        (Some(_), Some(_)) => {
            return Err("POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set: keep one of them".to_owned());
        }
    };
    // SCRAM would rewrite other characters (RFC 4013), and clients differ in how.
    if !password.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "{setting} holds characters other than printable ASCII: {MAKE_ONE}"
        ));
    }
    if password.len() < MIN_PASSWORD_LENGTH {
        return Err(format!(
            "{setting} has {} characters and needs at least {MIN_PASSWORD_LENGTH}: {MAKE_ONE}",
            password.len()
        ));
    }
    Ok(Password::new(&password))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "of-a-test-and-nothing-else";

    /// The settings from these variables, with the project's own configuration.
    fn settings(variables: &[(&str, &str)]) -> Result<Settings, String> {
        // Where the tests run and not where they were compiled: a target folder may be shared with another copy of the sources.
        let project = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
        let folder = format!("{project}/../nix/images");
        let config = ("POSTGRES_CONFIG_DIR", folder.as_str());
        let variable = |name: &str| {
            let mut all = variables.iter().chain([&config]);
            all.find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::from_variables(variable).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_but_a_password_is_needed() {
        let settings = settings(&[("POSTGRES_PASSWORD", PASSWORD), ("POSTGRES_USER", "")]).unwrap();
        assert_eq!(settings.data, Path::new("/var/lib/postgresql/data"));
        assert_eq!(settings.beside_data("lock"), Path::new("/var/lib/postgresql/data.lock"));
        assert_eq!(
            (settings.role.as_str(), settings.database.as_str()),
            ("slipway", "slipway")
        );
        assert_eq!(settings.password.expose(), PASSWORD);
        assert_eq!(format!("{:?}", settings.password), "[redacted]");
    }

    #[test]
    fn a_password_file_may_end_with_a_line_break() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, format!("{PASSWORD}\n")).unwrap();
        let settings = settings(&[("POSTGRES_PASSWORD_FILE", file.path().to_str().unwrap())]).unwrap();
        assert_eq!(settings.password.expose(), PASSWORD);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_its_mend() {
        let error = settings(&[
            ("PGDATA", "data"),
            ("POSTGRES_CONFIG_DIR", "/nowhere"),
            ("POSTGRES_USER", "postgres"),
            ("POSTGRES_DB", "a\"; DROP"),
            ("LOG_FORMAT", "xml"),
        ]);
        let error = error.err().unwrap();
        for part in [
            "PGDATA=data is not the absolute path",
            "/nowhere/postgresql.conf is missing: POSTGRES_CONFIG_DIR",
            "POSTGRES_USER=postgres is PostgreSQL's own",
            "POSTGRES_DB=a\"; DROP is not a name",
            "LOG_FORMAT=xml is neither",
            "POSTGRES_PASSWORD is not set: make one with",
        ] {
            assert!(error.contains(part), "{part:?} is missing in: {error}");
        }
    }

    #[test]
    fn a_wrong_password_is_not_repeated() {
        for (variables, expected) in [
            (
                &[("POSTGRES_PASSWORD", "hunter2")][..],
                "has 7 characters and needs at least 16",
            ),
            (&[("POSTGRES_PASSWORD", "hunter2 hunter2 hunter2")], "printable ASCII"),
            (&[("POSTGRES_PASSWORD", "hünter2-hünter2-hünter2")], "printable ASCII"),
            (
                &[("POSTGRES_PASSWORD", "hunter2"), ("POSTGRES_PASSWORD_FILE", "/x")],
                "both set",
            ),
            (&[("POSTGRES_PASSWORD_FILE", "/nowhere")], "cannot be read"),
        ] {
            let error = settings(variables).err().unwrap();
            assert!(error.contains(expected) && !error.contains("nter2"), "{error}");
        }
    }

    #[test]
    fn names_are_those_that_need_no_thought() {
        for name in ["a", "_a1", "slipway_2", &"a".repeat(63)] {
            assert_eq!(check_name("X", name), Ok(()));
        }
        for name in ["1a", "A", "a-b", "a b", "é", "template1", "pg_monitor", &"a".repeat(64)] {
            assert!(check_name("X", name).is_err(), "{name}");
        }
    }
}
