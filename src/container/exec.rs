//! Becoming another program that does not outlive its parent.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::config::ConfigError;

/// Becomes the program that `command` begins with, with the rest as its arguments. On Linux it then gets SIGTERM when
/// the parent of this process ends, however that happens (prctl(2), `PR_SET_PDEATHSIG`, which exec keeps).
///
/// In a container the kernel ends every process with PID 1; on a developer's machine nothing would, and nginx would hold
/// its port. The setting is for the calling process only, so the child has to run this between fork and exec.
///
/// # Errors
/// Returns only when the program cannot be run.
pub fn exec_tied_to_parent(command: &[OsString]) -> ConfigError {
    let Some((program, arguments)) = command.split_first() else {
        return ConfigError("there is no program to become".to_owned());
    };
    #[cfg(target_os = "linux")]
    // Should it fail, the program runs all the same and may outlive its parent.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    let error = Command::new(program).args(arguments).exec();
    ConfigError(format!("{} cannot be run: {error}", program.display()))
}
