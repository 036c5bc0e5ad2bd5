//! Every setting of the entry point of PostgreSQL's image: an input is lines of NAME=VALUE.
//!
//! The entry point is a program and no library, so its modules are part of this one.

#![no_main]
// What starts PostgreSQL is not called here.
#![allow(dead_code)]

use libfuzzer_sys::fuzz_target;

#[path = "../../postgres-entrypoint/src/error.rs"]
mod error;
#[path = "../../postgres-entrypoint/src/settings.rs"]
mod settings;

use settings::Settings;

/// Where `postgresql.conf` and `pg_hba.conf` are, so that all else can be right, too.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nix/images");
fuzz_target!(|input: &str| {
    let given: Vec<(&str, &str)> = input.lines().filter_map(|line| line.split_once('=')).collect();
    let variable = |name: &str| {
        let value = given.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        match name {
            "POSTGRES_CONFIG_DIR" => value.or(Some(CONFIG.to_owned())),
            // A file of the machine that fuzzes is none of ours to read.
            "POSTGRES_PASSWORD_FILE" => value.map(|value| format!("{CONFIG}/nowhere/{value}")),
            _ => value,
        }
    };
    let with_another_password = |name: &str| match name {
        "POSTGRES_PASSWORD" => variable(name).map(|password| disguise(&password)),
        _ => variable(name),
    };
    match Settings::from_variables(variable) {
        Ok(settings) => {
            for name in [&settings.role, &settings.database] {
                assert!(!name.is_empty() && !name.contains(['"', '\\', '\0', '\'']), "not safe in SQL: {name}");
            }
            let password = settings.password.expose();
            assert!(password.len() >= 16 && password.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(settings.data.is_absolute() && settings.beside_data("lock") != settings.data);
        }
        Err(error) => {
            let other = Settings::from_variables(with_another_password).err().map(|error| error.to_string());
            assert_eq!(Some(error.to_string()), other, "the message tells the password");
        }
    }
});

/// Another password that is as good or as bad.
fn disguise(password: &str) -> String {
    password.chars().map(|char| if char.is_ascii_graphic() { 'x' } else { char }).collect()
}
