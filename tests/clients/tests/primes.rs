//! The primes of generated RSA keys, as OpenSSL sees them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chacha20::ChaCha20Rng;
use openssl::bn::{BigNum, BigNumContext};
use rand_core::SeedableRng as _;
use vschsm_protocol::crypto::rsa::RsaKey;

const KEYS: usize = 1000;

/// Rounds of OpenSSL's Miller-Rabin test: a composite passes with a probability of less than 2^-40
/// whatever it is, and much less as a random one.
const ROUNDS: i32 = 20;

/// How far `counts` are from being equal: chi squared.
fn spread(counts: &[u32]) -> f64 {
    let mean = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    counts.iter().map(|count| (f64::from(*count) - mean).powi(2) / mean).sum()
}

#[test]
fn two_thousand_primes_are_prime_and_spread_evenly() {
    let mut rng = ChaCha20Rng::from_seed([11; 32]);
    let mut context = BigNumContext::new().unwrap();
    // By the four bits below the two highest, and by the remainder modulo 8.
    let (mut high, mut low) = ([0; 16], [0; 4]);
    for _ in 0..KEYS {
        let key = RsaKey::generate(2048, 65_537, &mut rng).unwrap();
        let (p, q) = key.primes();
        for prime in [p, q] {
            let number = BigNum::from_slice(prime).unwrap();
            assert!(number.is_prime(ROUNDS, &mut context).unwrap(), "{number}");
            let (first, last) = (*prime.first().unwrap(), *prime.last().unwrap());
            assert_eq!((prime.len(), first >> 6, last & 1), (128, 3, 1));
            *high.get_mut(usize::from(first >> 2 & 0xF)).unwrap() += 1;
            *low.get_mut(usize::from(last >> 1 & 3)).unwrap() += 1;
        }
    }
    // Random primes exceed these once in 10,000 times: 15 and 3 degrees of freedom.
    assert!(spread(&high) < 44.3, "{high:?}");
    assert!(spread(&low) < 21.1, "{low:?}");
}
