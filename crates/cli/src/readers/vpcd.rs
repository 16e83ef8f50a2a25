//! The slots of vpcd, the reader of vsmartcard: a connection for each card.

pub(crate) mod tcp;

use crate::card::layer::Layer;
use crate::card::shared::SharedCard;
use crate::card::virtual_card::VirtualCard;
use crate::readers::served::ServedCard;
use crate::readers::{EventHandler, ReaderEntry, ReaderEvent, Readers};
use crate::text::failure::{Failure, TransmitError};
use crate::text::output;
use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use std::{mem, thread};
use tcp::{Address, BackOff, QuickAck};
use vschsm_reader::vpcd::{self, VpcdMessage};

/// The shortest time that a slot is empty between two cards.
const ABSENCE: Duration = Duration::from_secs(1);

/// The slots of vpcd.
#[derive(Clone)]
pub(crate) struct VpcdReaders(Arc<Inner>);

struct Inner {
    /// The address of the first slot.
    first: Address,
    slots: Mutex<BTreeMap<usize, Arc<Slot>>>,
    /// Read-locked while a card executes a command; write-locked at the end of the program.
    busy: RwLock<()>,
    on_event: EventHandler,
}

/// A slot with its card, which is inserted by a connection.
struct Slot {
    address: Address,
    state: Mutex<SlotState>,
    changed: Condvar,
}

#[derive(Default)]
struct SlotState {
    card: Option<SharedCard>,
    connection: Option<TcpStream>,
    /// When the last card was removed.
    removed_at: Option<Instant>,
    /// The reader has not connected yet to the card that was here at the start.
    is_awaited: bool,
    /// The slot was removed.
    unplugged: bool,
}

impl VpcdReaders {
    /// Slots for these cards, from the address of the reader's first slot on.
    pub(crate) fn new(
        first: Address,
        cards: Vec<VirtualCard>,
        on_event: EventHandler,
    ) -> Result<Self, Failure> {
        let (slots, busy) = (Mutex::default(), RwLock::default());
        let this = Self(Arc::new(Inner { first, slots, busy, on_event }));
        for (number, card) in cards.into_iter().enumerate() {
            let slot = this.slot(number).map_err(Failure::Usage)?;
            let card = Some(SharedCard::new(card));
            *slot.state() = SlotState { card, is_awaited: true, ..SlotState::default() };
            slot.changed.notify_all();
        }
        Ok(this)
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<Slot>>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of that number; it is made with a thread if there is none.
    fn slot(&self, number: usize) -> Result<Arc<Slot>, String> {
        if let Some(slot) = self.slots().get(&number) {
            return Ok(Arc::clone(slot));
        }
        let first = &self.0.first;
        let address = first.slot(number);
        let address =
            address.ok_or_else(|| format!("{first} leaves no ports for {} cards", number + 1))?;
        let (state, changed) = (Mutex::default(), Condvar::new());
        let slot = Arc::new(Slot { address, state, changed });
        let (inner, served) = (Arc::clone(&self.0), Arc::clone(&slot));
        let thread = thread::Builder::new().spawn(move || inner.serve(&served));
        thread.map_err(|error| format!("cannot start the thread of another slot: {error}"))?;
        self.slots().insert(number, Arc::clone(&slot));
        Ok(slot)
    }
}

impl Readers for VpcdReaders {
    fn list(&self) -> Vec<ReaderEntry> {
        let slots = self.slots();
        let reader = |(number, slot): (&usize, &Arc<Slot>)| ReaderEntry {
            number: *number,
            name: format!("vpcd {}", slot.address),
            card: slot.state().card.clone().filter(|card| !card.is_gone()),
        };
        slots.iter().map(reader).collect()
    }

    /// A new slot is the first empty one.
    fn insert(&self, number: Option<usize>, card: SharedCard) -> Result<usize, String> {
        let number = number.unwrap_or_else(|| {
            let slots = self.slots();
            let is_free =
                |number: &usize| slots.get(number).is_none_or(|slot| !slot.state().has_card());
            (0..).find(is_free).unwrap_or_default()
        });
        let slot = self.slot(number)?;
        let mut state = slot.state();
        if state.has_card() {
            return Err(format!("there is a card in reader {number}"));
        }
        state.card = Some(card);
        slot.changed.notify_all();
        Ok(number)
    }

    fn remove(&self, number: usize) {
        if let Some(slot) = self.slots().get(&number) {
            slot.state().remove_card();
        }
    }

    fn unplug(&self, number: usize) {
        if let Some(slot) = self.slots().remove(&number) {
            let mut state = slot.state();
            state.remove_card();
            state.unplugged = true;
            slot.changed.notify_all();
        }
    }

    /// vpcd is not told of the reset: clients only notice that they are not logged in any more.
    fn reset(&self, number: usize) -> bool {
        let card = self.slots().get(&number).and_then(|slot| slot.state().card.clone());
        card.is_some_and(|card| card.with(|card| card.reset("reset")).is_some())
    }

    fn close(&self) {
        let slots: Vec<_> = self.slots().values().cloned().collect();
        let cards: Vec<_> = slots.iter().filter_map(|slot| slot.state().card.clone()).collect();
        cards.iter().for_each(SharedCard::end_delays);
        mem::forget(self.0.busy.write());
    }
}

impl SlotState {
    fn has_card(&self) -> bool {
        self.card.as_ref().is_some_and(|card| !card.is_gone())
    }

    fn has(&self, card: &SharedCard) -> bool {
        self.card.as_ref().is_some_and(|here| here.is(card))
    }

    /// Removes the card and closes its connection: a response that is due finds it closed.
    fn remove_card(&mut self) {
        if self.card.take().is_some() {
            self.removed_at = Some(Instant::now());
        }
        if let Some(connection) = self.connection.take() {
            // It fails if the reader has hung up.
            connection.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a card; `None` if the slot was removed.
    ///
    /// pcscd polls for the card every 400 ms, and would miss the removal of the last one if the
    /// next one came at once.
    fn wait_for_card(&self) -> Option<SharedCard> {
        let mut state = self.state();
        while !state.unplugged {
            let absence = state.removed_at.map_or(ABSENCE, |at| at.elapsed());
            let limit = match &state.card {
                // It is inserted again when it is saved.
                Some(card) if card.is_unsaved() => Duration::MAX,
                Some(card) if absence >= ABSENCE => return Some(card.clone()),
                Some(_) => ABSENCE - absence,
                None => Duration::MAX,
            };
            let waited = self.changed.wait_timeout(state, limit);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Stores the card's connection, unless the card was removed.
    fn connected(&self, card: &SharedCard, connection: TcpStream) -> bool {
        let mut state = self.state();
        let is_here = state.has(card);
        state.connection = is_here.then_some(connection);
        is_here
    }

    /// Clears the connection; a card that has failed is removed from the slot.
    fn disconnected(&self, card: &SharedCard) {
        let mut state = self.state();
        state.connection = None;
        if card.is_gone() && state.has(card) {
            state.remove_card();
        }
    }
}

/// Why a connection ended.
enum ConnectionEnd {
    /// The reader has hung up or cannot be reached; it may come back.
    Lost(io::Error),
    /// The card was removed from its slot.
    Removed,
    /// The card has given no response, which vpcd knows as a removed card only.
    ContactLost,
}

impl From<io::Error> for ConnectionEnd {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<TransmitError> for ConnectionEnd {
    fn from(why: TransmitError) -> Self {
        match why {
            TransmitError::ContactLost | TransmitError::TimedOut => Self::ContactLost,
            TransmitError::Removed | TransmitError::Failed(_) | TransmitError::Unsaved(_) => {
                Self::Removed
            }
        }
    }
}

impl Inner {
    /// Serves the reader whenever it can be reached and there is a card; reports cards that fail.
    fn serve(&self, slot: &Slot) {
        let mut back_off = BackOff::default();
        while let Some(card) = slot.wait_for_card() {
            let served = ServedCard::new(card.clone(), Arc::clone(&self.on_event));
            let end = served.guard(|| self.connect(slot, &served, &mut back_off));
            slot.disconnected(&card);
            let why = match end.unwrap_or(Err(ConnectionEnd::Removed)) {
                Err(ConnectionEnd::Removed) => continue,
                Err(ConnectionEnd::ContactLost) => {
                    slot.state().removed_at = Some(Instant::now());
                    continue;
                }
                Err(ConnectionEnd::Lost(error)) => error.to_string(),
                Ok(()) => "it has hung up".into(),
            };
            if !slot.state().has(&card) {
                continue;
            }
            if back_off.is_first() {
                let reader = &slot.address;
                output::warn(format_args!(
                    "no reader at {reader} ({why}), waiting for pcscd with vpcd"
                ));
            }
            back_off.wait();
        }
    }

    /// Connects to the reader and serves it until it hangs up, or the card is removed.
    fn connect(
        &self,
        slot: &Slot,
        served: &ServedCard,
        back_off: &mut BackOff,
    ) -> Result<(), ConnectionEnd> {
        let card = &served.card;
        let stream = slot.address.connect()?;
        if !slot.connected(card, stream.try_clone()?) {
            return Ok(());
        }
        let (mut incoming, mut outgoing) = (BufReader::new(QuickAck(&stream)), &stream);
        card.reset("reader connected");
        wait_for_reader(&stream, &slot.address)?;
        while let Some(message) = vpcd::receive(&mut incoming)? {
            let _until_response = self.busy.read();
            match message {
                VpcdMessage::PowerOff => card.reset("power off"),
                VpcdMessage::PowerOn => card.reset("power on"),
                VpcdMessage::Reset => card.reset("reset"),
                VpcdMessage::GetAtr => vpcd::send(&mut outgoing, &card.atr())?,
                VpcdMessage::Apdu(apdu) => vpcd::send(&mut outgoing, &served.transmit(&apdu)?)?,
            }
            back_off.reset();
            if mem::take(&mut slot.state().is_awaited) {
                (self.on_event)(ReaderEvent::ReaderConnected);
            }
        }
        card.reset("reader hung up");
        Ok(())
    }
}

/// Waits for the reader's first message, which pcscd sends within half a second.
///
/// A slot with a card accepts no other: the connection waits in its queue.
fn wait_for_reader(stream: &TcpStream, address: &Address) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    if let Err(error) = stream.peek(&mut [0])
        && matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
    {
        output::warn(format_args!("the reader at {address} sends nothing: is another card in it?"));
    }
    stream.set_read_timeout(None)
}
