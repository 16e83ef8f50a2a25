//! ECDSA and ECDH on any short Weierstrass curve of prime order, by its parameters alone.
//!
//! What the parameters are is known at run time only, and how many limbs a number has when the
//! program is built. Multiples of the base point come from a table, which is made when there have
//! been several of them: it costs as much as five without it.

mod point;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use crypto_bigint::U576;
use once_cell::race::OnceBox;
use rfc6979::KGenerator;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};
use vschsm_montgomery::modulus::{self, Modulus};
use zeroize::Zeroizing;

use self::point::{Affine, Group, Point};
use super::curve::{CurveParameters, uint};
use super::engine::{Engine, leftmost_bits};

/// Scalars are taken five bits at a time, each a digit of -16 to 16, and six bits at a time where
/// the multiples are in a table already.
const WINDOW: usize = 5;
const BASE_WINDOW: usize = 6;

/// How many multiples of the base point are computed without a table: a card that is only made and
/// looked at needs no more.
const WITHOUT_TABLE: usize = 8;

/// The largest digit of so many bits.
const fn largest_digit(window: usize) -> usize {
    1 << (window - 1)
}

/// The engine of a curve; none if a parameter is out of range, a modulus even, the base point not
/// on the curve, or a number longer than 576 bits.
pub(super) fn engine(parameters: &CurveParameters) -> Option<Box<dyn Engine>> {
    let longer = parameters.p.len().max(parameters.n.len());
    Some(match longer.div_ceil(8) {
        0..=3 => Box::new(Weierstrass::<3>::new(parameters)?),
        4 => Box::new(Weierstrass::<4>::new(parameters)?),
        5 => Box::new(Weierstrass::<5>::new(parameters)?),
        6 => Box::new(Weierstrass::<6>::new(parameters)?),
        7 => Box::new(Weierstrass::<7>::new(parameters)?),
        8 => Box::new(Weierstrass::<8>::new(parameters)?),
        9 => Box::new(Weierstrass::<9>::new(parameters)?),
        _ => return None,
    })
}

/// A curve and its base point.
struct Weierstrass<const L: usize> {
    group: Group<L>,
    order: Modulus<L>,
    order_bits: usize,
    /// The order again, for the nonces.
    order_uint: U576,
    base: Affine<L>,
    /// For each window of a scalar the multiples 1 to 32 of the base point, shifted to the window.
    multiples: OnceBox<Vec<Affine<L>>>,
    /// How many multiples of it have been computed without the table.
    without_table: AtomicUsize,
    field_len: usize,
}

impl<const L: usize> Weierstrass<L> {
    fn new(parameters: &CurveParameters) -> Option<Self> {
        let group = Group::new(Modulus::new(&parameters.p)?, &parameters.a, &parameters.b)?;
        let base = uncompressed(&group, &parameters.g, parameters.p.len())?;
        let order_uint = uint(&parameters.n)?;
        Some(Self {
            group,
            base,
            order: Modulus::new(&parameters.n)?,
            order_bits: parameters.order_bits(),
            order_uint,
            multiples: OnceBox::new(),
            without_table: AtomicUsize::new(0),
            field_len: parameters.p.len(),
        })
    }

    fn order_len(&self) -> usize {
        self.order_bits.div_ceil(8)
    }

    /// The digits of `scalar`, each of `window` bits, the least significant first.
    fn digits(&self, window: usize, scalar: &[u64; L]) -> impl DoubleEndedIterator<Item = Digit> {
        let limb = |index: usize| scalar.get(index).copied().unwrap_or_default();
        (0..=self.order_bits / window).map(move |index| {
            // The window's bits, and the highest one of the window below.
            let bits = match (index * window).checked_sub(1) {
                None => limb(0) << 1,
                Some(position) => {
                    let (index, shift) = (position / 64, position % 64);
                    limb(index) >> shift | limb(index + 1) << 1 << (63 - shift)
                }
            };
            Digit::new(window, bits)
        })
    }

    /// The base point times `scalar`.
    fn times_base(&self, scalar: &[u64; L]) -> Point<L> {
        if self.multiples.get().is_none()
            && self.without_table.fetch_add(1, Ordering::Relaxed) < WITHOUT_TABLE
        {
            return self.times(scalar, &self.base);
        }
        let multiples = self.multiples.get_or_init(|| Box::new(self.multiples_of_base()));
        let mut sum = self.group.infinity();
        let chunks = multiples.chunks(largest_digit(BASE_WINDOW));
        for (digit, multiples) in self.digits(BASE_WINDOW, scalar).zip(chunks) {
            let mut multiple = self.base;
            for (number, candidate) in (1..).zip(multiples) {
                multiple.assign(candidate, digit.is(number));
            }
            let negative = self.group.field.negate(&multiple.y);
            modulus::assign(&mut multiple.y, &negative, digit.negative);
            let added = self.group.add_affine(&sum, &multiple);
            sum.assign(&added, !digit.is(0));
        }
        sum
    }

    fn multiples_of_base(&self) -> Vec<Affine<L>> {
        let mut shifted = self.group.projective(&self.base);
        let mut multiples = Vec::new();
        for _ in 0..=self.order_bits / BASE_WINDOW {
            let mut multiple = shifted;
            multiples.push(multiple);
            for _ in 1..largest_digit(BASE_WINDOW) {
                multiple = self.group.add(&multiple, &shifted);
                multiples.push(multiple);
            }
            shifted = self.group.double(&multiple, 1);
        }
        self.group.affine(&multiples)
    }

    /// `point` times `scalar`.
    fn times(&self, scalar: &[u64; L], point: &Affine<L>) -> Point<L> {
        let group = &self.group;
        let mut multiples = [group.projective(point); largest_digit(WINDOW)];
        let mut last = group.infinity();
        for multiple in &mut multiples {
            last = group.add_affine(&last, point);
            *multiple = last;
        }
        let mut sum = group.infinity();
        for digit in self.digits(WINDOW, scalar).rev() {
            sum = group.double(&sum, WINDOW);
            let mut multiple = group.infinity();
            for (number, candidate) in (1..).zip(&multiples) {
                multiple.assign(candidate, digit.is(number));
            }
            let negative = group.field.negate(&multiple.y);
            modulus::assign(&mut multiple.y, &negative, digit.negative);
            sum = group.add(&sum, &multiple);
        }
        sum
    }

    /// x and y of `point`; none at infinity.
    fn coordinates(&self, point: &Point<L>) -> Option<[[u64; L]; 2]> {
        let field = &self.group.field;
        if modulus::is_zero(&point.z) {
            return None;
        }
        let inverse = field.invert(&point.z);
        Some([&point.x, &point.y].map(|value| field.leave(&field.multiply(value, &inverse))))
    }

    /// `point`, which must not be at infinity, as `04`, x, y.
    fn encoded(&self, point: &Point<L>) -> Option<Vec<u8>> {
        let mut bytes = vec![0x04; 1 + 2 * self.field_len];
        let places = bytes.get_mut(1..)?.chunks_mut(self.field_len);
        for (place, coordinate) in places.zip(&self.coordinates(point)?) {
            modulus::write(coordinate, place);
        }
        Some(bytes)
    }

    fn scalar(&self, bytes: &[u8]) -> Zeroizing<[u64; L]> {
        let scalar = self.order.number(bytes);
        Zeroizing::new(scalar.expect("a scalar of a key is in 1..n and as wide as n"))
    }

    /// The number that ECDSA makes of a hash.
    fn hash(&self, hash: &[u8]) -> [u64; L] {
        let number = modulus::limbs(&leftmost_bits(hash, self.order_bits));
        self.order.reduced(&number.expect("it has no more bits than the order"))
    }

    /// Half of a signature; none if it is not in `1..n`.
    fn half(&self, bytes: &[u8]) -> Option<[u64; L]> {
        self.order.number(bytes).filter(|number| !modulus::is_zero(number))
    }

    /// r and s; none if one of them is 0.
    fn signed(&self, key: &[u64; L], nonce: &[u64; L], hash: &[u64; L]) -> Option<[[u64; L]; 2]> {
        let order = &self.order;
        let [x, _] = self.coordinates(&self.times_base(nonce))?;
        let r = order.reduced(&x);
        let inverse = Zeroizing::new(order.invert(&order.enter(nonce)));
        let product = order.multiply(&order.enter(&r), key);
        let s = order.multiply(&order.add(hash, &product), &inverse);
        (!modulus::is_zero(&r) && !modulus::is_zero(&s)).then_some([r, s])
    }
}

impl<const L: usize> Engine for Weierstrass<L> {
    fn is_sound(&self) -> bool {
        self.group.is_smooth() && self.times(self.order.limbs(), &self.base).is_infinity()
    }

    fn has_point(&self, point: &[u8]) -> bool {
        uncompressed(&self.group, point, self.field_len).is_some()
    }

    fn public_point(&self, scalar: &[u8]) -> Vec<u8> {
        let point = self.encoded(&self.times_base(&self.scalar(scalar)));
        point.expect("no scalar in 1..n takes the base point to infinity")
    }

    fn multiply(&self, scalar: &[u8], point: &[u8]) -> Option<Vec<u8>> {
        let point = uncompressed(&self.group, point, self.field_len)?;
        self.encoded(&self.times(&self.scalar(scalar), &point))
    }

    fn sign(&self, scalar: &[u8], hash: &[u8], extra: &[u8]) -> Vec<u8> {
        let (key, number) = (self.scalar(scalar), self.hash(hash));
        // An empty hash is the number zero, which has to have a digit here.
        let hash = if hash.is_empty() { &[0] } else { hash };
        let mut nonces = KGenerator::<Sha256, U576>::new(scalar, hash, extra, &self.order_uint);
        loop {
            let mut nonce = Zeroizing::new(vec![0; self.order_len()]);
            nonces.fill_next_k(&mut nonce);
            if let Some(halves) = self.signed(&key, &self.scalar(&nonce), &number) {
                let mut signature = vec![0; 2 * self.order_len()];
                for (place, half) in signature.chunks_mut(self.order_len()).zip(&halves) {
                    modulus::write(half, place);
                }
                return signature;
            }
        }
    }

    fn verify(&self, point: &[u8], hash: &[u8], signature: &[u8]) -> bool {
        let verified = || {
            let order = &self.order;
            let key = uncompressed(&self.group, point, self.field_len)?;
            let (r, s) = signature.split_at_checked(self.order_len())?;
            let (r, s) = (self.half(r)?, self.half(s).filter(|_| s.len() == self.order_len())?);
            let inverse = order.invert(&order.enter(&s));
            let of_base = self.times_base(&order.multiply(&self.hash(hash), &inverse));
            let of_key = self.times(&order.multiply(&r, &inverse), &key);
            let [x, _] = self.coordinates(&self.group.add(&of_base, &of_key))?;
            Some(order.reduced(&x) == r)
        };
        verified().unwrap_or(false)
    }
}

/// The point that `encoded` is, `04`, x, y, each coordinate `field_len` bytes long.
fn uncompressed<const L: usize>(
    group: &Group<L>,
    encoded: &[u8],
    field_len: usize,
) -> Option<Affine<L>> {
    let coordinates = encoded.strip_prefix(&[0x04])?;
    let (x, y) = coordinates.split_at_checked(field_len)?;
    if y.len() == field_len { group.point(x, y) } else { None }
}

/// A digit of a scalar.
struct Digit {
    negative: Choice,
    magnitude: u64,
}

impl Digit {
    /// Of the lowest bits in `bits`: those of a window, and the highest one of the window below it.
    /// (Booth's recoding: a window with its highest bit set borrows from the one above.)
    fn new(window: usize, bits: u64) -> Self {
        let bits = bits & ((2 << window) - 1);
        let highest = bits >> window;
        let value = (bits + 1) >> 1;
        // 2^window - value if the highest bit is set.
        let mask = highest.wrapping_neg();
        let magnitude = (value ^ mask).wrapping_sub(mask).wrapping_add(mask & 1 << window);
        Self { negative: highest.ct_eq(&1), magnitude }
    }

    fn is(&self, magnitude: u64) -> Choice {
        self.magnitude.ct_eq(&magnitude)
    }
}
