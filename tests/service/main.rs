//! Black-box tests of the service over HTTP, on SQLite with the cache in memory and on PostgreSQL with Valkey alike.
//!
//! A requirement such as `R7` in a doc comment names the row of the requirements list that the test stands for.

// A test that unwraps says where it failed; clippy.toml allows that in test functions, this in their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// What a test prints is shown when it fails.
#![allow(clippy::print_stdout)]

mod support;

mod accounts;
mod cache_errors;
mod cleanup;
mod container;
mod contract;
mod cookies;
mod cross_origin;
mod database;
mod degradation;
mod document;
mod hostile;
mod instances;
mod interruptions;
mod limits;
mod logs;
mod many_sessions;
mod metrics;
mod migrations;
mod observability;
mod offers;
mod operator;
mod passwords;
mod problems;
mod protected;
mod refresh;
mod revocation;
mod rotation_properties;
mod secrets;
mod shutdown;
mod sign_out_bound;
mod sign_out_others;
mod startup;
mod stop_in_time;
