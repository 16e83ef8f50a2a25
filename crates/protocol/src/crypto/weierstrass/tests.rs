//! The engine for any curve beside those that know one curve each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::curve::Curve;
use super::super::engine::RustCrypto;
use super::*;
use alloc::string::String;
use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Random cases a curve, beside those at the edges.
const CASES: usize = 24;

/// Every curve that a crate of RustCrypto has, this engine for it and that crate's.
fn engines() -> Vec<(Curve, [Box<dyn Engine>; 2])> {
    let both = |name, other: fn(&CurveParameters) -> Option<Box<dyn Engine>>| {
        let curve = Curve::from_name(name).unwrap();
        let engines = [engine(curve.parameters()).unwrap(), other(curve.parameters()).unwrap()];
        (curve, engines)
    };
    vec![
        both("secp192r1", RustCrypto::<p192::NistP192>::engine),
        both("secp224r1", RustCrypto::<p224::NistP224>::engine),
        both("secp256r1", RustCrypto::<p256::NistP256>::engine),
        both("secp384r1", RustCrypto::<p384::NistP384>::engine),
        both("secp521r1", RustCrypto::<p521::NistP521>::engine),
        both("secp256k1", RustCrypto::<k256::Secp256k1>::engine),
        both("brainpoolP256r1", RustCrypto::<bp256::BrainpoolP256r1>::engine),
        both("brainpoolP256t1", RustCrypto::<bp256::BrainpoolP256t1>::engine),
        both("brainpoolP384r1", RustCrypto::<bp384::BrainpoolP384r1>::engine),
        both("brainpoolP384t1", RustCrypto::<bp384::BrainpoolP384t1>::engine),
    ]
}

/// Scalars at the edges of `1..n` and of the windows, and random ones.
fn scalars(curve: &Curve, rng: &mut ChaCha20Rng) -> Vec<Vec<u8>> {
    let n = &curve.parameters().n;
    let small = |number: u8| [vec![0; n.len() - 1].as_slice(), &[number]].concat();
    let below = |number: u8| {
        let mut scalar = n.clone();
        *scalar.last_mut().unwrap() -= number;
        scalar
    };
    let mut half = n.clone();
    half.iter_mut().fold(0, |carry, byte| {
        let bits = u16::from(carry) << 8 | u16::from(*byte);
        *byte = (bits >> 1) as u8;
        (bits & 1) as u8
    });
    let mut scalars: Vec<_> = [1, 2, 15, 16, 17, 31, 32, 33].map(small).into();
    scalars.extend([below(1), below(2), half]);
    // Every digit -16, then every digit 16: the extremes of the recoding.
    scalars.extend([0b1000_0100, 0b0111_1011].map(|byte| {
        let mut scalar = vec![byte; n.len()];
        *scalar.first_mut().unwrap() = 0;
        scalar
    }));
    scalars.extend((0..CASES).map(|_| {
        let mut scalar = vec![0; n.len()];
        rng.fill_bytes(scalar.get_mut(1..).unwrap());
        scalar
    }));
    scalars
}

#[test]
fn points_and_products_are_those_of_the_crate_for_the_curve() {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    for (curve, [ours, theirs]) in engines() {
        let mut point = curve.parameters().g.clone();
        let scalars = scalars(&curve, &mut rng);
        // Twice, as the first multiples of the base point are computed without a table.
        for scalar in scalars.iter().chain(&scalars) {
            let public = ours.public_point(scalar);
            assert_eq!(public, theirs.public_point(scalar), "{curve} {scalar:02X?}");
            let product = ours.multiply(scalar, &point);
            assert_eq!(product, theirs.multiply(scalar, &point), "{curve} {scalar:02X?}");
            point = product.unwrap();
        }
    }
}

#[test]
fn signatures_are_those_of_the_crate_for_the_curve() {
    let mut rng = ChaCha20Rng::from_seed([2; 32]);
    for (curve, [ours, theirs]) in engines() {
        for scalar in scalars(&curve, &mut rng) {
            let mut bytes = [0; 1 + 80 + 32];
            rng.fill_bytes(&mut bytes);
            let (length, bytes) = bytes.split_first().unwrap();
            let (hash, extra) = bytes.split_at(usize::from(*length) % 80);
            let signature = ours.sign(&scalar, hash, extra);
            // Bitcoin's crate makes s low; of the two that are valid this is the other one then.
            let point = ours.public_point(&scalar);
            if curve.name() != Some("secp256k1") {
                assert_eq!(signature, theirs.sign(&scalar, hash, extra), "{curve} {scalar:02X?}");
            }
            assert!(theirs.verify(&point, hash, &signature), "{curve} {scalar:02X?}");
            let other = theirs.sign(&scalar, hash, extra);
            assert!(ours.verify(&point, hash, &other), "{curve} {scalar:02X?}");
            let mut wrong = signature;
            *wrong.last_mut().unwrap() ^= 1;
            assert!(!ours.verify(&point, hash, &wrong), "{curve} {scalar:02X?}");
        }
    }
}

#[test]
fn a_product_that_meets_an_exception_of_other_formulas_is_right() {
    // (n - 1)·P + P, P + P and 2·(n/2)·P: opposite, equal and neighbouring points.
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    for curve in Curve::named() {
        let engine = engine(curve.parameters()).unwrap();
        for scalar in scalars(curve, &mut rng) {
            let point = engine.public_point(&scalar);
            assert_eq!(
                engine.multiply(&scalar, &curve.parameters().g),
                Some(point.clone()),
                "{curve}"
            );
            let signature = engine.sign(&scalar, &scalar, &[]);
            // The hash is the key: u1·G and u2·Q are multiples of each other.
            assert!(engine.verify(&point, &scalar, &signature), "{curve} {scalar:02X?}");
        }
    }
}

#[test]
fn a_scalar_is_the_sum_of_its_digits() {
    let curve = Curve::from_name("brainpoolP192r1").unwrap();
    let curve = Weierstrass::<3>::new(curve.parameters()).unwrap();
    for (window, count) in [(WINDOW, 39), (BASE_WINDOW, 33)] {
        for scalar in [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 0x4210_8421, 0x7BDE_F7BD, u64::MAX] {
            let digits = curve.digits(window, &[scalar, 0, 0]).collect::<Vec<_>>();
            assert_eq!(digits.len(), count);
            let sum = digits.iter().rev().fold(0i128, |sum, digit| {
                let magnitude = i128::from(digit.magnitude);
                assert!(magnitude <= 1 << (window - 1));
                (sum << window) + if digit.negative.into() { -magnitude } else { magnitude }
            });
            assert_eq!(sum, i128::from(scalar));
        }
    }
}

#[test]
fn the_named_curves_are_sound() {
    for curve in Curve::named() {
        assert!(engine(curve.parameters()).unwrap().is_sound(), "{curve}");
    }
}

#[test]
fn what_is_no_curve_has_no_engine_or_is_not_sound() {
    let curve = Curve::from_name("brainpoolP224r1").unwrap();
    let with = |change: fn(&mut CurveParameters)| {
        let mut parameters = curve.parameters().clone();
        change(&mut parameters);
        let sound = engine(&parameters).is_some_and(|engine| engine.is_sound());
        assert!(!sound, "{}", String::from_utf8_lossy(&parameters.p));
    };
    with(|parameters| *parameters.b.last_mut().unwrap() ^= 1);
    with(|parameters| *parameters.p.last_mut().unwrap() ^= 1);
    with(|parameters| *parameters.p.last_mut().unwrap() ^= 2);
    with(|parameters| *parameters.n.last_mut().unwrap() ^= 1);
    with(|parameters| *parameters.n.last_mut().unwrap() ^= 2);
    with(|parameters| *parameters.g.last_mut().unwrap() ^= 1);
    with(|parameters| parameters.a = vec![0xFF; 28]);
    with(|parameters| parameters.g = vec![0x04; 57]);
    with(|parameters| parameters.n = vec![0x01]);
    with(|parameters| parameters.p = vec![0xFF; 80]);
}
