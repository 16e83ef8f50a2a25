//! A reader, the card in it, and the work that a card is given.

use super::message::{ATTRIBUTE, Answer, Message, Reply};
use super::{Card, Code, NoAnswer, Reset};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The protocol T=1, which is the only one that a SmartCard-HSM offers.
const T1: u32 = 2;
/// No protocol, but bytes for the reader as they are.
pub(super) const RAW: u32 = 4;
/// Any protocol, in an old way of saying so.
pub(super) const ANY_OLD: u32 = 0x1000;

/// What a reader says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What clients list it as: up to 127 bytes, different from all others'.
    pub name: String,
    /// Who made it.
    pub vendor: String,
    /// Its own serial number.
    pub serial: String,
}

impl Description {
    /// Whether all of it has room in what clients are sent.
    pub(super) fn fits(&self) -> bool {
        let others = [&self.vendor, &self.serial].map(String::len);
        (1..=127).contains(&self.name.len())
            && !self.name.contains('\0')
            // With a zero at the end.
            && others.iter().all(|len| *len < ATTRIBUTE)
    }
}

/// A reader of a [`Hub`](super::Hub).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReaderId(pub(super) u32);

/// There is no room for another reader, or its name does not fit, or is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A reader.
pub(super) struct Reader {
    pub(super) id: ReaderId,
    pub(super) description: Description,
    pub(super) content: Option<Content>,
    pub(super) lock: Option<Lock>,
    /// What was agreed on since the last reset, for all handles; 0 for nothing.
    pub(super) protocol: u32,
    /// Counts cards that come and go.
    moves: u16,
}

/// A card in its reader.
pub(super) struct Content {
    atr: Vec<u8>,
    /// None while a job has it.
    card: Option<Box<dyn Card>>,
    /// Whether clients are told that it has power.
    pub(super) powered: bool,
    /// Whether who connects next gives it power. pcscd keeps the two apart, and a card that has
    /// lost its power may be neither asleep nor powered: then nobody can connect to it.
    pub(super) asleep: bool,
    /// Since when nobody has had a handle, if somebody has had one since it last had power.
    pub(super) idle_since: Option<Instant>,
}

/// Somebody has the card alone: in transactions, and with an exclusive handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) handle: u32,
    /// How many transactions have begun and not ended, and one for the exclusive handle.
    pub(super) depth: u32,
}

impl Reader {
    pub(super) fn new(id: ReaderId, description: Description, moves: u16) -> Self {
        Self { id, description, content: None, lock: None, protocol: 0, moves }
    }

    pub(super) fn atr(&self) -> Option<&[u8]> {
        self.content.as_ref().map(|content| content.atr.as_slice())
    }

    pub(super) fn has_card(&self) -> bool {
        self.content.is_some()
    }

    /// Gives the card power for a client that connects, if it is asleep.
    pub(super) fn wake(&mut self) -> Result<(), Code> {
        let content = self.content.as_mut().ok_or(Code::NO_SMARTCARD)?;
        content.powered |= content.asleep;
        if !content.powered {
            return Err(Code::UNPOWERED_CARD);
        }
        self.occupy();
        Ok(())
    }

    /// A client has the card from here on.
    pub(super) fn occupy(&mut self) {
        if let Some(content) = &mut self.content {
            content.asleep = false;
            content.idle_since = None;
        }
    }

    /// Agrees with a client on one of `protocols`: on none with a `direct` one, which needs none,
    /// and on raw with all at once. What all handles have from here on.
    pub(super) fn agree(&mut self, protocols: u32, direct: bool) -> Result<u32, Code> {
        if protocols & RAW != 0 {
            self.protocol = RAW;
        } else if !direct && self.protocol == 0 {
            if protocols & (T1 | ANY_OLD) == 0 {
                return Err(Code::PROTO_MISMATCH);
            }
            self.protocol = T1;
        } else if !direct && protocols & self.protocol == 0 {
            return Err(Code::PROTO_MISMATCH);
        }
        Ok(self.protocol)
    }

    /// Whether the card is away on a job.
    pub(super) fn is_working(&self) -> bool {
        self.content.as_ref().is_some_and(|content| content.card.is_none())
    }

    /// Hands over the card, for a job; none if there is none or it is away.
    pub(super) fn hand_over(&mut self) -> Option<Away> {
        let card = self.content.as_mut()?.card.take()?;
        Some(Away { card, from: self.id, since: self.moves })
    }

    /// Whether a card that was away is still the one of this reader: it may have been taken out.
    pub(super) fn awaits(&self, from: ReaderId, since: u16) -> bool {
        self.id == from && self.moves == since
    }

    /// Takes a card back that [`awaits`](Self::awaits) has said is its own.
    pub(super) fn take_back(&mut self, card: Box<dyn Card>) {
        if let Some(content) = &mut self.content {
            content.card = Some(card);
        }
    }

    pub(super) fn insert(&mut self, card: Box<dyn Card>) {
        self.moves = self.moves.wrapping_add(1);
        self.protocol = 0;
        let (atr, card) = (card.atr(), Some(card));
        self.content = Some(Content { atr, card, powered: true, asleep: false, idle_since: None });
    }

    /// Empties the reader; a transaction ends with its card.
    pub(super) fn empty(&mut self) -> Option<Box<dyn Card>> {
        self.moves = self.moves.wrapping_add(1);
        (self.lock, self.protocol) = (None, 0);
        self.content.take().and_then(|content| content.card)
    }

    /// When the card loses its power for want of clients.
    pub(super) fn deadline(&self, linger: Duration) -> Option<Instant> {
        let content = self.content.as_ref().filter(|content| content.card.is_some())?;
        content.idle_since.and_then(|since| since.checked_add(linger))
    }

    /// What a client reads of it in 184 bytes:
    /// 0 name\[128\], 128 moves, 132 state, 136 sharing, 140 ATR\[33\], 176 its length, 180
    /// protocol.
    ///
    /// `sharing` is the number of its handles, or -1 for an exclusive one.
    pub(super) fn state(&self, sharing: i32) -> Vec<u8> {
        let state: u32 = match &self.content {
            // Absent.
            None => 0x02,
            // Present.
            Some(content) if !content.powered => 0x04,
            // Present, powered, and a protocol may be chosen, be one chosen or not.
            Some(_) => 0x34,
        };
        let atr = self.atr().unwrap_or_default();
        let atr = atr.get(..33).unwrap_or(atr);
        let mut bytes = Vec::with_capacity(STATE);
        bytes.extend(self.description.name.as_bytes());
        bytes.resize(128, 0);
        bytes.extend(u32::from(self.moves).to_ne_bytes());
        bytes.extend(state.to_ne_bytes());
        bytes.extend(sharing.to_ne_bytes());
        bytes.extend(atr);
        bytes.resize(176, 0);
        bytes.extend(u32::try_from(atr.len()).unwrap_or_default().to_ne_bytes());
        bytes.extend(self.protocol.to_ne_bytes());
        bytes
    }
}

/// The length of a reader's state.
pub(super) const STATE: usize = 184;

/// A card and what it has to do, which may take a while: nobody else can ask it until it is back in
/// its reader, by [`Hub::finish`](super::Hub::finish).
#[must_use]
pub struct Job {
    pub(super) away: Away,
    pub(super) task: Task,
}

/// A card that is not in its reader.
pub(super) struct Away {
    pub(super) card: Box<dyn Card>,
    pub(super) from: ReaderId,
    pub(super) since: u16,
}

/// What a card has to do.
pub(super) enum Task {
    /// Answer the APDU of a TRANSMIT.
    Transmit(Message),
    /// Forget its session; then the client gets its reply, if it has asked for this.
    Reset(Reset, Option<Vec<u8>>),
}

/// A card that has done its job.
#[must_use]
pub struct Worked {
    pub(super) away: Away,
    /// Why it has not done it, if so.
    pub(super) failure: Option<NoAnswer>,
    pub(super) reply: Option<Vec<u8>>,
}

impl Job {
    /// Does it, however long it takes. A card that panics has died of it.
    pub fn work(self) -> Worked {
        let Self { mut away, task } = self;
        let (failure, reply) = match task {
            Task::Reset(event, reply) => (away.reset(event).err(), reply),
            Task::Transmit(message) => {
                let transmit = AssertUnwindSafe(|| away.card.transmit(message.data()));
                let response = catch_unwind(transmit).unwrap_or(Err(NoAnswer::Dead));
                let failure = match response {
                    Err(NoAnswer::Bounced) => Some(away.bounce()),
                    Err(other) => Some(other),
                    Ok(_) => None,
                };
                let answer = response.map(Answer::Data).map_err(|_| Code::NOT_TRANSACTED);
                (failure, Some(message.reply(Reply::of(answer))))
            }
        };
        Worked { away, failure, reply }
    }
}

impl Away {
    /// A card that panics has died of it.
    fn reset(&mut self, event: Reset) -> Result<(), NoAnswer> {
        catch_unwind(AssertUnwindSafe(|| self.card.reset(event))).map_err(|_| NoAnswer::Dead)
    }

    /// Without contact a card has no power.
    fn bounce(&mut self) -> NoAnswer {
        self.reset(Reset::PowerOn).err().unwrap_or(NoAnswer::Bounced)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("reader", &self.away.from).finish_non_exhaustive()
    }
}
