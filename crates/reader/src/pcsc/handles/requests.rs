//! What clients may do with their handles. The order of the checks is pcscd's, as it decides which
//! return code a client sees, and so are the effects of a call that fails.

use super::{Decision, Handle, Handles, Share};
use crate::pcsc::message::{Reply, ReplyBody};
use crate::pcsc::reader::{ANY_OLD, Lock, RAW, ReaderContext, ReaderId};
use crate::pcsc::warning::WarningCause;
use crate::pcsc::{ClientId, PowerEvent, ReturnCode, control};
use std::time::{Duration, Instant};

/// How long a client that begins a transaction waits for the end of another one before it is told
/// to try again. It may wait for another thread of its own process, whose next request comes over
/// the same socket: so not for long.
const TRANSACTION_WAIT: Duration = Duration::from_millis(100);

/// A wait without a limit.
const FOREVER: Duration = Duration::MAX;

/// The protocols that a client may ask for: T=0, T=1, raw, and the older value for any.
const PROTOCOLS: u32 = 0x1007;

/// The maximum of handles of a client, and of those to a reader.
const MAX_HANDLES: usize = 200;

/// How a client asks to be connected: share mode and preferred protocols, as in SCardConnect.
#[derive(Clone, Copy, Debug)]
pub(in crate::pcsc) struct ConnectParameters {
    pub(in crate::pcsc) share: u32,
    pub(in crate::pcsc) protocols: u32,
}

/// A handle that a client has named; it may be another's.
#[derive(Clone, Copy, Debug)]
pub(in crate::pcsc) struct HandleRef {
    pub(in crate::pcsc) client: ClientId,
    pub(in crate::pcsc) handle: u32,
}

fn done() -> Result<Decision, ReturnCode> {
    Ok(reply(Ok(ReplyBody::Done)))
}

fn reply(result: Result<ReplyBody, ReturnCode>) -> Decision {
    Decision::Reply(Reply::of(result))
}

impl ConnectParameters {
    fn share(self) -> Result<Share, ReturnCode> {
        match self.share {
            1 => Ok(Share::Exclusive),
            2 => Ok(Share::Shared),
            3 => Ok(Share::Direct),
            _ => Err(ReturnCode::INVALID_VALUE),
        }
    }

    /// Whether it names a protocol, which only a direct connection can do without.
    fn check_protocols(self) -> Result<(), ReturnCode> {
        let is_direct = self.share == 3;
        if is_direct || self.protocols & PROTOCOLS != 0 {
            Ok(())
        } else {
            Err(ReturnCode::PROTO_MISMATCH)
        }
    }
}

/// What a client wants done with the card at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    Leave,
    Reset(PowerEvent),
    /// Not supported by this reader: the card stays.
    Eject,
}

impl Disposition {
    fn new(number: u32) -> Result<Self, ReturnCode> {
        match number {
            0 => Ok(Self::Leave),
            1 => Ok(Self::Reset(PowerEvent::WarmReset)),
            2 => Ok(Self::Reset(PowerEvent::PowerOff)),
            3 => Ok(Self::Eject),
            _ => Err(ReturnCode::INVALID_VALUE),
        }
    }
}

impl Handles {
    /// Connects a client to the reader `name`; the number of `new` is not a handle yet.
    pub(in crate::pcsc) fn connect(
        &mut self,
        new: HandleRef,
        name: &[u8],
        parameters: ConnectParameters,
    ) -> Result<Decision, ReturnCode> {
        parameters.check_protocols()?;
        let share = parameters.share()?;
        let mut readers = self.readers.iter();
        let named = readers.find(|reader| reader.description.name.as_bytes() == name);
        let id = named.ok_or(ReturnCode::UNKNOWN_READER)?.id;
        let share_state = self.share_state(id);
        if share_state < 0 {
            return Err(ReturnCode::SHARING_VIOLATION);
        }
        if self.waits_for_another(id, new, WarningCause::ConnectInTransaction) {
            return Ok(Decision::Wait(FOREVER));
        }
        let reader = self.reader_mut(id).ok_or(ReturnCode::UNKNOWN_READER)?;
        if share != Share::Direct {
            reader.power_up()?;
        }
        let protocol = reader.negotiate_protocol(parameters.protocols, share == Share::Direct)?;
        let refusal = if share == Share::Exclusive && share_state > 0 {
            Some(ReturnCode::SHARING_VIOLATION)
        } else if self.count(|handle| handle.reader == id) >= MAX_HANDLES {
            Some(ReturnCode::INTERNAL_ERROR)
        } else {
            let has_all = self.count(|handle| handle.client == new.client) >= MAX_HANDLES;
            has_all.then_some(ReturnCode::NO_MEMORY)
        };
        if let Some(code) = refusal {
            let body = ReplyBody::Connected { handle: 0, protocol };
            return Ok(Decision::Reply(Reply { body, code }));
        }
        let handle = Handle { client: new.client, reader: id, share, event_status: None };
        self.handles.insert(new.handle, handle);
        if share == Share::Exclusive {
            self.lock(id, new);
        }
        self.changes += 1;
        Ok(reply(Ok(ReplyBody::Connected { handle: new.handle, protocol })))
    }

    /// Reconnects a handle, whether it has been told of the last event or not.
    pub(in crate::pcsc) fn reconnect(
        &mut self,
        caller: HandleRef,
        parameters: ConnectParameters,
        then: u32,
    ) -> Result<Decision, ReturnCode> {
        let then = Disposition::new(then)?;
        let (Disposition::Leave | Disposition::Reset(_)) = then else {
            return Err(ReturnCode::INVALID_VALUE);
        };
        let share = parameters.share()?;
        parameters.check_protocols()?;
        let id = self.check_sharing(caller)?;
        let reader = self.reader(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        let Disposition::Reset(event) = then else {
            if !reader.has_card() {
                return Err(ReturnCode::NO_SMARTCARD);
            }
            return Ok(Decision::Reply(self.change_sharing(
                caller,
                id,
                parameters.protocols,
                share,
            )));
        };
        if reader.is_busy() {
            return Ok(Decision::Wait(FOREVER));
        }
        let checked_out = self.reset(id).ok_or(ReturnCode::NO_SMARTCARD)?;
        let reply = self.change_sharing(caller, id, parameters.protocols, share);
        Ok(Decision::Reset(event, checked_out, reply))
    }

    /// The second half of a reconnection, after the reset; it may fail.
    fn change_sharing(
        &mut self,
        caller: HandleRef,
        id: ReaderId,
        protocols: u32,
        share: Share,
    ) -> Reply {
        let was_exclusive = self.share_state(id) < 0;
        let is_alone = was_exclusive || self.share_state(id) == 1;
        let Some(reader) = self.reader_mut(id) else {
            return Reply::of(Err(ReturnCode::READER_UNAVAILABLE));
        };
        let protocol = match reader.negotiate_protocol(protocols, share == Share::Direct) {
            Ok(protocol) => protocol,
            Err(code) => return Reply::of(Err(code)),
        };
        if share != Share::Direct && protocols & RAW == 0 {
            reader.mark_in_use();
        }
        let body = ReplyBody::Reconnected { protocol };
        if share == Share::Exclusive && !is_alone {
            return Reply { body, code: ReturnCode::SHARING_VIOLATION };
        }
        if share == Share::Exclusive && !was_exclusive {
            self.lock(id, caller);
        } else if share != Share::Exclusive && was_exclusive {
            // A handle that has begun no transaction keeps the lock of its exclusive access.
            if self.unlock(id, caller).is_err() && self.lock_of(id).is_some() {
                self.warn(caller.client, id, WarningCause::KeptLock);
            }
        }
        if let Some(handle) = self.handles.get_mut(&caller.handle) {
            handle.share = share;
            handle.event_status = None;
        }
        self.changes += 1;
        Reply { body, code: ReturnCode::OK }
    }

    pub(in crate::pcsc) fn disconnect(
        &mut self,
        caller: HandleRef,
        then: u32,
        now: Instant,
    ) -> Result<Decision, ReturnCode> {
        let then = Disposition::new(then)?;
        let id = self.reader_of(caller)?;
        let cause = WarningCause::DisconnectInTransaction;
        if then != Disposition::Leave && self.waits_for_another(id, caller, cause) {
            return Ok(Decision::Wait(FOREVER));
        }
        let Disposition::Reset(event) = then else {
            self.close(caller.handle, now);
            return done();
        };
        if self.reader(id).is_some_and(ReaderContext::is_busy) {
            return Ok(Decision::Wait(FOREVER));
        }
        let checked_out = self.reset(id);
        let card = self.reader_mut(id).and_then(|reader| reader.card.as_mut());
        if let Some(card) = card.filter(|_| event == PowerEvent::PowerOff) {
            (card.powered, card.asleep, card.idle_since) = (false, true, None);
        }
        self.close(caller.handle, now);
        match checked_out {
            Some(checked_out) => {
                Ok(Decision::Reset(event, checked_out, Reply::of(Ok(ReplyBody::Done))))
            }
            None => done(),
        }
    }

    pub(in crate::pcsc) fn begin_transaction(
        &mut self,
        caller: HandleRef,
    ) -> Result<Decision, ReturnCode> {
        let id = self.reader_of(caller)?;
        self.check_event_status(caller)?;
        self.reader(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        if self.check_sharing(caller).is_err() {
            return Ok(Decision::Wait(TRANSACTION_WAIT));
        }
        self.lock(id, caller);
        done()
    }

    /// Ends a transaction. The card is reset, if that is asked for, even without one to end.
    pub(in crate::pcsc) fn end_transaction(
        &mut self,
        caller: HandleRef,
        then: u32,
    ) -> Result<Decision, ReturnCode> {
        let then = Disposition::new(then)?;
        let id = self.reader_of(caller)?;
        self.check_event_status(caller)?;
        self.check_sharing(caller)?;
        let reader = self.reader(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        match then {
            Disposition::Leave => self.unlock(id, caller).and_then(|()| done()),
            Disposition::Eject => {
                self.unlock(id, caller).ok();
                Err(ReturnCode::UNSUPPORTED_FEATURE)
            }
            Disposition::Reset(_) if reader.is_busy() => Ok(Decision::Wait(FOREVER)),
            Disposition::Reset(event) => {
                let checked_out = self.reset(id);
                let unlocked = self.unlock(id, caller);
                let checked_out = checked_out.ok_or(ReturnCode::REMOVED_CARD)?;
                let reply = Reply::of(unlocked.map(|()| ReplyBody::Done));
                Ok(Decision::Reset(event, checked_out, reply))
            }
        }
    }

    pub(in crate::pcsc) fn transmit(
        &mut self,
        caller: HandleRef,
        protocol: u32,
    ) -> Result<Decision, ReturnCode> {
        let id = self.check_sharing(caller)?;
        self.reader(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        self.check_event_status(caller)?;
        let reader = self.reader_mut(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        if !reader.has_card() {
            // Raw bytes are for the reader, which would forward them to the card.
            let is_raw = protocol == RAW;
            return Err(if is_raw { ReturnCode::NOT_TRANSACTED } else { ReturnCode::NO_SMARTCARD });
        }
        if ![RAW, ANY_OLD, reader.protocol].contains(&protocol) {
            return Err(ReturnCode::PROTO_MISMATCH);
        }
        Ok(match reader.check_out() {
            Some(checked_out) => Decision::Transmit(checked_out),
            None => Decision::Wait(FOREVER),
        })
    }

    /// What a reader can do besides forwarding APDUs; whether it announces `extended` ones.
    pub(in crate::pcsc) fn control(
        &self,
        caller: HandleRef,
        code: u32,
        extended: bool,
    ) -> Result<Decision, ReturnCode> {
        let id = self.check_sharing(caller)?;
        self.reader(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        Ok(reply(Ok(ReplyBody::Data(control::control(code, extended)?))))
    }

    pub(in crate::pcsc) fn attribute(
        &self,
        caller: HandleRef,
        attribute: u32,
    ) -> Result<Decision, ReturnCode> {
        let id = self.check_sharing(caller)?;
        let reader = self.reader(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        self.check_event_status(caller)?;
        Ok(reply(Ok(ReplyBody::Attribute(control::attribute(attribute, reader)?))))
    }

    /// No attribute of a reader can be set.
    pub(in crate::pcsc) fn set_attribute(&self, caller: HandleRef) -> Result<Decision, ReturnCode> {
        let id = self.check_sharing(caller)?;
        self.reader(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        self.check_event_status(caller)?;
        Err(ReturnCode::UNSUPPORTED_FEATURE)
    }

    /// Whether the handle is as its client expects; the rest is in the readers' states.
    pub(in crate::pcsc) fn status(&self, caller: HandleRef) -> Result<Decision, ReturnCode> {
        let id = self.check_sharing(caller)?;
        self.reader(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        self.check_event_status(caller)?;
        done()
    }

    /// The reader of a handle that is its client's own; the reader may have been removed.
    fn reader_of(&self, caller: HandleRef) -> Result<ReaderId, ReturnCode> {
        let handle =
            self.handles.get(&caller.handle).filter(|handle| handle.client == caller.client);
        handle.map(|handle| handle.reader).ok_or(ReturnCode::INVALID_HANDLE)
    }

    /// The reader of a handle, unless another handle has its card locked.
    fn check_sharing(&self, caller: HandleRef) -> Result<ReaderId, ReturnCode> {
        let id = self.reader_of(caller)?;
        match self.lock_of(id) {
            Some(handle) if handle != caller.handle => Err(ReturnCode::SHARING_VIOLATION),
            _ => Ok(id),
        }
    }

    /// Fails with the event that the client of a handle has to be told of first.
    fn check_event_status(&self, caller: HandleRef) -> Result<(), ReturnCode> {
        let event = self.handles.get(&caller.handle).and_then(|handle| handle.event_status);
        event.map_or(Ok(()), Err)
    }

    /// Whether another client has the card locked. If it is the same connection, its transaction
    /// could never end while this waits for it: pcscd lets it wait all the same, and its user is
    /// warned.
    fn waits_for_another(&mut self, id: ReaderId, caller: HandleRef, cause: WarningCause) -> bool {
        let lock = self.lock_of(id).filter(|handle| *handle != caller.handle);
        let Some(holder) = lock.and_then(|handle| self.handles.get(&handle)) else { return false };
        let is_another = holder.client != caller.client;
        if !is_another {
            self.warn(caller.client, id, cause);
        }
        is_another
    }

    fn count(&self, which: impl Fn(&Handle) -> bool) -> usize {
        self.handles.values().filter(|handle| which(handle)).count()
    }

    /// Locks the card for a handle, once more if it has the lock.
    fn lock(&mut self, id: ReaderId, caller: HandleRef) {
        if let Some(reader) = self.reader_mut(id) {
            reader.lock.get_or_insert(Lock { handle: caller.handle, depth: 0 }).depth += 1;
        }
    }

    /// Unlocks the card once. An exclusive handle keeps the lock until it is closed.
    fn unlock(&mut self, id: ReaderId, caller: HandleRef) -> Result<(), ReturnCode> {
        let is_exclusive = self.share_state(id) < 0;
        let reader = self.reader_mut(id).ok_or(ReturnCode::READER_UNAVAILABLE)?;
        let own = reader.lock.as_mut().filter(|lock| lock.handle == caller.handle);
        match own {
            Some(lock) if lock.depth > 1 => lock.depth -= 1,
            Some(_) if !is_exclusive => reader.lock = None,
            _ => return Err(ReturnCode::NOT_TRANSACTED),
        }
        Ok(())
    }
}
