//! Keys with quotas, our extension: who may refill the use counter, and who shares it.
//!
//! `firmware/README.md` describes them.

use super::{Exchange, Judgement, Model, equal};
use crate::known::{Identity, Known};
use vschsm_card::state;
use vschsm_host::command::refill_token;
use vschsm_protocol::tlv::{self, Object, encode};

/// What a key has beside its use counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Quota {
    Own {
        identifier: Vec<u8>,
        refills: u32,
        holder: Vec<u8>,
        refill_key: Identity,
        /// How many bytes of memory the refill key takes.
        size: usize,
    },
    Shared {
        master: u8,
        identifier: Vec<u8>,
    },
}

impl Quota {
    /// What the card says of it, tag B4.
    pub(super) fn encode(&self) -> Vec<u8> {
        let objects = match self {
            Self::Own { identifier, refills, holder, .. } => [
                encode(0x5F20, holder),
                encode(0x80, identifier),
                encode(0x81, &refills.to_be_bytes()),
            ]
            .concat(),
            Self::Shared { master, identifier } => {
                [encode(0x83, &[*master]), encode(0x80, identifier)].concat()
            }
        };
        encode(0xB4, &objects)
    }

    fn identifier(&self) -> &[u8] {
        let (Self::Own { identifier, .. } | Self::Shared { identifier, .. }) = self;
        identifier
    }

    /// That of a key derived from number `id`, which has this one.
    pub(super) fn shared(self, id: u8) -> Self {
        match self {
            Self::Own { identifier, .. } => Self::Shared { master: id, identifier },
            shared @ Self::Shared { .. } => shared,
        }
    }
}

impl Model {
    /// The quota that is ordered for a key; what is wrong with it is a reason. The card draws its
    /// identifier later.
    pub(super) fn quota(
        &self,
        objects: &[Object<'_>],
        known: &Known,
        no: &mut Vec<u16>,
    ) -> Option<Quota> {
        let request = tlv::find(objects, 0xB4).filter(|_| self.firmware.has_quotas())?;
        no.extend(tlv::find(objects, 0x90).is_none().then_some(0x6A80));
        let checked = self.checked_request_in(known, request);
        no.extend(checked.reasons());
        let request = checked.request()?;
        let (holder, refill_key) = (request.holder.clone(), request.identity.clone());
        let (identifier, size) = (Vec::new(), request.size);
        Some(Quota::Own { identifier, refills: 0, holder, refill_key, size })
    }

    /// Learns what identifier the card has drawn for key `id`, which no other key has.
    pub(super) fn take_identifier(&mut self, id: u8, card: &state::State) -> Judgement {
        let keys = self.keys.values().filter_map(|key| key.limits.quota.as_ref());
        let others: Vec<_> = keys.map(|quota| quota.identifier().to_vec()).collect();
        let Some(Quota::Own { identifier, .. }) =
            self.keys.get_mut(&id).and_then(|key| key.limits.quota.as_mut())
        else {
            return Ok(());
        };
        let mut keys = card.keys().filter(|(known, _)| known.number() == id);
        let drawn = match keys.next().and_then(|(_, key)| key.quota()) {
            Some(state::Quota::Own { identifier, .. }) => identifier.to_vec(),
            other => return Err(format!("the key's quota is {other:?}")),
        };
        if others.contains(&drawn) {
            return Err("another key has this identifier".into());
        }
        *identifier = drawn;
        Ok(())
    }

    /// The key by whose counter the uses of key `id` are counted: its own number most often, and
    /// none for a key whose master is gone.
    fn counted_by(&self, id: u8) -> Option<u8> {
        let key = self.keys.get(&id)?;
        let Some(Quota::Shared { master, identifier }) = &key.limits.quota else {
            return Some(id);
        };
        let quota = self.keys.get(master)?.limits.quota.as_ref();
        let is_master =
            matches!(quota, Some(Quota::Own { identifier: own, .. }) if own == identifier);
        is_master.then_some(*master)
    }

    /// The uses that key `id` has left, if they are counted.
    pub(super) fn uses_left(&self, id: u8) -> Option<u32> {
        match self.counted_by(id) {
            Some(counter) => self.keys.get(&counter)?.limits.uses,
            None => self.keys.get(&id).map(|_| 0),
        }
    }

    /// A counted key has been used.
    pub(super) fn count_use(&mut self, id: u8) {
        let Some(counter) = self.counted_by(id) else { return };
        let family = self.keys.get(&counter).and_then(|key| key.limits.family);
        for (other, key) in &mut self.keys {
            let is_counted = *other == counter || family.is_some() && key.limits.family == family;
            if let Some(uses) = key.limits.uses.as_mut().filter(|_| is_counted) {
                *uses -= 1;
            }
        }
    }

    /// Makes key `id` and what is derived from it one family, if its uses are counted.
    pub(super) fn found_family(&mut self, id: u8) {
        let families = self.keys.values().filter_map(|key| key.limits.family);
        let newest = families.max().map_or(0, |family| family + 1);
        let limits = self.keys.get_mut(&id).map(|key| &mut key.limits);
        if let Some(limits) =
            limits.filter(|limits| limits.uses.is_some() && limits.quota.is_none())
        {
            limits.family.get_or_insert(newest);
        }
    }

    /// That the card has that quota for key `id`.
    pub(super) fn audit_quota(&self, id: u8, key: &state::Key) -> Judgement {
        let on_the_card = key.quota().map(|quota| match quota {
            state::Quota::Own { identifier, refills, .. } => (identifier.to_vec(), Some(*refills)),
            state::Quota::Shared { identifier, .. } => (identifier.to_vec(), None),
        });
        let expected = self.keys.get(&id).and_then(|key| key.limits.quota.as_ref());
        let expected = expected.map(|quota| match quota {
            Quota::Own { identifier, refills, .. } => (identifier.clone(), Some(*refills)),
            Quota::Shared { identifier, .. } => (identifier.clone(), None),
        });
        equal("the key's quota", &expected, &on_the_card)
    }

    /// The only refill token for key `id`, if it has a quota of its own.
    pub(crate) fn refill_token(&self, id: u8, uses: u32) -> Option<Vec<u8>> {
        let Quota::Own { identifier, refills, .. } = self.keys.get(&id)?.limits.quota.as_ref()?
        else {
            return None;
        };
        Some(refill_token(&self.device.name, id, identifier, *refills, uses))
    }

    pub(super) fn refill_quota(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (id, mut no) = (x.command.p1, Vec::new());
        no.extend((x.command.p2 != 0).then_some(0x6A86));
        no.extend((id == 0).then_some(0x6985));
        let objects = tlv::parse(&x.command.data).unwrap_or_default();
        let [stated @ Object { tag: 0xB4, .. }, signature @ Object { tag: 0x5F37, .. }] =
            objects.as_slice()
        else {
            no.push(0x6A80);
            return x.response.refused(&no);
        };
        let uses = tlv::parse(stated.value).ok();
        let uses = uses.and_then(|objects| tlv::find(&objects, 0x90).map(<[u8]>::to_vec));
        let uses = uses.and_then(|uses| uses.try_into().ok()).map_or(0, u32::from_be_bytes);
        no.extend((uses == 0).then_some(0x6A80));
        let quota = self.keys.get(&id).map(|key| &key.limits.quota);
        match quota {
            None => no.push(0x6A88),
            Some(None | Some(Quota::Shared { .. })) => no.push(0x6A81),
            Some(Some(Quota::Own { refill_key, .. })) => {
                let signed = x.known.signatures.get(signature.value);
                let is_theirs = signed.is_some_and(|signed| {
                    signed.identity == *refill_key && signed.message == stated.encoded
                });
                no.extend((!is_theirs).then_some(0x6300));
                let expected = self.refill_token(id, uses);
                no.extend((expected.as_deref() != Some(stated.encoded)).then_some(0x6985));
            }
        }
        if x.response.explained(&no)?
            && let Some(key) = self.keys.get_mut(&id)
            && let Some(Quota::Own { refills, .. }) = &mut key.limits.quota
        {
            *refills += 1;
            key.limits.uses = Some(uses);
        }
        x.response.has(&[])
    }
}
