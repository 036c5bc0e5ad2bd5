//! What the program does besides serving.

pub(crate) mod healthcheck;
pub(crate) mod import;
pub(crate) mod migrate;
pub(crate) mod privacy;
pub(crate) mod user;
