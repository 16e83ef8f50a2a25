//! Curves that nobody has named: random ones, made with `crates/testing/curves/random.gp`.

use crate::hex;
use vschsm_protocol::crypto::curve::CurveParameters;

/// Three curves, over fields of 163, 251 and 390 bits.
#[must_use]
pub fn without_a_name() -> [CurveParameters; 3] {
    [include_str!("../curves/163"), include_str!("../curves/251"), include_str!("../curves/390")]
        .map(parse)
}

/// The parameters in what the script prints: p, a, b, x, y and n, a number a line.
fn parse(text: &str) -> CurveParameters {
    let mut lines = text.lines();
    let mut number = || lines.next().expect("a curve has six numbers");
    let (p, a, b, x, y, n) = (number(), number(), number(), number(), number(), number());
    let width = p.len().next_multiple_of(2);
    let padded = |number: &str, width| hex(&format!("{number:0>width$}"));
    let base = [&[0x04], padded(x, width).as_slice(), &padded(y, width)].concat();
    let [p, a, b] = [p, a, b].map(|number| padded(number, width));
    let n = padded(n, n.len().next_multiple_of(2));
    CurveParameters::new(&p, &a, &b, &base, &n).expect("no number is longer than p")
}
