//! The primes of an RSA modulus, for whoever has the private exponent but not them.

use alloc::vec::Vec;

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, ConcatenatingMul as _, Gcd as _, NonZero, Odd, Resize as _};
use zeroize::Zeroizing;

use super::curve::significant;
use super::integers::{bytes, number};

/// One of them betrays the factors of a modulus, but once in 2^24.
const BASES: [u8; 24] =
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89];

/// Two factors of a modulus, big-endian and each half as long.
///
/// `None` if the private exponent does not undo the public one, or there are no such factors. The
/// caller must look whether they are prime, and the exponents right for both.
///
/// What the product of both exponents has above 1 is a multiple of the order of every number. On
/// the way to its power 1 every base comes by a square root of 1, and with a probability of a half
/// by one that is neither 1 nor -1: it is 1 modulo one of the primes alone. Source: A. Menezes, P.
/// van Oorschot and S. Vanstone, Handbook of Applied Cryptography, 8.2.2 (i).
pub(super) fn factors(
    modulus: &[u8],
    exponent: u64,
    private: &[u8],
) -> Option<[Zeroizing<Vec<u8>>; 2]> {
    let private = significant(private);
    let n = Odd::new(number(modulus)).into_option().filter(|n| n.bits_vartime() > 64)?;
    if private.is_empty() || private.len() > modulus.len() || exponent < 3 {
        return None;
    }
    let product = number(private).concatenating_mul(&BoxedUint::from(exponent));
    let multiple = product.wrapping_sub(BoxedUint::one());
    let twos = multiple.trailing_zeros();
    let odd = multiple.shr(twos);

    let parameters = BoxedMontyParams::new(n.clone());
    for base in BASES {
        let base = BoxedUint::from(base).resize_unchecked(n.bits_precision());
        let power = BoxedMontyForm::new(base, &parameters).pow(&odd);
        let root = root_of_one(power, twos)?;
        let beside = root.retrieve().wrapping_sub(BoxedUint::one());
        let p = NonZero::new(beside.gcd(n.as_ref())).into_option()?;
        if !bool::from(p.is_one()) && p.as_ref() != n.as_ref() {
            let q = n.as_ref() / &p;
            return Some([p.get(), q].map(|factor| bytes(&factor, modulus.len() / 2)));
        }
    }
    None
}

/// The last number before 1 when `power` is squared again and again, at most `times` times.
fn root_of_one(mut power: BoxedMontyForm, times: u32) -> Option<BoxedMontyForm> {
    let one = BoxedMontyForm::one(power.params());
    for _ in 0..times {
        let square = power.square();
        if square == one {
            return Some(power);
        }
        power = square;
    }
    None
}
