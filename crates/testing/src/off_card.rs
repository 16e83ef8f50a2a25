//! Wrapped keys, opened without any of the card's code.

use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use aes::{Aes256, Block};
use cmac::{Cmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// What a blob has encrypted, the padding included.
///
/// # Panics
///
/// If the blob was not made with that DKEK.
#[must_use]
pub fn opened(blob: &[u8], dkek: &[u8; 32]) -> Vec<u8> {
    let derived = |counter: u8| Sha256::digest([&dkek[..], &[0, 0, 0, counter]].concat());
    let (content, mac) = blob.split_last_chunk::<16>().unwrap();
    let mut expected = Cmac::<Aes256>::new_from_slice(&derived(2)).unwrap();
    expected.update(content);
    assert_eq!(expected.finalize().into_bytes()[..], mac[..]);
    let lists = usize::from(content[10]) + usize::from(content[12 + usize::from(content[10])]);
    let mut record = content[17 + lists..].to_vec();
    let (blocks, _) = Block::slice_as_chunks_mut(&mut record);
    cbc::Decryptor::<Aes256>::new_from_slices(&derived(1), &[0; 16])
        .unwrap()
        .decrypt_blocks(blocks);
    record
}

/// The first `count` components of a record.
///
/// # Panics
///
/// If it has fewer.
#[must_use]
pub fn components(record: &[u8], count: usize) -> Vec<Vec<u8>> {
    let mut rest = &record[10..];
    let take = |_| {
        let (length, after) = rest.split_at(2);
        let (component, after) =
            after.split_at(usize::from(u16::from_be_bytes([length[0], length[1]])));
        rest = after;
        component.to_vec()
    };
    (0..count).map(take).collect()
}
