//! `vschsm run`: inserts cards into the slots of a reader.

use crate::card::aes_keys::AesKeys;
use crate::card::card_defaults::{CardDefaults, CardOptions};
use crate::card::image;
use crate::card::personalisation::NewCard;
use crate::card::virtual_card::VirtualCard;
use crate::control;
use crate::faults::FaultOptions;
use crate::process::{open_files, signals};
use crate::readers::announcement::Ready;
use crate::readers::pcsc::ReaderOptions;
use crate::readers::unsaved;
use crate::readers::vpcd::VpcdReaders;
use crate::readers::vpcd::tcp::Address;
use crate::readers::{EventHandler, ReaderEvent, Readers};
use crate::store::disk;
use crate::store::image_file::ImageFile;
use crate::text::failure::Failure;
use crate::text::{names, output};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use vschsm_reader::server::ListeningSocket;

/// Insert cards into the slots of a PC/SC reader
///
/// Connects to vpcd, vsmartcard's virtual reader, in pcscd, which may be started later, and
/// restarted: the card is inserted again. With --pcsc-socket it replaces pcscd for all clients that
/// have PCSCLITE_CSOCK_NAME set to the socket; `vschsm exec` does all of this for one command. Ends
/// on SIGTERM, SIGINT, SIGHUP and the like, after the current command. A card that cannot be saved
/// is removed from its reader until it can be saved.
#[derive(Debug, Args)]
#[command(
    mut_group("NewCard", |group| group.requires("ephemeral")),
    mut_group("ReaderOptions", |group| group.requires("pcsc_socket")),
    after_help = EXAMPLES
)]
pub(crate) struct Run {
    /// Cards, one for each slot: paths, or names of cards in the data folder [default: the card
    /// `default`, which is created if it does not exist]
    #[arg(value_name = "CARD", value_parser = disk::card(), conflicts_with = "NewCard")]
    cards: Vec<PathBuf>,

    /// A copy in memory of the card in FILE, which is never written; may be repeated, and gets the
    /// slots after the CARDs
    #[arg(long = "card-template", value_name = "FILE", value_parser = disk::card())]
    #[arg(conflicts_with = "NewCard")]
    templates: Vec<PathBuf>,

    /// A new card in memory, discarded at the end; takes the options of `vschsm new`
    #[arg(long, conflicts_with_all = ["cards", "templates"])]
    ephemeral: bool,

    /// Start without a card, for `vschsm ctl insert`
    #[arg(long, conflicts_with_all = ["cards", "templates", "ephemeral"], requires = "control")]
    no_card: bool,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    card_options: CardOptions,

    #[command(flatten)]
    aes_keys: AesKeys,

    #[command(flatten)]
    faults: FaultOptions,

    /// Where the first slot of the reader listens; the other slots have the ports after it
    #[arg(long, value_name = "HOST:PORT", default_value_t)]
    vpcd: Address,

    /// Serve PC/SC clients at this new socket, to which only you and root may connect, instead of
    /// connecting to vpcd
    #[arg(long, value_name = "PATH", conflicts_with = "vpcd")]
    pcsc_socket: Option<PathBuf>,

    #[command(flatten)]
    readers: ReaderOptions,

    /// Serve `vschsm ctl` at this new socket, to which only you may connect
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,

    /// When the file of a card is replaced, insert the new card into its reader
    #[arg(long)]
    watch: bool,

    /// Create this empty file when all cards are in their readers, and remove it at the end
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

/// Events for the main thread.
enum Event {
    /// A reader has sent its first message, and has its reply.
    Met,
    /// A signal has come.
    Stopped,
    /// A card has failed.
    Failed(Failure),
}

/// Readers, however clients reach them.
struct ServedReaders {
    readers: Arc<dyn Readers>,
    /// How many cards readers have to see before everything is ready.
    awaited: usize,
    /// Where clients connect, as long as it is there.
    _socket: Option<ListeningSocket>,
}

/// Serves the readers until a signal comes or the last card fails.
pub(crate) fn run(options: &Run) -> Result<(), Failure> {
    open_files::allow_many();
    let (report, events) = mpsc::channel();
    let defaults = options.card_options.defaults()?.faulty(options.faults.script()?);
    let defaults = defaults.generating(options.aes_keys);
    let defaults = if options.watch { defaults.watching() } else { defaults };
    let cards = options.cards(&defaults)?;
    // After the cards: if they are in use, the ready file belongs to the program that uses them.
    let ready = Ready::new(options.ready_file.as_deref())?;
    stop_on_signal(report.clone())?;
    let control = options.control.as_deref().map(ListeningSocket::at).transpose()?;
    let (ahead, unsaved) = mpsc::channel();
    // Without a receiver the process is about to end.
    let told = Arc::new(move |news| match news {
        ReaderEvent::ReaderConnected => drop(report.send(Event::Met)),
        ReaderEvent::Failed(failure) => drop(report.send(Event::Failed(failure))),
        ReaderEvent::Unsaved(card) => drop(ahead.send(card)),
    });
    let ServedReaders { readers, awaited, _socket } = match &options.pcsc_socket {
        Some(path) => over_pcsc(&options.readers, path, cards, told)?,
        None => over_vpcd(options.vpcd.clone(), cards, told)?,
    };
    control::start(Arc::clone(&readers), defaults, unsaved, control.as_ref())?;
    let announced = if awaited == 0 { ready.announce() } else { Ok(()) };
    let end = announced.and_then(|()| attend(&events, awaited, &ready, &*readers));
    readers.close();
    end.and(unsaved::retry_last(&*readers)).and(ready.withdraw())
}

/// Serves PC/SC clients at a socket, in place of pcscd.
fn over_pcsc(
    options: &ReaderOptions,
    path: &Path,
    cards: Vec<VirtualCard>,
    report: EventHandler,
) -> Result<ServedReaders, Failure> {
    let readers = Arc::new(options.readers(cards, report)?);
    let socket = options.socket(path)?;
    readers.server().serve(&socket)?;
    Ok(ServedReaders { readers, awaited: 0, _socket: Some(socket) })
}

/// Serves the slots of vpcd, in pcscd.
fn over_vpcd(
    first: Address,
    cards: Vec<VirtualCard>,
    report: EventHandler,
) -> Result<ServedReaders, Failure> {
    let awaited = cards.len();
    let readers = Arc::new(VpcdReaders::new(first, cards, report)?);
    Ok(ServedReaders { readers, awaited, _socket: None })
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

/// Waits for the end, and announces when `awaited` readers have seen their cards. If a card fails,
/// the others go on, and the program fails at the end.
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
                let cards = names::count(failed, "card");
                return Err(Failure::Failed(format!("{cards} failed")));
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
    fn cards(&self, defaults: &CardDefaults) -> Result<Vec<VirtualCard>, Failure> {
        if self.no_card {
            return Ok(Vec::new());
        }
        if self.ephemeral {
            let mut card = self.new_card.make(&self.card_options.seed()?)?;
            self.aes_keys.apply(&mut card, "the new card");
            return Ok(vec![defaults.in_memory(card, "")]);
        }
        if self.cards.is_empty() && self.templates.is_empty() {
            return defaults.open_all(&[self.default_card()?], &[]);
        }
        defaults.open_all(&self.cards, &self.templates)
    }

    /// The card `default`, which is created if it does not exist.
    fn default_card(&self) -> Result<PathBuf, Failure> {
        let path = disk::locate("default").map_err(Failure::Failed)?;
        if path.exists() {
            return Ok(path);
        }
        disk::make_data_folder(&path)?;
        let card = self.new_card.make(&self.card_options.seed()?)?;
        match ImageFile::create(&path, &image::of(&card), None, self.card_options.durability) {
            Ok(_) => output::warn(format_args!("created a new card, {}", path.display())),
            // By another process, between the question and now.
            Err(error) if error.exists() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(path)
    }
}
