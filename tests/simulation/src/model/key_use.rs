//! SIGN, DECIPHER, CIPHER, DERIVE EC KEY: what keys are used for.

use super::trust::CheckedRequest;
use super::{Exchange, Judgement, Key, Model};
use crate::known::{Identity, Kind, Known, Signature};
use vschsm_host::command::raw_signature;
use vschsm_protocol::tlv::{self, Object};

/// What a key does only if its list says so.
const ONLY_IF_LISTED: [u8; 4] = [0x83, 0x84, 0x94, 0x98];

impl Key {
    /// Whether its list forbids that; no list forbids only what must be listed.
    fn forbids(&self, algorithm: u8) -> bool {
        let listed = &self.limits.algorithms;
        if listed.is_empty() {
            ONLY_IF_LISTED.contains(&algorithm)
        } else {
            !listed.contains(&algorithm)
        }
    }
}

impl Model {
    /// The reasons against one use of key `id`, whatever it is used on.
    pub(super) fn against_use(&self, id: u8, algorithm: u8) -> Vec<u16> {
        let mut no = Vec::new();
        no.extend(self.without_login());
        no.extend((id == 0).then_some(0x6985));
        no.extend((!self.firmware.has_algorithm(algorithm)).then_some(0x6A81));
        no.extend(self.against_key(id, algorithm));
        no
    }

    /// The reasons that are the key's own.
    pub(super) fn against_key(&self, id: u8, algorithm: u8) -> Vec<u16> {
        let mut no = Vec::new();
        match self.keys.get(&id) {
            None => no.push(0x6A88),
            Some(key) => {
                no.extend(key.forbids(algorithm).then_some(0x6A81));
                no.extend((self.uses_left(id) == Some(0)).then_some(0x6984));
            }
        }
        no
    }

    /// Kind and identity of a key; one that no card has if the key does not exist.
    fn key(&self, id: u8) -> (Option<Kind>, Identity) {
        let key = self.keys.get(&id);
        let identity = key.map_or_else(|| [].into(), |key| key.identity.clone());
        (key.map(|key| key.kind), identity)
    }

    pub(super) fn sign(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (id, algorithm, input) = (x.command.p1, x.command.p2, &x.command.data);
        let mut no = self.against_use(id, algorithm);
        let (kind, identity) = self.key(id);
        match kind {
            Some(Kind::Rsa(bits)) => {
                no.extend(against_rsa(x.known, &identity, bits, algorithm, input));
                let is_long = algorithm == 0x40 && matches!(input.len(), 48 | 64);
                no.extend((is_long && !self.firmware.is_from_3()).then_some(0x6A80));
            }
            Some(Kind::Ec(_)) if algorithm == 0x70 => {
                no.extend((!(1..=66).contains(&input.len())).then_some(0x6A80));
            }
            Some(Kind::Ec(_)) => no.extend((!is_ecdsa(algorithm)).then_some(0x6A81)),
            Some(Kind::Aes(_)) => no.push(0x6A81),
            None => {}
        }
        if !x.response.explained(&no)? {
            return Ok(());
        }
        self.count_use(id);
        let signature = &x.response.data;
        match kind {
            Some(Kind::Rsa(bits)) if signature.len() != bits / 8 => {
                return Err(format!("an RSA signature of {} bytes", signature.len()));
            }
            // The others are salted.
            Some(Kind::Rsa(_)) if algorithm < 0x40 => {
                return x.known.output(&identity, algorithm, input, signature);
            }
            Some(Kind::Ec(curve)) => {
                let bits = x.known.curves[curve].bits;
                let order = x.known.curves[curve].domain.n.len();
                is_ecdsa_signature(signature, self.firmware.keeps_zeros(bits).then_some(order))?;
            }
            _ => {}
        }
        if algorithm == 0x73 {
            let known = Signature { identity, message: input.to_vec() };
            x.known.signatures.insert(raw_signature(signature), known.clone());
            x.known.signatures.insert(signature.clone(), known);
        }
        Ok(())
    }

    pub(super) fn decipher(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (id, algorithm, input) = (x.command.p1, x.command.p2, &x.command.data);
        if algorithm == 0x83 {
            return self.agree_with_card(x);
        }
        let mut no = self.against_use(id, algorithm);
        let (kind, identity) = self.key(id);
        match (kind, algorithm) {
            (Some(Kind::Rsa(_)), 0x21..=0x23) => {
                no.extend((!x.known.is_below_modulus(&identity, input)).then_some(0x6A80));
            }
            (Some(Kind::Ec(curve)), 0x80) => {
                no.extend((!self.is_point(x.known, curve, input)).then_some(0x6A80));
            }
            (Some(_), _) => no.push(0x6A81),
            (None, _) => {}
        }
        // Whether there is a message in a cryptogram is known once it was seen.
        if matches!(algorithm, 0x22 | 0x23) && no.is_empty() && x.response.status == 0x6A80 {
            self.count_use(id);
            let known = x.known.has_message(&identity, algorithm, input);
            return if known {
                Err("there is a message in it".into())
            } else {
                x.response.has(&[])
            };
        }
        if !x.response.explained(&no)? {
            return Ok(());
        }
        self.count_use(id);
        x.known.output(&identity, algorithm, input, &x.response.data)
    }

    /// Whether these bytes are a point that is surely on the curve: its base point or a public key.
    fn is_point(&self, known: &Known, curve: usize, bytes: &[u8]) -> bool {
        let is_public = |key: &Key| key.kind == Kind::Ec(curve) && *key.identity == *bytes;
        known.curves[curve].domain.g == bytes || self.keys.values().any(is_public)
    }

    fn agree_with_card(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let id = x.command.p1;
        let mut no = self.against_use(id, 0x83);
        let (kind, identity) = self.key(id);
        let checked = self.checked_request(x);
        no.extend(checked.reasons());
        let CheckedRequest::For(request) = &checked else {
            return self.after_long_data(x, &no).map(drop);
        };
        no.extend(match kind {
            Some(Kind::Ec(_)) => (kind != Some(request.kind)).then_some(0x6A80),
            Some(_) => Some(0x6A81),
            None => None,
        });
        if !self.after_long_data(x, &no)? {
            return Ok(());
        }
        self.count_use(id);
        // The same as with 80.
        x.known.output(&identity, 0x80, &request.identity, &x.response.data)
    }

    pub(super) fn cipher(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (id, algorithm, input) = (x.command.p1, x.command.p2, &x.command.data);
        let mut no = self.against_use(id, algorithm);
        let (kind, identity) = self.key(id);
        let is_aes = kind.is_none_or(|kind| matches!(kind, Kind::Aes(_)));
        no.extend((!is_aes).then_some(0x6A81));
        let length = match algorithm {
            0x10 | 0x11 => {
                let whole = !input.is_empty() && input.len().is_multiple_of(16);
                no.extend((!whole).then_some(0x6A80));
                input.len()
            }
            0x18 => 16,
            0x99 => {
                no.extend((!(1..=127).contains(&input.len())).then_some(0x6A80));
                32
            }
            _ => {
                no.push(0x6A81);
                0
            }
        };
        if !x.response.explained(&no)? {
            return Ok(());
        }
        self.count_use(id);
        let output = &x.response.data;
        if output.len() != length {
            return Err(format!("{} bytes of output, and not {length}", output.len()));
        }
        // What one makes the other undoes.
        if let inverse @ (0x10 | 0x11) = algorithm ^ 0x01 {
            x.known.output(&identity, inverse, output, input)?;
        }
        x.known.output(&identity, algorithm, input, output)
    }

    pub(super) fn derive_ec(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (id, new, data) = (x.command.p1, x.command.p2, x.command.data.as_slice());
        let mut no = self.against_use(id, 0x98);
        no.extend((new == 0).then_some(0x6985));
        let offset = data.strip_prefix(&[0x98]).filter(|offset| !offset.is_empty());
        no.extend(offset.is_none().then_some(0x6A80));
        let mut bits = 0;
        match self.keys.get(&id).map(|key| key.kind) {
            Some(Kind::Ec(curve)) => {
                let order = &x.known.curves[curve].domain.n;
                // No curve here has room for twice the order.
                let gives_another = |offset: &[u8]| {
                    offset.len() <= order.len()
                        && offset != order
                        && offset.iter().any(|it| *it != 0)
                };
                no.extend((!offset.is_some_and(gives_another)).then_some(0x6A80));
                bits = x.known.bits(Kind::Ec(curve));
            }
            Some(_) => no.push(0x6A81),
            None => {}
        }
        let replaced = self.size_of_key(x.known, new);
        let before = self.used(x.known);
        no.extend(self.without_memory(before, before - replaced + bits));
        let is_done = x.response.explained(&no)?;
        if x.response.status == 0x6A84 {
            // It has been derived by then.
            self.count_use(id);
        }
        if !is_done {
            return Ok(());
        }
        self.count_use(id);
        self.found_family(id);
        let (Some(mut base), Some(offset)) = (self.keys.get(&id).cloned(), offset) else {
            return Err("it is done without key or offset".into());
        };
        if let Some(quota) = base.limits.quota.take() {
            base.limits.uses = None;
            base.limits.quota = Some(quota.shared(id));
        }
        let identity = public_half(x.card, new).ok_or("there is no such key")?;
        x.known.derived(&base.identity, offset, &identity)?;
        self.keys.insert(new, Key { identity, ..base });
        x.response.has(&[])
    }
}

/// The identity of a key pair on the card.
pub(super) fn public_half(card: &vschsm_card::state::State, id: u8) -> Option<Identity> {
    let (_, key) = card.keys().find(|(known, _)| known.number() == id)?;
    Some(match key.public_key()? {
        vschsm_protocol::crypto::public_key::PublicKey::Ec { point, .. } => point.into(),
        vschsm_protocol::crypto::public_key::PublicKey::Rsa { modulus, .. } => modulus.into(),
    })
}

fn is_ecdsa(algorithm: u8) -> bool {
    (0x70..=0x75).contains(&algorithm)
}

/// What stands against an RSA signature of that input.
fn against_rsa(
    known: &Known,
    identity: &Identity,
    bits: usize,
    algorithm: u8,
    input: &[u8],
) -> Option<u16> {
    let modulus = bits / 8;
    let pss_fits = |hash: usize| 2 * hash + 2 <= modulus;
    let fits = match algorithm {
        0x20 => known.is_below_modulus(identity, input),
        0x30 => input.len() + 11 <= modulus,
        0x31 | 0x33..=0x35 => true,
        0x40 => [20, 32, 48, 64].contains(&input.len()) && pss_fits(input.len()),
        0x41 => pss_fits(20),
        0x43 => pss_fits(32),
        0x44 => pss_fits(48),
        0x45 => pss_fits(64),
        _ => return Some(0x6A81),
    };
    (!fits).then_some(0x6A80)
}

/// SEQUENCE { INTEGER, INTEGER }, and nothing else: of that many bytes each, or, without a length,
/// without leading zeros that no integer needs.
fn is_ecdsa_signature(signature: &[u8], length: Option<usize>) -> Judgement {
    let numbers = tlv::at(signature, &[0x30]).and_then(|content| tlv::parse(content).ok());
    let is_written_so = |number: &[u8]| match (length, number) {
        (Some(length), number) => number.len() == length,
        (None, [0x00, second, ..]) => *second >= 0x80,
        (None, [first, ..]) => *first < 0x80,
        (None, []) => false,
    };
    let is_one = numbers.is_some_and(|numbers| {
        let is_right = |number: &Object<'_>| number.tag == 0x02 && is_written_so(number.value);
        numbers.len() == 2 && numbers.iter().all(is_right)
    });
    if is_one { Ok(()) } else { Err("it is no ECDSA signature".into()) }
}
