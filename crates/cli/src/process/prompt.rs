//! Questions at the terminal, whose answers nobody is to see: PINs, passphrases and passwords.

use crate::process::signals::ENDING;
use crate::text::secret::Secret;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use std::io;

/// Asks, and reads a line that is not shown. The terminal is as it was afterwards, also where a
/// signal ends the program meanwhile.
pub(crate) fn ask(question: &str) -> io::Result<Secret> {
    let held = Held::new()?;
    let answer = rpassword::prompt_password(question).map(Secret::new);
    held.release();
    answer
}

/// Signals that would end the program: they wait, or are taken once the terminal is as it was.
///
/// ^C waits: what reads the line sends it to this thread itself, before it has put the terminal in
/// order.
struct Held {
    before: SigSet,
    #[cfg(target_os = "linux")]
    attendant: Option<attendant::Attendant>,
}

impl Held {
    fn new() -> io::Result<Self> {
        let mut held = SigSet::empty();
        for signal in ENDING.iter().filter(|signal| is_held(**signal)) {
            held.add(Signal::try_from(*signal)?);
        }
        let before = held.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self {
            before,
            #[cfg(target_os = "linux")]
            attendant: attendant::Attendant::new(&held).ok(),
        })
    }

    /// What has waited comes now.
    fn release(self) {
        #[cfg(target_os = "linux")]
        drop(self.attendant);
        // It cannot fail with a mask that was there.
        self.before.thread_set_mask().ok();
    }
}

/// Elsewhere nobody attends to others than ^C while they wait.
fn is_held(signal: i32) -> bool {
    cfg!(target_os = "linux") && !crate::process::signals::is_ignored(signal)
        || signal == signal_hook::consts::SIGINT
}

/// A thread that attends to the signals that wait.
#[cfg(target_os = "linux")]
mod attendant {
    use nix::sys::signal::{SigSet, Signal, raise};
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    use std::fs::File;
    use std::io::{self, PipeReader, PipeWriter, Write};
    use std::thread::{self, JoinHandle};

    pub(super) struct Attendant {
        /// Closed when the answer is there.
        over: Option<PipeWriter>,
        thread: Option<JoinHandle<()>>,
    }

    impl Attendant {
        pub(super) fn new(signals: &SigSet) -> io::Result<Self> {
            let signals = SignalFd::with_flags(signals, SfdFlags::SFD_CLOEXEC)?;
            let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&terminal)?;
            let (end, over) = io::pipe()?;
            let attend = move || {
                while let Some(signal) = next(&signals, &end) {
                    tcsetattr(&terminal, OptionalActions::Now, &before).ok();
                    writeln!(terminal).ok();
                    // Now it may end the program, as it would have at once.
                    SigSet::from(signal).thread_unblock().ok();
                    raise(signal).ok();
                }
            };
            let thread = thread::Builder::new().spawn(attend)?;
            Ok(Self { over: Some(over), thread: Some(thread) })
        }
    }

    impl Drop for Attendant {
        fn drop(&mut self) {
            self.over = None;
            // It has no way to panic.
            self.thread.take().map(JoinHandle::join);
        }
    }

    /// The next signal; none when the answer is there.
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
