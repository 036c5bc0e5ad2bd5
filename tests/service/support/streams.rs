//! What may become of standard output and standard error.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::{Receiver, pipe};

/// A disk on which there is no room: every write fails with ENOSPC (full(4)).
pub(crate) fn full_disk() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader has gone: every write fails with EPIPE.
pub(crate) fn nobody() -> Stdio {
    let (sender, _) = pipe().unwrap();
    sender.into_blocking_fd().unwrap().into()
}

/// A pipe that is full and whose reader stands still: every write waits.
pub(crate) struct FullPipe {
    reader: Receiver,
    writer: OwnedFd,
}

const FILLER: &str = "filler\n";

impl FullPipe {
    pub(crate) fn new() -> Self {
        let (sender, reader) = pipe().unwrap();
        for piece in [FILLER.repeat(1000), FILLER.to_owned()] {
            // Not more than fits, so that every line of it is whole.
            while sender
                .try_write(piece.as_bytes())
                .is_ok_and(|length| length == piece.len())
            {}
        }
        while sender.try_write(b".").is_ok() {}
        Self {
            reader,
            writer: sender.into_blocking_fd().unwrap(),
        }
    }

    pub(crate) fn stream(&self) -> Stdio {
        self.writer.try_clone().unwrap().into()
    }

    pub(crate) fn both_streams(&self) -> [Stdio; 2] {
        [self.stream(), self.stream()]
    }

    /// The reader goes on: returns everything that is written until a line contains `last`.
    pub(crate) async fn read_until(self, last: &str) -> Vec<String> {
        drop(self.writer);
        let mut lines = BufReader::new(self.reader).lines();
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let is_last = line.contains(last);
            read.push(line);
            if is_last {
                break;
            }
        }
        read
    }
}
