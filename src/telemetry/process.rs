//! What this process uses of the machine, from Linux' /proc. Elsewhere nothing is told.

use std::fs;

/// Clock ticks a second in /proc: `USER_HZ`, which is 100 on every architecture that Linux has.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory, processor time and descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUsage {
    /// Memory that is in RAM, in bytes.
    pub resident_memory_bytes: u64,
    /// Processor time since the start, in seconds.
    pub cpu_seconds: f64,
    /// File descriptors that are open; `None` in a container before Linux 6.2.
    pub open_fds: Option<u64>,
}

impl ProcessUsage {
    /// The usage at this moment; `None` where there is no /proc.
    pub fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        Some(Self {
            resident_memory_bytes: resident_kib(&status)? * 1024,
            cpu_seconds: cpu_ticks(&stat)? / TICKS_PER_SECOND,
            open_fds: open_fds(),
        })
    }
}

/// As many as the folder says of itself since Linux 6.2, else as many as it lists. A process that cannot be looked into, as
/// in a container, may not list its own.
fn open_fds() -> Option<u64> {
    let folder = "/proc/self/fd";
    match fs::metadata(folder).ok()?.len() {
        0 => Some(fs::read_dir(folder).ok()?.count() as u64),
        count => Some(count),
    }
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of proc(5); the second field may hold blanks, so they are counted from its closing bracket.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_process_name_with_blanks_and_brackets() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 25 17 0 0 20 0 1 0 100 1 1";
        assert_eq!(cpu_ticks(stat), Some(42.0));
        assert_eq!(resident_kib("VmPeak:\t 9 kB\nVmRSS:\t  1234 kB\n"), Some(1234));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_memory_and_descriptors() {
        let usage = ProcessUsage::now().unwrap();
        assert!(usage.resident_memory_bytes > 0 && usage.open_fds > Some(2));
    }
}
