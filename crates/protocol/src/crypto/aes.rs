//! AES keys.

use super::blocks::in_blocks;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use aes::cipher::common::InnerInit;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    InnerIvInit, KeyInit,
};
use aes::{Aes128, Aes192, Aes256, Block};
use chacha20::ChaCha20Rng;
use cmac::{Cmac, Mac};
use rand_core::Rng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A secret key of 128, 192 or 256 bits.
#[derive(Clone)]
pub struct AesKey(Arc<AesKeyParts>);

struct AesKeyParts {
    bytes: Zeroizing<Vec<u8>>,
    /// The key schedule.
    cipher: Box<dyn Cipher>,
}

impl AesKey {
    /// The length of a block in bytes.
    pub const BLOCK: usize = 16;

    /// A new key of 16, 24 or 32 bytes; `None` for another number of them.
    pub fn generate(length: usize, rng: &mut ChaCha20Rng) -> Option<Self> {
        let mut bytes = Zeroizing::new(vec![0; length]);
        rng.fill_bytes(&mut bytes);
        Self::from_bytes(&bytes)
    }

    /// A new key of 16, 24 or 32 bytes that are all the same one, so that there are 256 such keys;
    /// `None` for another number of bytes.
    ///
    /// Firmware 3.1 and 3.2 are said to generate keys of little to no entropy. That they look like
    /// this is a guess, made so that such a key is known wherever it goes.
    pub fn generate_weak(length: usize, rng: &mut ChaCha20Rng) -> Option<Self> {
        let mut byte = Zeroizing::new([0]);
        rng.fill_bytes(byte.as_mut());
        Self::from_bytes(&Zeroizing::new(byte.repeat(length)))
    }

    /// Whether the key is one of those. A random key is one as good as never.
    pub fn is_weak(&self) -> bool {
        is_weak(self.bytes())
    }

    /// The key of 16, 24 or 32 bytes; `None` for another number of them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let cipher: Box<dyn Cipher> = match bytes.len() {
            16 => Box::new(Aes128::new_from_slice(bytes).ok()?),
            24 => Box::new(Aes192::new_from_slice(bytes).ok()?),
            32 => Box::new(Aes256::new_from_slice(bytes).ok()?),
            _ => return None,
        };
        Some(Self(Arc::new(AesKeyParts { bytes: Zeroizing::new(bytes.to_vec()), cipher })))
    }

    /// The secret.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The length of the key in bits.
    pub fn bits(&self) -> usize {
        8 * self.bytes().len()
    }

    /// `data` encrypted in CBC mode with an initialisation vector of zeros and no padding.
    ///
    /// `None` unless it is one block of 16 bytes or several.
    pub fn encrypt(&self, data: &[u8]) -> Option<Vec<u8>> {
        in_blocks(data, |blocks| self.0.cipher.encrypt(blocks))
    }

    /// Undoes [`encrypt`](Self::encrypt).
    pub fn decrypt(&self, data: &[u8]) -> Option<Vec<u8>> {
        in_blocks(data, |blocks| self.0.cipher.decrypt(blocks))
    }

    /// The CMAC of `message`, 16 bytes.
    pub fn mac(&self, message: &[u8]) -> Vec<u8> {
        self.0.cipher.mac(message).to_vec()
    }
}

/// Whether all bytes of a key are the same one.
pub fn is_weak(key: &[u8]) -> bool {
    let mut others = key.iter().zip(key.iter().skip(1));
    others.all(|(byte, next)| byte.ct_eq(next).into())
}

/// What AES computes with a key of any length.
trait Cipher: Send + Sync {
    /// Encrypts in CBC mode, the initialisation vector being zero.
    fn encrypt(&self, blocks: &mut [Block]);

    /// Undoes [`encrypt`](Self::encrypt).
    fn decrypt(&self, blocks: &mut [Block]);

    /// The CMAC of `message`.
    fn mac(&self, message: &[u8]) -> Block;
}

impl<C> Cipher for C
where
    C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync,
{
    fn encrypt(&self, blocks: &mut [Block]) {
        cbc::Encryptor::inner_iv_init(self, &Block::default()).encrypt_blocks(blocks);
    }

    fn decrypt(&self, blocks: &mut [Block]) {
        cbc::Decryptor::inner_iv_init(self, &Block::default()).decrypt_blocks(blocks);
    }

    fn mac(&self, message: &[u8]) -> Block {
        Cmac::inner_init(self).chain_update(message).finalize().into_bytes()
    }
}

impl PartialEq for AesKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

/// Shows no secret.
impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AesKey({} bits)", self.bits())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use hex_literal::hex;
    use rand_core::SeedableRng;

    const KEY_128: &[u8] = &hex!("2B7E151628AED2A6ABF7158809CF4F3C");
    const KEY_192: &[u8] = &hex!("8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B");
    const KEY_256: &[u8] =
        &hex!("603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4");

    /// The message of SP 800-38A and of RFC 4493.
    const MESSAGE: [u8; 64] = hex!(
        "6BC1BEE22E409F96E93D7E117393172A AE2D8A571E03AC9C9EB76FAC45AF8E51"
        "30C81C46A35CE411E5FBC1191A0A52EF F69F2445DF4F9B17AD2B417BE66C3710"
    );

    fn key(bytes: &[u8]) -> AesKey {
        AesKey::from_bytes(bytes).unwrap()
    }

    /// `data` with `iv` folded into its first block, as hosts do for a card whose own is zero.
    fn folded(data: &[u8], iv: &[u8]) -> Vec<u8> {
        let iv = iv.iter().copied().chain(core::iter::repeat(0));
        data.iter().zip(iv).map(|(byte, iv)| byte ^ iv).collect()
    }

    #[test]
    fn cryptograms_are_those_of_sp_800_38a() {
        // F.2.1 to F.2.6.
        let iv = hex!("000102030405060708090A0B0C0D0E0F");
        for (bytes, cryptogram) in [
            (
                KEY_128,
                hex!(
                    "7649ABAC8119B246CEE98E9B12E9197D 5086CB9B507219EE95DB113A917678B2"
                    "73BED6B8E3C1743B7116E69E22229516 3FF1CAA1681FAC09120ECA307586E1A7"
                ),
            ),
            (
                KEY_192,
                hex!(
                    "4F021DB243BC633D7178183A9FA071E8 B4D9ADA9AD7DEDF4E5E738763F69145A"
                    "571B242012FB7AE07FA9BAAC3DF102E0 08B0E27988598881D920A9E64F5615CD"
                ),
            ),
            (
                KEY_256,
                hex!(
                    "F58C4C04D6E5F1BA779EABFB5F7BFBD6 9CFC4E967EDB808D679F777BC6702C7D"
                    "39F23369A9D9BACFA530E26304231461 B2EB05E2C39BE9FCDA6C19078C6A9D1B"
                ),
            ),
        ] {
            let key = key(bytes);
            assert_eq!(key.encrypt(&folded(&MESSAGE, &iv)).unwrap(), cryptogram, "{key:?}");
            assert_eq!(folded(&key.decrypt(&cryptogram).unwrap(), &iv), MESSAGE, "{key:?}");
        }
    }

    #[test]
    fn macs_are_those_of_rfc_4493_and_sp_800_38b() {
        for (bytes, length, mac) in [
            (KEY_128, 0, hex!("BB1D6929E95937287FA37D129B756746")),
            (KEY_128, 16, hex!("070A16B46B4D4144F79BDD9DD04A287C")),
            (KEY_128, 40, hex!("DFA66747DE9AE63030CA32611497C827")),
            (KEY_128, 64, hex!("51F0BEBF7E3B9D92FC49741779363CFE")),
            (KEY_192, 0, hex!("D17DDF46ADAACDE531CAC483DE7A9367")),
            (KEY_192, 64, hex!("A1D5DF0EED790F794D77589659F39A11")),
            (KEY_256, 0, hex!("028962F61B7BF89EFC6B551F4667D983")),
            (KEY_256, 64, hex!("E1992190549F6ED5696A2C056C315410")),
        ] {
            let key = key(bytes);
            assert_eq!(key.mac(MESSAGE.get(..length).unwrap()), mac, "{key:?}, {length} bytes");
        }
    }

    #[test]
    fn only_whole_blocks_are_encrypted_and_decrypted() {
        let key = key(KEY_128);
        for length in 0..=MESSAGE.len() {
            let data = MESSAGE.get(..length).unwrap();
            let whole = length != 0 && length % 16 == 0;
            assert_eq!(key.encrypt(data).is_some(), whole, "{length}");
            assert_eq!(key.decrypt(data).is_some(), whole, "{length}");
        }
    }

    #[test]
    fn keys_have_three_sizes() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        for length in 0..=64 {
            let key = AesKey::generate(length, &mut rng);
            let good = matches!(length, 16 | 24 | 32);
            assert_eq!(key.map(|key| key.bits()), good.then_some(8 * length));
        }
    }

    #[test]
    fn a_key_is_its_bytes() {
        assert_eq!(key(KEY_192), key(KEY_192));
        assert_eq!(key(KEY_192).bytes(), KEY_192);
        assert_ne!(key(KEY_256), key(&[0; 32]));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(alloc::format!("{:?}", key(KEY_256)), "AesKey(256 bits)");
    }
}
