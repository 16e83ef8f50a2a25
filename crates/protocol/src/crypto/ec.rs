//! Elliptic curve keys.

use alloc::boxed::Box;
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
pub struct EcKey {
    curve: Curve,
    /// In `1..n`, as wide as the order.
    scalar: Zeroizing<Vec<u8>>,
}

impl EcKey {
    /// A new key.
    pub fn generate(curve: &Curve, rng: &mut ChaCha20Rng) -> Self {
        let highest = curve.parameters().n.first().copied().unwrap_or_default();
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
    pub fn from_scalar(curve: &Curve, scalar: &[u8]) -> Option<Self> {
        let order = &curve.parameters().n;
        let digits = significant(scalar);
        let mut wide = Zeroizing::new(vec![0; order.len().checked_sub(digits.len())?]);
        wide.reserve_exact(digits.len());
        wide.extend_from_slice(digits);
        let in_range = !digits.is_empty() && *wide < *order;
        in_range.then(|| Self { curve: curve.clone(), scalar: wide })
    }

    /// The key whose scalar is this one's and `offset` added up modulo the order.
    ///
    /// `None` if the sum is zero, or `offset` is not one: see [`is_offset`](Self::is_offset).
    pub fn plus(&self, offset: &[u8]) -> Option<Self> {
        let sum = sum(&self.curve, [&self.scalar, offset])?;
        Self::from_scalar(&self.curve, &sum).filter(|_| self.is_offset(offset))
    }

    /// Whether `offset`, big-endian, gives another key: it is no longer than the order, and no
    /// multiple of it.
    pub fn is_offset(&self, offset: &[u8]) -> bool {
        let rest = sum(&self.curve, [offset, &[0]]);
        rest.is_some_and(|rest| rest.iter().any(|digit| *digit != 0))
    }

    /// The curve that the key is on.
    pub fn curve(&self) -> &Curve {
        &self.curve
    }

    /// The secret, as wide as the order.
    pub fn scalar(&self) -> &[u8] {
        &self.scalar
    }

    /// The public key: `04`, x, y.
    pub fn public_point(&self) -> Vec<u8> {
        self.curve.engine().public_point(&self.scalar)
    }

    /// Signs `hash`, of any length: r and s, each as wide as the order.
    ///
    /// The nonce depends on key and hash as well as on `rng`, so that a random stream that repeats
    /// itself gives nothing away.
    pub fn sign(&self, hash: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
        let mut fresh = Zeroizing::new([0; 32]);
        rng.fill_bytes(fresh.as_mut());
        self.curve.engine().sign(&self.scalar, hash, fresh.as_ref())
    }

    /// Signs `hash` as RFC 6979 does with SHA-256: the same signature for ever.
    pub fn sign_deterministic(&self, hash: &[u8]) -> Vec<u8> {
        self.curve.engine().sign(&self.scalar, hash, &[])
    }

    /// The point that this key and the key of the point `peer` have in common: `04`, x, y.
    ///
    /// `None` if `peer` is not `04`, x, y of a point on the curve.
    pub fn agree(&self, peer: &[u8]) -> Option<Vec<u8>> {
        self.curve.engine().multiply(&self.scalar, peer)
    }
}

impl fmt::Debug for EcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcKey({})", self.curve)
    }
}

/// The sum of two numbers modulo the order of a curve; `None` if one is longer than that.
fn sum(curve: &Curve, numbers: [&[u8]; 2]) -> Option<Zeroizing<Box<[u8]>>> {
    let order = &curve.parameters().n;
    if numbers.iter().any(|number| number.len() > order.len()) {
        return None;
    }
    let bits = u32::try_from(8 * (order.len() + 1)).ok()?;
    let number = |bytes| BoxedUint::from_be_slice(bytes, bits).ok();
    let order = NonZero::new(number(order)?).into_option()?;
    let [one, other] = numbers.map(number);
    Some(Zeroizing::new(one?.wrapping_add(other?).rem(&order).to_be_bytes()))
}

/// Whether `signature`, r and s, was made of `hash` with the key of `public_point`.
pub(crate) fn verify(curve: &Curve, public_point: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    curve.engine().verify(public_point, hash, signature)
}

/// `raw`, r and s of equal length, as `SEQUENCE { r INTEGER, s INTEGER }`.
pub fn signature_to_der(raw: &[u8]) -> Vec<u8> {
    sequence(raw, significant)
}

/// The same with leading zeros: where both numbers have as many bytes each time, so do signatures.
/// That is no DER, but for what has no leading zeros.
pub fn signature_to_fixed(raw: &[u8]) -> Vec<u8> {
    sequence(raw, |number| number)
}

fn sequence(raw: &[u8], digits: fn(&[u8]) -> &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    tlv::encode(0x30, &[integer(digits(r)), integer(digits(s))].concat())
}

/// `der`, SEQUENCE { r INTEGER, s INTEGER }, as r and s of `length` bytes each; none if it is not
/// that.
pub(crate) fn signature_from_der(der: &[u8], length: usize) -> Option<Vec<u8>> {
    let sequence = tlv::at(der, &[0x30])?;
    let &[r, s] = tlv::parse(sequence).ok()?.as_slice() else { return None };
    let mut raw = Vec::with_capacity(2 * length);
    for number in [r, s] {
        let digits = significant(number.value);
        raw.resize(raw.len() + length.checked_sub(digits.len())?, 0);
        raw.extend_from_slice(digits);
    }
    (r.tag == 0x02 && s.tag == 0x02).then_some(raw)
}

/// INTEGER with these digits, and a zero in front where they would be negative without.
fn integer(digits: &[u8]) -> Vec<u8> {
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
    fn the_agreed_point_is_that_of_rfc_5903() {
        // Section 8.1.
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
    }

    #[test]
    fn the_key_one_has_the_base_point() {
        for curve in Curve::named() {
            assert_eq!(key(curve, &[1]).public_point(), curve.parameters().g, "{curve:?}");
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
            let (x, y) = good.split_at(1 + curve.parameters().p.len());
            let (p, infinity) = (&curve.parameters().p, [0x00]);
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
            for (digit, order) in negative.iter_mut().zip(&curve.parameters().n).rev() {
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
            let order = curve.parameters().n.as_slice();
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
            let order = curve.parameters().n.as_slice();
            let mut negative = order.to_vec();
            *negative.last_mut().unwrap() -= 2;
            let two = key(curve, &[2]);
            for (offset, sum) in [
                (&[0][..], None),
                (&[5], Some(key(curve, &[7]))),
                (&[1, 0], Some(key(curve, &[1, 2]))),
                (&[0, 0, 5], Some(key(curve, &[7]))),
                (order, None),
                (&vec![0; order.len()], None),
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
    fn leading_zeros_are_kept_in_what_is_fixed() {
        assert_eq!(signature_to_fixed(&[0, 1, 0, 0]), hex!("3008 02020001 02020000"));
        assert_eq!(signature_to_fixed(&[0x80, 1, 0x7F, 0]), hex!("3009 0203008001 02027F00"));
        for raw in [[0; 132], [1; 132]] {
            let fixed = signature_to_fixed(&raw);
            assert_eq!((fixed.get(..5).unwrap(), fixed.len()), (&hex!("308188 0242")[..], 139));
            assert_eq!(signature_from_der(&fixed, 66).unwrap(), raw);
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let key = key(named("secp256r1"), &[0xAB; 32]);
        assert_eq!(alloc::format!("{key:?}"), "EcKey(secp256r1)");
    }
}
