//! Keeps this process to itself.

use slipway::config::ConfigError;

/// In a container nginx is the same user, and whoever has broken into it must not read our environment and memory: of a process
/// that is not dumpable only root reads `/proc/PID/environ` and `/proc/PID/mem` (prctl(2), PR_SET_DUMPABLE). That goes for the
/// commands that run there beside the server, too, such as the health check, which have the same environment.
///
/// # Errors
/// When the system refuses.
pub(crate) fn hide_from_others_of_this_user() -> Result<(), ConfigError> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| ConfigError(format!("the settings cannot be hidden from other processes: {error}")))?;
    Ok(())
}
