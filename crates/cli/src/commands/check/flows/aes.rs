//! AES keys.

use super::Dialogue;
use vschsm_host::command;
use vschsm_vectors::PlayError;

const ENCRYPTION: u8 = 0x10;
const DECRYPTION: u8 = 0x11;
const CMAC: u8 = 0x18;

/// CBC decrypts what it encrypted. And the CMAC of two whole blocks is the last block of the CBC
/// encryption of the message whose last block is masked with the subkey K1: so one mode checks the
/// other without knowledge of the key.
pub(super) fn modes_agree(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    let message: [u8; 32] = std::array::from_fn(|index| index.to_le_bytes()[0]);
    for key in [1, 2] {
        let cipher = |card: &mut Dialogue<'_>, algorithm, input: &[u8]| {
            card.ask(command::with_le([0x80, 0x78, key, algorithm], input))
        };
        let encrypted = cipher(card, ENCRYPTION, &message)?;
        card.must(encrypted.len() == 32 && encrypted != message, "two blocks, encrypted")?;
        let decrypted = cipher(card, DECRYPTION, &encrypted)?;
        card.must(decrypted == message, "what was encrypted")?;

        let zero = cipher(card, ENCRYPTION, &[0; 16])?;
        let mask = card.there(zero.first_chunk().copied().map(twice), "a block, encrypted")?;
        let mut masked = message;
        for (byte, mask) in masked.iter_mut().skip(16).zip(mask) {
            *byte ^= mask;
        }
        let expected = cipher(card, ENCRYPTION, &masked)?;
        let mac = cipher(card, CMAC, &message)?;
        card.must(expected.get(16..) == Some(&mac), "the last block of the masked message in CBC")?;
    }
    Ok(())
}

/// A block times x in GF(2^128). Source: RFC 4493 section 2.3.
fn twice(block: [u8; 16]) -> [u8; 16] {
    let block = u128::from_be_bytes(block);
    let carry = if block >> 127 == 1 { 0x87 } else { 0 };
    (block << 1 ^ carry).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_subkeys_are_made() {
        // RFC 4493 section 4: the encryption of zeros, K1 and K2.
        let zero = 0x7df7_6b0c_1ab8_99b3_3e42_f047_b91b_546f_u128.to_be_bytes();
        let first = twice(zero);
        assert_eq!(u128::from_be_bytes(first), 0xfbee_d618_3571_3366_7c85_e08f_7236_a8de);
        assert_eq!(u128::from_be_bytes(twice(first)), 0xf7dd_ac30_6ae2_66cc_f90b_c11e_e46d_513b);
    }
}
