//! Handles to readers: how they share a card, and the events that each has to be told of.

mod requests;

pub(super) use requests::{ConnectParameters, HandleRef};

use super::message::Reply;
use super::reader::{
    AddReaderError, CheckedOutCard, Completion, Operation, OperationKind, ReaderContext, ReaderId,
    STATE_LENGTH,
};
use super::warning::{ClientWarning, WarningCause};
use super::{Action, ClientId, NoResponse, PcscCard, PowerEvent, ReaderDescription, ReturnCode};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The readers, and the handles to them.
pub(super) struct Handles {
    readers: Vec<ReaderContext>,
    handles: BTreeMap<u32, Handle>,
    next_reader: u32,
    /// Counts what clients wait for: cards and readers that come and go, and handles.
    pub(super) changes: u64,
    /// Counts readers that come and go; 0 would mean that this is not counted.
    pub(super) reader_events: u16,
    /// The highest number of readers so far.
    peak: usize,
    /// The warnings about clients so far, and how many of the last ones are not reported yet.
    warnings: Vec<(ClientId, ClientWarning)>,
    unreported: usize,
}

/// A client's handle to a reader.
struct Handle {
    client: ClientId,
    reader: ReaderId,
    share: Share,
    /// What has happened to the card since this handle was used: reported until the client
    /// reconnects.
    event_status: Option<ReturnCode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Exclusive,
    Shared,
    /// With the reader, whether there is a card in it or not.
    Direct,
}

/// What to do about a request that is allowed.
pub(super) enum Decision {
    /// Nothing is left to do but to reply.
    Reply(Reply),
    /// Reset the card, and then reply.
    Reset(PowerEvent, CheckedOutCard, Reply),
    /// Let the card respond.
    Transmit(CheckedOutCard),
    /// Wait for others, but for no longer than this in all.
    Wait(Duration),
}

/// What is left to do for a client that has gone.
pub(super) enum Teardown {
    Done,
    Execute(Operation),
    Wait,
}

impl Handles {
    pub(super) fn new() -> Self {
        let (readers, handles) = (Vec::new(), BTreeMap::new());
        let (next_reader, peak, warnings) = (0, 0, Vec::new());
        let (changes, reader_events, unreported) = (0, 1, 0);
        Self { readers, handles, next_reader, changes, reader_events, peak, warnings, unreported }
    }

    /// Adds a reader, if that makes no more than `max_readers`.
    pub(super) fn add(
        &mut self,
        description: ReaderDescription,
        max_readers: usize,
    ) -> Result<ReaderId, AddReaderError> {
        let has_name = |reader: &ReaderContext| reader.description.name == description.name;
        if self.readers.len() >= max_readers {
            return Err(AddReaderError::TooManyReaders { max_readers });
        }
        if !description.is_valid() {
            return Err(AddReaderError::InvalidDescription);
        }
        if self.readers.iter().any(has_name) {
            return Err(AddReaderError::NameInUse);
        }
        let id = ReaderId(self.next_reader);
        self.next_reader += 1;
        // Above what a reader of this name had before: else OpenSC takes its card for the old one.
        let event_counter = u16::try_from(self.changes & 0xFFFF).unwrap_or_default();
        self.readers.push(ReaderContext::new(id, description, event_counter));
        self.peak = self.peak.max(self.readers.len());
        self.count_reader_event();
        Ok(id)
    }

    /// Removes a reader with the card in it. Its handles stay, and are told that it is gone.
    pub(super) fn remove_reader(&mut self, id: ReaderId) -> Option<Box<dyn PcscCard>> {
        let card = self.remove_card(id);
        self.readers.retain(|reader| reader.id != id);
        self.count_reader_event();
        card
    }

    fn count_reader_event(&mut self) {
        self.reader_events = self.reader_events.checked_add(1).unwrap_or(1);
        self.changes += 1;
    }

    /// Inserts a card into a reader; returns it if there is no such reader, or a card in it.
    pub(super) fn insert(
        &mut self,
        id: ReaderId,
        card: Box<dyn PcscCard>,
    ) -> Option<Box<dyn PcscCard>> {
        match self.reader_mut(id) {
            Some(reader) if reader.card.is_none() => reader.insert(card),
            _ => return Some(card),
        }
        self.changes += 1;
        None
    }

    /// Removes the card from a reader; one that is checked out is dropped when it is done.
    pub(super) fn remove_card(&mut self, id: ReaderId) -> Option<Box<dyn PcscCard>> {
        let reader = self.reader_mut(id).filter(|reader| reader.card.is_some())?;
        let card = reader.remove_card();
        self.set_event_status(id, ReturnCode::REMOVED_CARD);
        self.changes += 1;
        card
    }

    /// Checks the card out to be reset without a client's request.
    pub(super) fn reset_by_operator(&mut self, id: ReaderId) -> Action {
        if !self.reader(id).is_some_and(ReaderContext::has_card) {
            return Action::NoReply;
        }
        match self.reset(id) {
            Some(checked_out) => {
                let kind = OperationKind::Reset(PowerEvent::WarmReset, None);
                Action::Execute(Operation { checked_out, kind })
            }
            None => Action::Wait(Duration::MAX),
        }
    }

    /// Checks a card in again after its operation; returns the reply to its client.
    pub(super) fn complete(&mut self, completion: Completion) -> Option<Vec<u8>> {
        let Completion { checked_out, failure, reply } = completion;
        let CheckedOutCard { card, reader: id, event_counter } = checked_out;
        let mut readers = self.readers.iter_mut();
        if let Some(reader) = readers.find(|reader| reader.expects(id, event_counter)) {
            match failure {
                None | Some(NoResponse::TimedOut) => reader.check_in(card),
                Some(NoResponse::ContactLost) => {
                    self.remove_card(id);
                    // The reader is empty.
                    self.insert(id, card);
                }
                Some(NoResponse::Failed) => drop(self.remove_card(id)),
            }
        }
        reply
    }

    /// When the next card without clients loses its power.
    pub(super) fn power_off_deadline(&self, grace_period: Duration) -> Option<Instant> {
        self.readers.iter().filter_map(|reader| reader.power_off_deadline(grace_period)).min()
    }

    /// Powers off a card that has been without clients for the grace period.
    pub(super) fn next_power_off(
        &mut self,
        grace_period: Duration,
        now: Instant,
    ) -> Option<Operation> {
        let is_overdue = |reader: &&mut ReaderContext| {
            reader.power_off_deadline(grace_period).is_some_and(|end| end <= now)
        };
        let reader = self.readers.iter_mut().find(is_overdue)?;
        reader.protocol = 0;
        if let Some(card) = &mut reader.card {
            card.idle_since = None;
            card.asleep = true;
        }
        let kind = OperationKind::Reset(PowerEvent::PowerOff, None);
        Some(Operation { checked_out: reader.check_out()?, kind })
    }

    /// Whether any card is checked out.
    pub(super) fn is_busy(&self) -> bool {
        self.readers.iter().any(ReaderContext::is_busy)
    }

    /// The highest number of readers so far, or 1: clients take a lower number for an error, and 0
    /// as well.
    pub(super) fn peak_reader_count(&self) -> usize {
        self.peak.max(1)
    }

    /// The states of the first `count` readers, filled up with zeros for readers that are missing.
    pub(super) fn states(&self, count: usize) -> Vec<u8> {
        let readers = self.readers.iter().take(count);
        let mut states: Vec<u8> =
            readers.flat_map(|reader| reader.state(self.share_state(reader.id))).collect();
        states.resize(count * STATE_LENGTH, 0);
        states
    }

    /// The warnings that were not reported before.
    pub(super) fn take_warnings(&mut self) -> Vec<(ClientId, ClientWarning)> {
        let unreported = std::mem::take(&mut self.unreported);
        self.warnings.iter().rev().take(unreported).rev().cloned().collect()
    }

    fn warn(&mut self, client: ClientId, id: ReaderId, cause: WarningCause) {
        let Some(reader) = self.reader(id) else { return };
        let warning = (client, ClientWarning { cause, reader: reader.description.name.clone() });
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
            self.unreported += 1;
        }
    }

    /// Closes the handles of `client`, whose process has ended: to be called until it is done. A
    /// card that was locked by one of them is reset.
    pub(super) fn close_all(&mut self, client: ClientId, now: Instant) -> Teardown {
        while let Some((number, handle)) =
            self.handles.iter().find(|(_, handle)| handle.client == client)
        {
            let (number, id) = (*number, handle.reader);
            if self.lock_of(id) == Some(number) && handle.event_status.is_none() {
                if self.reader(id).is_some_and(ReaderContext::is_busy) {
                    return Teardown::Wait;
                }
                let checked_out = self.reset(id);
                self.close(number, now);
                if let Some(checked_out) = checked_out {
                    let kind = OperationKind::Reset(PowerEvent::WarmReset, None);
                    return Teardown::Execute(Operation { checked_out, kind });
                }
            }
            self.close(number, now);
        }
        self.warnings.retain(|(warned, _)| *warned != client);
        Teardown::Done
    }

    /// Closes a handle and ends its transactions.
    fn close(&mut self, number: u32, now: Instant) {
        let Some(Handle { reader: id, .. }) = self.handles.remove(&number) else { return };
        self.changes += 1;
        let last = !self.handles.values().any(|handle| handle.reader == id);
        let Some(reader) = self.reader_mut(id) else { return };
        reader.lock.take_if(|lock| lock.handle == number);
        if let Some(card) = reader.card.as_mut().filter(|card| last && !card.asleep) {
            card.idle_since = Some(now);
        }
    }

    /// Begins a reset, whether there is a card in the reader or not, and tells all handles to it.
    /// Checks out the card, if there is one, for the rest. While it is checked out already, nothing
    /// is done.
    fn reset(&mut self, id: ReaderId) -> Option<CheckedOutCard> {
        let reader = self.reader_mut(id).filter(|reader| !reader.is_busy())?;
        reader.protocol = 0;
        if let Some(card) = &mut reader.card {
            card.powered = true;
        }
        let checked_out = reader.check_out();
        self.set_event_status(id, ReturnCode::RESET_CARD);
        self.changes += 1;
        checked_out
    }

    /// Sets what all handles to a reader are told next. A newer event replaces an older one, but
    /// the reset of an empty reader does not replace the removal of its card.
    fn set_event_status(&mut self, id: ReaderId, event: ReturnCode) {
        let gone = !self.reader(id).is_some_and(ReaderContext::has_card);
        for handle in self.handles.values_mut().filter(|handle| handle.reader == id) {
            if !gone || handle.event_status != Some(ReturnCode::REMOVED_CARD) {
                handle.event_status = Some(event);
            }
        }
    }

    /// The number of a reader's handles, or -1 for an exclusive one: pcscd's `cardSharing`.
    fn share_state(&self, id: ReaderId) -> i32 {
        let handles = self.handles.values().filter(|handle| handle.reader == id);
        handles.fold(0, |count, handle| match handle.share {
            Share::Exclusive => -1,
            Share::Shared | Share::Direct => count + 1,
        })
    }

    /// The handle that has a reader's card locked.
    fn lock_of(&self, id: ReaderId) -> Option<u32> {
        self.reader(id)?.lock.map(|lock| lock.handle)
    }

    pub(super) fn has_handle(&self, number: u32) -> bool {
        self.handles.contains_key(&number)
    }

    fn reader(&self, id: ReaderId) -> Option<&ReaderContext> {
        self.readers.iter().find(|reader| reader.id == id)
    }

    fn reader_mut(&mut self, id: ReaderId) -> Option<&mut ReaderContext> {
        self.readers.iter_mut().find(|reader| reader.id == id)
    }
}
