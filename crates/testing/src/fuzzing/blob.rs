//! Wrapped keys: what the card gets has the right check value and MAC, whatever is in it.

use super::{cards, stored};
use crate::test_card::extended;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use aes::{Aes256, Block};
use cmac::{Cmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// WRAP KEY, among the algorithms that a key is limited to.
const WRAP: u8 = 0x92;

/// What a blob is made of, as an input has it.
struct BlobParts<'a> {
    kind: u8,
    /// Default algorithm, algorithms, conditions, identifier.
    fields: [&'a [u8]; 4],
    record: &'a [u8],
}

/// Which card it is, and the [`Parts`] of a blob. A key that is imported is used for whatever keys
/// are used for, and comes out of the card as it went in.
pub(super) fn run(data: &[u8]) {
    played(data);
}

/// The status word of UNWRAP KEY.
fn played(data: &[u8]) -> Option<u16> {
    let [card, parts @ ..] = data else { return None };
    let parts = BlobParts::parse(parts)?;
    let mut card = cards::empty(*card);
    card.transmit(&cards::login());
    let imported = card.transmit(&extended(0x80, 0x74, 1, 0x93, &parts.blob(), false));
    let [_, algorithms, ..] = parts.fields;
    let may_leave = algorithms.is_empty() || algorithms.contains(&WRAP);
    if imported.status == 0x9000 {
        stored::use_keys(&mut card);
    }
    if imported.status == 0x9000 && may_leave {
        let wrapped = card.transmit(&extended(0x80, 0x72, 1, 0x92, &[], true));
        assert_eq!(wrapped.status, 0x9000, "a key that cannot leave again");
        let again = extended(0x80, 0x74, 2, 0x93, &wrapped.data, false);
        assert_eq!(card.transmit(&again).status, 0x9000, "a key that does not come back");
    }
    drop(card.restarted());
    Some(imported.status)
}

impl<'a> BlobParts<'a> {
    /// The kind, the lengths of the fields in a byte each, the fields, and the record.
    fn parse(data: &'a [u8]) -> Option<Self> {
        let [kind, lengths @ ..] = data else { return None };
        let (lengths, mut rest) = lengths.split_first_chunk::<4>()?;
        let fields = lengths.map(|length| {
            let field;
            (field, rest) = rest.split_at(rest.len().min(length.into()));
            field
        });
        Some(Self { kind: *kind, fields, record: rest })
    }

    /// The blob, its record with zeros up to a whole block.
    fn blob(&self) -> Vec<u8> {
        let derived =
            |counter: u8| Sha256::digest([&cards::DKEK[..], &[0, 0, 0, counter]].concat());
        let mut blob = Sha256::digest(cards::DKEK)[..8].to_vec();
        blob.push(self.kind);
        for field in self.fields {
            blob.extend(u16::try_from(field.len()).expect("it is below 256").to_be_bytes());
            blob.extend(field);
        }
        let mut record = self.record.to_vec();
        record.resize(record.len().next_multiple_of(16), 0x00);
        let (blocks, _) = Block::slice_as_chunks_mut(&mut record);
        cbc::Encryptor::<Aes256>::new_from_slices(&derived(1), &[0; 16])
            .expect("lengths of AES")
            .encrypt_blocks(blocks);
        blob.extend(record);
        let mac = Cmac::<Aes256>::new_from_slice(&derived(2)).expect("a length of AES");
        blob.extend(mac.chain_update(&blob).finalize().into_bytes());
        blob
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::seeds;

    #[test]
    fn a_seed_is_a_key_that_a_card_takes() {
        let seeds = seeds::blobs();
        assert_eq!(seeds.iter().filter(|seed| seed.name.ends_with("3-4")).count(), 7);
        for seed in seeds.iter().filter(|seed| seed.name.ends_with("3-4")) {
            assert_eq!(played(&seed.bytes), Some(0x9000), "{}", seed.name);
        }
    }
}
