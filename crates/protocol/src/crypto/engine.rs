//! What a curve computes, and who does: here the RustCrypto crates, for the curves they have.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::marker::PhantomData;

use ecdsa::hazmat::{sign_prehashed, verify_prehashed};
use ecdsa::{EcdsaCurve, Signature};
use elliptic_curve::bigint::BitOps;
use elliptic_curve::group::Curve as _;
use elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use elliptic_curve::{
    AffinePoint, CurveArithmetic, FieldBytes, FieldBytesSize, NonZeroScalar, ProjectivePoint,
    PublicKey, SecretKey,
};
use rfc6979::KGenerator;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::curve::CurveParameters;

/// What a curve computes. Scalars are `1..n`, in the width of the order; points are `04`, x, y.
pub(super) trait Engine: Send + Sync {
    /// Whether the curve is one: no singular points, and its base point of the order that it says.
    fn is_sound(&self) -> bool;

    /// Whether `point` is one on the curve.
    fn has_point(&self, point: &[u8]) -> bool;

    /// The base point times `scalar`.
    fn public_point(&self, scalar: &[u8]) -> Vec<u8>;

    /// `point` times `scalar`; `None` if `point` is not on the curve.
    fn multiply(&self, scalar: &[u8], point: &[u8]) -> Option<Vec<u8>>;

    /// Signs with the nonce of RFC 6979 over HMAC-SHA-256, `extra` being the additional data of
    /// its section 3.6: r and s.
    fn sign(&self, scalar: &[u8], hash: &[u8], extra: &[u8]) -> Vec<u8>;

    /// Whether `signature`, r and s, was made of `hash` with the key of `point`.
    fn verify(&self, point: &[u8], hash: &[u8], signature: &[u8]) -> bool;
}

/// Makes the engine of the curve with these parameters; none if they are not a curve's.
pub(super) type EngineMaker = fn(&CurveParameters) -> Option<Box<dyn Engine>>;

/// The engine of a curve `C` that RustCrypto has arithmetic for.
pub(super) struct RustCrypto<C>(PhantomData<fn() -> C>);

impl<C> RustCrypto<C>
where
    Self: Engine + 'static,
{
    /// The engine, which knows the curve's parameters already.
    pub(super) fn engine(_: &CurveParameters) -> Option<Box<dyn Engine>> {
        Some(Box::new(Self(PhantomData)))
    }
}

impl<C> Engine for RustCrypto<C>
where
    C: EcdsaCurve + CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    fn is_sound(&self) -> bool {
        true
    }

    fn has_point(&self, point: &[u8]) -> bool {
        uncompressed::<C>(point).is_some()
    }

    fn public_point(&self, scalar: &[u8]) -> Vec<u8> {
        secret::<C>(scalar).public_key().to_sec1_point(false).as_bytes().to_vec()
    }

    fn multiply(&self, scalar: &[u8], point: &[u8]) -> Option<Vec<u8>> {
        let point = uncompressed::<C>(point)?.to_projective();
        let shared = point * *secret::<C>(scalar).to_nonzero_scalar();
        Some(shared.to_affine().to_sec1_point(false).as_bytes().to_vec())
    }

    fn sign(&self, scalar: &[u8], hash: &[u8], extra: &[u8]) -> Vec<u8> {
        let key = Zeroizing::new(secret::<C>(scalar).to_nonzero_scalar());
        let leftmost = leftmost_bits(hash, C::ORDER.bits() as usize);
        // An empty hash is the number zero, which has to have a digit here.
        let hash = if hash.is_empty() { &[0] } else { hash };
        let order = C::ORDER;
        let mut nonces = KGenerator::<Sha256, C::Uint>::new(scalar, hash, extra, &order);
        loop {
            let mut nonce = FieldBytes::<C>::default();
            nonces.fill_next_k(&mut nonce);
            let scalar = NonZeroScalar::<C>::from_repr(nonce).into_option();
            nonce.zeroize();
            let signature = scalar.and_then(|k| {
                let k = Zeroizing::new(k);
                sign_prehashed::<C>(&key, &k, &leftmost).ok()
            });
            if let Some((signature, _)) = signature {
                let (r, s) = signature.split_bytes();
                return [r.as_slice(), s.as_slice()].concat();
            }
        }
    }

    fn verify(&self, point: &[u8], hash: &[u8], signature: &[u8]) -> bool {
        let (Some(point), Ok(signature)) =
            (uncompressed::<C>(point), Signature::<C>::from_slice(signature))
        else {
            return false;
        };
        // That s must be low is a rule of Bitcoin's, not of ECDSA.
        let signature = if C::NORMALIZE_S { signature.normalize_s() } else { signature };
        let point: ProjectivePoint<C> = point.to_projective();
        verify_prehashed(&point, &leftmost_bits(hash, C::ORDER.bits() as usize), &signature).is_ok()
    }
}

fn secret<C: CurveArithmetic>(scalar: &[u8]) -> SecretKey<C> {
    SecretKey::from_slice(scalar).expect("a scalar of a key is in 1..n and as wide as n")
}

/// The point that `encoded` is: on the curve, not infinity, and not compressed.
fn uncompressed<C>(encoded: &[u8]) -> Option<PublicKey<C>>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    encoded.starts_with(&[0x04]).then(|| PublicKey::from_sec1_bytes(encoded).ok()).flatten()
}

/// The leftmost bits of `hash`, at most `bits` of them, as a number of that many bits (FIPS 186-5,
/// 6.4.1 step 2).
pub(super) fn leftmost_bits(hash: &[u8], bits: usize) -> Vec<u8> {
    let len = bits.div_ceil(8);
    let (taken, excess) = match hash.get(..len) {
        Some(taken) => (taken, 8 * len - bits),
        None => (hash, 0),
    };
    let mut number = vec![0; len - taken.len()];
    let mut carry = 0u16;
    number.extend(taken.iter().map(|byte| {
        let shifted = (carry << 8 | u16::from(*byte)) >> excess;
        carry = u16::from(*byte);
        shifted as u8
    }));
    number
}
