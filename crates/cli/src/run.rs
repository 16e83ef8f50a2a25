//! `vschsm run`: cards in the slots of a reader.

use crate::disk::{self, CardFile};
use crate::failure::Failure;
use crate::new_card::NewCard;
use crate::output;
use crate::ready::Ready;
use crate::server::{Listening, ReaderOptions};
use crate::slot::{Slot, SlotOptions};
use crate::socket::{Address, BackOff, Prompt};
use clap::Args;
use reader::vpcd::{self, Message};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, BufReader};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{mem, thread};

/// Put cards into the slots of a PC/SC reader
///
/// Connects to vpcd, the reader of vsmartcard, in a running pcscd. It need not run yet, and may be
/// restarted: the card comes back with it. With --pcsc-socket it takes the place of pcscd, for
/// every client that has PCSCLITE_CSOCK_NAME set to the socket; `vschsm exec` does all of that for
/// one command. Ends at SIGTERM or SIGINT, between two commands.
#[derive(Debug, Args)]
#[command(
    mut_group("NewCard", |group| group.requires("ephemeral")),
    mut_group("ReaderOptions", |group| group.requires("pcsc_socket")),
    after_help = EXAMPLES
)]
pub(crate) struct Run {
    /// Cards, one for each slot: paths, or names of cards in the data folder [default: the card
    /// `default`, made if there is none]
    #[arg(value_name = "CARD", value_parser = disk::locate, conflicts_with = "NewCard")]
    cards: Vec<PathBuf>,

    /// A new card in memory, which ends with the program; takes the options of `vschsm new`
    #[arg(long, conflicts_with = "cards")]
    ephemeral: bool,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    slot: SlotOptions,

    /// Where the reader's first slot listens; the next slots have the ports that follow
    #[arg(long, value_name = "HOST:PORT", default_value_t)]
    vpcd: Address,

    /// Serve PC/SC clients at this socket, which is made for this user alone, instead of a reader
    #[arg(long, value_name = "PATH", conflicts_with = "vpcd")]
    pcsc_socket: Option<PathBuf>,

    #[command(flatten)]
    readers: ReaderOptions,

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
  vschsm run alice bob --pcsc-socket ~/pcscd.sock &
  export PCSCLITE_CSOCK_NAME=~/pcscd.sock";

/// What the main thread is told.
enum Event {
    /// A reader has sent its first message and has its answer.
    Met,
    /// The user wants an end.
    Stopped,
    /// A card cannot go on.
    Failed(Failure),
}

/// Serves the readers until a signal comes or a card fails.
pub(crate) fn run(options: &Run) -> Result<(), Failure> {
    let (report, events) = mpsc::channel();
    let slots = options.slots()?;
    let addresses = options.addresses(slots.len())?;
    // After the cards: if they are in use, the ready file is that of who uses them.
    let ready = Ready::new(options.ready_file.as_deref())?;
    stop_on_signal(report.clone())?;
    if let Some(path) = &options.pcsc_socket {
        let failed = move |failure| drop(report.send(Event::Failed(failure)));
        let server = options.readers.server(slots, failed)?;
        let socket = Listening::at(path)?;
        server.serve(&socket)?;
        let end = ready.announce().and_then(|()| attend(&events, 0, &ready));
        server.close();
        return end.and(ready.withdraw());
    }

    let busy = Arc::new(RwLock::new(()));
    let readers = slots.len();
    for (slot, address) in slots.into_iter().zip(addresses) {
        let (busy, report) = (Arc::clone(&busy), report.clone());
        let served = Served { slot, address, busy, report, met: false };
        thread::spawn(move || served.until_it_fails());
    }

    let end = attend(&events, readers, &ready);
    // Never given back: no command begins between here and the end of the process.
    mem::forget(busy.write());
    end.and(ready.withdraw())
}

fn stop_on_signal(report: Sender<Event>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|error| Failure::because("cannot wait for signals", error))?;
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

/// Waits for the end, and announces the moment when all readers have met their cards.
fn attend(events: &Receiver<Event>, readers: usize, ready: &Ready) -> Result<(), Failure> {
    let mut met = 0;
    for event in events {
        match event {
            Event::Met => {
                met += 1;
                if met == readers {
                    ready.announce()?;
                }
            }
            Event::Stopped => return Ok(()),
            Event::Failed(failure) => return Err(failure),
        }
    }
    Ok(())
}

impl Run {
    fn slots(&self) -> Result<Vec<Slot>, Failure> {
        if self.ephemeral {
            let card = self.new_card.make(&self.slot.seed()?)?;
            return Ok(vec![Slot::ephemeral(card, &self.slot)?]);
        }
        if self.cards.is_empty() {
            return Slot::all_stored(&[self.default_card()?], &self.slot);
        }
        Slot::all_stored(&self.cards, &self.slot)
    }

    /// Where the readers of so many slots are.
    fn addresses(&self, slots: usize) -> Result<Vec<Address>, Failure> {
        let address = |index| {
            let first = &self.vpcd;
            let missing = || Failure::Usage(format!("{first} leaves no ports for {slots} cards"));
            first.slot(index).ok_or_else(missing)
        };
        (0..slots).map(address).collect()
    }

    /// The card `default`, which is made if there is none.
    fn default_card(&self) -> Result<PathBuf, Failure> {
        let path = disk::locate("default").map_err(Failure::Failed)?;
        if path.exists() {
            return Ok(path);
        }
        disk::make_data_folder(&path)?;
        let card = self.new_card.make(&self.slot.seed()?)?;
        match CardFile::create(&path, &card.image(), self.slot.durability) {
            Ok(_) => output::warn(format_args!("made a new card, {}", path.display())),
            // By another process, between the question and now.
            Err(error) if error.exists() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(path)
    }
}

/// A card, the reader that it is for, and who is to know.
struct Served {
    slot: Slot,
    address: Address,
    /// Shared while a card answers a command; the end waits to have it alone.
    busy: Arc<RwLock<()>>,
    report: Sender<Event>,
    met: bool,
}

/// Why a reader is no longer served.
enum End {
    /// It has hung up or cannot be reached; it may come back.
    Lost(io::Error),
    /// The card cannot go on.
    Failed(Failure),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Served {
    /// Serves the reader whenever it is there; reports why the card cannot go on.
    fn until_it_fails(mut self) {
        let failure = catch_unwind(AssertUnwindSafe(|| self.again_and_again()))
            .unwrap_or_else(|_| Failure::Failed("a defect in vschsm has ended the card".into()));
        // Without a main thread there is nobody to tell, and the process is at its end.
        self.report.send(Event::Failed(failure)).ok();
    }

    fn again_and_again(&mut self) -> Failure {
        let mut back_off = BackOff::default();
        loop {
            let why = match self.serve(&mut back_off) {
                Err(End::Failed(failure)) => return failure,
                Err(End::Lost(error)) => error.to_string(),
                Ok(()) => "it has hung up".into(),
            };
            if back_off.is_first() {
                let reader = &self.address;
                output::warn(format_args!(
                    "no reader at {reader} ({why}), waiting for pcscd with vpcd"
                ));
            }
            back_off.wait();
        }
    }

    /// Waits for the reader's first message, which pcscd sends within half a second.
    ///
    /// A slot that has a card already accepts no other: the connection waits in its queue.
    fn wait_for_reader(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        if let Err(error) = stream.peek(&mut [0])
            && matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
        {
            output::warn(format_args!(
                "the reader at {} asks nothing: is another card in it?",
                self.address
            ));
        }
        stream.set_read_timeout(None)
    }

    /// Connects to the reader and serves it until it hangs up.
    fn serve(&mut self, back_off: &mut BackOff) -> Result<(), End> {
        let stream = self.address.connect()?;
        let (mut incoming, mut outgoing) = (BufReader::new(Prompt(&stream)), &stream);
        self.slot.reset("reader connected");
        self.wait_for_reader(&stream)?;
        while let Some(message) = vpcd::receive(&mut incoming)? {
            let _until_answered = self.busy.read();
            match message {
                Message::PowerOff => self.slot.reset("power off"),
                Message::PowerOn => self.slot.reset("power on"),
                Message::Reset => self.slot.reset("reset"),
                Message::GetAtr => vpcd::send(&mut outgoing, self.slot.atr())?,
                Message::Apdu(apdu) => vpcd::send(&mut outgoing, &self.slot.transmit(&apdu)?)?,
            }
            back_off.reset();
            if !mem::replace(&mut self.met, true) {
                self.report.send(Event::Met).ok();
            }
        }
        self.slot.reset("reader hung up");
        Ok(())
    }
}
