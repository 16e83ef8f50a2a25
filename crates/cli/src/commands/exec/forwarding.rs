//! Signals that would end this program, and go to the command instead.

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::iterator::Signals;
use std::fs;
use std::thread;

/// Those of the signals that the terminal sends to all that it runs, so that the command has them
/// already: two of them would be taken for impatience.
const OF_TERMINAL: [Signal; 2] = [Signal::INT, Signal::QUIT];

/// Sends on to the command what is sent to this program.
pub(super) fn pass_on(mut signals: Signals, command: Pid) {
    thread::spawn(move || {
        for signal in signals.forever() {
            if let Some(signal) = Signal::from_named_raw(signal)
                && !(OF_TERMINAL.contains(&signal) && is_in_foreground())
            {
                // It fails for a command that has just ended.
                kill_process(command, signal).ok();
            }
        }
    });
}

/// Whether the terminal sends its interrupts to this program, and thus to the command as well.
fn is_in_foreground() -> bool {
    let terminal = fs::File::open("/dev/tty");
    terminal.is_ok_and(|terminal| {
        rustix::termios::tcgetpgrp(terminal) == Ok(rustix::process::getpgrp())
    })
}
