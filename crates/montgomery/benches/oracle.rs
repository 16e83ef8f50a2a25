//! Random powers beside crypto-bigint's, as many as asked for:
//! `cargo bench -p vschsm-montgomery --bench oracle -- 10000`.
//!
//! Moduli have the lengths of RSA's primes; the seed is another one in each run, and is told.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::time::SystemTime;

use chacha20::ChaCha20Rng;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use rand_core::{Rng as _, SeedableRng as _};
use vschsm_montgomery::{Implementation, Moduli};

fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let count: usize = asked.unwrap_or(100);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = now.as_secs();
    println!("Random powers from seed {seed}, {count} a length.");
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for len in [64, 96, 128, 192, 256] {
        for _ in 0..count {
            compare(len, &mut rng);
        }
        println!("{len} bytes: the same on {:?}", available().collect::<Vec<_>>());
    }
}

fn available() -> impl Iterator<Item = Implementation> {
    Implementation::ALL.into_iter().filter(|it| it.is_available())
}

/// Compares the powers modulo one random number on every implementation, and modulo another beside.
fn compare(len: usize, rng: &mut ChaCha20Rng) {
    let mut random = |len| {
        let mut bytes = vec![0; len];
        rng.fill_bytes(&mut bytes);
        bytes
    };
    let mut modulus = || {
        let mut bytes: Vec<u8> = random(len);
        *bytes.first_mut().unwrap() |= 0x80;
        *bytes.last_mut().unwrap() |= 1;
        bytes
    };
    let (modulus, beside) = (modulus(), modulus());
    let (base, exponent) = (random(2 * len), random(len));
    let expected = {
        let odd = Odd::new(number(&modulus, 2 * len)).unwrap();
        let base = number(&base, 2 * len).rem(odd.as_nz_ref());
        let form = BoxedMontyForm::new(base, &BoxedMontyParams::new(odd));
        form.pow(&number(&exponent, len)).retrieve().to_be_bytes()
    };
    for implementation in available() {
        let moduli = Moduli::with(implementation, [&modulus, &beside]).unwrap();
        let [power, _] = moduli.powers([&base, &base], [&exponent, &exponent]);
        assert_eq!(*power, expected.get(len..).unwrap(), "{implementation:?}, {modulus:02X?}");
    }
}

fn number(bytes: &[u8], len: usize) -> BoxedUint {
    BoxedUint::from_be_slice(bytes, 8 * len as u32).unwrap()
}
