//! The paddings of RSA: PKCS#1 v1.5, PSS and OAEP as RFC 8017 has them.

use alloc::vec;
use alloc::vec::Vec;

use chacha20::ChaCha20Rng;
use hex_literal::hex;
use rand_core::Rng;

use super::hash::Hash;

/// The DigestInfo of a digest (RFC 8017, 9.2 note 1).
pub(crate) fn digest_info(hash: Hash, digest: &[u8]) -> Vec<u8> {
    let prefix: &[u8] = match hash {
        Hash::Sha1 => &hex!("3021300906052B0E03021A05000414"),
        Hash::Sha224 => &hex!("302D300D06096086480165030402040500041C"),
        Hash::Sha256 => &hex!("3031300D060960864801650304020105000420"),
        Hash::Sha384 => &hex!("3041300D060960864801650304020205000430"),
        Hash::Sha512 => &hex!("3051300D060960864801650304020305000440"),
    };
    [prefix, digest].concat()
}

/// The block of `len` bytes that signs `digest_info` (RFC 8017, 9.2).
///
/// `None` if less than eight bytes of padding would be left.
pub(crate) fn pkcs1_v15(digest_info: &[u8], len: usize) -> Option<Vec<u8>> {
    let padding = len.checked_sub(digest_info.len() + 3).filter(|padding| *padding >= 8)?;
    Some([&[0x00, 0x01], vec![0xFF; padding].as_slice(), &[0x00], digest_info].concat())
}

/// The message in a block that was padded for encryption (RFC 8017, 7.2.2).
pub fn pkcs1_v15_unpad(block: &[u8]) -> Option<Vec<u8>> {
    let padded = block.strip_prefix(&[0x00, 0x02])?;
    let end = padded.iter().position(|byte| *byte == 0x00).filter(|end| *end >= 8)?;
    Some(padded.get(end + 1..)?.to_vec())
}

/// The block that signs `digest` under a modulus of `bits` bits with a random salt as long as the
/// digest (RFC 8017, 9.1.1).
///
/// `None` if `digest` is not as long as those of `hash`, or the modulus is too small.
pub(crate) fn pss(
    hash: Hash,
    digest: &[u8],
    bits: usize,
    rng: &mut ChaCha20Rng,
) -> Option<Vec<u8>> {
    let mut salt = vec![0; hash.digest_len()];
    rng.fill_bytes(&mut salt);
    pss_with_salt(hash, digest, bits, &salt)
}

/// The same with a salt of any length.
pub(super) fn pss_with_salt(
    hash: Hash,
    digest: &[u8],
    bits: usize,
    salt: &[u8],
) -> Option<Vec<u8>> {
    let encoded_bits = bits.checked_sub(1)?;
    let len = encoded_bits.div_ceil(8);
    if digest.len() != hash.digest_len() {
        return None;
    }
    let salted = hash.digest(&[&[0; 8], digest, salt].concat());

    let zeros = len.checked_sub(hash.digest_len() + salt.len() + 2)?;
    let mut block = [vec![0; zeros].as_slice(), &[0x01], salt].concat();
    mask(hash, &salted, &mut block);
    if let Some(first) = block.first_mut() {
        *first &= 0xFF >> (8 * len - encoded_bits);
    }
    block.extend_from_slice(&salted);
    block.push(0xBC);
    let unused = vec![0; bits.div_ceil(8) - len];
    Some([unused, block].concat())
}

/// The message in a block padded with OAEP, `hash` being its mask's hash too, and its label empty
/// (RFC 8017, 7.1.2).
pub fn oaep_unpad(hash: Hash, block: &[u8]) -> Option<Vec<u8>> {
    let masked = block.strip_prefix(&[0x00])?;
    let (seed, data) = masked.split_at_checked(hash.digest_len())?;
    let (mut seed, mut data) = (seed.to_vec(), data.to_vec());
    mask(hash, &data, &mut seed);
    mask(hash, &seed, &mut data);

    let padded = data.strip_prefix(hash.digest(&[]).as_slice())?;
    let end = padded.iter().position(|byte| *byte != 0x00)?;
    Some(padded.get(end..)?.strip_prefix(&[0x01])?.to_vec())
}

/// Masks `data` with the bytes that MGF1 makes of `seed` (RFC 8017, B.2.1).
fn mask(hash: Hash, seed: &[u8], data: &mut [u8]) {
    for (counter, chunk) in (0u32..).zip(data.chunks_mut(hash.digest_len())) {
        let pad = hash.digest(&[seed, &counter.to_be_bytes()].concat());
        chunk.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::rsa::RsaKey;
    use super::*;
    use rand_core::SeedableRng;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([7; 32])
    }

    /// RSA Laboratories' `pss-vect.txt`, example 1.
    fn pss_key() -> RsaKey {
        let p = hex!(
            "E7E8942720A877517273A356053EA2A1BC0C94AA72D55C6E86296B2DFC967948"
            "C0A72CBCCCA7EACB35706E09A1DF55A1535BD9B3CC34160B3B6DCD3EDA8E6443"
        );
        let q = hex!(
            "B69DCA1CF7D4D7EC81E75B90FCCA874ABCDE123FD2700180AA90479B6E48DE8D"
            "67ED24F9F19D85BA275874F542CD20DC723E6963364A1F9425452B269A6799FD"
        );
        RsaKey::from_primes(&p, &q, 65537).unwrap()
    }

    #[test]
    fn pss_makes_the_signature_of_rsa_laboratories() {
        // Example 1.4.
        let digest = Hash::Sha1.digest(&hex!("BC656747FA9EAFB3F0"));
        let salt = hex!("056F00985DE14D8EF5CEA9E82F8C27BEF720335E");
        let block = pss_with_salt(Hash::Sha1, &digest, 1024, &salt).unwrap();
        assert_eq!(
            pss_key().private_operation(&block).unwrap(),
            hex!(
                "4609793B23E9D09362DC21BB47DA0B4F3A7622649A47D464019B9AEAFE53359C"
                "178C91CD58BA6BCB78BE0346A7BC637F4B873D4BAB38EE661F199634C547A1AD"
                "8442E03DA015B136E543F7AB07C0C13E4225B8DE8CCE25D4F6EB8400F81F7E18"
                "33B7EE6E334D370964CA79FDB872B4D75223B5EEB08101591FB532D155A6DE87"
            )
        );
    }

    #[test]
    fn oaep_finds_the_message_of_rsa_laboratories() {
        // `oaep-vect.txt`, example 1.1.
        let p = hex!(
            "D32737E7267FFE1341B2D5C0D150A81B586FB3132BED2F8D5262864A9CB9F30A"
            "F38BE448598D413A172EFB802C21ACF1C11C520C2F26A471DCAD212EAC7CA39D"
        );
        let q = hex!(
            "CC8853D1D54DA630FAC004F471F281C7B8982D8224A490EDBEB33D3E3D5CC93C"
            "4765703D1DD791642F1F116A0DD852BE2419B2AF72BFE9A030E860B0288B5D77"
        );
        let cryptogram = hex!(
            "354FE67B4A126D5D35FE36C777791A3F7BA13DEF484E2D3908AFF722FAD468FB"
            "21696DE95D0BE911C2D3174F8AFCC201035F7B6D8E69402DE5451618C21A535F"
            "A9D7BFC5B8DD9FC243F8CF927DB31322D6E881EAA91A996170E657A05A266426"
            "D98C88003F8477C1227094A0D9FA1E8C4024309CE1ECCCB5210035D47AC72E8A"
        );
        let key = RsaKey::from_primes(&p, &q, 65537).unwrap();
        let block = key.private_operation(&cryptogram).unwrap();
        let message = hex!("6628194E12073DB03BA94CDA9EF9532397D50DBA79B987004AFEFE34");
        assert_eq!(oaep_unpad(Hash::Sha1, &block).unwrap(), message);
        assert_eq!(oaep_unpad(Hash::Sha256, &block), None);
    }

    /// The block that OAEP pads `message` into: the inverse of [`oaep_unpad`].
    fn oaep_pad(hash: Hash, message: &[u8], len: usize) -> Vec<u8> {
        let zeros = vec![0; len - 2 - 2 * hash.digest_len() - message.len()];
        let mut data = [hash.digest(&[]).as_slice(), &zeros, &[0x01], message].concat();
        let mut seed = vec![0x5A; hash.digest_len()];
        mask(hash, &seed, &mut data);
        mask(hash, &data, &mut seed);
        [&[0x00], seed.as_slice(), &data].concat()
    }

    #[test]
    fn oaep_keeps_messages_of_every_length() {
        for hash in [Hash::Sha1, Hash::Sha256] {
            for len in 0..=128 - 2 - 2 * hash.digest_len() {
                let message = vec![0x01; len];
                let block = oaep_pad(hash, &message, 128);
                assert_eq!(oaep_unpad(hash, &block), Some(message));
            }
        }
    }

    #[test]
    fn oaep_refuses_what_was_changed() {
        let block = oaep_pad(Hash::Sha256, b"message", 128);
        for position in 0..=64 {
            let mut changed = block.clone();
            *changed.get_mut(position).unwrap() ^= 0x80;
            assert_eq!(oaep_unpad(Hash::Sha256, &changed), None, "at {position}");
        }
        for len in 0..66 {
            assert_eq!(oaep_unpad(Hash::Sha256, &vec![0; len]), None);
        }
    }

    #[test]
    fn pss_has_a_salt_as_long_as_the_digest() {
        for hash in [Hash::Sha1, Hash::Sha224, Hash::Sha256, Hash::Sha384] {
            for bits in 1023..=1026 {
                let digest = hash.digest(b"message");
                let block = pss(hash, &digest, bits, &mut rng()).unwrap();
                assert_eq!(block.len(), bits.div_ceil(8));

                let unused = 8 * block.len() - (bits - 1);
                let (unused, block) = block.split_at(unused / 8);
                assert!(unused.iter().all(|byte| *byte == 0));
                let (masked, salted) = block.split_at(block.len() - 1 - hash.digest_len());
                let mut data = masked.to_vec();
                mask(hash, salted.split_last().unwrap().1, &mut data);
                let (padding, salt) = data.split_at(data.len() - hash.digest_len());
                assert_eq!(padding.last(), Some(&0x01));
                let expected = hash.digest(&[&[0; 8], digest.as_slice(), salt].concat());
                assert_eq!(salted, [expected.as_slice(), &[0xBC]].concat());
            }
        }
        assert_eq!(pss(Hash::Sha512, &[0; 64], 1024, &mut rng()), None);
        assert!(pss(Hash::Sha512, &[0; 64], 1040, &mut rng()).is_some());
        assert_eq!(pss(Hash::Sha256, &[0; 31], 2048, &mut rng()), None);
    }

    #[test]
    fn a_signature_block_has_eight_bytes_of_padding_or_more() {
        let info = digest_info(Hash::Sha1, &[0xAB; 20]);
        assert_eq!(info.len(), 35);
        let block = pkcs1_v15(&info, 46).unwrap();
        assert_eq!(block, [&hex!("0001FFFFFFFFFFFFFFFF00")[..], &info].concat());
        assert_eq!(pkcs1_v15(&info, 45), None);
        assert_eq!(pkcs1_v15(&info, 2), None);
    }

    #[test]
    fn a_digest_info_says_how_long_it_is() {
        for hash in [Hash::Sha1, Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let info = digest_info(hash, &hash.digest(b"message"));
            assert_eq!(usize::from(*info.get(1).unwrap()) + 2, info.len());
            assert_eq!(
                usize::from(*info.get(info.len() - hash.digest_len() - 1).unwrap()),
                hash.digest_len()
            );
        }
    }

    #[test]
    fn an_encryption_block_has_eight_bytes_of_padding_or_more() {
        let block = |padding: usize, message: &[u8]| {
            [&[0x00, 0x02], vec![0xAA; padding].as_slice(), &[0x00], message].concat()
        };
        assert_eq!(pkcs1_v15_unpad(&block(8, b"a\0b")), Some(b"a\0b".to_vec()));
        assert_eq!(pkcs1_v15_unpad(&block(8, b"")), Some(Vec::new()));
        assert_eq!(pkcs1_v15_unpad(&block(7, b"message")), None);
        assert_eq!(pkcs1_v15_unpad(&[&[0x00, 0x02][..], &[0xAA; 126]].concat()), None);
        assert_eq!(pkcs1_v15_unpad(&[&[0x00, 0x01][..], &[0xAA; 8], &[0x00]].concat()), None);
        assert_eq!(pkcs1_v15_unpad(&[]), None);
    }
}
