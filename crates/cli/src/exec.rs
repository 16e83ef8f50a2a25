//! `vschsm exec`: a command with a card of its own.

use crate::aes_keys::AesKeys;
use crate::failure::Failure;
use crate::faults::FaultOptions;
use crate::new_card::NewCard;
use crate::output;
use crate::provision::Provisioning;
use crate::server::ReaderOptions;
use crate::slot::{Equipment, Slot, SlotOptions};
use crate::{control, disk};
use clap::Args;
use reader::pcsc::VARIABLE;
use reader::server::{Listening, PrivateFolder};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Run a command with a card that only it sees
///
/// Starts a PC/SC server on a private socket, puts the cards into its readers, and runs the command
/// with PCSCLITE_CSOCK_NAME set, so that every client in it finds these readers and no others, and
/// with VSCHSM_CONTROL set, so that `vschsm ctl` in it can take cards out and put them in.
/// Needs no root, no pcscd and no port, and any number can run at once. SIGINT and SIGTERM go to
/// the command, and its exit code comes back: 128 and the signal if that ended it, 127 if there is
/// no such command.
#[derive(Debug, Args)]
#[command(
    mut_group("NewCard", |group| group.conflicts_with("cards")),
    mut_group("Provisioning", |group| group.conflicts_with("cards")),
    after_help = EXAMPLES
)]
pub(crate) struct Exec {
    /// A card, in a reader of its own: a path, or the name of a card in the data folder; may come
    /// several times [default: a new card in memory, which ends with the command]
    #[arg(long = "card", value_name = "CARD", value_parser = disk::locate)]
    cards: Vec<PathBuf>,

    /// No card at first: `vschsm ctl insert` brings one
    #[arg(long, conflicts_with_all = ["cards", "NewCard", "Provisioning"])]
    no_card: bool,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    provisioning: Provisioning,

    #[command(flatten)]
    slot: SlotOptions,

    #[command(flatten)]
    aes_keys: AesKeys,

    #[command(flatten)]
    faults: FaultOptions,

    #[command(flatten)]
    readers: ReaderOptions,

    /// When the file of a card is replaced, put the new card into its reader
    #[arg(long, requires = "cards")]
    watch: bool,

    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  vschsm exec -- opensc-tool --list-readers
  vschsm exec --card alice --card bob -- pkcs11-tool --list-slots
  vschsm exec --firmware 2.6 --seed ci --trace=card.log -- make test
  vschsm exec --initialize --key ec:secp256r1,id=10 --cert 10=CN=CI -- pkcs11-tool --list-objects
  vschsm exec --faults flaky.toml --trace -- pkcs11-tool --list-slots
  vschsm exec --no-card -- sh -c 'vschsm ctl insert alice; opensc-tool --list-readers'
  vschsm exec -- sh -c 'sc-hsm-tool --initialize --so-pin 3537363231383830 --pin 648219 &&
                        pkcs11-tool --list-slots'";

/// Runs the command; its exit code.
pub(crate) fn run(options: &Exec) -> Result<ExitCode, Failure> {
    let [program, arguments @ ..] = options.command.as_slice() else {
        return Err(Failure::Usage("there is no command to run".into()));
    };
    let equipment = options.slot.equipment()?.faulty(options.faults.script()?);
    let equipment = equipment.generating(options.aes_keys);
    let equipment = if options.watch { equipment.watching() } else { equipment };
    let slots = options.slots(&equipment)?;
    let dead = Arc::new(AtomicBool::new(false));
    let failed = {
        let dead = Arc::clone(&dead);
        move |failure| {
            output::warn(failure);
            dead.store(true, Ordering::Relaxed);
        }
    };
    let readers = Arc::new(options.readers.readers(slots, failed)?);
    let folder = PrivateFolder::new()?;
    let socket = Listening::at(&folder.socket("pcscd"))?;
    let control = Listening::at(&folder.socket("control"))?;
    readers.server().serve(&socket)?;
    control::start(readers.clone(), equipment, Some(&control))?;

    // Before the command, so that no signal ends the program and leaves the command alone. Not a
    // hang-up: who has it ignored, as nohup has, wants that for the command too.
    let signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::because("cannot wait for signals", error))?;
    let mut command = Command::new(program);
    command.args(arguments).env(VARIABLE, socket.path()).env(control::VARIABLE, control.path());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(not_started(program, &error)),
    };
    pass_on(signals, &child);
    let ended =
        child.wait().map_err(|error| Failure::because("cannot wait for the command", error));
    readers.close();
    // A command may succeed without noticing that its card has died; whoever started it should.
    match code(ended?) {
        0 if dead.load(Ordering::Relaxed) => Ok(ExitCode::FAILURE),
        code => Ok(ExitCode::from(code)),
    }
}

impl Exec {
    fn slots(&self, equipment: &Equipment) -> Result<Vec<Slot>, Failure> {
        if self.no_card {
            return Ok(Vec::new());
        }
        if self.cards.is_empty() {
            let mut card = self.new_card.make(&self.slot.seed()?)?;
            self.aes_keys.settle(&mut card, "the new card");
            self.provisioning.apply(&mut card)?;
            return Ok(vec![equipment.in_memory(card, "")]);
        }
        equipment.all_stored(&self.cards)
    }
}

/// As a shell has it: 127 for a command that is not there, 126 for one that cannot be run.
fn not_started(program: &std::ffi::OsStr, error: &io::Error) -> ExitCode {
    output::warn(format_args!("cannot run {}: {error}", program.display()));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

/// As a shell has it: the command's own code, or 128 and the signal that ended it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Sends on to the command what is sent to this program.
fn pass_on(mut signals: Signals, child: &Child) {
    let command = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    thread::spawn(move || {
        for signal in signals.forever() {
            if let (Some(command), Some(signal)) = (command, Signal::from_named_raw(signal))
                && !(signal == Signal::INT && is_in_foreground())
            {
                // It fails for a command that has just ended.
                kill_process(command, signal).ok();
            }
        }
    });
}

/// Whether the terminal sends its interrupts to this program, and thus to the command as well:
/// two of them would be taken for impatience.
fn is_in_foreground() -> bool {
    let terminal = std::fs::File::open("/dev/tty");
    terminal.is_ok_and(|terminal| {
        rustix::termios::tcgetpgrp(terminal) == Ok(rustix::process::getpgrp())
    })
}
