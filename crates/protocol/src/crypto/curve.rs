//! Curves: by their name, or by their domain parameters alone.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crypto_bigint::U576;
use crypto_primes::{Flavor, is_prime};
use once_cell::race::OnceBox;

use super::engine::{Engine, EngineMaker};
use super::named_curves::NAMED_CURVES;
use super::weierstrass;

/// The parameters that define a curve y² = x³ + ax + b, big-endian; the cofactor is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurveParameters {
    /// The prime of the field, without leading zeros.
    pub p: Vec<u8>,
    /// The coefficient `a`, as long as `p`.
    pub a: Vec<u8>,
    /// The coefficient `b`, as long as `p`.
    pub b: Vec<u8>,
    /// The base point: `04`, x, y, each coordinate as long as `p`.
    pub g: Vec<u8>,
    /// The order of the base point, without leading zeros.
    pub n: Vec<u8>,
}

impl CurveParameters {
    /// These parameters; numbers may have leading zeros or lack them, but for the coordinates of
    /// the base point `g`.
    ///
    /// None if a number is longer than it can be.
    #[must_use]
    pub fn new(p: &[u8], a: &[u8], b: &[u8], g: &[u8], n: &[u8]) -> Option<Self> {
        let [p, n] = [p, n].map(|number| significant(number).to_vec());
        let padded = |number: &[u8]| {
            let digits = significant(number);
            let zeros = vec![0; p.len().checked_sub(digits.len())?];
            Some([&zeros, digits].concat())
        };
        let (a, b) = (padded(a)?, padded(b)?);
        let is_point = g.first() == Some(&0x04) && g.len() == 1 + 2 * p.len();
        is_point.then(|| Self { a, b, g: g.to_vec(), p, n })
    }

    /// The size of the field in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        bits(&self.p)
    }

    /// The size of the order in bits.
    pub(super) fn order_bits(&self) -> usize {
        bits(&self.n)
    }

    /// Whether p and n are different primes, and n so close to p (Hasse's theorem) that a point of
    /// order n generates the whole curve.
    fn has_sound_numbers(&self) -> bool {
        let (Some(p), Some(n)) = (uint(&self.p), uint(&self.n)) else { return false };
        let next = p.wrapping_add(&U576::ONE);
        let trace = if next < n { n.wrapping_sub(&next) } else { next.wrapping_sub(&n) };
        // At most 2√p; longer ones would overflow when squared.
        let close =
            trace.bits() <= p.bits() / 2 + 2 && trace.wrapping_mul(&trace) <= p.shl_vartime(2);
        p != n && close && [p, n].iter().all(|number| is_prime(Flavor::Any, number))
    }
}

/// An elliptic curve that keys can be on; copies share what it computes with.
#[derive(Clone)]
pub struct Curve(Arc<CurveParts>);

struct CurveParts {
    name: Option<&'static str>,
    oid: Option<&'static [u8]>,
    parameters: CurveParameters,
    make_engine: EngineMaker,
    /// Made on first use, as few programs need all curves.
    engine: OnceBox<Box<dyn Engine>>,
}

/// Other names of the curves, from X9.62 and FIPS 186, and what OpenSSL calls them.
///
/// Source: RFC 5480, 2.1.1.1; RFC 8422, appendix A.
const SYNONYMS: [(&str, &str); 7] = [
    ("prime192v1", "secp192r1"),
    ("prime256v1", "secp256r1"),
    ("P-192", "secp192r1"),
    ("P-224", "secp224r1"),
    ("P-256", "secp256r1"),
    ("P-384", "secp384r1"),
    ("P-521", "secp521r1"),
];

impl Curve {
    /// The smallest field of a curve without a name, in bits.
    pub const SMALLEST: usize = 160;

    /// The largest field that there is arithmetic for, in bits.
    pub const LARGEST: usize = 521;

    /// The longest point, `04`, x, y, in bytes.
    pub const LONGEST_POINT: usize = 1 + 2 * Self::LARGEST.div_ceil(8);

    /// The curves that have a name.
    pub fn named() -> impl Iterator<Item = &'static Self> {
        /// Made once: they have tables of multiples, which all keys on a curve share.
        static NAMED: OnceBox<Vec<Curve>> = OnceBox::new();
        let make = || {
            let curves = NAMED_CURVES.iter().map(|row| {
                let [p, a, b, g, n] = row.parameters;
                Some(Self(Arc::new(CurveParts {
                    name: Some(row.name),
                    oid: Some(row.oid),
                    parameters: CurveParameters::new(p, a, b, g, n)?,
                    make_engine: row.engine,
                    engine: OnceBox::new(),
                })))
            });
            Box::new(curves.collect::<Option<_>>().expect("named curves are sound"))
        };
        NAMED.get_or_init(make).iter()
    }

    /// The curve of that name: in OpenSSL's spelling, or by the name that X9.62 or NIST gives it,
    /// whatever letters are capitals.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let synonym = SYNONYMS.iter().find(|(synonym, _)| synonym.eq_ignore_ascii_case(name));
        let name = synonym.map_or(name, |(_, name)| name);
        let has_name = |curve: &&Self| curve.name().is_some_and(|it| it.eq_ignore_ascii_case(name));
        Self::named().find(has_name).cloned()
    }

    /// brainpoolP256r1, which all device keys are on.
    pub fn of_device_keys() -> Self {
        Self::from_name("brainpoolP256r1").expect("it has a name")
    }

    /// The curve with these parameters, whether they have a name or not.
    ///
    /// None if they are not a curve that is safe to use: p and n must be primes of
    /// [`SMALLEST`](Self::SMALLEST) to [`LARGEST`](Self::LARGEST) bits, the curve without singular
    /// points, of order n with cofactor 1, and not anomalous (n is not p).
    #[must_use]
    pub fn from_parameters(parameters: CurveParameters) -> Option<Self> {
        if let Some(named) = Self::named().find(|curve| *curve.parameters() == parameters) {
            return Some(named.clone());
        }
        let sizes = Self::SMALLEST..=Self::LARGEST;
        if !sizes.contains(&parameters.bits()) || !parameters.has_sound_numbers() {
            return None;
        }
        let make_engine = weierstrass::engine;
        let engine = make_engine(&parameters).filter(|engine| engine.is_sound())?;
        let engine = OnceBox::with_value(Box::new(engine));
        Some(Self(Arc::new(CurveParts { name: None, oid: None, parameters, make_engine, engine })))
    }

    /// The name, if the curve has one.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.0.name
    }

    /// The content of the curve's object identifier, if it has one.
    #[must_use]
    pub fn oid(&self) -> Option<&'static [u8]> {
        self.0.oid
    }

    /// The domain parameters.
    #[inline]
    #[must_use]
    pub fn parameters(&self) -> &CurveParameters {
        &self.0.parameters
    }

    /// The size of the field in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.parameters().bits()
    }

    /// The length of a scalar in bytes.
    #[must_use]
    pub fn order_len(&self) -> usize {
        self.parameters().n.len()
    }

    /// Whether `point` is `04`, x, y of a point on the curve, each coordinate below p and as long.
    pub(crate) fn has_point(&self, point: &[u8]) -> bool {
        self.engine().has_point(point)
    }

    /// Whether two points on these curves are the same: that of one key, be the curve's base point
    /// another one.
    pub(crate) fn is_same_but_for_base(&self, other: &Self) -> bool {
        let [ours, theirs] = [self, other].map(Self::parameters);
        (&ours.p, &ours.a, &ours.b) == (&theirs.p, &theirs.a, &theirs.b)
    }

    /// Who computes on the curve.
    pub(super) fn engine(&self) -> &dyn Engine {
        let CurveParts { parameters, make_engine, engine, .. } = &*self.0;
        let make = || Box::new(make_engine(parameters).expect("named curves are sound"));
        &**engine.get_or_init(make)
    }
}

impl PartialEq for Curve {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.parameters() == other.parameters()
    }
}

impl Eq for Curve {}

/// The name, or the size of the field.
impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "a curve of {} bits without a name", self.bits()),
        }
    }
}

impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Curve({self})")
    }
}

/// `value` without its leading zero bytes.
pub(crate) fn significant(value: &[u8]) -> &[u8] {
    let zeros = value.iter().take_while(|byte| **byte == 0).count();
    value.get(zeros..).unwrap_or_default()
}

/// The big-endian number in `bytes`; none if it has more than 576 bits.
pub(super) fn uint(bytes: &[u8]) -> Option<U576> {
    let mut wide = [0; U576::BYTES];
    wide.get_mut(U576::BYTES.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(U576::from_be_slice(&wide))
}

/// The number of bits of a big-endian number without leading zeros.
fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros() as usize);
    8 * number.len() - unused
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use hex_literal::hex;

    fn named(name: &str) -> CurveParameters {
        Curve::from_name(name).unwrap().parameters().clone()
    }

    /// A curve over a field of 163 bits, made with `crates/testing/curves/random.gp`.
    fn without_a_name() -> CurveParameters {
        CurveParameters::new(
            &hex!("06E52190ADD982D465F635B8E14E1344A3A6152337"),
            &hex!("031E5D0C519EE15618149E91C84DA96FEEB06A3ABE"),
            &hex!("04A7BB93FD834820C4F9B932C7345B6BCC21F51974"),
            &hex!(
                "04 0350A753970183F695E43048C016A046D06BB4C09D"
                "064A27AF873AF6DA68D9698F20BDB4D63CEA4C3E19"
            ),
            &hex!("06E52190ADD982D465F6359AA951D1D05535923061"),
        )
        .unwrap()
    }

    #[test]
    fn a_curve_is_known_by_name_and_by_parameters() {
        for curve in Curve::named() {
            let CurveParameters { p, a, b, g, n } = curve.parameters();
            assert_eq!(Curve::from_name(curve.name().unwrap()).as_ref(), Some(curve));
            let padded = [&[0, 0], p.as_slice()].concat();
            let parameters =
                CurveParameters::new(&padded, significant(a), significant(b), g, n).unwrap();
            assert_eq!(Curve::from_parameters(parameters).as_ref(), Some(curve));
            assert_eq!([a.len(), b.len()], [p.len(); 2]);
        }
        for (one, other) in [
            ("secp256r1", "SECP256R1"),
            ("secp256r1", "prime256v1"),
            ("secp256r1", "P-256"),
            ("secp192r1", "prime192v1"),
            ("secp384r1", "p-384"),
            ("secp521r1", "P-521"),
            ("brainpoolP256r1", "BrainpoolP256r1"),
        ] {
            let curve = Curve::from_name(other);
            assert!(curve.is_some() && curve == Curve::from_name(one), "{other}");
        }
        for unknown in ["", "P256r1", "secp256", "P-255"] {
            assert_eq!(Curve::from_name(unknown), None);
        }
    }

    #[test]
    fn the_parameters_of_the_named_curves_are_sound() {
        for curve in Curve::named() {
            assert!(curve.parameters().has_sound_numbers(), "{curve}");
        }
    }

    #[test]
    fn a_curve_without_a_name_is_taken_by_its_parameters() {
        let curve = Curve::from_parameters(without_a_name()).unwrap();
        assert_eq!((curve.name(), curve.bits(), curve.order_len()), (None, 163, 21));
        assert_eq!(Curve::from_parameters(without_a_name()), Some(curve));
    }

    #[test]
    fn a_base_point_may_be_any_point() {
        let base =
            Curve::from_parameters(without_a_name()).unwrap().engine().public_point(&[1; 21]);
        let other = CurveParameters { g: base, ..without_a_name() };
        assert!(Curve::from_parameters(other).is_some());
    }

    #[test]
    fn what_does_not_validate_is_no_curve() {
        let no_curve = |change: &dyn Fn(&mut CurveParameters)| {
            let mut parameters = without_a_name();
            change(&mut parameters);
            assert_eq!(Curve::from_parameters(parameters.clone()), None, "{parameters:02X?}");
        };
        let change_last = |number: &mut Vec<u8>, bits| *number.last_mut().unwrap() ^= bits;
        no_curve(&|parameters| change_last(&mut parameters.p, 1));
        no_curve(&|parameters| change_last(&mut parameters.p, 2));
        no_curve(&|parameters| change_last(&mut parameters.a, 1));
        no_curve(&|parameters| change_last(&mut parameters.b, 1));
        no_curve(&|parameters| change_last(&mut parameters.g, 1));
        no_curve(&|parameters| change_last(&mut parameters.n, 1));
        no_curve(&|parameters| change_last(&mut parameters.n, 2));
        // The order of another curve over the same field, and the anomalous one.
        no_curve(&|parameters| parameters.n = parameters.p.clone());
        no_curve(&|parameters| parameters.n = vec![2]);
        no_curve(&|parameters| parameters.n = Vec::new());
        // Singular: y² = x³, with the point 1, 1.
        no_curve(&|parameters| {
            (parameters.a, parameters.b) = (vec![0; 21], vec![0; 21]);
            parameters.g = [&[0x04][..], &[0; 20], &[1], &[0; 20], &[1]].concat();
        });
    }

    #[test]
    fn an_anomalous_curve_is_refused_though_its_parameters_are_consistent() {
        // Made with `crates/testing/curves/anomalous.gp`.
        let p = hex!("EFEC6AECE658D5D9E7BD1C6307EE30A16551B89D41A5525729");
        let parameters = CurveParameters::new(
            &p,
            &hex!("62D1769B84652EC23D401DBD72E1644BF9491477DD4B37478A"),
            &hex!("88A76DD2730D13B05B9F01EB76817E0395D9878C639BE81131"),
            &hex!(
                "04 18A72B59F3F4E58A40552D82CC009FAF8A001EC549F9025530"
                "019E642DFCEE32F44CB7BFDE17B52379831CFAACE34DDB7BD3"
            ),
            &p,
        )
        .unwrap();
        assert!(weierstrass::engine(&parameters).unwrap().is_sound());
        assert_eq!(Curve::from_parameters(parameters), None);
    }

    #[test]
    fn a_multiple_of_the_order_is_not_the_order() {
        // n is right only for the whole curve: a prime far from p is the order of a subgroup.
        let parameters = CurveParameters { n: named("secp192r1").n, ..without_a_name() };
        assert!(!parameters.has_sound_numbers());
        let parameters = CurveParameters { p: named("secp192r1").p, ..named("secp192k1") };
        assert!(parameters.has_sound_numbers());
        assert_eq!(Curve::from_parameters(parameters), None);
    }

    #[test]
    fn a_field_is_of_160_to_521_bits() {
        // secp128r1 (SEC 2, version 1).
        let small = CurveParameters::new(
            &hex!("FFFFFFFDFFFFFFFFFFFFFFFFFFFFFFFF"),
            &hex!("FFFFFFFDFFFFFFFFFFFFFFFFFFFFFFFC"),
            &hex!("E87579C11079F43DD824993C2CEE5ED3"),
            &hex!("04161FF7528B899B2D0C28607CA52C5B86CF5AC8395BAFEB13C02DA292DDED7A83"),
            &hex!("FFFFFFFE0000000075A30D1B9038A115"),
        );
        let small = small.unwrap();
        assert!(small.has_sound_numbers());
        assert_eq!(Curve::from_parameters(small), None);
        for length in [66, 67, 100, 2000] {
            let number = vec![0xFF; length];
            let base = vec![0x04; 1 + 2 * length];
            let parameters = CurveParameters::new(&number, &[1], &[1], &base, &number).unwrap();
            assert_eq!(Curve::from_parameters(parameters), None, "{length}");
        }
    }

    #[test]
    fn numbers_longer_than_the_field_are_no_parameters() {
        let CurveParameters { p, a, b, g, n } = without_a_name();
        let long = [&[1], p.as_slice()].concat();
        assert_eq!(CurveParameters::new(&p, &long, &b, &g, &n), None);
        assert_eq!(CurveParameters::new(&p, &a, &long, &g, &n), None);
        assert_eq!(CurveParameters::new(&p, &a, &b, g.split_last().unwrap().1, &n), None);
        assert_eq!(CurveParameters::new(&p, &a, &b, &[], &n), None);
        assert_eq!(CurveParameters::new(&[], &a, &b, &g, &n), None);
    }
}
