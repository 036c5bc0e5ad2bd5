//! Settings from environment variables.

use std::env;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::{Arg, Command, CommandFactory, FromArgMatches};

/// Reads the command line of `P`, and the variables that are its settings. One that is empty counts as unset: deployment
/// tools set `NAME=` where there is nothing to set. Ends the process when it cannot be understood, as clap does.
pub fn parse<P: CommandFactory + FromArgMatches>(arguments: impl IntoIterator<Item = OsString>) -> P {
    let mut command = without_empty_variables(P::command());
    let matches = command.try_get_matches_from_mut(arguments);
    let mut matches = matches.unwrap_or_else(|error| error.exit());
    P::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

fn without_empty_variables(command: Command) -> Command {
    let forget = |argument: Arg| match argument.get_env() {
        Some(name) if env::var_os(name).is_some_and(|value| value.is_empty()) => argument.env(Resettable::Reset),
        _ => argument,
    };
    command.mut_args(forget).mut_subcommands(without_empty_variables)
}
