//! Listening, serving connections, and stopping without losing a request.

mod accept;
mod answer_body;
mod connection;
mod io_deadlines;
mod lingering_close;
mod listener;
mod request_body;
mod signals;

pub(crate) use accept::serve_connections;
pub use connection::KEEP_ALIVE;
pub use listener::Listener;
pub use signals::Signals;

#[cfg(test)]
mod tests;
