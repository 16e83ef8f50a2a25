//! Keys whose values a test gives: no command imports a plain one, so they come with an image.

use crate::digits;
use vschsm_protocol::crypto::curve::{Curve, CurveParameters};

/// A key, as a published vector has it: big-endian numbers, leading zeros or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenKey {
    /// A scalar on a curve.
    Ec(Curve, Vec<u8>),
    /// Two primes of the same length, and the public exponent.
    Rsa {
        /// One prime.
        p: Vec<u8>,
        /// The other prime.
        q: Vec<u8>,
        /// The public exponent.
        exponent: u64,
    },
    /// An AES key of 16, 24 or 32 bytes.
    Aes(Vec<u8>),
}

impl GivenKey {
    /// The key as number `id` of a card's image.
    pub(crate) fn in_image(&self, id: u8) -> String {
        let private = match self {
            Self::Ec(curve, scalar) => {
                let curve = match curve.name() {
                    Some(name) => format!("{name:?}"),
                    None => parameters(curve.parameters()),
                };
                format!(r#"{{"ec": {{"curve": {curve}, "scalar": "{}"}}}}"#, digits(scalar))
            }
            Self::Rsa { p, q, exponent } => {
                let [p, q] = [p, q].map(|prime| digits(significant(prime)));
                format!(r#"{{"rsa": {{"p": "{p}", "q": "{q}", "exponent": {exponent}}}}}"#)
            }
            Self::Aes(key) => format!(r#"{{"aes": {{"key": "{}"}}}}"#, digits(key)),
        };
        let limits = r#""uses": null, "algorithms": "", "domain": null"#;
        format!(r#"{{"id": {id}, "private": {private}, {limits}}}"#)
    }
}

/// A curve that has no name.
fn parameters(CurveParameters { p, a, b, g, n }: &CurveParameters) -> String {
    let [p, a, b, g, n] = [p, a, b, g, n].map(|number| digits(number));
    format!(r#"{{"p": "{p}", "a": "{a}", "b": "{b}", "g": "{g}", "n": "{n}"}}"#)
}

/// `number` without its leading zeros.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
