//! Arithmetic modulo an odd number that is known at run time, in Montgomery's form.
//!
//! Elliptic curves compute with it, and the portable implementation of [`Moduli`](crate::Moduli).
//! Numbers are limbs of 64 bits, the least significant first, and always below the modulus. Time
//! depends on the modulus alone.

use core::hint::black_box;

use crate::inverse;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// An odd modulus of up to `L` limbs.
#[derive(Clone, Debug)]
pub struct Modulus<const L: usize> {
    limbs: [u64; L],
    /// What the lowest limb has to be multiplied by to give -1.
    negative_inverse: u64,
    /// 2^(64·L), which is 1 in Montgomery's form.
    one: [u64; L],
    /// 2^(2·64·L), which takes numbers into Montgomery's form.
    square: [u64; L],
}

impl<const L: usize> Modulus<L> {
    /// The modulus that `bytes` are, big-endian; none if it is even, 1, or too long.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let limbs = limbs(bytes)?;
        let lowest = *limbs.first()?;
        if lowest & 1 == 0 || limbs == small(1) {
            return None;
        }
        let negative_inverse = negative_inverse(lowest);
        let mut modulus = Self { limbs, negative_inverse, one: [0; L], square: [0; L] };
        let shifted = |number, bits| (0..bits).fold(number, |sum, _| modulus.add(&sum, &sum));
        let one = shifted(small(1), 64 * L);
        let square = shifted(one, 64 * L);
        (modulus.one, modulus.square) = (one, square);
        Some(modulus)
    }

    /// The modulus itself.
    pub fn limbs(&self) -> &[u64; L] {
        &self.limbs
    }

    /// 1 in Montgomery's form.
    pub fn one(&self) -> &[u64; L] {
        &self.one
    }

    /// The number that `bytes` are, big-endian; none if it is not below the modulus.
    pub fn number(&self, bytes: &[u8]) -> Option<[u64; L]> {
        let number = limbs(bytes)?;
        let (_, below) = subtract(&number, &self.limbs);
        below.then_some(number)
    }

    /// `number`, less than twice the modulus, reduced.
    pub fn reduced(&self, number: &[u64; L]) -> [u64; L] {
        self.reduce(*number, false)
    }

    /// `number` in Montgomery's form.
    pub fn enter(&self, number: &[u64; L]) -> [u64; L] {
        self.multiply(number, &self.square)
    }

    /// The number whose Montgomery form is `form`.
    pub fn leave(&self, form: &[u64; L]) -> [u64; L] {
        self.multiply(form, &small(1))
    }

    /// The sum.
    pub fn add(&self, a: &[u64; L], b: &[u64; L]) -> [u64; L] {
        let (mut sum, mut carry) = ([0; L], false);
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
            (*sum, carry) = a.carrying_add(*b, carry);
        }
        self.reduce(sum, carry)
    }

    /// The difference.
    pub fn subtract(&self, a: &[u64; L], b: &[u64; L]) -> [u64; L] {
        let (mut difference, borrow) = subtract(a, b);
        let (mask, mut carry) = (mask(borrow), false);
        for (digit, modulus) in difference.iter_mut().zip(&self.limbs) {
            (*digit, carry) = digit.carrying_add(modulus & mask, carry);
        }
        difference
    }

    /// What `a` has to be added to for 0.
    pub fn negate(&self, a: &[u64; L]) -> [u64; L] {
        self.subtract(&[0; L], a)
    }

    /// The product of `a` and `b`, divided by 2^(64·L): one of them in Montgomery's form gives
    /// their product, both of them the form of it.
    pub fn multiply(&self, a: &[u64; L], b: &[u64; L]) -> [u64; L] {
        let (mut sum, mut overflow) = ([0; L], false);
        for digit in b {
            // `sum` becomes (sum + a·digit + modulus·quotient) / 2^64, without a remainder.
            let mut columns = sum.iter_mut().zip(a).zip(&self.limbs);
            let Some(((mut place, a), modulus)) = columns.next() else { return sum };
            let (column, mut carry) = a.carrying_mul_add(*digit, *place, 0);
            let quotient = column.wrapping_mul(self.negative_inverse);
            let (_, mut second_carry) = modulus.carrying_mul_add(quotient, column, 0);
            for ((next, a), modulus) in columns {
                let column;
                (column, carry) = a.carrying_mul_add(*digit, *next, carry);
                (*place, second_carry) = modulus.carrying_mul_add(quotient, column, second_carry);
                place = next;
            }
            (*place, overflow) = carry.carrying_add(second_carry, overflow);
        }
        self.reduce(sum, overflow)
    }

    /// As the product of `a` and `a`: each pair of different digits is multiplied once, not twice.
    pub fn square(&self, a: &[u64; L]) -> [u64; L] {
        let mut wide = [[0; L]; 2];
        let wide = wide.as_flattened_mut();
        for (index, digit) in a.iter().enumerate() {
            let (above, mut carry) = (a.get(index + 1..).unwrap_or_default(), 0);
            let places = wide.get_mut(2 * index + 1..).unwrap_or_default();
            for (place, other) in places.iter_mut().zip(above) {
                (*place, carry) = digit.carrying_mul_add(*other, *place, carry);
            }
            if let Some(place) = wide.get_mut(index + L) {
                *place = carry;
            }
        }
        let (mut shifted, mut carry) = (0, false);
        for (places, digit) in wide.as_chunks_mut::<2>().0.iter_mut().zip(a) {
            let [low, high] = places;
            let double = *low << 1 | shifted;
            shifted = *high >> 63;
            let doubled = *high << 1 | *low >> 63;
            let above;
            (*low, above) = digit.carrying_mul_add(*digit, double, carry.into());
            (*high, carry) = doubled.carrying_add(above, false);
        }
        self.divided(wide)
    }

    /// A number of `2·L` limbs, less than the square of the modulus, divided by 2^(64·L).
    fn divided(&self, wide: &mut [u64]) -> [u64; L] {
        let mut overflow = false;
        for index in 0..L {
            let Some(window) = wide.get_mut(index..=index + L) else { break };
            let Some((above, places)) = window.split_last_mut() else { break };
            let lowest = places.first().copied().unwrap_or_default();
            let (quotient, mut carry) = (lowest.wrapping_mul(self.negative_inverse), 0);
            for (place, modulus) in places.iter_mut().zip(&self.limbs) {
                (*place, carry) = modulus.carrying_mul_add(quotient, *place, carry);
            }
            (*above, overflow) = above.carrying_add(carry, overflow);
        }
        let mut high = [0; L];
        for (place, limb) in high.iter_mut().zip(wide.iter().skip(L)) {
            *place = *limb;
        }
        self.reduce(high, overflow)
    }

    /// The inverse of a number in Montgomery's form; 0 for 0. The modulus must be a prime.
    pub fn invert(&self, a: &[u64; L]) -> [u64; L] {
        // The square of Montgomery's factor takes the inverse of a form to the form of the inverse.
        inverse::quotient(&self.square, a, &self.limbs, self.negative_inverse)
    }

    /// `number`, with `overflow` another bit above it, less than twice the modulus: reduced.
    fn reduce(&self, mut number: [u64; L], overflow: bool) -> [u64; L] {
        let (difference, borrow) = subtract(&number, &self.limbs);
        let mask = mask(overflow | !borrow);
        for (digit, reduced) in number.iter_mut().zip(&difference) {
            *digit ^= mask & (*digit ^ reduced);
        }
        number
    }
}

/// All bits set, or none.
///
/// Where the compiler knows that a mask has two values it makes a branch of what depends on it,
/// which the benchmark `constant_time` has measured.
fn mask(is_set: bool) -> u64 {
    black_box(u64::from(is_set).wrapping_neg())
}

/// What an odd number has to be multiplied by to give -1 modulo 2^64.
#[must_use]
pub fn negative_inverse(odd: u64) -> u64 {
    // Newton's iteration doubles the number of right bits: 3, 6, 12, 24, 48, 96.
    let inverse = (0..5).fold(odd, |inverse: u64, _| {
        inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)))
    });
    inverse.wrapping_neg()
}

/// Whether `number` is 0.
pub fn is_zero<const L: usize>(number: &[u64; L]) -> bool {
    number.iter().fold(0, |bits, limb| bits | limb).ct_eq(&0).into()
}

/// Makes `number` the `other` one if `choice` is set.
pub fn assign<const L: usize>(number: &mut [u64; L], other: &[u64; L], choice: Choice) {
    for (digit, other) in number.iter_mut().zip(other) {
        digit.conditional_assign(other, choice);
    }
}

/// The big-endian number in `bytes`, which may have leading zeros; none if it needs more limbs.
pub fn limbs<const L: usize>(bytes: &[u8]) -> Option<[u64; L]> {
    let mut limbs = [0; L];
    let mut places = limbs.iter_mut();
    for chunk in bytes.rchunks(8) {
        let limb = chunk.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
        match places.next() {
            Some(place) => *place = limb,
            None if limb == 0 => {}
            None => return None,
        }
    }
    Some(limbs)
}

/// `number` in the last `bytes.len()` bytes of its big-endian form.
pub fn write<const L: usize>(number: &[u64; L], bytes: &mut [u8]) {
    for (chunk, limb) in bytes.rchunks_mut(8).zip(number) {
        for (byte, digit) in chunk.iter_mut().rev().zip(limb.to_le_bytes()) {
            *byte = digit;
        }
    }
}

fn small<const L: usize>(number: u64) -> [u64; L] {
    let mut limbs = [0; L];
    if let Some(lowest) = limbs.first_mut() {
        *lowest = number;
    }
    limbs
}

/// `a` - `b`, and whether it is negative.
fn subtract<const L: usize>(a: &[u64; L], b: &[u64; L]) -> ([u64; L], bool) {
    let (mut difference, mut borrow) = ([0; L], false);
    for ((difference, a), b) in difference.iter_mut().zip(a).zip(b) {
        (*difference, borrow) = a.borrowing_sub(*b, borrow);
    }
    (difference, borrow)
}
