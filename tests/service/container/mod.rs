//! The container's process: nginx in front of the server, as one.

mod configuration;
mod errors;
mod failures;
mod requests;
mod shutdown;
mod smuggling;
mod upstream;
