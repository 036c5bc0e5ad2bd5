//! Listening, serving connections, and stopping without losing a request.

mod accept;
mod io_deadlines;
mod listener;
mod signals;

pub use accept::KEEP_ALIVE;
pub(crate) use accept::serve_connections;
pub use listener::Listener;
pub use signals::Signals;
