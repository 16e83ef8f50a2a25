//! What of a card's memory is in use, and when there is too little.

use super::{Custodian, Domain, Key, Model, Quota, Scheme};
use crate::known::Known;

impl Key {
    /// How many bytes it takes: as many as it has bits, and as many as the key that refills it has.
    pub(super) fn size(&self, known: &Known) -> usize {
        let refill_key = match &self.limits.quota {
            Some(Quota::Own { size, .. }) => *size,
            Some(Quota::Shared { .. }) | None => 0,
        };
        known.bits(self.kind) + refill_key
    }
}

impl Domain {
    fn size(&self) -> usize {
        let name = match &self.scheme {
            Scheme::Shares { .. } => 0,
            Scheme::Exchange { group } => group.len(),
        };
        name + if self.kek.is_some() { 32 } else { 0 }
    }
}

impl Model {
    /// Memory in use.
    pub(crate) fn used(&self, known: &Known) -> usize {
        let keys = self.keys.values().map(|key| key.size(known));
        let files = self.files.iter().map(|(_, content)| content.len());
        let slots = self.custodians.iter().flat_map(|custodians| custodians.slots.iter().flatten());
        let custodians = slots.map(|Custodian { size, .. }| *size);
        let domains = self.domains.iter().flatten().map(Domain::size);
        keys.chain(files).chain(custodians).chain(domains).sum()
    }

    /// How many bytes key `id` takes, which another one is to replace.
    pub(super) fn size_of_key(&self, known: &Known, id: u8) -> usize {
        self.keys.get(&id).map_or(0, |key| key.size(known))
    }

    /// `6A84` if the card, which uses so much memory now, would have too much with the changes.
    pub(super) fn without_memory(&self, before: usize, after: usize) -> Option<u16> {
        let [memory, _] = self.firmware.memory();
        (after > memory.max(before)).then_some(0x6A84)
    }
}
