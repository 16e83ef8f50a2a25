//! RSA keys.

use crate::crypto::hash::Hash;
use crate::crypto::padding;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use core::fmt;
use core::ops::RangeInclusive;
use crypto_bigint::modular::BoxedMontyForm;
use crypto_bigint::{BoxedUint, ConcatenatingMul as _, NonZero};
use crypto_primes::{Flavor, is_prime};
use once_cell::race::OnceBox;
use rsa::hazmat::rsa_encrypt;
use rsa::traits::PrivateKeyParts as _;
use rsa::{RsaPrivateKey, RsaPublicKey};
use vschsm_montgomery::Moduli;
use zeroize::Zeroizing;

use super::factors::factors;
use super::integers::{bytes, number};
use super::primes::random_prime;

/// No prime of an RSA key is shorter or longer, in bytes.
const PRIME_LENGTH: RangeInclusive<usize> = 8..=256;

/// A private key with two primes of the same length.
#[derive(Clone)]
pub struct RsaKey(Arc<RsaKeyParts>);

struct RsaKeyParts {
    /// Big-endian, each half as long as the modulus.
    primes: [Zeroizing<Vec<u8>>; 2],
    modulus: Vec<u8>,
    exponent: u64,
    /// Made on first use, so that a card with many keys starts at once.
    ready: OnceBox<Ready>,
}

/// What a key computes with.
struct Ready {
    key: RsaPrivateKey,
    /// The primes.
    moduli: Moduli,
    /// The private exponent modulo p - 1 and modulo q - 1, each as long as a prime.
    exponents: [Zeroizing<Vec<u8>>; 2],
}

impl RsaKey {
    /// The lengths of a modulus that [`generate`](Self::generate) makes, in bits.
    pub const SIZES: [usize; 5] = [1024, 1536, 2048, 3072, 4096];

    /// A new key with a modulus of `bits` bits, one of [`SIZES`](Self::SIZES).
    ///
    /// `None` for another size, or an `exponent` that is even, less than 3 or longer than 32 bits.
    pub fn generate(bits: usize, exponent: u64, rng: &mut ChaCha20Rng) -> Option<Self> {
        if !(3..=u64::from(u32::MAX)).contains(&exponent) || exponent.is_multiple_of(2) {
            return None;
        }
        if !Self::SIZES.contains(&bits) {
            return None;
        }
        loop {
            let [p, q] = [(); 2].map(|()| random_prime(bits / 16, exponent, rng));
            if let Some(key) = Self::from_primes(&p, &q, exponent)
                && key.ready().is_some()
            {
                return Some(key);
            }
        }
    }

    /// The key of two primes, big-endian and of the same length in bytes.
    ///
    /// `None` if their lengths differ, or one is even, short, long or has leading zeros. That they
    /// are prime and that `exponent` has an inverse is looked at when the key is used.
    pub fn from_primes(p: &[u8], q: &[u8], exponent: u64) -> Option<Self> {
        let is_large_and_odd = |number: &[u8]| match number {
            [0, ..] => false,
            [.., last] => PRIME_LENGTH.contains(&number.len()) && last % 2 == 1,
            [] => false,
        };
        if p.len() != q.len() || p == q || !is_large_and_odd(p) || !is_large_and_odd(q) {
            return None;
        }
        let product = number(p).concatenating_mul(&number(q));
        let bytes = product.to_be_bytes();
        let modulus = bytes.get(bytes.len().checked_sub(2 * p.len())?..)?.to_vec();
        let primes = [p, q].map(|prime| Zeroizing::new(prime.to_vec()));
        Some(Self(Arc::new(RsaKeyParts { primes, modulus, exponent, ready: OnceBox::new() })))
    }

    /// The key of a modulus without leading zeros and both exponents, all of them big-endian.
    ///
    /// `None` unless the private exponent undoes the public one, and the modulus has two primes of
    /// the same length in bytes.
    pub(crate) fn from_exponents(modulus: &[u8], exponent: u64, private: &[u8]) -> Option<Self> {
        let [p, q] = factors(modulus, exponent, private)?;
        let key = Self::from_primes(&p, &q, exponent).filter(Self::is_sound)?;
        let remainders = key.crt()?;
        let undoes = |(prime, remainder): (&[u8], &Zeroizing<Vec<u8>>)| {
            let below = number(prime).wrapping_sub(BoxedUint::one());
            let below = NonZero::new(below).into_option();
            below.is_some_and(|below| number(private).rem(&below) == number(remainder))
        };
        let sound = [p.as_slice(), &q].into_iter().zip(&remainders).all(undoes);
        (sound && key.modulus() == modulus).then_some(key)
    }

    /// Whether the primes are prime, the exponent has an inverse, and the key can be used.
    ///
    /// Who generates a key or restores one from an image need not ask.
    pub(crate) fn is_sound(&self) -> bool {
        let is_prime = |prime: &Zeroizing<Vec<u8>>| is_prime(Flavor::Any, &number(prime));
        self.0.primes.iter().all(is_prime) && self.ready().is_some()
    }

    /// What the Chinese remainder theorem needs, each number as long as a prime: the private
    /// exponent modulo p - 1 and modulo q - 1, and the inverse of q modulo p.
    ///
    /// `None` if a prime is not prime.
    pub fn crt(&self) -> Option<[Zeroizing<Vec<u8>>; 3]> {
        let Ready { key, exponents: [dp, dq], .. } = self.ready()?;
        Some([dp.clone(), dq.clone(), bytes(&key.crt_coefficient()?, dp.len())])
    }

    /// The private exponent, as long as the modulus: the least that undoes the public one.
    ///
    /// `None` if a prime is not prime.
    pub fn private_exponent(&self) -> Option<Zeroizing<Vec<u8>>> {
        Some(bytes(self.ready()?.key.d(), self.0.modulus.len()))
    }

    /// The primes, big-endian, each half as long as the modulus.
    pub fn primes(&self) -> (&[u8], &[u8]) {
        let [p, q] = &self.0.primes;
        (p, q)
    }

    /// The modulus, big-endian.
    pub fn modulus(&self) -> &[u8] {
        &self.0.modulus
    }

    /// The public exponent.
    pub fn exponent(&self) -> u64 {
        self.0.exponent
    }

    /// The length of the modulus in bits.
    pub fn bits(&self) -> usize {
        8 * self.0.modulus.len()
    }

    /// `input` to the power of the private exponent, as long as the modulus.
    ///
    /// `None` if `input` is not as long as the modulus and less than it, or a prime is not
    /// prime. Time depends on the length of the key alone; there is no blinding.
    pub fn private_operation(&self, input: &[u8]) -> Option<Vec<u8>> {
        if input.len() != self.0.modulus.len() || input >= self.modulus() {
            return None;
        }
        let Ready { key, moduli, exponents: [dp, dq] } = self.ready()?;
        let [modulo_p, modulo_q] = moduli.powers([input; 2], [dp, dq]);

        // The number that is both: what is missing modulo p is a multiple of q.
        let [reduced, _] = moduli.reduced([&modulo_q; 2]);
        let inverse = key.qinv()?;
        let [first, second] =
            [&modulo_p, &reduced].map(|it| BoxedMontyForm::new(number(it), inverse.params()));
        let multiple = Zeroizing::new((first - second).mul(inverse).retrieve());
        let product = Zeroizing::new(multiple.concatenating_mul(&number(&self.0.primes[1])));
        let output = bytes(&product.wrapping_add(number(&modulo_q)), input.len());

        // The power modulo a composite is not undone, and would betray the factors.
        let undone = moduli.public_powers([&output; 2], self.0.exponent);
        (undone == moduli.reduced([input; 2])).then(|| output.to_vec())
    }

    fn ready(&self) -> Option<&Ready> {
        let RsaKeyParts { primes: [p, q], exponent, ready, .. } = &*self.0;
        let make = || {
            let exponent = BoxedUint::from(*exponent);
            let key = RsaPrivateKey::from_p_q(number(p), number(q), exponent).ok()?;
            let exponents = [key.dp()?, key.dq()?].map(|number| bytes(number, p.len()));
            let moduli = Moduli::new([p, q])?;
            Some(Box::new(Ready { key, moduli, exponents }))
        };
        ready.get_or_try_init(|| make().ok_or(())).ok()
    }
}

impl PartialEq for RsaKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.primes == other.0.primes && self.0.exponent == other.0.exponent
    }
}

/// Shows no secret.
impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKey({} bits)", self.bits())
    }
}

/// Whether `signature` is of `message`, by PKCS#1 v1.5, with the key of this modulus and exponent.
pub(crate) fn verify_pkcs1_v15(
    (modulus, exponent): (&[u8], &[u8]),
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let digest_info = padding::digest_info(hash, &hash.digest(message));
    let expected = padding::pkcs1_v15(&digest_info, modulus.len());
    let key = RsaPublicKey::new(number(modulus), number(exponent));
    let block = key.and_then(|key| rsa_encrypt(&key, &number(signature)));
    let block = block.map(|block| bytes(&block, modulus.len()));
    signature.len() == modulus.len()
        && block.ok().zip(expected).is_some_and(|(block, expected)| *block == expected)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use alloc::vec;
    use rand_core::{Rng, SeedableRng};

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([7; 32])
    }

    fn key(exponent: u64) -> RsaKey {
        RsaKey::generate(1024, exponent, &mut rng()).unwrap()
    }

    /// `input` to the power of the public exponent.
    fn public_operation(key: &RsaKey, input: &[u8]) -> Vec<u8> {
        let exponent = BoxedUint::from(key.exponent());
        let public = RsaPublicKey::new(number(key.modulus()), exponent).unwrap();
        rsa_encrypt(&public, &number(input)).unwrap().to_be_bytes().into_vec()
    }

    #[test]
    fn the_public_operation_undoes_the_private_one() {
        // The last is the product of all odd primes up to 29: few primes suit it.
        for exponent in [3, 65_537, 4_294_967_295, 3_234_846_615] {
            let key = key(exponent);
            let mut input = vec![0; 128];
            for _ in 0..20 {
                rng().fill_bytes(input.split_first_mut().unwrap().1);
                let output = key.private_operation(&input).unwrap();
                assert_eq!(public_operation(&key, &output), input);
            }
        }
    }

    #[test]
    fn the_private_operation_takes_every_number_below_the_modulus() {
        let key = key(65_537);
        let modulus = key.modulus();
        let (p, _) = key.primes();
        let number =
            |small: &[u8]| [vec![0; modulus.len() - small.len()].as_slice(), small].concat();
        let mut largest = modulus.to_vec();
        *largest.last_mut().unwrap() -= 1;

        for same in [&number(&[0]), &number(&[1]), &largest] {
            assert_eq!(key.private_operation(same).as_ref(), Some(same));
        }
        let power = key.private_operation(&number(p)).unwrap();
        assert_eq!(public_operation(&key, &power), number(p));
        for bad in [modulus, &[0xFF; 128], &[0; 127], &[0; 129], &[]] {
            assert_eq!(key.private_operation(bad), None);
        }
    }

    #[test]
    fn a_key_is_its_primes_and_its_exponent() {
        let key = key(65_537);
        let (p, q) = key.primes();
        assert_eq!((p.len(), q.len(), key.modulus().len(), key.bits()), (64, 64, 128, 1024));
        assert_eq!(RsaKey::from_primes(p, q, 65_537).as_ref(), Some(&key));
        assert_ne!(RsaKey::from_primes(p, q, 17), Some(key));
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        let key = key(65_537);
        let (p, q) = key.primes();
        for other in [p, &[], q.get(1..).unwrap()] {
            assert_eq!(RsaKey::from_primes(p, other, 65_537), None);
        }
        let even = [p.split_last().unwrap().1, &[2]].concat();
        let zero = [&[0], p.get(1..).unwrap()].concat();
        for other in [even, zero, vec![0; 64], [&[0; 63][..], &[1]].concat()] {
            assert_eq!(RsaKey::from_primes(&other, q, 65_537), None);
            assert_eq!(RsaKey::from_primes(q, &other, 65_537), None);
        }
        assert_eq!(RsaKey::from_primes(&[1], &[3], 65_537), None);
        for exponent in [0, 1, 2, 65_536, 1 << 32 | 1, u64::MAX] {
            assert_eq!(RsaKey::generate(1024, exponent, &mut rng()), None);
        }
        for bits in [0, 512, 1023, 1025, 4098, usize::MAX] {
            assert_eq!(RsaKey::generate(bits, 65_537, &mut rng()), None);
        }
    }

    #[test]
    fn a_composite_prime_is_found_out_by_the_first_operation() {
        let key = key(65_537);
        let (p, q) = key.primes();
        let mut composite = q.to_vec();
        *composite.last_mut().unwrap() ^= 0x40;
        let key = RsaKey::from_primes(p, &composite, 65_537).unwrap();
        assert_eq!(key.private_operation(&[2; 128]), None);
    }

    #[test]
    fn the_same_random_stream_makes_the_same_key() {
        assert_eq!(key(65_537), key(65_537));
        let other = RsaKey::generate(1024, 65_537, &mut ChaCha20Rng::from_seed([8; 32]));
        assert_ne!(Some(key(65_537)), other);
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(alloc::format!("{:?}", key(65_537)), "RsaKey(1024 bits)");
    }
}
