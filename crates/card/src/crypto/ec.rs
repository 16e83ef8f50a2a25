//! Elliptic curve keys.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use chacha20::ChaCha20Rng;
use crypto_bigint::{BoxedUint, NonZero};
use rand_core::Rng;
use zeroize::Zeroizing;

use crate::tlv;

use super::curve::{Curve, significant};

/// A private key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EcKey {
    curve: Curve,
    /// In `1..n`, as wide as the order.
    scalar: Zeroizing<Vec<u8>>,
}

impl EcKey {
    /// A new key.
    pub(crate) fn generate(curve: &Curve, rng: &mut ChaCha20Rng) -> Self {
        let highest = curve.domain().n.first().copied().unwrap_or_default();
        let mut bytes = Zeroizing::new(vec![0; curve.order_len()]);
        loop {
            rng.fill_bytes(&mut bytes);
            if let Some(first) = bytes.first_mut() {
                *first &= u8::MAX >> highest.leading_zeros();
            }
            if let Some(key) = Self::from_scalar(curve, &bytes) {
                return key;
            }
        }
    }

    /// The key of a scalar, big-endian, with or without leading zeros; `None` unless in `1..n`.
    pub(crate) fn from_scalar(curve: &Curve, scalar: &[u8]) -> Option<Self> {
        let order = &curve.domain().n;
        let digits = significant(scalar);
        let mut wide = Zeroizing::new(vec![0; order.len().checked_sub(digits.len())?]);
        wide.reserve_exact(digits.len());
        wide.extend_from_slice(digits);
        let in_range = !digits.is_empty() && *wide < *order;
        in_range.then(|| Self { curve: curve.clone(), scalar: wide })
    }

    /// The key whose scalar is this one's and `offset` added up modulo the order.
    ///
    /// `None` if `offset`, big-endian, is longer than the order, or the sum is zero.
    pub(crate) fn plus(&self, offset: &[u8]) -> Option<Self> {
        let order = &self.curve.domain().n;
        if offset.len() > order.len() {
            return None;
        }
        let bits = u32::try_from(8 * (order.len() + 1)).ok()?;
        let number = |bytes| BoxedUint::from_be_slice(bytes, bits).ok();
        let order = NonZero::new(number(order)?).into_option()?;
        let sum = number(&self.scalar)?.wrapping_add(number(offset)?).rem(&order);
        Self::from_scalar(&self.curve, &Zeroizing::new(sum.to_be_bytes()))
    }

    /// The curve that the key is on.
    pub(crate) fn curve(&self) -> &Curve {
        &self.curve
    }

    /// The secret, as wide as the order.
    pub(crate) fn scalar(&self) -> &[u8] {
        &self.scalar
    }

    /// The public key: `04`, x, y.
    pub(crate) fn public_point(&self) -> Vec<u8> {
        self.curve.engine().public_point(&self.scalar)
    }

    /// Signs `hash`, of any length: r and s, each as wide as the order.
    ///
    /// The nonce depends on key and hash as well as on `rng`, so that a random stream that repeats
    /// itself gives nothing away.
    pub(crate) fn sign(&self, hash: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
        let mut fresh = Zeroizing::new([0; 32]);
        rng.fill_bytes(fresh.as_mut());
        self.curve.engine().sign(&self.scalar, hash, fresh.as_ref())
    }

    /// Signs `hash` as RFC 6979 does with SHA-256: the same signature for ever.
    pub(crate) fn sign_deterministic(&self, hash: &[u8]) -> Vec<u8> {
        self.curve.engine().sign(&self.scalar, hash, &[])
    }

    /// The point that this key and the key of the point `peer` have in common: `04`, x, y.
    ///
    /// `None` if `peer` is not `04`, x, y of a point on the curve.
    pub(crate) fn agree(&self, peer: &[u8]) -> Option<Vec<u8>> {
        self.curve.engine().multiply(&self.scalar, peer)
    }
}

impl fmt::Debug for EcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcKey({})", self.curve)
    }
}

/// Whether `signature`, r and s, was made of `hash` with the key of `public_point`.
pub(crate) fn verify(curve: &Curve, public_point: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    curve.engine().verify(public_point, hash, signature)
}

/// `raw`, r and s of equal length, as `SEQUENCE { r INTEGER, s INTEGER }`.
pub(crate) fn signature_to_der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    tlv::encode(0x30, &[integer(r), integer(s)].concat())
}

/// The DER of an unsigned number.
fn integer(number: &[u8]) -> Vec<u8> {
    let digits = significant(number);
    match digits.first() {
        Some(0x80..) | None => tlv::encode(0x02, &[&[0], digits].concat()),
        Some(_) => tlv::encode(0x02, digits),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hex_literal::hex;
    use rand_core::SeedableRng;

    use super::super::hash::Hash;
    use super::*;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([7; 32])
    }

    fn named(name: &str) -> &'static Curve {
        Curve::named().find(|curve| curve.name() == Some(name)).unwrap()
    }

    fn key(curve: &Curve, scalar: &[u8]) -> EcKey {
        EcKey::from_scalar(curve, scalar).unwrap()
    }

    fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
        [&[0x04], x, y].concat()
    }

    #[test]
    fn deterministic_signatures_are_those_of_rfc_6979() {
        // RFC 6979, A.2.5 to A.2.7, with SHA-256, message "sample".
        let vectors = [
            (
                named("secp256r1"),
                &hex!("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")[..],
                &hex!("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716")[..],
                &hex!("F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8")[..],
            ),
            (
                named("secp384r1"),
                &hex!(
                    "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8"
                    "96D5724E4C70A825F872C9EA60D2EDF5"
                ),
                &hex!(
                    "21B13D1E013C7FA1392D03C5F99AF8B30C570C6F98D4EA8E354B63A21D3DAA33"
                    "BDE1E888E63355D92FA2B3C36D8FB2CD"
                ),
                &hex!(
                    "F3AA443FB107745BF4BD77CB3891674632068A10CA67E3D45DB2266FA7D1FEEB"
                    "EFDC63ECCD1AC42EC0CB8668A4FA0AB0"
                ),
            ),
            (
                named("secp521r1"),
                &hex!(
                    "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75"
                    "CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B8"
                    "3538"
                ),
                &hex!(
                    "01511BB4D675114FE266FC4372B87682BAECC01D3CC62CF2303C92B3526012659D"
                    "16876E25C7C1E57648F23B73564D67F61C6F14D527D54972810421E7D87589E1A7"
                ),
                &hex!(
                    "004A171143A83163D6DF460AAF61522695F207A58B95C0644D87E52AA1A347916E"
                    "4F7A72930B1BC06DBE22CE3F58264AFD23704CBB63B29B931F7DE6C9D949A7ECFC"
                ),
            ),
        ];
        for (curve, scalar, r, s) in vectors {
            let signature = key(curve, scalar).sign_deterministic(&Hash::Sha256.digest(b"sample"));
            assert_eq!(signature, [r, s].concat(), "{curve:?}");
        }
    }

    #[test]
    fn agreed_points_are_those_of_rfc_5903_and_rfc_7027() {
        // RFC 5903, 8.1.
        let ours = key(
            named("secp256r1"),
            &hex!("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433"),
        );
        let theirs = point(
            &hex!("D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63"),
            &hex!("56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB"),
        );
        let shared = point(
            &hex!("D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"),
            &hex!("522BDE0AF0D8585B8DEF9C183B5AE38F50235206A8674ECB5D98EDB20EB153A2"),
        );
        assert_eq!(ours.agree(&theirs), Some(shared));

        // RFC 7027, A.1 and A.2.
        let ours = key(
            named("brainpoolP256r1"),
            &hex!("81DB1EE100150FF2EA338D708271BE38300CB54241D79950F77B063039804F1D"),
        );
        let theirs = point(
            &hex!("8D2D688C6CF93E1160AD04CC4429117DC2C41825E1E9FCA0ADDD34E6F1B39F7B"),
            &hex!("990C57520812BE512641E47034832106BC7D3E8DD0E4C7F1136D7006547CEC6A"),
        );
        let shared = point(
            &hex!("89AFC39D41D3B327814B80940B042590F96556EC91E6AE7939BCE31F3A18BF2B"),
            &hex!("49C27868F4ECA2179BFD7D59B1E3BF34C1DBDE61AE12931648F43E59632504DE"),
        );
        assert_eq!(ours.agree(&theirs), Some(shared));

        let ours = key(
            named("brainpoolP384r1"),
            &hex!(
                "1E20F5E048A5886F1F157C74E91BDE2B98C8B52D58E5003D57053FC4B0BD65D6"
                "F15EB5D1EE1610DF870795143627D042"
            ),
        );
        let theirs = point(
            &hex!(
                "4D44326F269A597A5B58BBA565DA5556ED7FD9A8A9EB76C25F46DB69D19DC8CE"
                "6AD18E404B15738B2086DF37E71D1EB4"
            ),
            &hex!(
                "62D692136DE56CBE93BF5FA3188EF58BC8A3A0EC6C1E151A21038A42E9185329"
                "B5B275903D192F8D4E1F32FE9CC78C48"
            ),
        );
        let shared = point(
            &hex!(
                "0BD9D3A7EA0B3D519D09D8E48D0785FB744A6B355E6304BC51C229FBBCE239BB"
                "ADF6403715C35D4FB2A5444F575D4F42"
            ),
            &hex!(
                "0DF213417EBE4D8E40A5F76F66C56470C489A3478D146DECF6DF0D94BAE9E598"
                "157290F8756066975F1DB34B2324B7BD"
            ),
        );
        assert_eq!(ours.agree(&theirs), Some(shared));
    }

    #[test]
    fn the_key_one_has_the_base_point() {
        for curve in Curve::named() {
            assert_eq!(key(curve, &[1]).public_point(), curve.domain().g, "{curve:?}");
        }
    }

    #[test]
    fn two_keys_agree_on_one_point() {
        for curve in Curve::named() {
            let (ours, theirs) = (key(curve, &[2]), EcKey::generate(curve, &mut rng()));
            let shared = ours.agree(&theirs.public_point());
            assert!(shared.is_some(), "{curve:?}");
            assert_eq!(shared, theirs.agree(&ours.public_point()), "{curve:?}");
        }
    }

    #[test]
    fn only_points_on_the_curve_are_agreed_with() {
        for curve in Curve::named() {
            let key = key(curve, &[3]);
            let good = key.public_point();
            let (x, y) = good.split_at(1 + curve.domain().p.len());
            let (p, infinity) = (&curve.domain().p, [0x00]);
            let compressed = [&[0x02 | y.last().unwrap() & 1], x.get(1..).unwrap()].concat();
            let mut off = good.clone();
            *off.last_mut().unwrap() ^= 1;
            for bad in [
                &[],
                infinity.as_slice(),
                &compressed,
                &off,
                &[&good, &infinity[..]].concat(),
                good.split_last().unwrap().1,
                &point(p, p),
            ] {
                assert_eq!(key.agree(bad), None, "{curve:?} {bad:02X?}");
                assert!(!verify(curve, bad, &[1; 32], &key.sign(&[1; 32], &mut rng())));
            }
        }
    }

    #[test]
    fn hashes_of_every_length_are_signed() {
        for curve in Curve::named() {
            let key = EcKey::generate(curve, &mut rng());
            for len in [0, 1, 20, 31, 32, 33, 48, 65, 66, 67, 132] {
                let hash = vec![0xA5; len];
                let signature = key.sign(&hash, &mut rng());
                assert_eq!(signature.len(), 2 * curve.order_len());
                assert!(verify(curve, &key.public_point(), &hash, &signature), "{curve:?} {len}");
            }
        }
    }

    #[test]
    fn a_signature_is_over_the_leftmost_bits_of_the_hash() {
        for curve in Curve::named() {
            let key = EcKey::generate(curve, &mut rng());
            let verify =
                |hash: &[u8], signature: &[u8]| verify(curve, &key.public_point(), hash, signature);
            let order_len = curve.order_len();
            let long = vec![0xA5; order_len + 1];
            let signature = key.sign(&long, &mut rng());
            let (_, leftmost) = long.split_last().unwrap();
            assert!(verify(leftmost, &signature), "{curve:?}");

            let mut counted = leftmost.to_vec();
            *counted.first_mut().unwrap() ^= 0x80;
            assert!(!verify(&counted, &signature), "{curve:?}");
            // Of 66 bytes the last 7 bits are more than the order of secp521r1 has.
            let mut last = leftmost.to_vec();
            *last.last_mut().unwrap() ^= 1;
            assert_eq!(verify(&last, &signature), curve.bits() % 8 != 0, "{curve:?}");

            let short = [0xA5; 20];
            let extended = [vec![0; order_len - 20].as_slice(), &short].concat();
            let signature = key.sign(&short, &mut rng());
            if curve.bits() % 8 == 0 {
                assert!(verify(&extended, &signature), "{curve:?}");
            }
        }
    }

    #[test]
    fn a_signature_fits_one_hash_and_one_key() {
        for curve in Curve::named() {
            let (key, other) = (EcKey::generate(curve, &mut rng()), self::key(curve, &[2]));
            let signature = key.sign(&[1; 32], &mut rng());
            assert!(!verify(curve, &key.public_point(), &[2; 32], &signature));
            assert!(!verify(curve, &other.public_point(), &[1; 32], &signature));
            for bad in [&[], signature.split_last().unwrap().1, &vec![0; signature.len()]] {
                assert!(!verify(curve, &key.public_point(), &[1; 32], bad));
            }
        }
    }

    #[test]
    fn a_high_s_is_valid_on_every_curve() {
        for curve in Curve::named() {
            let key = EcKey::generate(curve, &mut rng());
            let signature = key.sign(&[1; 32], &mut rng());
            let (r, s) = signature.split_at(curve.order_len());
            let mut borrow = 0;
            let mut negative = s.to_vec();
            for (digit, order) in negative.iter_mut().zip(&curve.domain().n).rev() {
                let difference = i16::from(*order) - i16::from(*digit) - borrow;
                *digit = difference as u8;
                borrow = i16::from(difference < 0);
            }
            let other = [r, &negative].concat();
            assert!(verify(curve, &key.public_point(), &[1; 32], &other), "{curve:?}");
        }
    }

    #[test]
    fn a_repeated_random_stream_repeats_no_nonce() {
        for curve in Curve::named() {
            let key = EcKey::generate(curve, &mut rng());
            let nonce = |hash: &[u8], seed| {
                let mut rng = ChaCha20Rng::from_seed([seed; 32]);
                key.sign(hash, &mut rng).get(..curve.order_len()).unwrap().to_vec()
            };
            assert_eq!(nonce(&[1; 32], 1), nonce(&[1; 32], 1));
            assert_ne!(nonce(&[1; 32], 1), nonce(&[2; 32], 1));
            assert_ne!(nonce(&[1; 32], 1), nonce(&[1; 32], 2));
        }
    }

    #[test]
    fn scalars_are_at_least_one_and_less_than_the_order() {
        for curve in Curve::named() {
            let order = curve.domain().n.as_slice();
            let mut last = order.to_vec();
            *last.last_mut().unwrap() -= 1;
            for bad in [&[][..], &[0; 3], order, &[&[0], order].concat(), &[order, &[0]].concat()] {
                assert_eq!(EcKey::from_scalar(curve, bad), None, "{curve:?} {bad:02X?}");
            }
            for good in [&[1][..], &[0, 0, 2], &last, &[&[0], last.as_slice()].concat()] {
                let key = key(curve, good);
                assert_eq!(key.scalar().len(), curve.order_len());
                assert_eq!(significant(key.scalar()), significant(good));
            }
        }
    }

    #[test]
    fn an_offset_is_added_modulo_the_order() {
        for curve in Curve::named() {
            let order = curve.domain().n.as_slice();
            let mut negative = order.to_vec();
            *negative.last_mut().unwrap() -= 2;
            let two = key(curve, &[2]);
            for (offset, sum) in [
                (&[0][..], Some(key(curve, &[2]))),
                (&[5], Some(key(curve, &[7]))),
                (&[1, 0], Some(key(curve, &[1, 2]))),
                (&[0, 0, 5], Some(key(curve, &[7]))),
                (order, Some(key(curve, &[2]))),
                (&negative, None),
                (&vec![0; order.len() + 1], None),
            ] {
                assert_eq!(two.plus(offset), sum, "{curve:?} {offset:02X?}");
            }
            // Larger than the order, however often it goes into it.
            let largest = vec![0xFF; order.len()];
            let back = key(curve, &negative).plus(&largest).unwrap().plus(&[2]).unwrap();
            assert_eq!(Some(back.plus(&[1]).unwrap()), key(curve, &[1]).plus(&largest));
        }
    }

    #[test]
    fn der_is_minimal() {
        assert_eq!(signature_to_der(&[0, 1, 0, 0]), hex!("3006 020101 020100"));
        assert_eq!(signature_to_der(&[0x80, 1, 0x7F, 0]), hex!("3009 0203008001 02027F00"));
        let longest = signature_to_der(&[&[1][..], &[0xFF; 65], &[1], &[0xFF; 65]].concat());
        assert_eq!(longest.get(..5).unwrap(), hex!("308188 0242"));
        assert_eq!(longest.len(), 139);
    }

    #[test]
    fn a_secret_is_not_printed() {
        let key = key(named("secp256r1"), &[0xAB; 32]);
        assert_eq!(alloc::format!("{key:?}"), "EcKey(secp256r1)");
    }
}
