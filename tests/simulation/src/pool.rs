//! RSA keys, which take too long to be made in every session: wrapped ones, made once, that any
//! card with the DKEK of one known share imports.

use crate::known::{Blob, Identity, Kek, Kind, Known};
use rsa::hazmat::rsa_encrypt;
use rsa::{BoxedUint, RsaPublicKey};
use std::sync::OnceLock;
use vschsm_protocol::tlv::{self, encode};
use vschsm_testing::test_card::TestCard;

/// The share of the DKEK that wraps the keys of the pool.
pub(crate) const SHARE: [u8; 32] = [0x44; 32];

/// What the cryptograms of the pool hold.
const MESSAGE: &[u8] = b"a message for the pool's key";

/// A wrapped key.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) blob: Vec<u8>,
    bits: usize,
    modulus: Vec<u8>,
    algorithms: Vec<u8>,
    /// [`MESSAGE`], padded as PKCS#1 v1.5 has it, and that encrypted.
    block: Vec<u8>,
    pub(crate) cryptogram: Vec<u8>,
}

/// The keys of the pool, the same in every process.
pub(crate) fn keys() -> &'static [Pooled] {
    static KEYS: OnceLock<Vec<Pooled>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut card = TestCard::with_dkek("3.4", SHARE);
        let make = |(id, bits, list): (u8, u16, &[u8])| {
            let limits = if list.is_empty() { vec![] } else { encode(0x91, list) };
            let request = card.generate_rsa(id, bits, &limits);
            let modulus = tlv::at(&request, &[0x67, 0x7F21, 0x7F4E, 0x7F49, 0x81]);
            let modulus = modulus.expect("a request has a modulus");
            Pooled::new(card.wrap_key(id).expect_ok(), modulus, list)
        };
        let all = [0x20, 0x21, 0x22, 0x30, 0x33, 0x40, 0x43, 0x92, 0x94];
        [(1, 1024, &[][..]), (2, 1024, &all), (3, 2048, &[])].map(make).into()
    })
}

impl Pooled {
    fn new(blob: Vec<u8>, modulus: &[u8], algorithms: &[u8]) -> Self {
        let bits = 8 * modulus.len();
        let mut block = vec![0xFF; modulus.len()];
        let start = block.len() - MESSAGE.len();
        block[..2].copy_from_slice(&[0x00, 0x02]);
        block[start - 1] = 0x00;
        block[start..].copy_from_slice(MESSAGE);
        let number = |bytes: &[u8]| {
            let bits = u32::try_from(bits).expect("a few thousand");
            BoxedUint::from_be_slice(bytes, bits).expect("it has so many bits")
        };
        let key = RsaPublicKey::new(number(modulus), BoxedUint::from(65_537_u64));
        let key = key.expect("a card has made it");
        let encrypted = rsa_encrypt(&key, &number(&block)).expect("it is below the modulus");
        let digits = encrypted.to_be_bytes();
        let cryptogram = digits[digits.len() - modulus.len()..].to_vec();
        let (modulus, algorithms) = (modulus.to_vec(), algorithms.to_vec());
        Self { blob, bits, modulus, algorithms, block, cryptogram }
    }
}

/// Lets everything be known about the pool.
pub(crate) fn introduce(known: &mut Known) {
    for key in keys() {
        let identity: Identity = key.modulus.as_slice().into();
        known.note_modulus(&identity, &key.modulus);
        for (algorithm, message) in [(0x21, key.block.as_slice()), (0x22, MESSAGE)] {
            known.note_output(&identity, algorithm, &key.cryptogram, message);
        }
        known.note_output(&identity, 0x20, &key.cryptogram, &key.block);
        let blob = Blob {
            kek: Kek::Sum(SHARE),
            kind: Kind::Rsa(key.bits),
            identity,
            algorithms: key.algorithms.clone(),
        };
        known.blobs.insert(key.blob.clone(), blob);
    }
}
