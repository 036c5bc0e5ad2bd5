//! What people and scripts read that is no log line.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Writes `text` to standard error, and waits for that no longer than `patience`: its reader may stand still, and then
/// neither a start nor an exit shall wait for it (R32). That it cannot be written is nobody's to hear.
pub fn say(text: String, patience: Duration) {
    let (done, is_done) = mpsc::channel();
    let write = move || {
        let _ = io::stderr().write_all(text.as_bytes());
        let _ = done.send(());
    };
    if thread::Builder::new().name("console".to_owned()).spawn(write).is_ok() {
        let _ = is_done.recv_timeout(patience);
    }
}

/// Writes what a command was asked for to standard output. That a reader wants no more of it, as `head` does, is no
/// error.
///
/// # Errors
/// When it cannot be written, as on a full disk.
pub fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
