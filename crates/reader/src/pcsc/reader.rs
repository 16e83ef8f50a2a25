//! A reader, the card in it, and the operations that a card executes.

use super::message::{ATTRIBUTE, Reply, ReplyBody, WinscardMessage};
use super::{NoResponse, PcscCard, PowerEvent, ReturnCode};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// SCARD_PROTOCOL_T1, the only protocol that a SmartCard-HSM offers.
const T1: u32 = 2;
/// SCARD_PROTOCOL_RAW: bytes for the reader itself.
pub(super) const RAW: u32 = 4;
/// SCARD_PROTOCOL_ANY_OLD: an older value for any protocol.
pub(super) const ANY_OLD: u32 = 0x1000;

/// How a reader identifies itself to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderDescription {
    /// Its name in SCardListReaders: 1 to 127 bytes, different from all others'.
    pub name: String,
    /// Its manufacturer, up to 263 bytes.
    pub vendor: String,
    /// Its serial number, up to 263 bytes.
    pub serial: String,
}

impl ReaderDescription {
    /// Whether all of it fits into what clients are sent.
    pub(super) fn is_valid(&self) -> bool {
        let others = [&self.vendor, &self.serial].map(String::len);
        (1..=127).contains(&self.name.len())
            && !self.name.contains('\0')
            // Followed by a zero.
            && others.iter().all(|len| *len < ATTRIBUTE)
    }
}

/// A reader of a [`Service`](super::Service).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReaderId(pub(super) u32);

/// Why a reader cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddReaderError {
    /// Clients cannot see more readers than this.
    TooManyReaders {
        /// The maximum, which the service was created with.
        max_readers: usize,
    },
    /// Another reader has this name.
    NameInUse,
    /// The name is empty, longer than 127 bytes or has a zero in it, or manufacturer or serial
    /// number are longer than 263 bytes.
    InvalidDescription,
}

impl fmt::Display for AddReaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyReaders { max_readers } => {
                write!(f, "clients cannot see more than {max_readers} readers")
            }
            Self::NameInUse => f.write_str("another reader has this name"),
            Self::InvalidDescription => f.write_str("a reader's name has 1 to 127 bytes"),
        }
    }
}

impl std::error::Error for AddReaderError {}

/// A reader.
pub(super) struct ReaderContext {
    pub(super) id: ReaderId,
    pub(super) description: ReaderDescription,
    pub(super) card: Option<InsertedCard>,
    pub(super) lock: Option<Lock>,
    /// What was negotiated since the last reset, for all handles; 0 if nothing was.
    pub(super) protocol: u32,
    /// Counts cards that come and go: pcscd's `eventCounter`.
    event_counter: u16,
}

/// A card in its reader.
pub(super) struct InsertedCard {
    atr: Vec<u8>,
    /// Absent while the card is checked out.
    card: Option<Box<dyn PcscCard>>,
    /// Whether clients are told that it has power.
    pub(super) powered: bool,
    /// Whether the next client that connects powers it up. pcscd keeps the two apart: a card that
    /// has lost its power may be neither asleep nor powered, and then nobody can connect to it.
    pub(super) asleep: bool,
    /// Since when there has been no handle to it, if there was one since it was powered up.
    pub(super) idle_since: Option<Instant>,
}

/// A handle has the card to itself: in transactions, or because it is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) handle: u32,
    /// The number of transactions that have begun and not ended, plus one if it is exclusive.
    pub(super) depth: u32,
}

impl ReaderContext {
    pub(super) fn new(id: ReaderId, description: ReaderDescription, event_counter: u16) -> Self {
        Self { id, description, card: None, lock: None, protocol: 0, event_counter }
    }

    pub(super) fn atr(&self) -> Option<&[u8]> {
        self.card.as_ref().map(|card| card.atr.as_slice())
    }

    pub(super) fn has_card(&self) -> bool {
        self.card.is_some()
    }

    /// Powers up the card for a client that connects, if it is asleep.
    pub(super) fn power_up(&mut self) -> Result<(), ReturnCode> {
        let card = self.card.as_mut().ok_or(ReturnCode::NO_SMARTCARD)?;
        card.powered |= card.asleep;
        if !card.powered {
            return Err(ReturnCode::UNPOWERED_CARD);
        }
        self.mark_in_use();
        Ok(())
    }

    /// A client has a handle to the card from here on.
    pub(super) fn mark_in_use(&mut self) {
        if let Some(card) = &mut self.card {
            card.asleep = false;
            card.idle_since = None;
        }
    }

    /// Negotiates one of `protocols`, for all handles. A `direct` connection needs no protocol, and
    /// raw is always accepted.
    pub(super) fn negotiate_protocol(
        &mut self,
        protocols: u32,
        direct: bool,
    ) -> Result<u32, ReturnCode> {
        if protocols & RAW != 0 {
            self.protocol = RAW;
        } else if !direct && self.protocol == 0 {
            if protocols & (T1 | ANY_OLD) == 0 {
                return Err(ReturnCode::PROTO_MISMATCH);
            }
            self.protocol = T1;
        } else if !direct && protocols & self.protocol == 0 {
            return Err(ReturnCode::PROTO_MISMATCH);
        }
        Ok(self.protocol)
    }

    /// Whether the card is checked out.
    pub(super) fn is_busy(&self) -> bool {
        self.card.as_ref().is_some_and(|card| card.card.is_none())
    }

    /// Checks out the card for an operation, if there is one and it is not checked out already.
    pub(super) fn check_out(&mut self) -> Option<CheckedOutCard> {
        let card = self.card.as_mut()?.card.take()?;
        Some(CheckedOutCard { card, reader: self.id, event_counter: self.event_counter })
    }

    /// Whether a checked-out card still belongs into this reader: it may have been removed.
    pub(super) fn expects(&self, reader: ReaderId, event_counter: u16) -> bool {
        self.id == reader && self.event_counter == event_counter
    }

    /// Checks in a card that this reader [`expects`](Self::expects).
    pub(super) fn check_in(&mut self, card: Box<dyn PcscCard>) {
        if let Some(inserted) = &mut self.card {
            inserted.card = Some(card);
        }
    }

    pub(super) fn insert(&mut self, card: Box<dyn PcscCard>) {
        self.event_counter = self.event_counter.wrapping_add(1);
        self.protocol = 0;
        let (atr, card) = (card.atr(), Some(card));
        let (powered, asleep) = (true, false);
        self.card = Some(InsertedCard { atr, card, powered, asleep, idle_since: None });
    }

    /// Removes the card, and ends its transactions; returns it unless it is checked out.
    pub(super) fn remove_card(&mut self) -> Option<Box<dyn PcscCard>> {
        self.event_counter = self.event_counter.wrapping_add(1);
        (self.lock, self.protocol) = (None, 0);
        self.card.take().and_then(|card| card.card)
    }

    /// When the card loses its power if no client connects.
    pub(super) fn power_off_deadline(&self, grace_period: Duration) -> Option<Instant> {
        let card = self.card.as_ref().filter(|card| card.card.is_some())?;
        card.idle_since.and_then(|since| since.checked_add(grace_period))
    }

    /// Its state as a client reads it, pcscd's `pubReaderStatesList`, in 184 bytes: 0 name\[128\],
    /// 128 event counter, 132 state, 136 share state, 140 ATR\[33\], 176 its length, 180 protocol.
    ///
    /// `share_state` is the number of its handles, or -1 for an exclusive one.
    pub(super) fn state(&self, share_state: i32) -> Vec<u8> {
        let state: u32 = match &self.card {
            // Absent.
            None => 0x02,
            // Present.
            Some(card) if !card.powered => 0x04,
            // Present, powered, negotiable, whether a protocol was negotiated or not.
            Some(_) => 0x34,
        };
        let atr = self.atr().unwrap_or_default();
        let atr = atr.get(..33).unwrap_or(atr);
        let mut bytes = Vec::with_capacity(STATE_LENGTH);
        bytes.extend(self.description.name.as_bytes());
        bytes.resize(128, 0);
        bytes.extend(u32::from(self.event_counter).to_ne_bytes());
        bytes.extend(state.to_ne_bytes());
        bytes.extend(share_state.to_ne_bytes());
        bytes.extend(atr);
        bytes.resize(176, 0);
        bytes.extend(u32::try_from(atr.len()).unwrap_or_default().to_ne_bytes());
        bytes.extend(self.protocol.to_ne_bytes());
        bytes
    }
}

/// The length of a reader's state in bytes.
pub(super) const STATE_LENGTH: usize = 184;

/// A checked-out card and what it has to do, which may take a while: it does nothing else until it
/// is checked in again, by [`Service::complete`](super::Service::complete).
#[must_use]
pub struct Operation {
    pub(super) checked_out: CheckedOutCard,
    pub(super) kind: OperationKind,
}

/// A card that is not in its reader.
pub(super) struct CheckedOutCard {
    pub(super) card: Box<dyn PcscCard>,
    pub(super) reader: ReaderId,
    /// The reader's event counter when it was checked out.
    pub(super) event_counter: u16,
}

/// What a card has to do.
pub(super) enum OperationKind {
    /// Respond to the APDU of SCARD_TRANSMIT.
    Transmit(WinscardMessage),
    /// End its session; then the client gets this reply, if a client has asked for the reset.
    Reset(PowerEvent, Option<Vec<u8>>),
}

/// A card that has executed its operation.
#[must_use]
pub struct Completion {
    pub(super) checked_out: CheckedOutCard,
    /// Why there is no response, if so.
    pub(super) failure: Option<NoResponse>,
    pub(super) reply: Option<Vec<u8>>,
}

impl Operation {
    /// Executes it, however long it takes. A card that panics has failed.
    pub fn execute(self) -> Completion {
        let Self { mut checked_out, kind } = self;
        let (failure, reply) = match kind {
            OperationKind::Reset(event, reply) => (checked_out.reset(event).err(), reply),
            OperationKind::Transmit(message) => {
                let transmit = AssertUnwindSafe(|| checked_out.card.transmit(message.data()));
                let response = catch_unwind(transmit).unwrap_or(Err(NoResponse::Failed));
                let failure = match response {
                    Err(NoResponse::ContactLost) => Some(checked_out.lose_contact()),
                    Err(other) => Some(other),
                    Ok(_) => None,
                };
                let body = response.map(ReplyBody::Data).map_err(|_| ReturnCode::NOT_TRANSACTED);
                (failure, Some(message.reply(Reply::of(body))))
            }
        };
        Completion { checked_out, failure, reply }
    }
}

impl CheckedOutCard {
    /// A card that panics has failed.
    fn reset(&mut self, event: PowerEvent) -> Result<(), NoResponse> {
        catch_unwind(AssertUnwindSafe(|| self.card.reset(event))).map_err(|_| NoResponse::Failed)
    }

    /// Without contact a card has no power.
    fn lose_contact(&mut self) -> NoResponse {
        self.reset(PowerEvent::PowerOn).err().unwrap_or(NoResponse::ContactLost)
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("reader", &self.checked_out.reader)
            .finish_non_exhaustive()
    }
}
