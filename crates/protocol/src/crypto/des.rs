//! Triple DES with two keys, as secure messaging and the issuer's channel have it.

use super::blocks::in_blocks;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use des::cipher::consts::U8;
use des::cipher::{
    Array, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit,
};
use des::{Des, TdesEde2};
use retail_mac::{Mac, RetailMac};

type Block = Array<u8, U8>;

/// A secret key of 16 bytes: K1 ‖ K2. Their parity bits do not matter.
#[derive(Clone)]
pub(crate) struct TripleDesKey(Arc<Ciphers>);

struct Ciphers {
    /// Encrypts with K1, decrypts with K2, encrypts with K1.
    triple: TdesEde2,
    first: Des,
    /// CBC-MAC with K1, whose last block K2 decrypts and K1 encrypts.
    mac: RetailMac<Des>,
}

impl TripleDesKey {
    /// The length of a block in bytes.
    pub(crate) const BLOCK: usize = 8;

    /// The key K1 ‖ K2.
    pub(crate) fn from_bytes(bytes: &[u8; 16]) -> Self {
        let first = bytes.first_chunk::<8>().expect("16 bytes are more than 8");
        Self(Arc::new(Ciphers {
            triple: TdesEde2::new(&(*bytes).into()),
            first: Des::new(&(*first).into()),
            mac: RetailMac::new(&(*bytes).into()),
        }))
    }

    /// `data` encrypted in CBC mode with an initialisation vector of zeros and no padding.
    ///
    /// `None` unless it is one block of 8 bytes or several.
    pub(crate) fn encrypt(&self, data: &[u8]) -> Option<Vec<u8>> {
        in_blocks(data, |blocks| {
            cbc::Encryptor::inner_iv_init(&self.0.triple, &Block::default()).encrypt_blocks(blocks);
        })
    }

    /// Undoes [`encrypt`](Self::encrypt).
    pub(crate) fn decrypt(&self, data: &[u8]) -> Option<Vec<u8>> {
        in_blocks(data, |blocks| {
            cbc::Decryptor::inner_iv_init(&self.0.triple, &Block::default()).decrypt_blocks(blocks);
        })
    }

    /// A block encrypted by K1 alone, with single DES.
    pub(crate) fn encrypt_with_first(&self, block: [u8; 8]) -> [u8; 8] {
        let mut block = block.into();
        self.0.first.encrypt_block(&mut block);
        block.into()
    }

    /// The retail MAC of `message`, filled up with zeros: algorithm 3 of ISO 9797-1, its padding
    /// method 1.
    pub(crate) fn mac(&self, message: &[u8]) -> [u8; 8] {
        self.0.mac.clone().chain_update(message).finalize().into_bytes().into()
    }
}

/// Shows no secret.
impl fmt::Debug for TripleDesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TripleDesKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// The worked example of Basic Access Control in ICAO Doc 9303 part 11, appendix D.
    #[test]
    fn cryptograms_and_macs_are_those_of_icao_9303() {
        let key = TripleDesKey::from_bytes(&hex!("AB94FDECF2674FDFB9B391F85D7F76F2"));
        let plain = hex!("781723860C06C2264608F91988702212 0B795240CB7049B01C19B33E32804F0B");
        let cryptogram = hex!("72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F2");
        assert_eq!(key.encrypt(&plain), Some(cryptogram.to_vec()));
        assert_eq!(key.decrypt(&cryptogram), Some(plain.to_vec()));

        let mac = TripleDesKey::from_bytes(&hex!("7962D9ECE03D1ACD4C76089DCE131543"));
        let padded = [&cryptogram[..], &hex!("8000000000000000")].concat();
        assert_eq!(mac.mac(&padded), hex!("5F1448EEA8AD90A7"));
    }

    #[test]
    fn only_whole_blocks_are_encrypted_and_macs_fill_up_with_zeros() {
        let key = TripleDesKey::from_bytes(&[0x5A; 16]);
        for length in 0..=24 {
            let data = alloc::vec![0xA5; length];
            let whole = length != 0 && length % 8 == 0;
            assert_eq!(key.encrypt(&data).is_some(), whole, "{length}");
            assert_eq!(key.decrypt(&data).is_some(), whole, "{length}");
            let filled = [&data[..], &alloc::vec![0; length.next_multiple_of(8) - length]].concat();
            assert_eq!(key.mac(&data), key.mac(&filled), "{length}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let key = TripleDesKey::from_bytes(&hex!("AB94FDECF2674FDFB9B391F85D7F76F2"));
        assert_eq!(alloc::format!("{key:?}"), "TripleDesKey");
    }
}
