//! Handles to readers: who shares what with whom, and what each has to be told.

mod requests;

pub(super) use requests::{Holder, Wish};

use super::message::Reply;
use super::reader::{Away, Full, Job, Reader, ReaderId, STATE, Task, Worked};
use super::remark::{Deed, Remark};
use super::{Card, ClientId, Code, Description, NoAnswer, Reset, Step};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The readers, and the handles to them.
pub(super) struct Desk {
    readers: Vec<Reader>,
    handles: BTreeMap<u32, Handle>,
    next_reader: u32,
    /// Counts what clients wait for: cards and readers that come and go, and handles.
    pub(super) changes: u64,
    /// Counts readers that come and go; 0 would mean that nobody has counted.
    pub(super) arrivals: u16,
    /// How many readers there have been at once.
    most: usize,
    /// What has been said of clients, and which of it is to be told yet.
    remarks: Vec<(ClientId, Remark)>,
    untold: usize,
}

/// A client's connection to a reader.
struct Handle {
    client: ClientId,
    reader: ReaderId,
    share: Share,
    /// What has happened to the card without this handle: told until its client has noticed.
    news: Option<Code>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Exclusive,
    Shared,
    /// With the reader, be a card in it or not.
    Direct,
}

/// What becomes of a request that may be made.
pub(super) enum Verdict {
    /// There is nothing left to do.
    Now(Reply),
    /// It is done when the card has forgotten its session.
    After(Reset, Away, Reply),
    /// The card has the word.
    Ask(Away),
    /// It waits for others, but for no longer than this in all.
    Later(Duration),
}

/// What is left to do for a client that has gone.
pub(super) enum Leaving {
    Done,
    Work(Job),
    Later,
}

impl Desk {
    pub(super) fn new() -> Self {
        let (readers, handles) = (Vec::new(), BTreeMap::new());
        let (next_reader, most, remarks) = (0, 0, Vec::new());
        Self { readers, handles, next_reader, changes: 0, arrivals: 1, most, remarks, untold: 0 }
    }

    /// Puts up a reader, if that makes no more than `limit`.
    pub(super) fn add(&mut self, description: Description, limit: usize) -> Result<ReaderId, Full> {
        let taken = |reader: &Reader| reader.description.name == description.name;
        if self.readers.len() >= limit || !description.fits() || self.readers.iter().any(taken) {
            return Err(Full);
        }
        let id = ReaderId(self.next_reader);
        self.next_reader += 1;
        // Beyond what a reader of this name had before: else OpenSC takes its card for the old one.
        let moves = u16::try_from(self.changes & 0xFFFF).unwrap_or_default();
        self.readers.push(Reader::new(id, description, moves));
        self.most = self.most.max(self.readers.len());
        self.count_arrival();
        Ok(id)
    }

    /// Takes away a reader with the card in it. Its handles stay, and learn that it is gone.
    pub(super) fn remove(&mut self, id: ReaderId) -> Option<Box<dyn Card>> {
        let card = self.empty(id);
        self.readers.retain(|reader| reader.id != id);
        self.count_arrival();
        card
    }

    fn count_arrival(&mut self) {
        self.arrivals = self.arrivals.checked_add(1).unwrap_or(1);
        self.changes += 1;
    }

    /// Puts a card into a reader; gives it back if there is no such reader, or a card in it.
    pub(super) fn insert(&mut self, id: ReaderId, card: Box<dyn Card>) -> Option<Box<dyn Card>> {
        match self.reader_mut(id) {
            Some(reader) if reader.content.is_none() => reader.insert(card),
            _ => return Some(card),
        }
        self.changes += 1;
        None
    }

    /// Takes the card out of a reader; one that works just then is gone when it is done.
    pub(super) fn empty(&mut self, id: ReaderId) -> Option<Box<dyn Card>> {
        let reader = self.reader_mut(id).filter(|reader| reader.content.is_some())?;
        let card = reader.empty();
        self.tell_handles(id, Code::REMOVED_CARD);
        self.changes += 1;
        card
    }

    /// Takes the card away to be reset for no client.
    pub(super) fn reset_by_hand(&mut self, id: ReaderId) -> Step {
        if !self.reader(id).is_some_and(Reader::has_card) {
            return Step::Silence;
        }
        match self.reset(id) {
            Some(away) => Step::Work(Job { away, task: Task::Reset(Reset::Warm, None) }),
            None => Step::Later(Duration::MAX),
        }
    }

    /// Takes a card back from its job; what its client is told of that.
    pub(super) fn finish(&mut self, worked: Worked) -> Option<Vec<u8>> {
        let Worked { away: Away { card, from, since }, failure, reply } = worked;
        let mut readers = self.readers.iter_mut();
        if let Some(reader) = readers.find(|reader| reader.awaits(from, since)) {
            match failure {
                None | Some(NoAnswer::Mute) => reader.take_back(card),
                Some(NoAnswer::Bounced) => {
                    self.empty(from);
                    // It is empty.
                    self.insert(from, card);
                }
                Some(NoAnswer::Dead) => drop(self.empty(from)),
            }
        }
        reply
    }

    /// When the next card loses its power for want of clients.
    pub(super) fn deadline(&self, linger: Duration) -> Option<Instant> {
        self.readers.iter().filter_map(|reader| reader.deadline(linger)).min()
    }

    /// A card that has been without clients for too long.
    pub(super) fn overdue(&mut self, linger: Duration, now: Instant) -> Option<Job> {
        let is_overdue =
            |reader: &&mut Reader| reader.deadline(linger).is_some_and(|end| end <= now);
        let reader = self.readers.iter_mut().find(is_overdue)?;
        reader.protocol = 0;
        if let Some(content) = &mut reader.content {
            content.idle_since = None;
            content.asleep = true;
        }
        Some(Job { away: reader.hand_over()?, task: Task::Reset(Reset::PowerOff, None) })
    }

    /// Whether any card is away on a job.
    pub(super) fn is_working(&self) -> bool {
        self.readers.iter().any(Reader::is_working)
    }

    /// How many readers there have been at once: clients never forget, and take fewer for an error,
    /// as they take none.
    pub(super) fn most(&self) -> usize {
        self.most.max(1)
    }

    /// The states of the first readers, and `entries` in all, be there as many readers or not.
    pub(super) fn states(&self, entries: usize) -> Vec<u8> {
        let readers = self.readers.iter().take(entries);
        let mut states: Vec<u8> =
            readers.flat_map(|reader| reader.state(self.sharing(reader.id))).collect();
        states.resize(entries * STATE, 0);
        states
    }

    /// What is to be said of clients, and has not been said of them before.
    pub(super) fn take_remarks(&mut self) -> Vec<(ClientId, Remark)> {
        let untold = std::mem::take(&mut self.untold);
        self.remarks.iter().rev().take(untold).rev().cloned().collect()
    }

    fn remark(&mut self, client: ClientId, id: ReaderId, deed: Deed) {
        let Some(reader) = self.reader(id) else { return };
        let remark = (client, Remark { deed, reader: reader.description.name.clone() });
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
            self.untold += 1;
        }
    }

    /// Goes on to close all that `client` has, as its process has ended: to be asked until it is
    /// done. Who had the card alone leaves it reset.
    pub(super) fn close_all(&mut self, client: ClientId, now: Instant) -> Leaving {
        while let Some((number, handle)) =
            self.handles.iter().find(|(_, handle)| handle.client == client)
        {
            let (number, id) = (*number, handle.reader);
            if self.lock_of(id) == Some(number) && handle.news.is_none() {
                if self.reader(id).is_some_and(Reader::is_working) {
                    return Leaving::Later;
                }
                let away = self.reset(id);
                self.close(number, now);
                if let Some(away) = away {
                    return Leaving::Work(Job { away, task: Task::Reset(Reset::Warm, None) });
                }
            }
            self.close(number, now);
        }
        self.remarks.retain(|(remarked, _)| *remarked != client);
        Leaving::Done
    }

    /// Closes a handle, and with it its transactions.
    fn close(&mut self, number: u32, now: Instant) {
        let Some(Handle { reader: id, .. }) = self.handles.remove(&number) else { return };
        self.changes += 1;
        let last = !self.handles.values().any(|handle| handle.reader == id);
        let Some(reader) = self.reader_mut(id) else { return };
        reader.lock.take_if(|lock| lock.handle == number);
        if let Some(content) = reader.content.as_mut().filter(|content| last && !content.asleep) {
            content.idle_since = Some(now);
        }
    }

    /// Resets a reader, be there a card in it or not, and lets all of its handles know. The card,
    /// if there is one, is handed over for the rest; none while it works, and then nothing is done.
    fn reset(&mut self, id: ReaderId) -> Option<Away> {
        let reader = self.reader_mut(id).filter(|reader| !reader.is_working())?;
        reader.protocol = 0;
        if let Some(content) = &mut reader.content {
            content.powered = true;
        }
        let away = reader.hand_over();
        self.tell_handles(id, Code::RESET_CARD);
        self.changes += 1;
        away
    }

    /// Tells news to all handles of a reader. None is so old that it does not replace them, but
    /// that a card is gone is better to know than the reset of an empty reader.
    fn tell_handles(&mut self, id: ReaderId, news: Code) {
        let gone = !self.reader(id).is_some_and(Reader::has_card);
        for handle in self.handles.values_mut().filter(|handle| handle.reader == id) {
            if !gone || handle.news != Some(Code::REMOVED_CARD) {
                handle.news = Some(news);
            }
        }
    }

    /// The number of a reader's handles, or -1 for an exclusive one.
    fn sharing(&self, id: ReaderId) -> i32 {
        let handles = self.handles.values().filter(|handle| handle.reader == id);
        handles.fold(0, |count, handle| match handle.share {
            Share::Exclusive => -1,
            Share::Shared | Share::Direct => count + 1,
        })
    }

    /// The handle that has a reader's card alone.
    fn lock_of(&self, id: ReaderId) -> Option<u32> {
        self.reader(id)?.lock.map(|lock| lock.handle)
    }

    pub(super) fn has_handle(&self, number: u32) -> bool {
        self.handles.contains_key(&number)
    }

    fn reader(&self, id: ReaderId) -> Option<&Reader> {
        self.readers.iter().find(|reader| reader.id == id)
    }

    fn reader_mut(&mut self, id: ReaderId) -> Option<&mut Reader> {
        self.readers.iter_mut().find(|reader| reader.id == id)
    }
}
