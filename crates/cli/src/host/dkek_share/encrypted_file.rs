//! DKEK share files (`.pbe`): `Salted__`, eight bytes of salt, and the share under a password.
//!
//! The format is that of sc-hsm-tool and the Smart Card Shell: AES-256-CBC, key and initialisation
//! vector by OpenSSL's EVP_BytesToKey with MD5 and ten million rounds for each of three digests.
//! Source: OpenSC `sc-hsm-tool.c`, `generate_dkek_share` and `openssl_derive_key`.

use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes256, Block};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

/// How a share file begins.
const MAGIC: &[u8; 8] = b"Salted__";

/// The length of a share in bytes.
pub(crate) const SHARE: usize = 32;

/// MD5 rounds for each of the three digests that key and initialisation vector are made of.
pub(crate) const ITERATIONS: u32 = 10_000_000;

/// What a password is drawn out with; `tick` hears of every thousandth round.
pub(crate) struct Stretching<'a> {
    pub(crate) iterations: u32,
    pub(crate) tick: &'a dyn Fn(u64),
}

/// The file that holds `share` under `password`.
pub(crate) fn seal(
    share: &[u8; SHARE],
    password: &[u8],
    salt: &[u8; 8],
    stretching: &Stretching<'_>,
) -> Vec<u8> {
    let (key, iv) = stretching.stretch(password, salt);
    let mut plain = [share.as_slice(), &[16; 16]].concat();
    let (blocks, _) = Block::slice_as_chunks_mut(&mut plain);
    cbc::Encryptor::<Aes256>::new((&*key).into(), &iv.into()).encrypt_blocks(blocks);
    [MAGIC, salt.as_slice(), &plain].concat()
}

/// The share in `file`; the error is the rest of a sentence that begins with the file's name.
pub(crate) fn open(
    file: &[u8],
    password: &[u8],
    stretching: &Stretching<'_>,
) -> Result<[u8; SHARE], &'static str> {
    let no_share_file = "is no DKEK share file: those have 64 bytes and begin with Salted__";
    let salted = file.strip_prefix(MAGIC).ok_or(no_share_file)?;
    let (salt, sealed) = salted.split_first_chunk::<8>().ok_or(no_share_file)?;
    let plain: [u8; SHARE + 16] = sealed.try_into().map_err(|_| no_share_file)?;
    let mut plain = Zeroizing::new(plain);
    let (key, iv) = stretching.stretch(password, salt);
    let (blocks, _) = Block::slice_as_chunks_mut(&mut *plain);
    cbc::Decryptor::<Aes256>::new((&*key).into(), &iv.into()).decrypt_blocks(blocks);
    match plain.split_first_chunk() {
        Some((share, [16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16])) => {
            Ok(*share)
        }
        _ => Err("does not open with this password"),
    }
}

impl Stretching<'_> {
    /// The key and the initialisation vector that a password and a salt give.
    fn stretch(&self, password: &[u8], salt: &[u8; 8]) -> (Zeroizing<[u8; 32]>, [u8; 16]) {
        let first = self.digest(&[], password, salt);
        let second = self.digest(&first, password, salt);
        let third = self.digest(&second, password, salt);
        let mut key = Zeroizing::new([0; 32]);
        key.iter_mut().zip(first.iter().chain(&second)).for_each(|(to, from)| *to = *from);
        (key, third)
    }

    fn digest(&self, before: &[u8], password: &[u8], salt: &[u8; 8]) -> [u8; 16] {
        let start = Md5::new().chain_update(before).chain_update(password).chain_update(salt);
        (1..self.iterations).fold(start.finalize().into(), |digest: [u8; 16], round| {
            if round.is_multiple_of(1000) {
                (self.tick)(1000);
            }
            Md5::digest(digest).into()
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const SALT: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    const ONCE: Stretching<'_> = Stretching { iterations: 1, tick: &|_| {} };

    #[test]
    fn one_round_is_what_openssl_enc_does() {
        // openssl enc -aes-256-cbc -md md5 -S 0001020304050607 -pass pass:password
        let file = seal(&[0xA5; SHARE], b"password", &SALT, &ONCE);
        let expected = "53616C7465645F5F0001020304050607536CF2378E1D15DFD1F30EA0C2AEAA4E\
                        FDE188871160C6C37CAE4F7C57D65748B6C568EC2B5BB7EBC5F269BA71D7A02E";
        assert_eq!(crate::text::hex::upper(&file), expected);
        assert_eq!(open(&file, b"password", &ONCE), Ok([0xA5; SHARE]));
    }

    #[test]
    fn a_published_file_opens_with_ten_million_rounds() {
        let file = crate::text::hex::parse(
            "53616c7465645f5f00010203040506079ed844e3ba697e823ce89b1d16269ca12384de4047c31331ad2d\
             c2dad94061ee5a5a5ff5346c9e68420857c967051207",
        );
        let all = Stretching { iterations: ITERATIONS, tick: &|_| {} };
        assert_eq!(open(&file.unwrap_or_default(), b"password", &all), Ok([0xA5; SHARE]));
    }

    #[test]
    fn a_wrong_password_and_another_file_are_told_apart() {
        let file = seal(&[0xA5; SHARE], b"password", &SALT, &ONCE);
        let wrong = open(&file, b"passwort", &ONCE).unwrap_err();
        assert!(wrong.contains("password"), "{wrong}");
        for bad in [&file[..63], &file[1..], b"", b"Salted__", &[file.as_slice(), b"x"].concat()] {
            assert!(open(bad, b"password", &ONCE).unwrap_err().contains("no DKEK share file"));
        }
    }
}
