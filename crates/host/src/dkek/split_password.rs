//! Passwords of which `threshold` of many people each hold a share (Shamir).
//!
//! The scheme is sc-hsm-tool's: a password of eight random bytes is the value at 0 of a polynomial
//! modulo a safe prime of 64 bits, and a share is a number and the value there. Source: OpenSC
//! `sc-hsm-tool.c`, `createShares` and `reconstructSecret`.

use crate::secret::Secret;
use chacha20::ChaCha20Rng;
use crypto_bigint::U64;
use crypto_primes::{Flavor, random_prime};
use rand_core::{Rng, SeedableRng};
use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// A password and its shares.
#[derive(Debug)]
pub struct SplitPassword {
    /// The password, 8 bytes.
    pub password: Secret<Vec<u8>>,
    /// The prime that the shares belong to.
    pub prime: u64,
    /// A share for each of the people.
    pub shares: Vec<PasswordShare>,
}

/// What one person holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordShare {
    /// The number, from 1 on.
    pub id: u8,
    /// The value of the polynomial there.
    pub value: u64,
}

impl SplitPassword {
    /// A new password, of whose `count` shares any `threshold` give it back.
    #[must_use]
    pub fn random(threshold: u8, count: u8, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        // The highest byte is neither 0, which sc-hsm-tool would lose when the shares are joined,
        // nor above 7F: the secret has to be below the prime.
        let secret = loop {
            let secret = rng.next_u64() >> 1;
            if secret >> 56 != 0 {
                break secret;
            }
        };
        let prime: U64 = random_prime(&mut rng, Flavor::Safe, 64);
        let prime = u64::from(prime);
        let mut coefficients = vec![secret];
        coefficients.extend((1..threshold).map(|_| rng.next_u64() % prime));
        let shares =
            (1..=count).map(|id| PasswordShare { id, value: value(&coefficients, id, prime) });
        let password = Secret::new(secret.to_be_bytes().to_vec());
        Self { password, prime, shares: shares.collect() }
    }
}

/// The password that `shares` give: that of which they were made, if they are enough.
///
/// `None` if two of them have the same number, or one is 0 or not below the prime.
#[must_use]
pub fn join(prime: u64, shares: &[PasswordShare]) -> Option<Vec<u8>> {
    let mut secret = 0;
    for (index, share) in shares.iter().enumerate() {
        let mut term = u128::from(share.value);
        if share.id == 0 || share.value >= prime {
            return None;
        }
        for (other_index, other) in shares.iter().enumerate() {
            if other_index == index {
                continue;
            }
            let distance = (prime + u64::from(other.id) - u64::from(share.id)) % prime;
            term = term * u128::from(other.id) % u128::from(prime);
            term = term * u128::from(inverse(distance, prime)?) % u128::from(prime);
        }
        secret = (secret + term) % u128::from(prime);
    }
    let bytes = secret.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes.get(zeros..)?.to_vec())
}

/// The polynomial with these coefficients at `x`.
fn value(coefficients: &[u64], x: u8, prime: u64) -> u64 {
    let modulus = u128::from(prime);
    let value = coefficients.iter().rev().fold(0, |sum: u128, coefficient| {
        (sum * u128::from(x) + u128::from(*coefficient)) % modulus
    });
    u64::try_from(value).unwrap_or_default()
}

/// The inverse of `number` modulo a prime, by Fermat; none for 0.
fn inverse(number: u64, prime: u64) -> Option<u64> {
    let modulus = u128::from(prime);
    let (mut base, mut exponent, mut power) = (u128::from(number), prime.checked_sub(2)?, 1);
    while exponent != 0 {
        if exponent & 1 == 1 {
            power = power * base % modulus;
        }
        base = base * base % modulus;
        exponent >>= 1;
    }
    (number != 0).then(|| u64::try_from(power).unwrap_or_default())
}

/// `1:124578ABDF124577`: number and value, both in hexadecimal as sc-hsm-tool reads them.
impl fmt::Display for PasswordShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}:{:016X}", self.id, self.value)
    }
}

/// Shows no secret.
impl fmt::Debug for PasswordShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordShare({})", self.id)
    }
}

/// Why a text is not a share of a password, or the prime of the shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordShareError {
    /// It is not a number, a colon and a value.
    Share,
    /// It is not a number in hexadecimal.
    Number,
}

impl fmt::Display for PasswordShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Share => "not a share: write NUMBER:VALUE, such as 1:124578ABDF124577",
            Self::Number => "not a number of up to 64 bits in hexadecimal",
        })
    }
}

impl Error for PasswordShareError {}

impl FromStr for PasswordShare {
    type Err = PasswordShareError;

    fn from_str(text: &str) -> Result<Self, PasswordShareError> {
        let (id, value) = text.split_once(':').ok_or(PasswordShareError::Share)?;
        let id = u8::from_str_radix(id, 16).map_err(|_| PasswordShareError::Share)?;
        Ok(Self { id, value: number(value).map_err(|_| PasswordShareError::Share)? })
    }
}

/// A number in hexadecimal, with colons wherever they please.
///
/// # Errors
/// If it has other characters, or more than 64 bits.
pub fn number(text: &str) -> Result<u64, PasswordShareError> {
    let digits = text.replace(':', "");
    u64::from_str_radix(&digits, 16).map_err(|_| PasswordShareError::Number)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_shares_of_a_known_polynomial_are_known() {
        let (prime, coefficients) =
            (0xFFFF_FFFF_FFFF_FA43, [0x1122_3344_5566_7788, 0x0123_4567_89AB_CDEF]);
        let shares =
            [1, 2, 3].map(|id| PasswordShare { id, value: value(&coefficients, id, prime) });
        let expected = ["1:124578ABDF124577", "2:1368BE1368BE1366", "3:148C037AF269E155"];
        assert_eq!(shares.map(|share| share.to_string()), expected);
        for pair in [[0, 1], [1, 2], [2, 0]] {
            let password = join(prime, &pair.map(|index| shares[index]));
            assert_eq!(password, Some(0x1122_3344_5566_7788_u64.to_be_bytes().to_vec()));
        }
    }

    #[test]
    fn enough_shares_give_the_password_and_fewer_do_not() {
        let split = SplitPassword::random(3, 5, [7; 32]);
        assert_eq!((split.password.len(), split.shares.len()), (8, 5));
        let join = |shares: &[PasswordShare]| join(split.prime, shares);
        assert_eq!(join(&split.shares[..3]).as_ref(), Some(&*split.password));
        assert_eq!(join(&split.shares[2..]).as_ref(), Some(&*split.password));
        assert_eq!(join(&split.shares).as_ref(), Some(&*split.password));
        assert_ne!(join(&split.shares[..2]).as_ref(), Some(&*split.password));
    }

    #[test]
    fn shares_that_cannot_be_are_refused() {
        let (one, two) = (PasswordShare { id: 1, value: 5 }, PasswordShare { id: 2, value: 6 });
        assert!(join(101, &[one, two]).is_some());
        assert_eq!(join(101, &[one, one]), None);
        assert_eq!(join(101, &[one, PasswordShare { id: 0, ..two }]), None);
        assert_eq!(join(101, &[one, PasswordShare { value: 101, ..two }]), None);
        assert!("1".parse::<PasswordShare>().is_err());
        assert!("x:1".parse::<PasswordShare>().is_err());
        assert_eq!("A:00:ff".parse(), Ok(PasswordShare { id: 10, value: 0xFF }));
    }
}
