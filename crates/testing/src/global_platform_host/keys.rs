//! HostKeys of a card manager, and what follows from them.

use super::{MASTER_KEY, Proposal};
use des::cipher::consts::U8;
use des::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeEncrypt, KeyInit, KeyIvInit,
};
use des::{Des, TdesEde2};

/// Three two-key keys of triple DES: those of a card, or those of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKeys {
    /// For cryptograms, and for the data of commands.
    pub encryption: [u8; 16],
    /// For the MACs of commands.
    pub mac: [u8; 16],
    /// For keys that are sent.
    pub data: [u8; 16],
}

impl HostKeys {
    /// Three times the same.
    #[must_use]
    pub fn all(key: [u8; 16]) -> Self {
        Self { encryption: key, mac: key, data: key }
    }

    /// Those of the card that has this diversification data and was made with [`MASTER_KEY`].
    #[must_use]
    pub fn of_card(diversification: &[u8; 10]) -> Self {
        Self::diversified(&MASTER_KEY, diversification)
    }

    /// Those of a card, from a master key and the last six bytes of the card's diversification
    /// data.
    #[must_use]
    pub fn diversified(master: &[u8; 16], diversification: &[u8; 10]) -> Self {
        let [_, _, _, _, card @ ..] = diversification;
        let derived = |number: u8| {
            let mut key = [*card, *card].concat();
            key.splice(6..6, [0xF0, number]);
            key.extend([0x0F, number]);
            encrypt_blocks(master, &key).try_into().unwrap()
        };
        Self { encryption: derived(1), mac: derived(2), data: derived(3) }
    }

    /// Those of the session with that number.
    #[must_use]
    pub fn session(&self, counter: [u8; 2]) -> Self {
        let derived = |key: &[u8; 16], constant: [u8; 2]| {
            let mut data = [0; 16];
            data[..2].copy_from_slice(&constant);
            data[2..4].copy_from_slice(&counter);
            encrypt_chain(key, &data).try_into().unwrap()
        };
        Self {
            encryption: derived(&self.encryption, [0x01, 0x82]),
            mac: derived(&self.mac, [0x01, 0x01]),
            data: derived(&self.data, [0x01, 0x81]),
        }
    }

    /// The card's cryptogram for a host's challenge, with these session keys.
    #[must_use]
    pub fn card_cryptogram(&self, host: &[u8; 8], proposal: &Proposal) -> [u8; 8] {
        self.cryptogram(&[&host[..], &proposal.counter, &proposal.challenge].concat())
    }

    /// The host's cryptogram for the card's challenge, with these session keys.
    #[must_use]
    pub fn host_cryptogram(&self, host: &[u8; 8], proposal: &Proposal) -> [u8; 8] {
        self.cryptogram(&[&proposal.counter[..], &proposal.challenge, host].concat())
    }

    fn cryptogram(&self, data: &[u8]) -> [u8; 8] {
        let encrypted = encrypt_chain(&self.encryption, &padded(data));
        *encrypted.last_chunk().unwrap()
    }

    /// The challenge of a card that makes it from its keys of the session.
    #[must_use]
    pub fn challenge(&self, application: &[u8]) -> [u8; 6] {
        *self.mac([0; 8], application).first_chunk().unwrap()
    }

    /// DES in CBC mode with the first half of the key, and the last block decrypted with the second
    /// half and encrypted with the first.
    #[must_use]
    pub fn mac(&self, vector: [u8; 8], message: &[u8]) -> [u8; 8] {
        let second: &[u8; 8] = self.mac.last_chunk().unwrap();
        let mut bytes = padded(message);
        let (blocks, _) = Array::<u8, U8>::slice_as_chunks_mut(&mut bytes);
        cbc::Encryptor::<Des>::new(&self.first().into(), &vector.into()).encrypt_blocks(blocks);
        let mut last = *blocks.last().unwrap();
        Des::new(&(*second).into()).decrypt_block(&mut last);
        Des::new(&self.first().into()).encrypt_block(&mut last);
        last.into()
    }

    /// A MAC as the next one starts from it.
    #[must_use]
    pub fn chained(&self, mac: [u8; 8]) -> [u8; 8] {
        let mut block = mac.into();
        Des::new(&self.first().into()).encrypt_block(&mut block);
        block.into()
    }

    fn first(&self) -> [u8; 8] {
        *self.mac.first_chunk().unwrap()
    }
}

/// The data, `80` and as many `00` as fill a block.
pub(super) fn padded(data: &[u8]) -> Vec<u8> {
    let mut padded = [data, &[0x80]].concat();
    padded.resize(padded.len().next_multiple_of(8), 0x00);
    padded
}

/// Triple DES in CBC mode from zero on.
pub(super) fn encrypt_chain(key: &[u8; 16], data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let (blocks, _) = Array::<u8, U8>::slice_as_chunks_mut(&mut bytes);
    cbc::Encryptor::<TdesEde2>::new(&(*key).into(), &Array::default()).encrypt_blocks(blocks);
    bytes
}

/// Triple DES, each block for itself.
pub(super) fn encrypt_blocks(key: &[u8; 16], data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let (blocks, _) = Array::<u8, U8>::slice_as_chunks_mut(&mut bytes);
    TdesEde2::new(&(*key).into()).encrypt_blocks(blocks);
    bytes
}
