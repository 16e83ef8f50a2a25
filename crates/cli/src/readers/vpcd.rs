//! Slots of vpcd, the reader of vsmartcard: a connection for each card.

pub(crate) mod tcp;

use crate::card::layer::{Layer, NoResponse};
use crate::card::shared::Shared;
use crate::card::slot::Slot;
use crate::readers::served::Served;
use crate::readers::{News, Reader, Readers, Report};
use crate::text::failure::Failure;
use crate::text::output;
use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use std::{mem, thread};
use tcp::{Address, BackOff, Prompt};
use vschsm_reader::vpcd::{self, VpcdMessage};

/// How long a slot is empty, at least, between two cards.
const ABSENCE: Duration = Duration::from_secs(1);

/// The slots of a reader.
#[derive(Clone)]
pub(crate) struct Slots(Arc<Inner>);

struct Inner {
    /// Where the first slot is.
    first: Address,
    seats: Mutex<BTreeMap<usize, Arc<Seat>>>,
    /// Shared while a card answers a command; the end waits to have it alone.
    busy: RwLock<()>,
    report: Report,
}

/// A slot, its card, and the connection that makes the card be in it.
struct Seat {
    address: Address,
    taken: Mutex<Taken>,
    changed: Condvar,
}

#[derive(Default)]
struct Taken {
    card: Option<Shared>,
    connection: Option<TcpStream>,
    /// When the last card left.
    left: Option<Instant>,
    /// The reader is not known to have met the card that was here at first.
    is_awaited: bool,
    /// There is no such slot any more.
    unplugged: bool,
}

impl Slots {
    /// Slots for these cards, from the address of the reader's first slot on.
    pub(crate) fn new(first: Address, slots: Vec<Slot>, report: Report) -> Result<Self, Failure> {
        let (seats, busy) = (Mutex::default(), RwLock::default());
        let this = Self(Arc::new(Inner { first, seats, busy, report }));
        for (number, slot) in slots.into_iter().enumerate() {
            let seat = this.seat(number).map_err(Failure::Usage)?;
            let card = Some(Shared::new(slot));
            *seat.taken() = Taken { card, is_awaited: true, ..Taken::default() };
            seat.changed.notify_all();
        }
        Ok(this)
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<Seat>>> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of that number; a thread serves it from the first time on.
    fn seat(&self, number: usize) -> Result<Arc<Seat>, String> {
        if let Some(seat) = self.seats().get(&number) {
            return Ok(Arc::clone(seat));
        }
        let first = &self.0.first;
        let address = first.slot(number);
        let address =
            address.ok_or_else(|| format!("{first} leaves no ports for {} cards", number + 1))?;
        let (taken, changed) = (Mutex::default(), Condvar::new());
        let seat = Arc::new(Seat { address, taken, changed });
        let (inner, served) = (Arc::clone(&self.0), Arc::clone(&seat));
        let thread = thread::Builder::new().spawn(move || inner.serve(&served));
        thread.map_err(|error| format!("no thread for another slot: {error}"))?;
        self.seats().insert(number, Arc::clone(&seat));
        Ok(seat)
    }
}

impl Readers for Slots {
    fn list(&self) -> Vec<Reader> {
        let seats = self.seats();
        let reader = |(number, seat): (&usize, &Arc<Seat>)| Reader {
            number: *number,
            name: format!("vpcd {}", seat.address),
            card: seat.taken().card.clone().filter(|card| !card.is_gone()),
        };
        seats.iter().map(reader).collect()
    }

    /// Another slot is the first empty one.
    fn insert(&self, number: Option<usize>, card: Shared) -> Result<usize, String> {
        let number = number.unwrap_or_else(|| {
            let seats = self.seats();
            let is_free =
                |number: &usize| seats.get(number).is_none_or(|seat| !seat.taken().has_card());
            (0..).find(is_free).unwrap_or_default()
        });
        let seat = self.seat(number)?;
        let mut taken = seat.taken();
        if taken.has_card() {
            return Err(format!("there is a card in reader {number}"));
        }
        taken.card = Some(card);
        seat.changed.notify_all();
        Ok(number)
    }

    fn take_out(&self, number: usize) {
        if let Some(seat) = self.seats().get(&number) {
            seat.taken().leave();
        }
    }

    fn unplug(&self, number: usize) {
        if let Some(seat) = self.seats().remove(&number) {
            let mut taken = seat.taken();
            taken.leave();
            taken.unplugged = true;
            seat.changed.notify_all();
        }
    }

    /// vpcd cannot be told: clients notice that they are not logged in any more.
    fn reset(&self, number: usize) -> bool {
        let card = self.seats().get(&number).and_then(|seat| seat.taken().card.clone());
        card.is_some_and(|card| card.with(|slot| slot.reset("reset")).is_some())
    }

    fn close(&self) {
        let seats: Vec<_> = self.seats().values().cloned().collect();
        let cards: Vec<_> = seats.iter().filter_map(|seat| seat.taken().card.clone()).collect();
        cards.iter().for_each(Shared::hurry);
        mem::forget(self.0.busy.write());
    }
}

impl Taken {
    fn has_card(&self) -> bool {
        self.card.as_ref().is_some_and(|card| !card.is_gone())
    }

    fn has(&self, card: &Shared) -> bool {
        self.card.as_ref().is_some_and(|here| here.is(card))
    }

    /// The card goes, and with it the connection: a card that answers finds it closed.
    fn leave(&mut self) {
        if self.card.take().is_some() {
            self.left = Some(Instant::now());
        }
        if let Some(connection) = self.connection.take() {
            // It fails if the reader has hung up.
            connection.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Seat {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a card; none comes to a slot that is there no more.
    ///
    /// pcscd looks for the card every 400 ms, and would miss that the last one is gone if the next
    /// one came at once.
    fn card(&self) -> Option<Shared> {
        let mut taken = self.taken();
        while !taken.unplugged {
            let absent = taken.left.map_or(ABSENCE, |left| left.elapsed());
            let limit = match &taken.card {
                // It is put in again when it is saved.
                Some(card) if card.is_unsaved() => Duration::MAX,
                Some(card) if absent >= ABSENCE => return Some(card.clone()),
                Some(_) => ABSENCE - absent,
                None => Duration::MAX,
            };
            let waited = self.changed.wait_timeout(taken, limit);
            (taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Takes note of the connection that the card has, unless the card has gone.
    fn joined(&self, card: &Shared, connection: TcpStream) -> bool {
        let mut taken = self.taken();
        let is_here = taken.has(card);
        taken.connection = is_here.then_some(connection);
        is_here
    }

    /// The connection is over; a card that cannot go on leaves its slot to others.
    fn parted(&self, card: &Shared) {
        let mut taken = self.taken();
        taken.connection = None;
        if card.is_gone() && taken.has(card) {
            taken.leave();
        }
    }
}

/// Why a reader is no longer served.
enum End {
    /// It has hung up or cannot be reached; it may come back.
    Lost(io::Error),
    /// The card is not in its slot any more.
    Removed,
    /// The card has given no response, which vpcd knows in one way only: it comes and goes.
    ContactLost,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<NoResponse> for End {
    fn from(why: NoResponse) -> Self {
        match why {
            NoResponse::ContactLost | NoResponse::TimedOut => Self::ContactLost,
            NoResponse::Removed | NoResponse::Failed(_) | NoResponse::Unsaved(_) => Self::Removed,
        }
    }
}

impl Inner {
    /// Serves the reader whenever it is there and a card is; reports why a card cannot go on.
    fn serve(&self, seat: &Seat) {
        let mut back_off = BackOff::default();
        while let Some(card) = seat.card() {
            let served = Served::new(card.clone(), Arc::clone(&self.report));
            let end = served.guard(|| self.connect(seat, &served, &mut back_off));
            seat.parted(&card);
            let why = match end.unwrap_or(Err(End::Removed)) {
                Err(End::Removed) => continue,
                Err(End::ContactLost) => {
                    seat.taken().left = Some(Instant::now());
                    continue;
                }
                Err(End::Lost(error)) => error.to_string(),
                Ok(()) => "it has hung up".into(),
            };
            if !seat.taken().has(&card) {
                continue;
            }
            if back_off.is_first() {
                let reader = &seat.address;
                output::warn(format_args!(
                    "no reader at {reader} ({why}), waiting for pcscd with vpcd"
                ));
            }
            back_off.wait();
        }
    }

    /// Connects to the reader and serves it until it hangs up, or the card leaves.
    fn connect(&self, seat: &Seat, served: &Served, back_off: &mut BackOff) -> Result<(), End> {
        let card = &served.card;
        let stream = seat.address.connect()?;
        if !seat.joined(card, stream.try_clone()?) {
            return Ok(());
        }
        let (mut incoming, mut outgoing) = (BufReader::new(Prompt(&stream)), &stream);
        card.reset("reader connected");
        wait_for_reader(&stream, &seat.address)?;
        while let Some(message) = vpcd::receive(&mut incoming)? {
            let _until_answered = self.busy.read();
            match message {
                VpcdMessage::PowerOff => card.reset("power off"),
                VpcdMessage::PowerOn => card.reset("power on"),
                VpcdMessage::Reset => card.reset("reset"),
                VpcdMessage::GetAtr => vpcd::send(&mut outgoing, &card.atr())?,
                VpcdMessage::Apdu(apdu) => vpcd::send(&mut outgoing, &served.transmit(&apdu)?)?,
            }
            back_off.reset();
            if mem::take(&mut seat.taken().is_awaited) {
                (self.report)(News::Met);
            }
        }
        card.reset("reader hung up");
        Ok(())
    }
}

/// Waits for the reader's first message, which pcscd sends within half a second.
///
/// A slot that has a card already accepts no other: the connection waits in its queue.
fn wait_for_reader(stream: &TcpStream, address: &Address) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    if let Err(error) = stream.peek(&mut [0])
        && matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
    {
        output::warn(format_args!("the reader at {address} asks nothing: is another card in it?"));
    }
    stream.set_read_timeout(None)
}
