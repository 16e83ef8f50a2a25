//! Inverses by division steps, in a time that depends on the modulus alone.
//!
//! Source: D. J. Bernstein, B.-Y. Yang, "Fast constant-time gcd computation and modular inversion",
//! 2019; digits of 62 bits, and the range of the coefficients, as P. Wuille describes them for
//! libsecp256k1.

/// The bits of a digit, and all of them set. What is left of a word are a sign and a carry.
const BITS: usize = 62;
const MASK: u64 = (1 << BITS) - 1;

/// A number of `L` digits of 62 bits and one with a sign, the least significant first.
#[derive(Clone, Copy)]
struct Signed<const L: usize> {
    digits: [u64; L],
    top: i64,
}

/// What 62 division steps multiply two numbers by, before they divide by 2^62.
struct Matrix {
    first: [i64; 2],
    second: [i64; 2],
}

/// `scale` divided by `number` modulo `modulus`, all of them limbs of 64 bits; 0 for 0.
///
/// The modulus is odd, has no factor in common with `number`, and is larger than both others.
/// `negative_inverse` is what its lowest limb has to be multiplied by to give -1.
pub(crate) fn quotient<const L: usize>(
    scale: &[u64; L],
    number: &[u64; L],
    modulus: &[u64; L],
    negative_inverse: u64,
) -> [u64; L] {
    let bits = modulus.iter().rposition(|limb| *limb != 0).map_or(0, |top| 64 * (top + 1));
    // Theorem 11.2 of the paper; it has another constant for numbers of less than 46 bits.
    let steps = (49 * bits + 80) / 17;
    let modulus = Signed::new(modulus);
    let (mut f, mut g) = (modulus, Signed::new(number));
    let (mut d, mut e) = (Signed { digits: [0; L], top: 0 }, Signed::new(scale));
    let mut eta = -1;
    for _ in 0..steps.div_ceil(BITS) {
        let matrix = divide(&mut eta, f.lowest(), g.lowest());
        let Matrix { first, second } = &matrix;
        (d, e) = (
            d.combined(&e, first, Some((&modulus, negative_inverse))),
            d.combined(&e, second, Some((&modulus, negative_inverse))),
        );
        (f, g) = (f.combined(&g, first, None), f.combined(&g, second, None));
    }
    // f is 1 or -1 now, and d as often the quotient: between -2 and 1 times the modulus.
    d.plus_if_negative(&modulus).negated(f.top >> 63).plus_if_negative(&modulus).limbs()
}

/// Does 62 division steps with the lowest bits of two numbers, the first of them odd.
fn divide(eta: &mut i64, mut f: u64, mut g: u64) -> Matrix {
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    for _ in 0..BITS {
        // Masks of all bits: whether f and g change places, and whether g is odd.
        let mut swap = (*eta >> 63) as u64;
        let odd = (g & 1).wrapping_neg();
        let signed = |number: u64| (number ^ swap).wrapping_sub(swap) & odd;
        (g, q, r) =
            (g.wrapping_add(signed(f)), q.wrapping_add(signed(u)), r.wrapping_add(signed(v)));
        swap &= odd;
        *eta = (*eta ^ swap.cast_signed()).wrapping_sub(swap.cast_signed() + 1);
        f = f.wrapping_add(g & swap);
        (u, v) = (u.wrapping_add(q & swap) << 1, v.wrapping_add(r & swap) << 1);
        g >>= 1;
    }
    let signed = |pair: [u64; 2]| pair.map(u64::cast_signed);
    Matrix { first: signed([u, v]), second: signed([q, r]) }
}

impl<const L: usize> Signed<L> {
    /// The number in limbs of 64 bits.
    fn new(limbs: &[u64; L]) -> Self {
        let bits = |place: usize| {
            let (index, shift) = (place * BITS / 64, place * BITS % 64);
            let limb = |index| limbs.get(index).map_or(0, |limb| u128::from(*limb));
            ((limb(index) | limb(index + 1) << 64) >> shift) as u64 & MASK
        };
        let mut digits = [0; L];
        digits.iter_mut().enumerate().for_each(|(place, digit)| *digit = bits(place));
        Self { digits, top: bits(L).cast_signed() }
    }

    /// The number, which is not negative, in limbs of 64 bits.
    fn limbs(&self) -> [u64; L] {
        let digit = |index: usize| match self.digits.get(index) {
            Some(digit) => u128::from(*digit),
            None if index == L => u128::from(self.top.cast_unsigned()),
            None => 0,
        };
        let mut limbs = [0; L];
        for (place, limb) in limbs.iter_mut().enumerate() {
            let (index, shift) = (64 * place / BITS, 64 * place % BITS);
            let bits = digit(index) | digit(index + 1) << BITS | digit(index + 2) << (2 * BITS);
            *limb = (bits >> shift) as u64;
        }
        limbs
    }

    fn lowest(&self) -> u64 {
        self.digits.first().copied().unwrap_or_default()
    }

    /// (self·u + other·v) / 2^62. With a modulus, that is added as often as makes the sum a
    /// multiple of 2^62, and keeps the result between -2 and 1 times the modulus.
    fn combined(&self, other: &Self, [u, v]: &[i64; 2], modulus: Option<(&Self, u64)>) -> Self {
        let product = |a: i64, b: u64| i128::from(a) * i128::from(b);
        let lowest = product(*u, self.lowest()) + product(*v, other.lowest());
        let (modulus, times) = match modulus {
            None => (None, 0),
            Some((modulus, negative_inverse)) => {
                let sign = (u & self.top >> 63) + (v & other.top >> 63);
                let wanted = (lowest as u64).wrapping_mul(negative_inverse);
                let excess = sign.cast_unsigned().wrapping_sub(wanted) & MASK;
                (Some(modulus), sign - excess.cast_signed())
            }
        };
        let multiple = |place: usize| {
            let digit = modulus.and_then(|modulus| modulus.digits.get(place));
            digit.map_or(0, |digit| product(times, *digit))
        };
        let mut sum = *self;
        let mut carry = (lowest + multiple(0)) >> BITS;
        let digits = self.digits.iter().zip(&other.digits).enumerate().skip(1);
        // Each digit takes the place of the one below.
        let mut places = sum.digits.iter_mut();
        for (place, (digit, other)) in digits {
            carry += product(*u, *digit) + product(*v, *other) + multiple(place);
            if let Some(lower) = places.next() {
                *lower = carry as u64 & MASK;
            }
            carry >>= BITS;
        }
        carry += i128::from(*u) * i128::from(self.top) + i128::from(*v) * i128::from(other.top);
        carry += modulus.map_or(0, |it| i128::from(times) * i128::from(it.top));
        if let Some(last) = places.next() {
            *last = carry as u64 & MASK;
        }
        sum.top = (carry >> BITS) as i64;
        sum
    }

    /// The sum of it and `other` if it is negative, and otherwise itself.
    fn plus_if_negative(&self, other: &Self) -> Self {
        let mask = self.top >> 63;
        let mut sum = *self;
        let mut carry = 0;
        for (digit, other) in sum.digits.iter_mut().zip(&other.digits) {
            carry += *digit + (other & mask.cast_unsigned());
            *digit = carry & MASK;
            carry >>= BITS;
        }
        sum.top += (other.top & mask) + carry.cast_signed();
        sum
    }

    /// It with the other sign if the mask is -1, and itself if that is 0.
    fn negated(&self, mask: i64) -> Self {
        let mut sum = *self;
        let mut carry = mask.cast_unsigned() & 1;
        for digit in &mut sum.digits {
            carry += (*digit ^ mask.cast_unsigned()) & MASK;
            *digit = carry & MASK;
            carry >>= BITS;
        }
        sum.top = (sum.top ^ mask) + carry.cast_signed();
        sum
    }
}
