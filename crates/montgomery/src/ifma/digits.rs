//! Numbers as digits of 52 bits, before they are in registers and after.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use zeroize::Zeroizing;

use crate::LONGEST;

/// The bits of a digit, and all of them set.
pub(super) const BITS: usize = 52;
pub(super) const MASK: u64 = (1 << BITS) - 1;

/// Four bits to spare, for sums that are not reduced.
pub(super) const fn digits_in(len: usize) -> usize {
    (8 * len + 4).div_ceil(BITS)
}

/// The digits of a number as integers, in as many places as the longest one needs.
pub(super) type Digits = Zeroizing<[u64; digits_in(LONGEST)]>;

/// The digits of `bytes`, big-endian, that `range` says.
pub(super) fn digits_of(bytes: &[u8], range: Range<usize>) -> Digits {
    let mut digits = Zeroizing::new([0; digits_in(LONGEST)]);
    for (index, digit) in range.zip(digits.iter_mut()) {
        // A digit and what is before it in its first byte are in eight bytes.
        let (first, excess) = (index * BITS / 8, index * BITS % 8);
        let (above, _) = bytes.split_at(bytes.len().saturating_sub(first));
        let eight = above.last_chunk().copied().unwrap_or_else(|| {
            let mut eight = [0; 8];
            let places = eight.iter_mut().rev().zip(above.iter().rev());
            places.for_each(|(place, byte)| *place = *byte);
            eight
        });
        *digit = u64::from_be_bytes(eight) >> excess & MASK;
    }
    digits
}

/// The last `len` bytes of a number.
pub(super) fn bytes(number: &Digits, len: usize) -> Zeroizing<Vec<u8>> {
    let digit = |index: usize| number.get(index).map_or(0, |digit| u128::from(*digit));
    let mut bytes = Zeroizing::new(vec![0; len]);
    for (place, byte) in bytes.iter_mut().rev().enumerate() {
        let (index, shift) = (8 * place / BITS, 8 * place % BITS);
        *byte = ((digit(index) | digit(index + 1) << BITS) >> shift) as u8;
    }
    bytes
}

/// `number`, less than twice the modulus, reduced.
pub(super) fn reduced(number: &Digits, modulus: &Digits) -> Digits {
    let mut reduced = number.clone();
    let mut borrow = 0;
    for (place, modulus) in reduced.iter_mut().zip(modulus.iter()) {
        let column = place.wrapping_sub(*modulus).wrapping_sub(borrow);
        (*place, borrow) = (column & MASK, column >> 63);
    }
    let below = borrow.wrapping_neg();
    for (place, digit) in reduced.iter_mut().zip(number.iter()) {
        *place ^= below & (*place ^ digit);
    }
    reduced
}

/// 2^(52·digits) modulo `modulus`: its highest bit alone, which is less, doubled again and again.
pub(super) fn one(modulus: &Digits, digits: usize) -> Digits {
    let mut number = modulus.clone();
    let mut bit = 0;
    let mut is_top = true;
    for (index, place) in number.iter_mut().enumerate().rev() {
        match place.checked_ilog2().filter(|_| is_top) {
            Some(highest) => {
                (bit, is_top) = (index * BITS + highest as usize, false);
                *place = 1 << highest;
            }
            None => *place = 0,
        }
    }
    for _ in bit..digits * BITS {
        let mut carry = 0;
        for place in number.iter_mut() {
            let double = *place << 1 | carry;
            (*place, carry) = (double & MASK, double >> BITS);
        }
        number = reduced(&number, modulus);
    }
    number
}
