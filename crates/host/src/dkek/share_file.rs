//! DKEK share files (`.pbe`): `Salted__`, eight bytes of salt, and the share under a password.
//!
//! The format is that of sc-hsm-tool and the Smart Card Shell: AES-256-CBC, key and initialisation
//! vector by OpenSSL's EVP_BytesToKey with MD5 and ten million rounds for each of three digests.
//! Source: OpenSC `sc-hsm-tool.c`, `generate_dkek_share` and `openssl_derive_key`.

use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes256, Block};
use md5::{Digest, Md5};
use std::error::Error;
use std::fmt;
use zeroize::Zeroizing;

/// How a share file begins.
const MAGIC: &[u8; 8] = b"Salted__";

/// The length of a share in bytes.
pub const SHARE_LENGTH: usize = 32;

/// MD5 rounds for each of the three digests that key and initialisation vector are made of.
pub const ITERATIONS: u32 = 10_000_000;

/// How a password becomes a key.
pub struct KeyDerivation<'a> {
    /// MD5 rounds for each digest: [`ITERATIONS`] in the files of other tools.
    pub iterations: u32,
    /// Called after every thousandth round, with 1000, as it takes seconds.
    pub progress: &'a dyn Fn(u64),
}

/// As other tools have it, without progress.
impl Default for KeyDerivation<'_> {
    fn default() -> Self {
        Self { iterations: ITERATIONS, progress: &|_| {} }
    }
}

impl fmt::Debug for KeyDerivation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyDerivation({} iterations)", self.iterations)
    }
}

/// Why a share file is not decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShareFileError {
    /// It is not a share file.
    Malformed,
    /// The password is wrong.
    WrongPassword,
}

impl fmt::Display for ShareFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a DKEK share file: those have 64 bytes and begin with Salted__",
            Self::WrongPassword => "the password is wrong",
        })
    }
}

impl Error for ShareFileError {}

/// The file that holds `share` under `password`.
#[must_use]
pub fn encrypt(
    share: &[u8; SHARE_LENGTH],
    password: &[u8],
    salt: &[u8; 8],
    derivation: &KeyDerivation<'_>,
) -> Vec<u8> {
    let (key, iv) = derivation.derive(password, salt);
    let mut plain = [share.as_slice(), &[16; 16]].concat();
    let (blocks, _) = Block::slice_as_chunks_mut(&mut plain);
    cbc::Encryptor::<Aes256>::new((&*key).into(), &iv.into()).encrypt_blocks(blocks);
    [MAGIC, salt.as_slice(), &plain].concat()
}

/// The share in `file`.
///
/// # Errors
/// If it is not a share file, or the password is wrong.
pub fn decrypt(
    file: &[u8],
    password: &[u8],
    derivation: &KeyDerivation<'_>,
) -> Result<[u8; SHARE_LENGTH], ShareFileError> {
    let salted = file.strip_prefix(MAGIC).ok_or(ShareFileError::Malformed)?;
    let (salt, encrypted) = salted.split_first_chunk::<8>().ok_or(ShareFileError::Malformed)?;
    let plain: [u8; SHARE_LENGTH + 16] =
        encrypted.try_into().map_err(|_| ShareFileError::Malformed)?;
    let mut plain = Zeroizing::new(plain);
    let (key, iv) = derivation.derive(password, salt);
    let (blocks, _) = Block::slice_as_chunks_mut(&mut *plain);
    cbc::Decryptor::<Aes256>::new((&*key).into(), &iv.into()).decrypt_blocks(blocks);
    match plain.split_first_chunk() {
        Some((share, [16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16])) => {
            Ok(*share)
        }
        _ => Err(ShareFileError::WrongPassword),
    }
}

impl KeyDerivation<'_> {
    /// The key and the initialisation vector that a password and a salt give.
    fn derive(&self, password: &[u8], salt: &[u8; 8]) -> (Zeroizing<[u8; 32]>, [u8; 16]) {
        let first = Zeroizing::new(self.digest(&[], password, salt));
        let second = Zeroizing::new(self.digest(&*first, password, salt));
        let third = self.digest(&*second, password, salt);
        let mut key = Zeroizing::new([0; 32]);
        key.iter_mut().zip(first.iter().chain(&*second)).for_each(|(to, from)| *to = *from);
        (key, third)
    }

    fn digest(&self, before: &[u8], password: &[u8], salt: &[u8; 8]) -> [u8; 16] {
        let start = Md5::new().chain_update(before).chain_update(password).chain_update(salt);
        (1..self.iterations).fold(start.finalize().into(), |digest: [u8; 16], round| {
            if round.is_multiple_of(1000) {
                (self.progress)(1000);
            }
            Md5::digest(digest).into()
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    const SALT: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    const ONCE: KeyDerivation<'_> = KeyDerivation { iterations: 1, progress: &|_| {} };

    #[test]
    fn one_round_is_what_openssl_enc_does() {
        // openssl enc -aes-256-cbc -md md5 -S 0001020304050607 -pass pass:password
        let file = encrypt(&[0xA5; SHARE_LENGTH], b"password", &SALT, &ONCE);
        let expected = "53616C7465645F5F0001020304050607536CF2378E1D15DFD1F30EA0C2AEAA4E\
                        FDE188871160C6C37CAE4F7C57D65748B6C568EC2B5BB7EBC5F269BA71D7A02E";
        assert_eq!(crate::hex::upper(&file), expected);
        assert_eq!(decrypt(&file, b"password", &ONCE), Ok([0xA5; SHARE_LENGTH]));
    }

    #[test]
    fn a_published_file_opens_with_ten_million_rounds() {
        let file = crate::hex::parse(
            "53616c7465645f5f00010203040506079ed844e3ba697e823ce89b1d16269ca12384de4047c31331ad2d\
             c2dad94061ee5a5a5ff5346c9e68420857c967051207",
        );
        let all = KeyDerivation::default();
        assert_eq!(decrypt(&file.unwrap_or_default(), b"password", &all), Ok([0xA5; SHARE_LENGTH]));
    }

    #[test]
    fn a_wrong_password_and_another_file_are_told_apart() {
        let file = encrypt(&[0xA5; SHARE_LENGTH], b"password", &SALT, &ONCE);
        let wrong = decrypt(&file, b"passwort", &ONCE);
        assert_eq!(wrong, Err(ShareFileError::WrongPassword));
        for bad in [&file[..63], &file[1..], b"", b"Salted__", &[file.as_slice(), b"x"].concat()] {
            assert_eq!(decrypt(bad, b"password", &ONCE), Err(ShareFileError::Malformed));
        }
    }
}
