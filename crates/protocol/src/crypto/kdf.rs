//! Key derivation.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Derives 32 bytes from `secret`: the extraction-then-expansion of NIST SP 800-56C with
/// HMAC-SHA-256 and its default salt. The expansion is one step of SP 800-108 in counter mode, over
/// a counter of four bytes and `info`.
pub fn extract_then_expand(secret: &[u8], info: &[u8]) -> [u8; 32] {
    // The default salt is a block of zeros, and so is what HMAC makes of a key of no bytes.
    let key = Zeroizing::new(hmac(&[], &[secret]));
    hmac(key.as_ref(), &[&[0, 0, 0, 1], info])
}

fn hmac(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    message.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn derived_keys_are_two_macs_after_one_another() {
        // Computed with Python's `hmac`, the salt of 64 zeros written out.
        let secret = hex!("2B7E151628AED2A6ABF7158809CF4F3C");
        assert_eq!(
            extract_then_expand(&secret, b"Disk1"),
            hex!("8CDAD623427C2DB968D0E5E519ACE8DB0B87DFEFA23958CB147A42C5B36ED58F")
        );
        let secret = hex!("603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4");
        assert_eq!(
            extract_then_expand(&secret, &[b'x'; 127]),
            hex!("03E5F671E4326DD787F47776C79BCE54ED28AF534C2604B7D85E5E395A313F71")
        );
    }
}
