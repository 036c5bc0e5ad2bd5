//! Slipway: a small production API.
//!
//! A request goes one way through the code, and lower rooms never import higher ones:
//!
//! [`server`] (listen, accept, drain) -> [`http`] (request id, guards, errors, access log) -> [`api`] (the typed
//! contract) -> [`auth`] (accounts and sessions) -> [`store`] (PostgreSQL or SQLite) and [`cache`] (Valkey or memory).
//!
//! [`app`] wires them together, [`container`] runs nginx in front of that, and [`stop`] says by when all of it has ended;
//! [`config`], [`console`], [`problem`], [`telemetry`], [`tasks`], [`draining`] and [`clock`] are used by all.

pub mod api;
pub mod app;
pub mod auth;
pub mod cache;
pub mod clock;
pub mod common_clock;
pub mod config;
pub mod console;
pub mod container;
mod cut_off;
pub mod draining;
pub mod http;
pub mod problem;
pub mod server;
pub mod stop;
pub mod store;
pub mod tasks;
pub mod telemetry;
