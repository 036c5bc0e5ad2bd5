//! The entry point with a real PostgreSQL, as PID 1 of a process namespace of its own, like in a container.

#![cfg(target_os = "linux")]
// A test that unwraps says where it failed; clippy.toml allows that in test functions, this in their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

mod configuration;
mod durability;
mod first_start;
mod lock;
mod password;
mod refusals;
mod stop;
