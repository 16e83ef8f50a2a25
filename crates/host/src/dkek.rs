//! Shares of a device key-encryption key (DKEK): files under a password, and passwords that several
//! people hold shares of.

pub mod share_file;
pub mod split_password;

use share_file::SHARE_LENGTH;
use vschsm_protocol::key_blob::KeyEncryptionKey;
use zeroize::Zeroizing;

/// The DKEK that shares make together: their exclusive or.
#[must_use]
pub fn combine<'a>(
    shares: impl IntoIterator<Item = &'a [u8; SHARE_LENGTH]>,
) -> Zeroizing<[u8; SHARE_LENGTH]> {
    let mut key = Zeroizing::new([0; SHARE_LENGTH]);
    for share in shares {
        key.iter_mut().zip(share).for_each(|(sum, byte)| *sum ^= byte);
    }
    key
}

/// The key check value of a DKEK, or of a share taken for one: the first eight bytes of its
/// SHA-256.
#[must_use]
pub fn check_value(key: &[u8; SHARE_LENGTH]) -> [u8; 8] {
    KeyEncryptionKey::new(*key).check_value()
}
