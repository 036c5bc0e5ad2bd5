//! Every setting that is a text: an input is lines of NAME=VALUE, with the names of the flags.

#![no_main]

use clap::Parser;
use libfuzzer_sys::fuzz_target;
use slipway::config::{Config, Options};

const SETTINGS: [&str; 9] = [
    "listen",
    "metrics-listen",
    "database-url",
    "redis-url",
    "trusted-proxies",
    "allowed-origins",
    "jwt-secret",
    "jwt-secret-previous",
    "cache-key-prefix",
];
/// Those whose value must not be told.
const SECRETS: [&str; 4] = ["database-url", "redis-url", "jwt-secret", "jwt-secret-previous"];
/// Shorter ones may be part of a message by chance.
const TELLING: usize = 16;

fuzz_target!(|input: &str| {
    let given: Vec<(&str, &str)> = input
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| SETTINGS.contains(name))
        .collect();
    let mut arguments = vec!["slipway".to_owned()];
    for name in SETTINGS {
        let fallback = (name == "jwt-secret").then_some("a secret of tests, of more than 32 bytes");
        let value = given.iter().find(|(given, _)| *given == name).map(|(_, value)| *value);
        arguments.extend(value.or(fallback).map(|value| format!("--{name}={value}")));
    }
    let Ok(options) = Options::try_parse_from(arguments) else { return };
    let Err(error) = Config::from_options(&options) else { return };
    let message = error.to_string();
    assert!(!message.contains('\n'), "one line: {message}");
    for (_, value) in given.iter().filter(|(name, value)| SECRETS.contains(name) && value.len() >= TELLING) {
        assert!(!message.contains(value), "a secret is told: {message}");
    }
});
