//! `vschsm exec`: runs a command with a card of its own.

mod forwarding;
mod launch;

use crate::card::aes_keys::AesKeys;
use crate::card::card_defaults::{CardDefaults, CardOptions};
use crate::card::personalisation::NewCard;
use crate::card::virtual_card::VirtualCard;
use crate::control;
use crate::faults::FaultOptions;
use crate::host::provision::ProvisioningOptions;
use crate::process::open_files;
use crate::readers::pcsc::ReaderOptions;
use crate::readers::unsaved;
use crate::readers::{ReaderEvent, Readers};
use crate::store::disk;
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
pub(crate) use launch::become_command;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use vschsm_reader::pcsc::SOCKET_VARIABLE;
use vschsm_reader::server::{ListeningSocket, PrivateFolder};

/// Run a command with a card that only the command sees
///
/// Starts a PC/SC server on a private socket, inserts the cards into its readers, and runs the
/// command with PCSCLITE_CSOCK_NAME set, so that every client in it finds these readers and no
/// others, and with VSCHSM_CONTROL set, so that `vschsm ctl` can remove and insert cards. Needs
/// neither root nor pcscd nor a port, and any number of them can run at once. Signals that would
/// end `vschsm exec`, such as SIGTERM and SIGHUP, are forwarded to the command; SIGKILL kills both.
/// Exits with the exit code of the command: 128 plus the signal if a signal ended it, 127 if the
/// command was not found.
///
/// Only you and root may connect to the readers. A daemon that root starts and that then changes to
/// another user, as web servers do, needs --socket-user or --socket-group.
#[derive(Debug, Args)]
#[command(
    mut_group("NewCard", |group| group.conflicts_with_all(["cards", "templates"])),
    mut_group("ProvisioningOptions", |group| group.conflicts_with_all(["cards", "templates"])),
    after_help = EXAMPLES
)]
pub(crate) struct Exec {
    /// A card, in a reader of its own: a path, or the name of a card in the data folder; may be
    /// repeated [default: a new card in memory, discarded at the end]
    #[arg(long = "card", value_name = "CARD", value_parser = disk::card())]
    cards: Vec<PathBuf>,

    /// A copy in memory of the card in FILE, in a reader of its own; FILE is never written, so that
    /// any number of commands can start from the same card at once; may be repeated
    #[arg(long = "card-template", value_name = "FILE", value_parser = disk::card())]
    templates: Vec<PathBuf>,

    /// Start without a card, for `vschsm ctl insert`
    #[arg(long, conflicts_with_all = ["cards", "templates", "NewCard", "ProvisioningOptions"])]
    no_card: bool,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    provisioning: ProvisioningOptions,

    #[command(flatten)]
    card_options: CardOptions,

    #[command(flatten)]
    aes_keys: AesKeys,

    #[command(flatten)]
    faults: FaultOptions,

    #[command(flatten)]
    readers: ReaderOptions,

    /// When the file of a card is replaced, insert the new card into its reader
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
  vschsm exec --card-template tests/ci.card -- make test
  vschsm exec --firmware 2.6 --seed ci --trace=card.log -- make test
  vschsm exec --initialize --key ec:secp256r1,id=10 --cert 10=CN=CI -- pkcs11-tool --list-objects
  vschsm exec --faults flaky.toml --trace -- pkcs11-tool --list-slots
  vschsm exec --card server --socket-group www-data -- nginx -g 'daemon off;'
  vschsm exec --no-card -- sh -c 'vschsm ctl insert alice; opensc-tool --list-readers'
  vschsm exec -- sh -c 'sc-hsm-tool --initialize --so-pin 3537363231383830 --pin 648219 &&
                        pkcs11-tool --list-slots'";

/// Runs the command; its exit code.
pub(crate) fn run(options: &Exec) -> Result<ExitCode, Failure> {
    let [program, arguments @ ..] = options.command.as_slice() else {
        return Err(Failure::Usage("no command to run".into()));
    };
    let defaults = options.card_options.defaults()?.faulty(options.faults.script()?);
    let defaults = defaults.generating(options.aes_keys);
    let defaults = if options.watch { defaults.watching() } else { defaults };
    let cards = options.cards(&defaults)?;
    let dead = Arc::new(AtomicBool::new(false));
    let (ahead, unsaved) = mpsc::channel();
    let told = {
        let dead = Arc::clone(&dead);
        move |news| match news {
            ReaderEvent::ReaderConnected => {}
            ReaderEvent::Failed(failure) => {
                output::warn(failure);
                dead.store(true, Ordering::Relaxed);
            }
            // Without a receiver the process is about to end.
            ReaderEvent::Unsaved(card) => drop(ahead.send(card)),
        }
    };
    let readers = Arc::new(options.readers.readers(cards, Arc::new(told))?);
    let folder = PrivateFolder::new(&options.readers.access())?;
    let socket = options.readers.socket(&folder.socket("pcscd"))?;
    let control = ListeningSocket::at(&folder.socket("control"))?;
    readers.server().serve(&socket)?;
    control::start(readers.clone(), defaults, unsaved, Some(&control))?;

    // Before the command, so that no signal ends the program and leaves the command alone.
    let signals = crate::process::signals::take()?;
    let variables = [(SOCKET_VARIABLE, socket.path()), (control::VARIABLE, control.path())];
    let variables = variables.map(|(name, path)| (name, path.as_os_str()));
    let child = match launch::start(program, arguments, variables) {
        Ok(child) => child,
        Err(error) => return Ok(launch::not_started(program, &error)),
    };
    // After it, so that the command has the limit which it would have without this program.
    open_files::allow_many();
    let command = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let command = command.ok_or_else(|| Failure::Failed("the command has no process ID".into()))?;
    forwarding::pass_on(signals, command);
    let ended =
        end(command).map_err(|error| Failure::because("cannot wait for the command", error));
    readers.close();
    if let Err(failure) = unsaved::retry_last(&*readers) {
        output::warn(failure);
        dead.store(true, Ordering::Relaxed);
    }
    // A command may succeed without noticing that its card has died; whoever started it should.
    match code(ended?) {
        0 if dead.load(Ordering::Relaxed) => Ok(ExitCode::FAILURE),
        code => Ok(ExitCode::from(code)),
    }
}

impl Exec {
    fn cards(&self, defaults: &CardDefaults) -> Result<Vec<VirtualCard>, Failure> {
        if self.no_card {
            return Ok(Vec::new());
        }
        if self.cards.is_empty() && self.templates.is_empty() {
            let mut card = self.new_card.make(&self.card_options.seed()?)?;
            self.aes_keys.apply(&mut card, "the new card");
            self.provisioning.apply(&mut card)?;
            return Ok(vec![defaults.in_memory(card, "")]);
        }
        defaults.open_all(&self.cards, &self.templates)
    }
}

/// Waits for the command's end. What else ends meanwhile has lost its own parent, and has been
/// given to this program as the first process of a container: it is not to stay there as a zombie.
fn end(command: Pid) -> Result<WaitStatus, Errno> {
    loop {
        if let Some((process, status)) = retry_on_intr(|| wait(WaitOptions::empty()))?
            && process == command
        {
            return Ok(status);
        }
    }
}

/// As a shell has it: the command's own code, or 128 and the signal that ended it.
fn code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| Some(128 + status.terminating_signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
