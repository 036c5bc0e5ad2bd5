//! What the server holds of the machine.

use std::fmt;
use std::fs;

use super::children_of;

/// Of `slipway container` and its nginx together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) descriptors: usize,
    /// The proportional set size in KiB (proc_pid_smaps(5)): memory, with what is shared counted once.
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
            descriptors: pids
                .iter()
                .map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
                .sum(),
            memory_kib: pids.iter().map(|pid| proportional_set_size(*pid)).sum(),
        }
    }
}

fn proportional_set_size(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} descriptors, {} MiB", self.descriptors, self.memory_kib / 1024)
    }
}
