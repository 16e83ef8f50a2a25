//! Random primes for RSA.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use chacha20::ChaCha20Rng;
use crypto_bigint::{BoxedUint, CheckedAdd as _, Encoding, Odd, RandomMod};
use crypto_bigint::{U512, U768, U1024, U1536, U2048, UnsignedWithMontyForm};
use crypto_primes::hazmat::MillerRabin;
use once_cell::race::OnceBox;
use rand_core::{Rng as _, SeedableRng as _};
use vschsm_montgomery::Moduli;
use vschsm_montgomery::modulus::negative_inverse;
use zeroize::Zeroizing;

use super::integers::{bytes, number};

/// Odd numbers that are looked at from one random start: among them there is no prime of 2,048 bits
/// once in 10,000 times.
const SEGMENT: usize = 1 << 13;

/// No candidate has a factor below it. A larger one leaves fewer candidates, but every prime below
/// it costs time.
const SIEVED_BELOW: usize = 1 << 17;

/// A random prime of `len` bytes whose two highest bits are set, so that the product of two is
/// twice as long, and such that `exponent` has an inverse modulo the number below it.
///
/// A composite passes with a probability of less than 2^-100 (FIPS 186-5, appendix C.1).
pub(super) fn random_prime(len: usize, exponent: u64, rng: &mut ChaCha20Rng) -> Zeroizing<Vec<u8>> {
    // The bases have a stream of their own: how many there are changes no key of a seeded card.
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    let mut bases = ChaCha20Rng::from_seed(*seed);
    loop {
        let start = random_start(len, rng);
        let mut candidates = candidates(&start);
        while let Some(first) = candidates.next() {
            // Two are tested in the time of one.
            let second = candidates.next();
            let pair = [&first, second.as_ref().unwrap_or(&first)];
            let passes = pass_base_two(pair.map(|it| it.as_slice()));
            for (candidate, passes) in pair.into_iter().zip(passes) {
                let is_prime = passes
                    && has_inverse(exponent, candidate)
                    && passes_random_bases(candidate, &mut bases)
                    && is_confirmed(candidate);
                if is_prime {
                    return candidate.clone();
                }
            }
        }
    }
}

/// A random odd number of `len` bytes whose two highest bits are set.
fn random_start(len: usize, rng: &mut ChaCha20Rng) -> Zeroizing<Vec<u8>> {
    let mut start = Zeroizing::new(vec![0; len]);
    rng.fill_bytes(&mut start);
    if let Some(first) = start.first_mut() {
        *first |= 0xC0;
    }
    if let Some(last) = start.last_mut() {
        *last |= 1;
    }
    start
}

/// Odd numbers from `start` on, of the same length, but for those with a small factor.
fn candidates(start: &[u8]) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
    let len = start.len();
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let words = Zeroizing::new(start.rchunks(8).map(word).collect::<Vec<_>>());
    let start = Zeroizing::new(number(start));
    let mut is_composite = vec![false; SEGMENT];
    for group in small_primes() {
        // One division of the long number for as many primes as fit into a word.
        let remainder = group.remainder(&words);
        for prime in &group.primes {
            // start + 2·index is a multiple of the prime.
            let missing = prime - remainder % prime;
            let index = if missing.is_multiple_of(2) { missing } else { missing + prime } / 2;
            let multiples = is_composite.iter_mut().skip((index % prime) as usize);
            multiples.step_by(*prime as usize).for_each(|place| *place = true);
        }
    }
    let places = is_composite.into_iter().enumerate().filter(|(_, is_composite)| !is_composite);
    places.map_while(move |(index, _)| {
        let offset = BoxedUint::from(2 * index as u64);
        let sum = start.checked_add(&offset).into_option()?;
        Some(bytes(&sum, len))
    })
}

/// Small primes, and what a long number is divided by their product with, in Montgomery's form.
struct Group {
    primes: Vec<u64>,
    product: u64,
    /// What the product has to be multiplied by to give -1 modulo 2^64.
    negative_inverse: u64,
    /// 2^64 and 2^128 modulo the product.
    factors: [u64; 2],
}

impl Group {
    /// No product is larger, so that sums of three stay below 2^64.
    const LARGEST: u64 = 1 << 62;

    /// `product` is that of the primes, which are odd.
    fn new(primes: Vec<u64>, product: u64) -> Self {
        let wide = u128::from(product);
        let one = (1 << 64) % wide;
        let factors = [one, one * one % wide].map(|factor| factor as u64);
        Self { primes, product, negative_inverse: negative_inverse(product), factors }
    }

    /// A number that leaves the same remainder as these words do, the least significant first.
    fn remainder(&self, words: &[u64]) -> u64 {
        let [one, square] = self.factors.map(u128::from);
        words.iter().rev().fold(0u64, |remainder, word| {
            // Less than 4 times the product, and 2^64 times it: no sum is too long.
            let sum = u128::from(remainder) * square + u128::from(*word) * one;
            let quotient = (sum as u64).wrapping_mul(self.negative_inverse);
            let multiple = u128::from(quotient) * u128::from(self.product);
            (sum >> 64) as u64 + (multiple >> 64) as u64 + u64::from(sum as u64 != 0)
        })
    }
}

/// The odd primes below [`SIEVED_BELOW`], in groups whose products are words.
fn small_primes() -> &'static [Group] {
    static GROUPS: OnceBox<Vec<Group>> = OnceBox::new();
    GROUPS.get_or_init(|| {
        let mut is_composite = vec![false; SIEVED_BELOW];
        let mut groups = Vec::new();
        let (mut primes, mut product) = (Vec::new(), 1u64);
        for number in (3..SIEVED_BELOW).step_by(2) {
            if is_composite.get(number).is_none_or(|is_composite| *is_composite) {
                continue;
            }
            let multiples = is_composite.iter_mut().skip(number * number);
            multiples.step_by(number).for_each(|place| *place = true);
            let prime = number as u64;
            match product.checked_mul(prime).filter(|product| *product < Group::LARGEST) {
                Some(larger) => product = larger,
                None => {
                    groups.push(Group::new(core::mem::take(&mut primes), product));
                    product = prime;
                }
            }
            primes.push(prime);
        }
        groups.push(Group::new(primes, product));
        Box::new(groups)
    })
}

/// Whether 2 to the power of the number below each candidate is 1 modulo the candidate.
fn pass_base_two(candidates: [&[u8]; 2]) -> [bool; 2] {
    let Some(moduli) = Moduli::new(candidates) else { return [false; 2] };
    let below = candidates.map(one_less);
    let powers = moduli.powers_of_two(below.each_ref().map(|number| number.as_slice()));
    powers.map(|power| is_one(&power))
}

/// Whether a candidate passes the Miller-Rabin test for as many random bases as [`ROUNDS`] says.
fn passes_random_bases(candidate: &[u8], rng: &mut ChaCha20Rng) -> bool {
    let Some(moduli) = Moduli::new([candidate; 2]) else { return false };
    let below = one_less(candidate);
    let (odd, twos) = odd_part(&below);
    // Two bases in the time of one.
    let mut passes = || {
        let [mut base, mut other] = [(); 2].map(|()| Zeroizing::new(vec![0; candidate.len()]));
        rng.fill_bytes(&mut base);
        rng.fill_bytes(&mut other);
        let mut powers = moduli.powers([&base, &other], [&odd; 2]);
        let mut passes = powers.each_ref().map(|power| is_one(power) || *power == below);
        for _ in 1..twos {
            powers = moduli.public_powers([&powers[0], &powers[1]], 2);
            for (passes, power) in passes.iter_mut().zip(&powers) {
                *passes |= *power == below;
            }
        }
        passes == [true; 2]
    };
    let rounds = rounds(candidate.len()).div_ceil(2);
    (0..rounds).all(|_| passes())
}

/// Whether other code agrees, by the Miller-Rabin test for base 2.
fn is_confirmed(candidate: &[u8]) -> bool {
    fn confirmed<T: UnsignedWithMontyForm + RandomMod + Encoding>(candidate: &[u8]) -> bool {
        let number = T::Repr::try_from(candidate).ok().map(|bytes| T::from_be_bytes(bytes));
        let odd = number.and_then(|number| Odd::new(number).into_option());
        odd.is_some_and(|odd| MillerRabin::new(odd).test_base_two().is_probably_prime())
    }
    match candidate.len() {
        64 => confirmed::<U512>(candidate),
        96 => confirmed::<U768>(candidate),
        128 => confirmed::<U1024>(candidate),
        192 => confirmed::<U1536>(candidate),
        256 => confirmed::<U2048>(candidate),
        _ => false,
    }
}

/// How many random bases make a composite less probable than 2^-100, for primes of so many bytes.
///
/// Source: FIPS 186-5, appendix C.1, computed by `crypto_primes::hazmat::minimum_mr_iterations`.
const ROUNDS: [(usize, usize); 5] = [(64, 7), (96, 5), (128, 4), (192, 3), (256, 2)];

/// The rounds for a prime of `len` bytes, one of those in [`ROUNDS`].
fn rounds(len: usize) -> usize {
    let row = ROUNDS.iter().find(|(row, _)| *row == len);
    row.map_or(50, |(_, rounds)| *rounds)
}

/// The odd number that `number`, which is not 0, is a multiple of by a power of two, and how often
/// it can be halved.
fn odd_part(even: &[u8]) -> (Zeroizing<Vec<u8>>, u32) {
    let number = Zeroizing::new(number(even));
    let twos = number.trailing_zeros();
    (bytes(&Zeroizing::new(number.shr(twos)), even.len()), twos)
}

/// The number below an odd one.
fn one_less(odd: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut below = Zeroizing::new(odd.to_vec());
    if let Some(last) = below.last_mut() {
        *last &= !1;
    }
    below
}

fn is_one(number: &[u8]) -> bool {
    matches!(number, [zeros @ .., 1] if zeros.iter().all(|byte| *byte == 0))
}

/// Whether `exponent`, of at most 32 bits, has an inverse modulo the number below `prime`, which is
/// big-endian and odd.
fn has_inverse(exponent: u64, prime: &[u8]) -> bool {
    let remainder = prime.iter().fold(0, |rest, byte| (rest << 8 | u64::from(*byte)) % exponent);
    let (mut a, mut b) = (exponent, (remainder + exponent - 1) % exponent);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crypto_bigint::{Limb, NonZero};
    use crypto_primes::hazmat::minimum_mr_iterations;
    use crypto_primes::{Flavor, is_prime};

    #[test]
    fn the_rounds_are_those_of_fips() {
        for (len, rounds) in ROUNDS {
            assert_eq!(minimum_mr_iterations(8 * len as u32, 100), Some(rounds), "{len} bytes");
        }
    }

    /// The remainder of a number by a small one, by crypto-bigint.
    fn remainder(of: &BoxedUint, by: u64) -> u64 {
        of.rem_limb(NonZero::new(Limb::from(by)).unwrap()).0
    }

    #[test]
    fn every_odd_number_without_a_small_factor_is_a_candidate() {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let start = random_start(64, &mut rng);
        let mut found = candidates(&start).map(|bytes| number(&bytes));
        for index in 0..200u64 {
            let odd = number(&start).checked_add(&BoxedUint::from(2 * index)).unwrap();
            let mut primes = small_primes().iter().flat_map(|group| &group.primes);
            if primes.all(|prime| remainder(&odd, *prime) != 0) {
                assert_eq!(found.next(), Some(odd));
            }
        }
    }

    #[test]
    fn the_small_primes_are_all_there() {
        let primes = || small_primes().iter().flat_map(|group| &group.primes);
        assert_eq!(primes().take(5).collect::<Vec<_>>(), [&3, &5, &7, &11, &13]);
        // π(2^17), less the even one.
        assert_eq!((primes().count(), primes().last()), (12_250, Some(&131_071)));
        for group in small_primes() {
            assert_eq!(group.primes.iter().product::<u64>(), group.product);
        }
    }

    #[test]
    fn candidates_end_where_numbers_get_longer() {
        let start = [[0xFF; 64].as_slice()].concat();
        assert!(candidates(&start).count() <= 1);
    }

    #[test]
    fn no_test_takes_a_composite() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        // Multiples of 255 and of 15.
        for composite in [[0xFF; 64], [0x0F; 64]] {
            assert_eq!(pass_base_two([&composite; 2]), [false; 2]);
            assert!(!passes_random_bases(&composite, &mut rng));
            assert!(!is_confirmed(&composite));
        }
    }

    #[test]
    fn a_random_prime_is_prime_and_as_long_as_asked() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for (len, _) in ROUNDS.into_iter().take(3) {
            for exponent in [3, 65_537] {
                let prime = random_prime(len, exponent, &mut rng);
                assert_eq!((prime.len(), prime.first().unwrap() >> 6), (len, 3));
                assert!(is_prime(Flavor::Any, &number(&prime)));
                assert_ne!(remainder(&number(&one_less(&prime)), exponent), 0);
            }
        }
    }
}
