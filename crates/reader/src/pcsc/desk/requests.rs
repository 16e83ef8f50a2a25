//! What clients may do with their handles. The order of the checks is pcscd's, as it decides
//! which code a client sees, and so is what has happened all the same when a call fails.

use super::{Desk, Handle, Share, Verdict};
use crate::pcsc::message::{Answer, Reply};
use crate::pcsc::reader::{ANY_OLD, Away, Lock, RAW, Reader, ReaderId};
use crate::pcsc::remark::Deed;
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

/// How many handles a client may have, and how many a reader.
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
    Ok(tell(Ok(Answer::Done)))
}

fn tell(result: Result<Answer, Code>) -> Verdict {
    Verdict::Now(Reply::of(result))
}

impl Wish {
    fn share(self) -> Result<Share, Code> {
        match self.share {
            1 => Ok(Share::Exclusive),
            2 => Ok(Share::Shared),
            3 => Ok(Share::Direct),
            _ => Err(Code::INVALID_VALUE),
        }
    }

    /// Whether it names a protocol, which only a direct connection can do without.
    fn check_protocols(self) -> Result<(), Code> {
        let is_direct = self.share == 3;
        if is_direct || self.protocols & PROTOCOLS != 0 {
            Ok(())
        } else {
            Err(Code::PROTO_MISMATCH)
        }
    }
}

/// What a client wants to become of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    Leave,
    Reset(Reset),
    /// Beyond this reader: the card stays.
    Eject,
}

impl Disposition {
    fn new(number: u32) -> Result<Self, Code> {
        match number {
            0 => Ok(Self::Leave),
            1 => Ok(Self::Reset(Reset::Warm)),
            2 => Ok(Self::Reset(Reset::PowerOff)),
            3 => Ok(Self::Eject),
            _ => Err(Code::INVALID_VALUE),
        }
    }
}

impl Desk {
    /// Connects a client to the reader `name`, by a number that is no handle yet.
    pub(in crate::pcsc) fn connect(&mut self, new: Holder, name: &[u8], wish: Wish) -> Ruling {
        wish.check_protocols()?;
        let share = wish.share()?;
        let mut readers = self.readers.iter();
        let named = readers.find(|reader| reader.description.name.as_bytes() == name);
        let id = named.ok_or(Code::UNKNOWN_READER)?.id;
        let sharing = self.sharing(id);
        if sharing < 0 {
            return Err(Code::SHARING_VIOLATION);
        }
        if self.waits_for_another(id, new, Deed::ConnectedInside) {
            return Ok(Verdict::Later(FOR_EVER));
        }
        let reader = self.reader_mut(id).ok_or(Code::UNKNOWN_READER)?;
        if share != Share::Direct {
            reader.wake()?;
        }
        let protocol = reader.agree(wish.protocols, share == Share::Direct)?;
        let refusal = if share == Share::Exclusive && sharing > 0 {
            Some(Code::SHARING_VIOLATION)
        } else if self.count(|handle| handle.reader == id) >= HANDLES {
            Some(Code::INTERNAL_ERROR)
        } else {
            let has_all = self.count(|handle| handle.client == new.client) >= HANDLES;
            has_all.then_some(Code::NO_MEMORY)
        };
        if let Some(code) = refusal {
            let answer = Answer::Connected { handle: 0, protocol };
            return Ok(Verdict::Now(Reply { answer, code }));
        }
        let handle = Handle { client: new.client, reader: id, share, news: None };
        self.handles.insert(new.handle, handle);
        if share == Share::Exclusive {
            self.lock(id, new);
        }
        self.changes += 1;
        Ok(tell(Ok(Answer::Connected { handle: new.handle, protocol })))
    }

    /// Connects a handle anew, with news of the card or without.
    pub(in crate::pcsc) fn reconnect(&mut self, who: Holder, wish: Wish, then: u32) -> Ruling {
        let then = Disposition::new(then)?;
        let (Disposition::Leave | Disposition::Reset(_)) = then else {
            return Err(Code::INVALID_VALUE);
        };
        let share = wish.share()?;
        wish.check_protocols()?;
        let id = self.unlocked(who)?;
        let reader = self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        let Disposition::Reset(event) = then else {
            if !reader.has_card() {
                return Err(Code::NO_SMARTCARD);
            }
            return Ok(Verdict::Now(self.share_anew(who, id, wish.protocols, share)));
        };
        if reader.is_working() {
            return Ok(Verdict::Later(FOR_EVER));
        }
        let away = self.reset(id).ok_or(Code::NO_SMARTCARD)?;
        let reply = self.share_anew(who, id, wish.protocols, share);
        Ok(Verdict::After(event, away, reply))
    }

    /// The second half of a reconnection, which comes after the reset and may fail.
    fn share_anew(&mut self, who: Holder, id: ReaderId, protocols: u32, share: Share) -> Reply {
        let was_exclusive = self.sharing(id) < 0;
        let is_alone = was_exclusive || self.sharing(id) == 1;
        let Some(reader) = self.reader_mut(id) else {
            return Reply::of(Err(Code::READER_UNAVAILABLE));
        };
        let protocol = match reader.agree(protocols, share == Share::Direct) {
            Ok(protocol) => protocol,
            Err(code) => return Reply::of(Err(code)),
        };
        if share != Share::Direct && protocols & RAW == 0 {
            reader.occupy();
        }
        let answer = Answer::Reconnected { protocol };
        if share == Share::Exclusive && !is_alone {
            return Reply { answer, code: Code::SHARING_VIOLATION };
        }
        if share == Share::Exclusive && !was_exclusive {
            self.lock(id, who);
        } else if share != Share::Exclusive && was_exclusive {
            // One that has begun no transaction keeps the lock of its exclusive days.
            if self.unlock(id, who).is_err() && self.lock_of(id).is_some() {
                self.remark(who.client, id, Deed::KeptLock);
            }
        }
        if let Some(handle) = self.handles.get_mut(&who.handle) {
            handle.share = share;
            handle.news = None;
        }
        self.changes += 1;
        Reply { answer, code: Code::OK }
    }

    pub(in crate::pcsc) fn disconnect(&mut self, who: Holder, then: u32, now: Instant) -> Ruling {
        let then = Disposition::new(then)?;
        let id = self.reader_of(who)?;
        if then != Disposition::Leave && self.waits_for_another(id, who, Deed::DisconnectedInside) {
            return Ok(Verdict::Later(FOR_EVER));
        }
        let Disposition::Reset(event) = then else {
            self.close(who.handle, now);
            return done();
        };
        if self.reader(id).is_some_and(Reader::is_working) {
            return Ok(Verdict::Later(FOR_EVER));
        }
        let away = self.reset(id);
        let content = self.reader_mut(id).and_then(|reader| reader.content.as_mut());
        if let Some(content) = content.filter(|_| event == Reset::PowerOff) {
            (content.powered, content.asleep, content.idle_since) = (false, true, None);
        }
        self.close(who.handle, now);
        match away {
            Some(away) => Ok(Verdict::After(event, away, Reply::of(Ok(Answer::Done)))),
            None => done(),
        }
    }

    pub(in crate::pcsc) fn begin(&mut self, who: Holder) -> Ruling {
        let id = self.reader_of(who)?;
        self.refuse_news(who)?;
        self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        if self.unlocked(who).is_err() {
            return Ok(Verdict::Later(PATIENCE));
        }
        self.lock(id, who);
        done()
    }

    /// Ends a transaction. What is to become of the card does, whether or not there is one to end.
    pub(in crate::pcsc) fn end(&mut self, who: Holder, then: u32) -> Ruling {
        let then = Disposition::new(then)?;
        let id = self.reader_of(who)?;
        self.refuse_news(who)?;
        self.unlocked(who)?;
        let reader = self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        match then {
            Disposition::Leave => self.unlock(id, who).and_then(|()| done()),
            Disposition::Eject => {
                self.unlock(id, who).ok();
                Err(Code::UNSUPPORTED_FEATURE)
            }
            Disposition::Reset(_) if reader.is_working() => Ok(Verdict::Later(FOR_EVER)),
            Disposition::Reset(event) => {
                let away = self.reset(id);
                let unlocked = self.unlock(id, who);
                let away: Away = away.ok_or(Code::REMOVED_CARD)?;
                let reply = Reply::of(unlocked.map(|()| Answer::Done));
                Ok(Verdict::After(event, away, reply))
            }
        }
    }

    pub(in crate::pcsc) fn transmit(&mut self, who: Holder, protocol: u32) -> Ruling {
        let id = self.unlocked(who)?;
        self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        self.refuse_news(who)?;
        let reader = self.reader_mut(id).ok_or(Code::READER_UNAVAILABLE)?;
        if !reader.has_card() {
            // Raw bytes are for the reader, which would pass them on to the card.
            let is_raw = protocol == RAW;
            return Err(if is_raw { Code::NOT_TRANSACTED } else { Code::NO_SMARTCARD });
        }
        if ![RAW, ANY_OLD, reader.protocol].contains(&protocol) {
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
        Ok(tell(Ok(Answer::Data(control::control(code, extended)?))))
    }

    pub(in crate::pcsc) fn attribute(&self, who: Holder, attribute: u32) -> Ruling {
        let id = self.unlocked(who)?;
        let reader = self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        self.refuse_news(who)?;
        Ok(tell(Ok(Answer::Attribute(control::attribute(attribute, reader)?))))
    }

    /// Nothing of a reader can be set.
    pub(in crate::pcsc) fn set_attribute(&self, who: Holder) -> Ruling {
        let id = self.unlocked(who)?;
        self.reader(id).ok_or(Code::READER_UNAVAILABLE)?;
        self.refuse_news(who)?;
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
        match self.lock_of(id) {
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
    /// that asks: that one could never end while this waits for it. pcscd lets it wait all the
    /// same, which is remarked on.
    fn waits_for_another(&mut self, id: ReaderId, who: Holder, deed: Deed) -> bool {
        let lock = self.lock_of(id).filter(|handle| *handle != who.handle);
        let Some(holder) = lock.and_then(|handle| self.handles.get(&handle)) else { return false };
        let is_another = holder.client != who.client;
        if !is_another {
            self.remark(who.client, id, deed);
        }
        is_another
    }

    fn count(&self, which: impl Fn(&Handle) -> bool) -> usize {
        self.handles.values().filter(|handle| which(handle)).count()
    }

    /// Gives the card to a handle alone, once more if it has it.
    fn lock(&mut self, id: ReaderId, who: Holder) {
        if let Some(reader) = self.reader_mut(id) {
            reader.lock.get_or_insert(Lock { handle: who.handle, depth: 0 }).depth += 1;
        }
    }

    /// Takes the card once from a handle that has it alone. An exclusive one keeps it to its end.
    fn unlock(&mut self, id: ReaderId, who: Holder) -> Result<(), Code> {
        let is_exclusive = self.sharing(id) < 0;
        let reader = self.reader_mut(id).ok_or(Code::READER_UNAVAILABLE)?;
        let own = reader.lock.as_mut().filter(|lock| lock.handle == who.handle);
        match own {
            Some(lock) if lock.depth > 1 => lock.depth -= 1,
            Some(_) if !is_exclusive => reader.lock = None,
            _ => return Err(Code::NOT_TRANSACTED),
        }
        Ok(())
    }
}
