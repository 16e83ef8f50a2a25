//! The start of the command: by this program once more, which asks to end with its parent, and then
//! becomes the command.
//!
//! What a process asks for itself ahead of its program cannot be asked for by its parent. In
//! between there is another process only until it is the command, with the same number.

use crate::text::output;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};

/// What this program is called when it is to become a command.
const NAME: &str = "vschsm, about to run a command";

/// This program, whatever has become of its file.
const PROGRAM: &str = "/proc/self/exe";

/// Starts a command, which is killed when this program is.
///
/// A program with the rights of another user than the one who starts it goes on, as does every
/// command where there is no /proc, or no Linux.
pub(super) fn start(
    program: &OsStr,
    arguments: &[OsString],
    variables: [(&str, &OsStr); 2],
) -> io::Result<Child> {
    let mut launcher = Command::new(PROGRAM);
    launcher.arg0(NAME).arg(std::process::id().to_string()).arg(program);
    let spawn = |command: &mut Command| command.args(arguments).envs(variables).spawn();
    if cfg!(target_os = "linux")
        && let Ok(child) = spawn(&mut launcher)
    {
        return Ok(child);
    }
    spawn(&mut Command::new(program))
}

/// Becomes the command if this process was started for that; otherwise, and if there is none, the
/// exit code.
pub(crate) fn become_command() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    if words.next()? != NAME {
        return None;
    }
    let (parent, program) = (words.next()?, words.next()?);
    if !ends_with(&parent) {
        return Some(ExitCode::FAILURE);
    }
    // This finds a program, and gives a script without `#!` to the shell, as `env` does.
    let error = Command::new(&program).args(words).exec();
    Some(not_started(&program, &error))
}

/// Has this process killed when its parent ends; false if that is not the parent any more.
#[cfg(target_os = "linux")]
fn ends_with(parent: &OsStr) -> bool {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    // It cannot fail with a signal that there is.
    set_parent_process_death_signal(Some(Signal::KILL)).ok();
    // Without a number the parent is in another PID namespace, and this process its first one.
    getppid().is_none_or(|now| parent == now.as_raw_nonzero().to_string().as_str())
}

#[cfg(not(target_os = "linux"))]
fn ends_with(_: &OsStr) -> bool {
    true
}

/// As a shell has it: 127 for a command that is not there, 126 for one that cannot be run.
pub(super) fn not_started(program: &OsStr, error: &io::Error) -> ExitCode {
    output::warn(format_args!("cannot run {}: {error}", program.display()));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}
