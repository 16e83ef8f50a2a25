//! Starts the command: this program is started once more, asks to be killed with its parent, and
//! then executes the command.
//!
//! A parent cannot request that for its child without `unsafe` code. The process ID stays the same.

use crate::text::output;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};

/// The name, `argv[0]`, under which this program executes a command.
const NAME: &str = "vschsm, about to run a command";

/// This program, even if its file was replaced or deleted.
const PROGRAM: &str = "/proc/self/exe";

/// Starts a command, which is killed when this program is killed.
///
/// A program that runs as another user, such as a setuid one, is not killed, nor is any command
/// without /proc or on another system than Linux.
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

/// Executes the command if this process was started for that. Returns the exit code if the command
/// cannot be executed.
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

/// Has this process killed when its parent ends. Returns false if the parent has ended already.
#[cfg(target_os = "linux")]
fn ends_with(parent: &OsStr) -> bool {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    // It cannot fail with a valid signal.
    set_parent_process_death_signal(Some(Signal::KILL)).ok();
    // Without a number the parent is in another PID namespace, and this process its first one.
    getppid().is_none_or(|now| parent == now.as_raw_nonzero().to_string().as_str())
}

#[cfg(not(target_os = "linux"))]
fn ends_with(_: &OsStr) -> bool {
    true
}

/// The exit codes of a shell: 127 if the command is not found, 126 if it cannot be run.
pub(super) fn not_started(program: &OsStr, error: &io::Error) -> ExitCode {
    output::warn(format_args!("cannot run {}: {error}", program.display()));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}
