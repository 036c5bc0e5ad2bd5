//! What the server holds of the machine.

use std::fmt;
use std::fs;

use super::children_of;

/// Of `slipway container` and its nginx together. The server hides itself from other processes of its user, so this takes
/// what everybody may read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Nothing where only root can count them: before Linux 6.2.
    pub(crate) descriptors: Option<u64>,
    /// Memory in KiB that is no copy of a file, so that the kernel cannot take it back.
    pub(crate) memory_kib: u64,
}

impl Usage {
    pub(crate) fn of(server: u32) -> Self {
        let mut pids = vec![server];
        let mut next = 0;
        while let Some(pid) = pids.get(next).copied() {
            pids.extend(children_of(pid).into_iter().map(|(child, ..)| child));
            next += 1;
        }
        Self {
            descriptors: pids.iter().map(|pid| descriptors(*pid)).sum(),
            memory_kib: pids.iter().map(|pid| kept_memory(*pid)).sum(),
        }
    }
}

/// The folder's size is their number from Linux 6.2 on (proc_pid_fd(5)).
fn descriptors(pid: u32) -> Option<u64> {
    let folder = format!("/proc/{pid}/fd");
    if let Ok(files) = fs::read_dir(&folder) {
        return Some(files.count() as u64);
    }
    let size = fs::metadata(&folder).unwrap().len();
    (size > 0).then_some(size)
}

fn kept_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    kib("RssAnon:") + kib("RssShmem:")
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.descriptors {
            Some(count) => write!(f, "{count} descriptors, ")?,
            None => write!(f, "descriptors that only root can count before Linux 6.2, ")?,
        }
        write!(f, "{} MiB", self.memory_kib / 1024)
    }
}
