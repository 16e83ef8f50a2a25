//! Every power of both implementations beside crypto-bigint's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::modulus::{self, Modulus};
use super::*;
use alloc::vec;
use chacha20::ChaCha20Rng;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use rand_core::{Rng as _, SeedableRng as _};

/// The lengths of RSA's primes, those where a number needs a digit, a limb or a register more, and
/// some between.
const LENGTHS: [usize; 22] =
    [1, 2, 6, 7, 8, 12, 13, 25, 26, 32, 33, 51, 64, 65, 77, 96, 103, 128, 160, 192, 255, 256];

fn available() -> impl Iterator<Item = Implementation> {
    Implementation::ALL.into_iter().filter(|it| it.is_available())
}

fn random(len: usize, rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// An odd number of `len` bytes, its first one not 0.
fn random_modulus(len: usize, rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut bytes = random(len, rng);
    *bytes.last_mut().unwrap() |= 1;
    *bytes.first_mut().unwrap() |= 1 << (rng.next_u32() % 8) | if len == 1 { 2 } else { 0 };
    bytes
}

fn number(bytes: &[u8], len: usize) -> BoxedUint {
    let padded = [&vec![0; len - bytes.len()], bytes].concat();
    BoxedUint::from_be_slice(&padded, 8 * len as u32).unwrap()
}

/// The power by crypto-bigint, as long as the modulus.
fn expected(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let len = (2 * modulus.len()).next_multiple_of(8);
    let odd = Odd::new(number(modulus, len)).unwrap();
    let base = number(base, len).rem(&odd.clone().into_nz());
    let form = BoxedMontyForm::new(base, &BoxedMontyParams::new(odd));
    let power = form.pow(&number(exponent, exponent.len().next_multiple_of(8))).retrieve();
    let bytes = power.to_be_bytes();
    bytes.get(bytes.len() - modulus.len()..).unwrap().to_vec()
}

/// Compares all powers modulo both with crypto-bigint's, on every implementation.
fn check(moduli: [&[u8]; 2], bases: [&[u8]; 2], exponents: [&[u8]; 2]) {
    let two = [[2u8].as_slice(); 2];
    let public = exponents[0].last_chunk::<8>().map_or(3, |bytes| u64::from_be_bytes(*bytes));
    let same = public.to_be_bytes();
    for implementation in available() {
        let ours = Moduli::with(implementation, moduli).unwrap();
        for (bases, exponents, powers) in [
            (bases, exponents, ours.powers(bases, exponents)),
            (two, exponents, ours.powers_of_two(exponents)),
            (bases, [same.as_slice(); 2], ours.public_powers(bases, public)),
            (bases, [[1u8].as_slice(); 2], ours.reduced(bases)),
        ] {
            let streams = moduli.into_iter().zip(bases).zip(exponents).zip(&powers);
            for (((modulus, base), exponent), power) in streams {
                assert!(
                    **power == expected(base, exponent, modulus),
                    "{implementation:?}: {base:02X?} to {exponent:02X?} modulo {modulus:02X?}"
                );
            }
        }
    }
}

#[test]
fn random_powers_are_those_of_crypto_bigint() {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    for len in LENGTHS {
        for _ in 0..if len > 128 { 3 } else { 10 } {
            let moduli = [(); 2].map(|()| random_modulus(len, &mut rng));
            let lengths = [(); 2].map(|()| rng.next_u32() as usize % (2 * len + 1));
            let bases = lengths.map(|len| random(len, &mut rng));
            let exponents = [(); 2].map(|()| random(len, &mut rng));
            check(
                moduli.each_ref().map(Vec::as_slice),
                bases.each_ref().map(Vec::as_slice),
                exponents.each_ref().map(Vec::as_slice),
            );
        }
    }
}

#[test]
fn powers_at_the_edges_are_those_of_crypto_bigint() {
    for len in LENGTHS {
        let ones = vec![0xFF; len];
        let mut lowest = vec![0; len];
        *lowest.first_mut().unwrap() = 0x80;
        *lowest.last_mut().unwrap() |= 1;
        let exponent = vec![0x9E; len.min(16)];
        for modulus in [&ones, &lowest] {
            let mut less = modulus.clone();
            *less.last_mut().unwrap() -= 1;
            let twice = vec![0xFF; 2 * len];
            let bases = [&[] as &[u8], &[0], &[1], &[2], &less, modulus, &ones, &twice];
            for (base, other) in bases.into_iter().zip(bases.into_iter().rev()) {
                for exponent in [&[0], &[1], exponent.as_slice()] {
                    check([modulus, &ones], [base, other], [exponent, exponent]);
                }
            }
        }
    }
}

#[test]
fn a_power_of_all_its_windows_is_right() {
    // Every digit of a window in every place, and none of the other modulus's.
    let modulus = [&[0xF1][..], &[0x35; 14], &[0x07]].concat();
    for digit in 0..32u8 {
        let exponents = [digit, 31 - digit].map(|digit| {
            let bits = (0..24).fold(0u128, |bits, _| bits << 5 | u128::from(digit));
            bits.to_be_bytes()
        });
        let exponents = exponents.each_ref().map(<[u8; 16]>::as_slice);
        check([&modulus; 2], [&[3], &[5]], exponents);
    }
}

#[test]
fn an_exponent_may_be_shorter_or_longer_than_the_modulus() {
    let modulus = [0xC5; 16];
    for len in [0, 1, 4, 15, 17, 40] {
        check([&modulus; 2], [&[7], &[9]], [&vec![0xA7; len], &vec![0x01; len]]);
    }
}

/// Inverses modulo primes of so many limbs.
fn check_inverses<const L: usize>(prime: &[u8]) {
    let modulus = Modulus::<L>::new(prime).unwrap();
    let mut rng = ChaCha20Rng::from_seed([2; 32]);
    let below = modulus.negate(modulus.one());
    let mut forms = vec![*modulus.one(), below, modulus.add(modulus.one(), modulus.one())];
    let reduced = |bytes: &[u8]| modulus.enter(&modulus::limbs(bytes).unwrap());
    forms.extend((0..200).map(|_| reduced(&random(8 * L, &mut rng))));
    forms.extend((0..64 * L).map(|bit| {
        let mut bytes = vec![0; 8 * L];
        *bytes.iter_mut().nth_back(bit / 8).unwrap() = 1 << (bit % 8);
        reduced(&bytes)
    }));
    for form in forms.into_iter().filter(|form| !modulus::is_zero(form)) {
        let inverse = modulus.invert(&form);
        assert_eq!(modulus.multiply(&inverse, &form), *modulus.one(), "{form:X?}, {prime:02X?}");
        assert!(modulus.number(&bytes_of(&inverse)).is_some(), "{form:X?} is not reduced");
    }
    assert_eq!(modulus.invert(&[0; L]), [0; L]);
}

fn bytes_of<const L: usize>(number: &[u64; L]) -> Vec<u8> {
    let mut bytes = vec![0; 8 * L];
    modulus::write(number, &mut bytes);
    bytes
}

#[test]
fn the_product_of_a_number_and_its_inverse_is_one() {
    // 2^521 - 1, 2^255 - 19, 2^127 - 1, 2^61 - 1 and 3, in as many limbs as they need, and in more.
    let mersenne = |bits: usize| {
        let mut bytes = vec![0xFF; bits.div_ceil(8)];
        *bytes.first_mut().unwrap() >>= bytes.len() * 8 - bits;
        bytes
    };
    let mut curve25519 = mersenne(255);
    *curve25519.last_mut().unwrap() -= 18;
    check_inverses::<9>(&mersenne(521));
    check_inverses::<4>(&curve25519);
    check_inverses::<8>(&curve25519);
    check_inverses::<2>(&mersenne(127));
    check_inverses::<1>(&mersenne(61));
    check_inverses::<5>(&mersenne(61));
    check_inverses::<1>(&[3]);
}

#[test]
fn what_is_no_pair_of_moduli_is_refused() {
    let (good, longest) = ([0xC1; 16].as_slice(), [0xFF; LONGEST]);
    for implementation in available() {
        let new = |moduli| Moduli::with(implementation, moduli).map(|it| it.byte_len());
        assert_eq!(new([good, good]), Some(16));
        assert_eq!(new([&longest, &longest]), Some(LONGEST));
        assert_eq!(new([&[3], &[0xFF]]), Some(1));
        let zero = [&[0], good].concat();
        let even = [good, &[0x02]].concat();
        let short = good.split_first().unwrap().1;
        for bad in [&[] as &[u8], &[1], &[0], &zero, &even, short, &[0xFF; LONGEST + 1]] {
            assert_eq!(new([good, bad]), None);
            assert_eq!(new([bad, good]), None);
            if bad != short {
                assert_eq!(new([bad, bad]), None);
            }
        }
    }
}

#[test]
fn the_portable_implementation_is_always_there() {
    assert_eq!(available().last(), Some(Implementation::Portable));
}

#[test]
#[should_panic(expected = "twice as long")]
fn a_longer_base_is_a_programming_error() {
    let _ = Moduli::new([&[3], &[5]]).unwrap().reduced([&[0, 0, 1], &[1]]);
}

#[test]
#[should_panic(expected = "equally long")]
fn exponents_of_different_lengths_are_a_programming_error() {
    let _ = Moduli::new([&[3], &[5]]).unwrap().powers([&[1], &[1]], [&[1], &[1, 1]]);
}

#[test]
fn no_secret_is_printed() {
    let moduli = Moduli::new([&[0xC1, 0xA5], &[0xC1, 0xA7]]).unwrap();
    assert_eq!(alloc::format!("{moduli:?}"), "Moduli(2 of 2 bytes)");
}
