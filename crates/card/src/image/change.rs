//! What one command has changed, as a record has it.
//!
//! It has the new values, and says nothing about what has not changed. Of a file that was written
//! to it has the bytes that were written, and of a key that was used its use counter.

use super::configuration::ConfigurationImage;
use super::domains::DomainImage;
use super::files::FileChange;
use super::format::{self, ImageError, invalid};
use super::issuer::IssuerKeysImage;
use super::keys::KeyImage;
use super::pins::PinsImage;
use crate::state::{Key, KeyId, Part, State, TrackedState};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct ChangeImage {
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer_keys: Option<IssuerKeysImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<ConfigurationImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pins: Option<PinsImage>,
    /// By their number; none where there is no domain any more.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    domains: BTreeMap<u8, Option<DomainImage>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileChange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deleted_keys: Vec<u8>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<KeyImage>,
    /// The use counters of keys, by their number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    uses: BTreeMap<u8, u32>,
}

impl ChangeImage {
    /// What the last command has changed; `None` if that is not known in detail.
    pub(super) fn of(state: &TrackedState) -> Option<Self> {
        let mut change = Self::default();
        let (mut files, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for part in state.changed() {
            match part {
                Part::Streams => change.streams = Some(state.streams),
                Part::IssuerKeys => {
                    change.issuer_keys = Some(IssuerKeysImage::of(&state.issuer_keys));
                }
                Part::Configuration => {
                    change.configuration = Some(ConfigurationImage::of(&state.configuration));
                }
                Part::Pins => change.pins = Some(PinsImage::of(&state.pins)),
                Part::Domain(number) => {
                    let domain = state.domains.domain(*number).ok();
                    change.domains.insert(*number, domain.map(DomainImage::of));
                }
                Part::Key(id) if keys.insert(*id) => match state.keys.get(*id) {
                    Some(key) => change.keys.push(KeyImage::of(*id, key)),
                    None => change.deleted_keys.push(id.number()),
                },
                Part::Key(_) => {}
                Part::Uses(id) => {
                    if let Some(uses) = state.keys.get(*id).and_then(Key::uses) {
                        change.uses.insert(id.number(), uses);
                    }
                }
                Part::File { fid, .. } | Part::Written(fid, _) => {
                    if files.insert(*fid) {
                        change.files.extend(FileChange::of(state, *fid));
                    }
                }
                Part::All => return None,
            }
        }
        Some(change)
    }

    /// Makes the change to a state; if that fails, a part of it may be made.
    pub(super) fn apply(self, state: &mut State) -> Result<(), ImageError> {
        if let Some(streams) = self.streams {
            state.streams = format::streams(streams)?;
        }
        if let Some(keys) = self.issuer_keys {
            state.issuer_keys = keys.keys()?;
        }
        if let Some(configuration) = self.configuration {
            state.configuration = configuration.configuration()?;
        }
        if let Some(pins) = self.pins {
            state.pins = pins.pins()?;
        }
        for (number, domain) in self.domains {
            let slot = state.domains.slot_mut(number);
            let slot = slot.map_err(|_| invalid("there is no slot for a key domain"))?;
            *slot = domain.map(DomainImage::domain).transpose()?;
        }
        for file in self.files {
            file.apply(&mut state.files)?;
        }
        for number in self.deleted_keys {
            let id = KeyId::try_from(number).ok().filter(|id| state.keys.remove(*id));
            id.ok_or_else(|| invalid("a key is deleted that is not there"))?;
        }
        for key in self.keys {
            let (id, key) = key.key(&state.keys)?;
            state.keys.insert(id, key);
        }
        for (number, uses) in self.uses {
            let id = KeyId::try_from(number).ok();
            let counted = |id: &KeyId| state.keys.get(*id).is_some_and(|key| key.uses().is_some());
            let id =
                id.filter(counted).ok_or_else(|| invalid("a key is used that is not counted"))?;
            state.keys.set_uses(id, Some(uses));
        }
        Ok(())
    }
}
