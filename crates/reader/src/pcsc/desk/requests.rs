//! What clients may do with their handles. The order of the checks is pcscd's, as it decides
//! which code a client sees.

use super::{Desk, Handle, Share, Verdict};
use crate::pcsc::message::Answer;
use crate::pcsc::reader::{Content, Reader, ReaderId, T1, Transaction};
use crate::pcsc::{ClientId, Code, Reset, control};
use std::time::{Duration, Instant};

/// How long a client that wants a transaction waits for the end of another one before it is told
/// to try again. It may wait for its own sibling, whose next request comes over the same socket:
/// so not for long.
const PATIENCE: Duration = Duration::from_millis(100);

/// No end to a wait.
const FOR_EVER: Duration = Duration::MAX;

/// The protocols that a client may ask for: T=0, T=1, raw, and any in an old way of saying so.
const PROTOCOLS: u32 = 0x1007;
const RAW: u32 = 4;
const ANY: u32 = 0x1000;

/// How many handles a client may have.
const HANDLES: usize = 200;

/// How a client wants to be connected.
#[derive(Clone, Copy, Debug)]
pub(in crate::pcsc) struct Wish {
    pub(in crate::pcsc) share: u32,
    pub(in crate::pcsc) protocols: u32,
}

/// A handle, and who says that it is his.
#[derive(Clone, Copy, Debug)]
pub(in crate::pcsc) struct Holder {
    pub(in crate::pcsc) client: ClientId,
    pub(in crate::pcsc) handle: u32,
}

type Ruling = Result<Verdict, Code>;

fn done() -> Ruling {
    Ok(Verdict::Now(Answer::Done))
}

impl Wish {
    fn share(self) -> Result<Share, Code> {
        if self.share != 3 && self.protocols & PROTOCOLS == 0 {
            return Err(Code::PROTO_MISMATCH);
        }
        match self.share {
            1 => Ok(Share::Exclusive),
            2 => Ok(Share::Shared),
            3 => Ok(Share::Direct),
            _ => Err(Code::INVALID_VALUE),
        }
    }

    /// What to agree on with the card of `reader`.
    ///
    /// Raw is between the client and the reader, and the card has nothing to do with it.
    fn protocol(self, share: Share, reader: &Reader) -> Result<u32, Code> {
        if share == Share::Direct {
            return Ok(self.protocols & RAW);
        }
        if !reader.has_card() {
            return Err(Code::NO_SMARTCARD);
        }
        match self.protocols {
            protocols if protocols & (T1 | ANY) != 0 => Ok(T1),
            protocols if protocols & RAW != 0 => Ok(RAW),
            _ => Err(Code::PROTO_MISMATCH),
        }
    }
}

/// What a client wants to become of the card. To eject it is beyond this reader: it stays.
fn disposition(disposition: u32) -> Result<Option<Reset>, Code> {
    match disposition {
        0 | 3 => Ok(None),
        1 => Ok(Some(Reset::Warm)),
        2 => Ok(Some(Reset::PowerOff)),
        _ => Err(Code::INVALID_VALUE),
    }
}

impl Desk {
    /// Connects a client to the reader `name`, by a number that is no handle yet.
    pub(in crate::pcsc) fn connect(&mut self, new: Holder, name: &[u8], wish: Wish) -> Ruling {
        let share = wish.share()?;
        let mut readers = self.readers.iter();
        let named = readers.find(|reader| reader.description.name.as_bytes() == name);
        let reader = named.ok_or(Code::UNKNOWN_READER)?;
        let (id, sharing) = (reader.id, self.sharing(reader.id));
        if sharing < 0 {
            return Err(Code::SHARING_VIOLATION);
        }
        if self.waits_for_another(id, new) {
            return Ok(Verdict::Later(FOR_EVER));
        }
        let protocol = wish.protocol(share, reader)?;
        if share == Share::Exclusive && sharing > 0 {
            return Err(Code::SHARING_VIOLATION);
        }
        if self.handles.values().filter(|handle| handle.client == new.client).count() >= HANDLES {
            return Err(Code::NO_MEMORY);
        }
        let handle = Handle { client: new.client, reader: id, share, news: None };
        self.handles.insert(new.handle, handle);
        self.changes += 1;
        let protocol = self.agree(id, share, protocol);
        Ok(Verdict::Now(Answer::Connected { handle: new.handle, protocol }))
    }

    /// Connects a handle anew, with news of the card or without.
    pub(in crate::pcsc) fn reconnect(&mut self, who: Holder, wish: Wish, then: u32) -> Ruling {
        let (reset, share) = (disposition(then)?, wish.share()?);
        let id = self.unlocked(who)?;
        let reader = self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        let protocol = wish.protocol(share, reader)?;
        let mut others = self.handles.iter().filter(|(_, handle)| handle.reader == id);
        if share == Share::Exclusive && others.any(|(number, _)| *number != who.handle) {
            return Err(Code::SHARING_VIOLATION);
        }
        if reset.is_some() && reader.is_working() {
            return Ok(Verdict::Later(FOR_EVER));
        }
        let away = reset.and_then(|event| Some((event, self.reset(id, event)?)));
        if let Some(handle) = self.handles.get_mut(&who.handle) {
            handle.share = share;
            handle.news = None;
        }
        self.changes += 1;
        let answer = Answer::Reconnected { protocol: self.agree(id, share, protocol) };
        Ok(match away {
            Some((event, away)) => Verdict::After(event, away, answer),
            None => Verdict::Now(answer),
        })
    }

    /// Gives the card power and agrees on `protocol` with it; what the client is told of that.
    fn agree(&mut self, id: ReaderId, share: Share, protocol: u32) -> u32 {
        let Some(Content { protocol: agreed, powered, idle_since, .. }) =
            self.reader_mut(id).and_then(|reader| reader.content.as_mut())
        else {
            return protocol;
        };
        *idle_since = None;
        if share == Share::Direct {
            return if protocol == RAW { RAW } else { *agreed };
        }
        *powered = true;
        if protocol == T1 {
            *agreed = T1;
        }
        protocol
    }

    pub(in crate::pcsc) fn disconnect(&mut self, who: Holder, then: u32, now: Instant) -> Ruling {
        let reset = disposition(then)?;
        let id = self.reader_of(who)?;
        let Some(event) = reset.filter(|_| self.reader(id).is_some_and(Reader::has_card)) else {
            self.close(who.handle, now);
            return done();
        };
        if self.waits_for_another(id, who) {
            return Ok(Verdict::Later(FOR_EVER));
        }
        let Some(away) = self.reset(id, event) else { return Ok(Verdict::Later(FOR_EVER)) };
        self.close(who.handle, now);
        Ok(Verdict::After(event, away, Answer::Done))
    }

    pub(in crate::pcsc) fn begin(&mut self, who: Holder) -> Ruling {
        let id = self.reader_of(who)?;
        self.refuse_news(who)?;
        let reader = self.reader_mut(id).ok_or(Code::READER_UNAVAILABLE)?;
        let alone = Transaction { handle: who.handle, depth: 0 };
        let transaction = reader.transaction.get_or_insert(alone);
        if transaction.handle != who.handle {
            return Ok(Verdict::Later(PATIENCE));
        }
        transaction.depth += 1;
        done()
    }

    pub(in crate::pcsc) fn end(&mut self, who: Holder, then: u32) -> Ruling {
        let reset = disposition(then)?;
        let id = self.reader_of(who)?;
        self.refuse_news(who)?;
        self.unlocked(who)?;
        let reader = self.reader_mut(id).ok_or(Code::READER_UNAVAILABLE)?;
        if reset.is_some() && reader.is_working() {
            return Ok(Verdict::Later(FOR_EVER));
        }
        let transaction = reader.transaction.as_mut().ok_or(Code::NOT_TRANSACTED)?;
        transaction.depth -= 1;
        if transaction.depth == 0 {
            reader.transaction = None;
        }
        let Some(event) = reset else { return done() };
        let Some(away) = self.reset(id, event) else { return done() };
        // The power comes back at once: who takes it for good disconnects.
        if let Some(content) = self.reader_mut(id).and_then(|reader| reader.content.as_mut()) {
            content.powered = true;
        }
        Ok(Verdict::After(event, away, Answer::Done))
    }

    pub(in crate::pcsc) fn transmit(&mut self, who: Holder, protocol: u32) -> Ruling {
        let id = self.unlocked(who)?;
        self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        self.refuse_news(who)?;
        let reader = self.reader_mut(id).ok_or(Code::READER_UNAVAILABLE)?;
        if !reader.has_card() {
            return Err(Code::NO_SMARTCARD);
        }
        if ![RAW, ANY, reader.protocol()].contains(&protocol) {
            return Err(Code::PROTO_MISMATCH);
        }
        Ok(match reader.hand_over() {
            Some(away) => Verdict::Ask(away),
            None => Verdict::Later(FOR_EVER),
        })
    }

    /// What a reader can do beside passing APDUs on, or whether it says so (`extended`).
    pub(in crate::pcsc) fn control(&self, who: Holder, code: u32, extended: bool) -> Ruling {
        let id = self.unlocked(who)?;
        self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        control::control(code, extended).map(|data| Verdict::Now(Answer::Data(data)))
    }

    pub(in crate::pcsc) fn attribute(&self, who: Holder, attribute: u32) -> Ruling {
        let id = self.unlocked(who)?;
        let reader = self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        self.refuse_news(who)?;
        let value = control::attribute(attribute, reader)?;
        Ok(Verdict::Now(Answer::Attribute(value)))
    }

    /// Nothing of a reader can be set.
    pub(in crate::pcsc) fn set_attribute(&self, who: Holder) -> Ruling {
        self.unlocked(who)?;
        Err(Code::UNSUPPORTED_FEATURE)
    }

    /// Whether the handle is as its client believes; the rest is in the readers' states.
    pub(in crate::pcsc) fn status(&self, who: Holder) -> Ruling {
        let id = self.unlocked(who)?;
        self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        self.refuse_news(who)?;
        done()
    }

    /// The reader of a handle that is its client's own, be it there or not.
    fn reader_of(&self, who: Holder) -> Result<ReaderId, Code> {
        let handle = self.handles.get(&who.handle).filter(|handle| handle.client == who.client);
        handle.map(|handle| handle.reader).ok_or(Code::INVALID_HANDLE)
    }

    /// The reader of a handle, unless another handle is in a transaction with its card.
    fn unlocked(&self, who: Holder) -> Result<ReaderId, Code> {
        let id = self.reader_of(who)?;
        match self.transaction_of(id) {
            Some(handle) if handle != who.handle => Err(Code::SHARING_VIOLATION),
            _ => Ok(id),
        }
    }

    /// What the client of a handle has to be told before anything else.
    fn refuse_news(&self, who: Holder) -> Result<(), Code> {
        let news = self.handles.get(&who.handle).and_then(|handle| handle.news);
        news.map_or(Ok(()), Err)
    }

    /// Whether the card is in a transaction with somebody else, and not with the very connection
    /// that asks: that one could never end while this waits for it.
    fn waits_for_another(&self, id: ReaderId, who: Holder) -> bool {
        let transaction = self.transaction_of(id).and_then(|number| self.handles.get(&number));
        transaction.is_some_and(|handle| handle.client != who.client)
    }
}
