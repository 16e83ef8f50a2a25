//! Integers of RSA as bytes, big-endian.

use alloc::vec;
use alloc::vec::Vec;
use crypto_bigint::BoxedUint;
use zeroize::Zeroizing;

pub(super) fn number(bytes: &[u8]) -> BoxedUint {
    let bits = u32::try_from(8 * bytes.len()).expect("a modulus has 4096 bits at most");
    BoxedUint::from_be_slice(bytes, bits).expect("the precision is that of the bytes")
}

/// The last `len` bytes of a number, big-endian.
pub(super) fn bytes(number: &BoxedUint, len: usize) -> Zeroizing<Vec<u8>> {
    let digits = Zeroizing::new(number.to_be_bytes());
    let mut bytes = Zeroizing::new(vec![0; len]);
    bytes.iter_mut().rev().zip(digits.iter().rev()).for_each(|(place, digit)| *place = *digit);
    bytes
}
