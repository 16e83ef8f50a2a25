//! The state of a card that executes commands, with what the command under way has changed of it.
//!
//! Every change goes through [`TrackedState`], which notes what is changed, and keeps what was
//! there before. So a command that fails can be undone, and what a command has changed can be
//! saved, without a copy of the state.

use super::{
    Configuration, Fid, File, Key, KeyDomain, KeyDomains, KeyId, Keys, Pins, State, files,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ops::{Deref, Range};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::scp02::IssuerKeys;
use zeroize::Zeroizing;

/// The state, and what the current command has changed, or the last one.
pub(crate) struct TrackedState {
    state: State,
    changed: Vec<Part>,
    /// What each change has replaced, the first one first. Gone when the command is over: it may be
    /// secret, such as a key that was deleted.
    replaced: Vec<Replaced>,
    /// The keys that the command has used, even if it fails later.
    spent: Vec<KeyId>,
    /// Memory in use, in bytes, as [`State::used`] counts it; that is costly on a full card.
    used: usize,
    /// The same before the command.
    used_before: usize,
}

/// A part of the state that can be changed by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Streams,
    IssuerKeys,
    Configuration,
    Pins,
    /// A slot for a key domain.
    Domain(u8),
    Key(KeyId),
    /// The use counter of a key.
    Uses(KeyId),
    File {
        fid: Fid,
        /// Whether there was one before.
        existed: bool,
    },
    /// A place in a file.
    Written(Fid, Range<usize>),
    /// The whole state: what has changed of it is not known in detail.
    All,
}

/// What a change has replaced.
enum Replaced {
    Streams(u64),
    IssuerKeys(Box<IssuerKeys>),
    Configuration(Configuration),
    Pins(Pins),
    Domain(u8, Option<KeyDomain>),
    Key(KeyId, Option<Arc<Key>>),
    Uses(KeyId, Option<u32>),
    /// A file and its place among the others, or that there was none.
    File(Fid, Option<(usize, File)>),
    Written(Written),
    All(Box<State>),
}

/// What was in a part of a file before it was written.
struct Written {
    fid: Fid,
    start: usize,
    /// Up to the end that the file had.
    overwritten: Zeroizing<Vec<u8>>,
    length: usize,
}

impl TrackedState {
    pub(crate) fn new(state: State) -> Self {
        let used = state.used();
        Self {
            state,
            changed: Vec::new(),
            replaced: Vec::new(),
            spent: Vec::new(),
            used,
            used_before: used,
        }
    }

    /// A command begins.
    pub(crate) fn begin(&mut self) {
        self.changed.clear();
        self.used_before = self.used;
    }

    /// The command is over, and can no more be undone.
    pub(crate) fn end(&mut self) {
        self.replaced.clear();
        self.spent.clear();
    }

    /// The parts that the command has changed, in order; some may be in it twice.
    pub(crate) fn changed(&self) -> &[Part] {
        &self.changed
    }

    fn note(&mut self, part: Part, replaced: Replaced) {
        self.changed.push(part);
        self.replaced.push(replaced);
    }

    /// Whether what the command has made fits into so much memory. On a card that had more than
    /// that before, objects can still be deleted.
    pub(crate) fn fits(&self, memory: usize) -> bool {
        self.used <= memory.max(self.used_before)
    }

    /// Undoes the command, which has failed, but for the PIN tries and uses of keys that it has
    /// spent.
    pub(crate) fn fail(&mut self) {
        let failed = self.state.pins.clone();
        let spent = mem::take(&mut self.spent);
        self.changed.clear();
        for replaced in mem::take(&mut self.replaced).into_iter().rev() {
            self.restore(replaced);
        }
        self.used = self.used_before;
        self.pins_mut().take_tries_of(&failed);
        spent.into_iter().for_each(|id| self.count_use(id));
    }

    fn restore(&mut self, replaced: Replaced) {
        let state = &mut self.state;
        match replaced {
            Replaced::Streams(streams) => state.streams = streams,
            Replaced::IssuerKeys(keys) => state.issuer_keys = *keys,
            Replaced::Configuration(configuration) => state.configuration = configuration,
            Replaced::Pins(pins) => state.pins = pins,
            Replaced::Domain(number, domain) => {
                if let Ok(slot) = state.domains.slot_mut(number) {
                    *slot = domain;
                }
            }
            Replaced::Key(id, key) => state.keys.put(id, key),
            Replaced::Uses(id, uses) => state.keys.set_uses(id, uses),
            Replaced::File(fid, file) => state.files.put(fid, file),
            Replaced::Written(Written { fid, start, overwritten, length }) => {
                let content = state.files.content_mut(fid);
                content.truncate(length);
                files::write(content, start, &overwritten);
            }
            Replaced::All(before) => *state = *before,
        }
    }

    /// Counts how many random streams of a fixed seed the card has begun.
    pub(crate) fn begin_stream(&mut self) {
        self.note(Part::Streams, Replaced::Streams(self.state.streams));
        self.state.streams += 1;
    }

    pub(crate) fn set_issuer_keys(&mut self, keys: IssuerKeys) {
        let before = mem::replace(&mut self.state.issuer_keys, keys);
        self.note(Part::IssuerKeys, Replaced::IssuerKeys(Box::new(before)));
    }

    /// The configuration, to be changed.
    pub(crate) fn change_configuration<T>(
        &mut self,
        change: impl FnOnce(&mut Configuration) -> T,
    ) -> T {
        let before = self.state.configuration.clone();
        self.note(Part::Configuration, Replaced::Configuration(before));
        self.used -= self.state.configuration.used();
        let result = change(&mut self.state.configuration);
        self.used += self.state.configuration.used();
        result
    }

    /// The PINs, to be changed.
    pub(crate) fn pins_mut(&mut self) -> &mut Pins {
        self.note(Part::Pins, Replaced::Pins(self.state.pins.clone()));
        &mut self.state.pins
    }

    /// The domain of that number, to be changed; `6A88` if there is none.
    pub(crate) fn change_domain<T>(
        &mut self,
        number: u8,
        change: impl FnOnce(&mut KeyDomain) -> Result<T, Status>,
    ) -> Result<T, Status> {
        self.change_slot(number, |slot| change(slot.as_mut().ok_or(Status::REFERENCE_NOT_FOUND)?))
    }

    /// Fills or empties the slot of that number; `6A88` if there is none.
    pub(crate) fn set_domain(
        &mut self,
        number: u8,
        domain: Option<KeyDomain>,
    ) -> Result<(), Status> {
        self.change_slot(number, |slot| {
            *slot = domain;
            Ok(())
        })
    }

    fn change_slot<T>(
        &mut self,
        number: u8,
        change: impl FnOnce(&mut Option<KeyDomain>) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let before = self.state.domains.slot_mut(number)?.clone();
        self.note(Part::Domain(number), Replaced::Domain(number, before));
        let slot = self.state.domains.slot_mut(number)?;
        self.used -= KeyDomains::used_by(slot.as_ref());
        let result = change(slot);
        self.used += KeyDomains::used_by(slot.as_ref());
        result
    }

    /// Inserts a key, in place of the one with that number if there is one.
    pub(crate) fn insert_key(&mut self, id: KeyId, key: Key) {
        self.change_key(id, |keys| keys.insert(id, key));
    }

    /// Removes the key of that number; whether there was one.
    pub(crate) fn remove_key(&mut self, id: KeyId) -> bool {
        self.change_key(id, |keys| keys.remove(id))
    }

    /// Inserts a key that was derived from key `base`, which from then on shares its use counter.
    pub(crate) fn derive_key(&mut self, base: KeyId, new: KeyId, secret: KeyMaterial) {
        // The base keeps its size.
        self.note(Part::Key(base), Replaced::Key(base, self.state.keys.shared(base)));
        self.change_key(new, |keys| keys.derive(base, new, secret));
    }

    fn change_key<T>(&mut self, id: KeyId, change: impl FnOnce(&mut Keys) -> T) -> T {
        let before = self.state.keys.shared(id);
        self.used -= before.as_deref().map_or(0, Key::used);
        self.note(Part::Key(id), Replaced::Key(id, before));
        let result = change(&mut self.state.keys);
        self.used += self.state.keys.get(id).map_or(0, Key::used);
        result
    }

    /// Counts a use of a key; it remains counted if the command fails.
    pub(crate) fn spend(&mut self, id: KeyId) {
        if self.keys.get(id).is_some_and(|key| self.keys.uses_left(key).is_some()) {
            self.count_use(id);
            self.spent.push(id);
        }
    }

    fn count_use(&mut self, id: KeyId) {
        for (id, uses) in self.state.keys.spend(id) {
            self.note(Part::Uses(id), Replaced::Uses(id, uses));
        }
    }

    /// Writes to a file, which is created if there is none. Between its end and `offset` zeros are
    /// filled in.
    pub(crate) fn write_file(&mut self, fid: Fid, offset: usize, data: &[u8]) {
        match self.files.content(fid) {
            None => self.note(Part::File { fid, existed: false }, Replaced::File(fid, None)),
            Some(content) => {
                let (place, length) = (offset..offset + data.len(), content.len());
                let (start, end) = (offset.min(length), place.end.min(length));
                let overwritten = content.get(start..end).unwrap_or_default().to_vec().into();
                let written = Written { fid, start, overwritten, length };
                self.note(Part::Written(fid, place), Replaced::Written(written));
            }
        }
        let content = self.state.files.content_mut(fid);
        self.used -= content.len();
        files::write(content, offset, data);
        self.used += content.len();
    }

    /// Gives a file another content; it is created if there is none.
    pub(crate) fn set_file(&mut self, fid: Fid, content: Vec<u8>) {
        let before = self.state.files.with_place(fid);
        self.used -= before.as_ref().map_or(0, |(_, file)| file.content().len());
        self.used += content.len();
        let part = Part::File { fid, existed: before.is_some() };
        self.note(part, Replaced::File(fid, before));
        *self.state.files.content_mut(fid) = content;
    }

    /// Removes a file; whether there was one.
    pub(crate) fn remove_file(&mut self, fid: Fid) -> bool {
        let Some((place, file)) = self.state.files.with_place(fid) else { return false };
        self.used -= file.content().len();
        self.note(Part::File { fid, existed: true }, Replaced::File(fid, Some((place, file))));
        self.state.files.remove(fid)
    }

    /// The whole state, to be changed: what has changed of it is not tracked, so that the card must
    /// be saved whole.
    pub(crate) fn change_all<T>(&mut self, change: impl FnOnce(&mut State) -> T) -> T {
        self.note(Part::All, Replaced::All(Box::new(self.state.clone())));
        let result = change(&mut self.state);
        self.used = self.state.used();
        result
    }
}

/// The state alone: what it was before is not part of the card.
impl fmt::Debug for TrackedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

impl Deref for TrackedState {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}
