//! Prompts at the terminal for secrets, without echo: PINs, passphrases and passwords.

use crate::process::signals::ENDING;
use crate::text::secret::Secret;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use std::io;

/// Prompts, and reads a line without echo. The terminal is restored afterwards, even if a signal
/// ends the program meanwhile.
pub(crate) fn ask(question: &str) -> io::Result<Secret> {
    let blocked = BlockedSignals::new()?;
    let line = rpassword::prompt_password(question).map(Secret::new);
    blocked.release();
    line
}

/// Signals that would end the program: blocked, or handled after the terminal is restored.
///
/// ^C is blocked: the function that reads the line sends it to this thread itself, before it has
/// restored the terminal.
struct BlockedSignals {
    before: SigSet,
    #[cfg(target_os = "linux")]
    handler: Option<handler::SignalHandler>,
}

impl BlockedSignals {
    fn new() -> io::Result<Self> {
        let mut blocked = SigSet::empty();
        for signal in ENDING.iter().filter(|signal| is_blocked(**signal)) {
            blocked.add(Signal::try_from(*signal)?);
        }
        let before = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self {
            before,
            #[cfg(target_os = "linux")]
            handler: handler::SignalHandler::new(&blocked).ok(),
        })
    }

    /// Unblocks the signals, which are delivered now.
    fn release(self) {
        #[cfg(target_os = "linux")]
        drop(self.handler);
        // It cannot fail with a mask that was there.
        self.before.thread_set_mask().ok();
    }
}

/// Other systems than Linux have no handler, so that only ^C is blocked there.
fn is_blocked(signal: i32) -> bool {
    cfg!(target_os = "linux") && !crate::process::signals::is_ignored(signal)
        || signal == signal_hook::consts::SIGINT
}

/// A thread that handles the blocked signals.
#[cfg(target_os = "linux")]
mod handler {
    use nix::sys::signal::{SigSet, Signal, raise};
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    use std::fs::File;
    use std::io::{self, PipeReader, PipeWriter, Write};
    use std::thread::{self, JoinHandle};

    pub(super) struct SignalHandler {
        /// Closed when the line was read.
        end: Option<PipeWriter>,
        thread: Option<JoinHandle<()>>,
    }

    impl SignalHandler {
        pub(super) fn new(signals: &SigSet) -> io::Result<Self> {
            let signals = SignalFd::with_flags(signals, SfdFlags::SFD_CLOEXEC)?;
            let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&terminal)?;
            let (ended, end) = io::pipe()?;
            let handle = move || {
                while let Some(signal) = next(&signals, &ended) {
                    tcsetattr(&terminal, OptionalActions::Now, &before).ok();
                    writeln!(terminal).ok();
                    // Now it ends the program.
                    SigSet::from(signal).thread_unblock().ok();
                    raise(signal).ok();
                }
            };
            let thread = thread::Builder::new().spawn(handle)?;
            Ok(Self { end: Some(end), thread: Some(thread) })
        }
    }

    impl Drop for SignalHandler {
        fn drop(&mut self) {
            self.end = None;
            // The thread does not panic.
            self.thread.take().map(JoinHandle::join);
        }
    }

    /// The next signal; `None` when the line was read.
    fn next(signals: &SignalFd, end: &PipeReader) -> Option<Signal> {
        let mut either = [PollFd::new(signals, PollFlags::IN), PollFd::new(end, PollFlags::IN)];
        poll(&mut either, None).ok()?;
        let [signals_ready, end_ready] = either.map(|fd| !fd.revents().is_empty());
        if end_ready || !signals_ready {
            return None;
        }
        let signal = signals.read_signal().ok()??;
        Signal::try_from(i32::try_from(signal.ssi_signo).ok()?).ok()
    }
}
