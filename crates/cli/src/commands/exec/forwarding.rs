//! Forwards signals that would end this program to the command.

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::iterator::Signals;
use std::fs;
use std::thread;

/// The signals that a terminal sends to its whole foreground process group: the command has them
/// already, and could take a second one for an order to end at once.
const OF_TERMINAL: [Signal; 2] = [Signal::INT, Signal::QUIT];

/// Forwards the signals that this program gets to the command.
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

/// Whether this program, and so the command, is in the foreground process group of its terminal.
fn is_in_foreground() -> bool {
    let terminal = fs::File::open("/dev/tty");
    terminal.is_ok_and(|terminal| {
        rustix::termios::tcgetpgrp(terminal) == Ok(rustix::process::getpgrp())
    })
}
