//! `vschsm run`: cards in the slots of a reader.

use crate::card::aes_keys::AesKeys;
use crate::card::equipment::{self, Equipment, SlotOptions};
use crate::card::personalisation::NewCard;
use crate::card::slot::Slot;
use crate::control;
use crate::faults::FaultOptions;
use crate::process::{open_files, signals};
use crate::readers::announcement::Ready;
use crate::readers::pcsc::ReaderOptions;
use crate::readers::unsaved;
use crate::readers::vpcd::Slots;
use crate::readers::vpcd::tcp::Address;
use crate::readers::{News, Readers, Report};
use crate::store::disk;
use crate::store::image_file::Kept;
use crate::text::failure::Failure;
use crate::text::{output, words};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use vschsm_reader::server::ListeningSocket;

/// Put cards into the slots of a PC/SC reader
///
/// Connects to vpcd, the reader of vsmartcard, in a running pcscd. It need not run yet, and may be
/// restarted: the card comes back with it. With --pcsc-socket it takes the place of pcscd, for
/// every client that has PCSCLITE_CSOCK_NAME set to the socket; `vschsm exec` does all of that for
/// one command. Ends at SIGTERM, SIGINT, SIGHUP and the like, between two commands. A card that
/// cannot be saved is out of its reader until it can be.
#[derive(Debug, Args)]
#[command(
    mut_group("NewCard", |group| group.requires("ephemeral")),
    mut_group("ReaderOptions", |group| group.requires("pcsc_socket")),
    after_help = EXAMPLES
)]
pub(crate) struct Run {
    /// Cards, one for each slot: paths, or names of cards in the data folder [default: the card
    /// `default`, made if there is none]
    #[arg(value_name = "CARD", value_parser = disk::card(), conflicts_with = "NewCard")]
    cards: Vec<PathBuf>,

    /// A copy in memory of the card in FILE, which is read and never written; may come several
    /// times, and has the slots after the CARDs
    #[arg(long = "card-template", value_name = "FILE", value_parser = disk::card())]
    #[arg(conflicts_with = "NewCard")]
    templates: Vec<PathBuf>,

    /// A new card in memory, which ends with the program; takes the options of `vschsm new`
    #[arg(long, conflicts_with_all = ["cards", "templates"])]
    ephemeral: bool,

    /// No card at first: `vschsm ctl insert` brings one
    #[arg(long, conflicts_with_all = ["cards", "templates", "ephemeral"], requires = "control")]
    no_card: bool,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    slot: SlotOptions,

    #[command(flatten)]
    aes_keys: AesKeys,

    #[command(flatten)]
    faults: FaultOptions,

    /// Where the reader's first slot listens; the next slots have the ports that follow
    #[arg(long, value_name = "HOST:PORT", default_value_t)]
    vpcd: Address,

    /// Serve PC/SC clients at this socket, which is made for this user's programs and root's,
    /// instead of a reader
    #[arg(long, value_name = "PATH", conflicts_with = "vpcd")]
    pcsc_socket: Option<PathBuf>,

    #[command(flatten)]
    readers: ReaderOptions,

    /// Listen to `vschsm ctl` at this socket, which is made for this user alone
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,

    /// When the file of a card is replaced, put the new card into its reader
    #[arg(long)]
    watch: bool,

    /// Create this empty file when every reader has seen its card, and remove it at the end
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  vschsm run                    the card `default`, in the first slot
  vschsm run alice bob          two cards of the data folder, in two slots
  vschsm run ./ci.card          a card in the current folder
  vschsm run --ephemeral --firmware 2.6 --ready-file ready --trace
  vschsm run alice bob --pcsc-socket ~/pcscd.sock --control ~/control.sock &
  export PCSCLITE_CSOCK_NAME=~/pcscd.sock VSCHSM_CONTROL=~/control.sock
  vschsm ctl remove 1";

/// What the main thread is told.
enum Event {
    /// A reader has sent its first message and has its answer.
    Met,
    /// The user wants an end.
    Stopped,
    /// A card cannot go on.
    Failed(Failure),
}

/// Readers, however clients reach them.
struct Transport {
    readers: Arc<dyn Readers>,
    /// How many cards are to be met by a reader before all is ready.
    awaited: usize,
    /// Where clients connect, as long as it is there.
    _socket: Option<ListeningSocket>,
}

/// Serves the readers until a signal comes or the last card fails.
pub(crate) fn run(options: &Run) -> Result<(), Failure> {
    open_files::allow_many();
    let (report, events) = mpsc::channel();
    let equipment = options.slot.equipment()?.faulty(options.faults.script()?);
    let equipment = equipment.generating(options.aes_keys);
    let equipment = if options.watch { equipment.watching() } else { equipment };
    let slots = options.slots(&equipment)?;
    // After the cards: if they are in use, the ready file is that of who uses them.
    let ready = Ready::new(options.ready_file.as_deref())?;
    stop_on_signal(report.clone())?;
    let control = options.control.as_deref().map(ListeningSocket::at).transpose()?;
    let (ahead, unsaved) = mpsc::channel();
    // Without who listens there is nobody to tell, and the process is at its end.
    let told = Arc::new(move |news| match news {
        News::Met => drop(report.send(Event::Met)),
        News::Failed(failure) => drop(report.send(Event::Failed(failure))),
        News::Unsaved(card) => drop(ahead.send(card)),
    });
    let Transport { readers, awaited, _socket } = match &options.pcsc_socket {
        Some(path) => over_pcsc(&options.readers, path, slots, told)?,
        None => over_vpcd(options.vpcd.clone(), slots, told)?,
    };
    control::start(Arc::clone(&readers), equipment, unsaved, control.as_ref())?;
    let announced = if awaited == 0 { ready.announce() } else { Ok(()) };
    let end = announced.and_then(|()| attend(&events, awaited, &ready, &*readers));
    readers.close();
    end.and(unsaved::settle(&*readers)).and(ready.withdraw())
}

/// Serves PC/SC clients at a socket, in the place of pcscd.
fn over_pcsc(
    options: &ReaderOptions,
    path: &Path,
    slots: Vec<Slot>,
    report: Report,
) -> Result<Transport, Failure> {
    let readers = Arc::new(options.readers(slots, report)?);
    let socket = options.socket(path)?;
    readers.server().serve(&socket)?;
    Ok(Transport { readers, awaited: 0, _socket: Some(socket) })
}

/// Serves the slots of vpcd, in pcscd.
fn over_vpcd(first: Address, slots: Vec<Slot>, report: Report) -> Result<Transport, Failure> {
    let awaited = slots.len();
    let readers = Arc::new(Slots::new(first, slots, report)?);
    Ok(Transport { readers, awaited, _socket: None })
}

fn stop_on_signal(report: Sender<Event>) -> Result<(), Failure> {
    let mut signals = signals::take()?;
    thread::spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() && report.send(Event::Stopped).is_ok() {
            // Whatever keeps the first from ending the program, a second one ends it.
            signals.next();
            std::process::exit(1);
        }
    });
    Ok(())
}

/// Waits for the end, and announces the moment when so many readers have met their cards. A card
/// that fails is no end for the others, and a failure in the end.
fn attend(
    events: &Receiver<Event>,
    awaited: usize,
    ready: &Ready,
    readers: &dyn Readers,
) -> Result<(), Failure> {
    let (mut met, mut failed) = (0, 0);
    for event in events {
        match event {
            Event::Met => {
                met += 1;
                if met == awaited {
                    ready.announce()?;
                }
            }
            Event::Stopped if failed == 0 => return Ok(()),
            Event::Stopped => {
                let cards = words::count(failed, "card");
                return Err(Failure::Failed(format!("{cards} could not go on to the end")));
            }
            Event::Failed(failure) => {
                failed += 1;
                if readers.list().iter().all(|reader| reader.card.is_none()) {
                    return Err(failure);
                }
                output::warn(failure);
            }
        }
    }
    Ok(())
}

impl Run {
    fn slots(&self, equipment: &Equipment) -> Result<Vec<Slot>, Failure> {
        if self.no_card {
            return Ok(Vec::new());
        }
        if self.ephemeral {
            let mut card = self.new_card.make(&self.slot.seed()?)?;
            self.aes_keys.settle(&mut card, "the new card");
            return Ok(vec![equipment.in_memory(card, "")]);
        }
        if self.cards.is_empty() && self.templates.is_empty() {
            return equipment.all(&[self.default_card()?], &[]);
        }
        equipment.all(&self.cards, &self.templates)
    }

    /// The card `default`, which is made if there is none.
    fn default_card(&self) -> Result<PathBuf, Failure> {
        let path = disk::locate("default").map_err(Failure::Failed)?;
        if path.exists() {
            return Ok(path);
        }
        disk::make_data_folder(&path)?;
        let card = self.new_card.make(&self.slot.seed()?)?;
        match Kept::create(&path, &equipment::image(&card), None, self.slot.durability) {
            Ok(_) => output::warn(format_args!("made a new card, {}", path.display())),
            // By another process, between the question and now.
            Err(error) if error.exists() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(path)
    }
}
