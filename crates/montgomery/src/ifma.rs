//! Powers by AVX-512 IFMA: the multipliers of 52 bits that a vector register has eight of.
//!
//! A number is registers of eight digits, the least significant first, and maybe one of four. Both
//! moduli are worked on in turns, so that the one's multiplications fill the other's waiting time.
//! Numbers are less than 2^(52·digits), which is at least 16 times the modulus; they are reduced
//! only at the end.
//!
//! What a product waits for is its quotients: each depends on the one before. They come from digit
//! 0 alone, and what it needs of digit 1, so these two of both moduli are kept in one small vector
//! register beside the large ones: nothing waits for a large one's shift, nor crosses to the
//! integer registers.
//!
//! Source: S. Gueron and V. Krasnov, "Software implementation of modular exponentiation, using
//! advanced vector instructions architectures", 2012, for digits in redundant form.

mod digits;
mod number;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::arch::x86_64::{
    __m128i, _mm_add_epi64, _mm_madd52hi_epu64, _mm_madd52lo_epu64, _mm_set_epi64x,
    _mm_setzero_si128, _mm_srli_epi64, _mm_unpackhi_epi64, _mm256_alignr_epi64,
    _mm256_broadcastq_epi64, _mm256_madd52hi_epu64, _mm256_madd52lo_epu64, _mm256_mask_mov_epi64,
    _mm256_setzero_si256, _mm256_sll_epi64, _mm512_alignr_epi64, _mm512_broadcastq_epi64,
    _mm512_castsi256_si512, _mm512_castsi512_si256, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_mask_mov_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_sll_epi64,
};

use bytemuck::{must_cast_slice, must_cast_slice_mut};
use once_cell::race::OnceBox;
use zeroize::{Zeroize as _, Zeroizing};

use self::digits::{BITS, Digits, MASK, bytes, digits_in, digits_of, one, reduced};
use self::number::{Number, Pair, carried, choose, load, lowest_digits, pair_of, stored, sum};
use crate::modulus::negative_inverse;
use crate::{Arithmetic, Powers, TABLE, WINDOW, bits, window, windows};

cpufeatures::new!(processor, "avx512f", "avx512ifma", "avx512vl");

/// Whether the processor has the instructions, and the system saves the registers.
pub(crate) fn is_available() -> bool {
    processor::get()
}

/// Two moduli, as `Moduli` takes them; none if the instructions are missing.
pub(crate) fn arithmetic(moduli: [&[u8]; 2]) -> Option<Box<dyn Arithmetic>> {
    let [first, _] = moduli;
    Some(match digits_in(first.len()).div_ceil(4) {
        0..=1 => Box::new(Ifma::<0, 1>::new(moduli)?),
        2 => Box::new(Ifma::<1, 0>::new(moduli)?),
        3 => Box::new(Ifma::<1, 1>::new(moduli)?),
        4 => Box::new(Ifma::<2, 0>::new(moduli)?),
        5 => Box::new(Ifma::<2, 1>::new(moduli)?),
        6 => Box::new(Ifma::<3, 0>::new(moduli)?),
        7 => Box::new(Ifma::<3, 1>::new(moduli)?),
        8 => Box::new(Ifma::<4, 0>::new(moduli)?),
        9 => Box::new(Ifma::<4, 1>::new(moduli)?),
        10 => Box::new(Ifma::<5, 0>::new(moduli)?),
        _ => return None,
    })
}

/// Two moduli of up to `8·N + 4·H` digits.
struct Ifma<const N: usize, const H: usize> {
    /// The length of each modulus in bytes, and in digits.
    len: usize,
    digits: usize,
    moduli: [Digits; 2],
    /// 2^(52·digits), which is 1 in Montgomery's form.
    ones: [Digits; 2],
    /// What the lowest digits have to be multiplied by to give -1.
    negative_inverses: [u64; 2],
    /// The square and the cube of 2^(52·digits), made by the first power.
    factors: OnceBox<[[Digits; 2]; 2]>,
}

impl<const N: usize, const H: usize> Ifma<N, H> {
    fn new(moduli: [&[u8]; 2]) -> Option<Self> {
        let [first, _] = moduli;
        let (len, digits) = (first.len(), digits_in(first.len()));
        let moduli = moduli.map(|bytes| digits_of(bytes, 0..digits));
        let ones = moduli.each_ref().map(|modulus| one(modulus, digits));
        let negative_inverses = moduli.each_ref().map(|modulus| {
            let [lowest, ..] = **modulus;
            negative_inverse(lowest) & MASK
        });
        let factors = OnceBox::new();
        is_available().then_some(Self { len, digits, moduli, ones, negative_inverses, factors })
    }
}

impl<const N: usize, const H: usize> Arithmetic for Ifma<N, H> {
    #[expect(unsafe_code, reason = "the compiler cannot know that the processor has the features")]
    fn powers(&self, wanted: Powers<'_>) -> [Zeroizing<Vec<u8>>; 2] {
        // SAFETY: there is no `Ifma` unless `is_available` has found the features of `powers`.
        let [power, other] = unsafe { powers(self, wanted) };
        let [first, second] = &self.moduli;
        [bytes(&reduced(&power, first), self.len), bytes(&reduced(&other, second), self.len)]
    }
}

/// What the products of both moduli need.
struct Registers<const N: usize, const H: usize> {
    digits: usize,
    moduli: Pair<N, H>,
    negative_inverses: __m128i,
}

/// The powers, each at most its modulus.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
fn powers<const N: usize, const H: usize>(ifma: &Ifma<N, H>, wanted: Powers<'_>) -> [Digits; 2] {
    let [inverse, other_inverse] = ifma.negative_inverses;
    let registers = Registers::<N, H> {
        digits: ifma.digits,
        moduli: load(&ifma.moduli),
        negative_inverses: pair_of(inverse, other_inverse),
    };
    let one = load(&ifma.ones);
    let power = match wanted {
        Powers::Secret { bases, exponents } => {
            secret_power(&registers, &one, &entered(ifma, &registers, bases), exponents)
        }
        Powers::OfTwo { exponents } => power_of_two(&registers, &one, exponents),
        Powers::Public { bases, exponent } => {
            public_power(&registers, &one, &entered(ifma, &registers, bases), exponent)
        }
    };
    let small = [1, 1].map(|number| digits_of(&[number], 0..1));
    multiply(&registers, &power, &load(&small)).map(|number| stored(&number))
}

/// Numbers of at most twice as many digits as the moduli have, in Montgomery's form.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
fn entered<const N: usize, const H: usize>(
    ifma: &Ifma<N, H>,
    registers: &Registers<N, H>,
    numbers: [&[u8]; 2],
) -> Pair<N, H> {
    let [square, cube] = ifma.factors.get_or_init(|| {
        let square = square_of_factor(registers, &load(&ifma.ones));
        let cube = multiply(registers, &square, &square);
        Box::new([square, cube].map(|factor| factor.map(|number| stored(&number))))
    });
    let low = numbers.map(|number| digits_of(number, 0..ifma.digits));
    let high = numbers.map(|number| digits_of(number, ifma.digits..2 * ifma.digits));
    let low = multiply(registers, &load(&low), &load(square));
    let high = multiply(registers, &load(&high), &load(cube));
    sum(&low, &high)
}

/// The power of each base; time gives away the length of the exponents alone.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
fn secret_power<const N: usize, const H: usize>(
    registers: &Registers<N, H>,
    one: &Pair<N, H>,
    base: &Pair<N, H>,
    exponents: [&[u8]; 2],
) -> Pair<N, H> {
    let mut table = [*one; TABLE];
    let mut power = *one;
    for entry in table.iter_mut().skip(1) {
        power = multiply(registers, &power, base);
        *entry = power;
    }
    power = *one;
    let [exponent, _] = exponents;
    for index in (0..windows(exponent.len())).rev() {
        for _ in 0..WINDOW {
            power = multiply(registers, &power, &power);
        }
        let chosen = choose(&table, exponents.map(|exponent| window(exponent, index)));
        power = multiply(registers, &power, &chosen);
    }
    for number in table.as_flattened_mut() {
        must_cast_slice_mut::<_, u64>(&mut number.wide).zeroize();
        must_cast_slice_mut::<_, u64>(&mut number.half).zeroize();
    }
    power
}

/// The powers of 2; time gives away the length of the exponents alone.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
fn power_of_two<const N: usize, const H: usize>(
    registers: &Registers<N, H>,
    one: &Pair<N, H>,
    [exponent, other]: [&[u8]; 2],
) -> Pair<N, H> {
    let mut power = *one;
    for (bit, other) in bits(exponent).zip(bits(other)) {
        power = multiply_and_double(registers, &power, &power, [bit, other]);
    }
    power
}

/// The power of each base; time gives the exponent away.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
fn public_power<const N: usize, const H: usize>(
    registers: &Registers<N, H>,
    one: &Pair<N, H>,
    base: &Pair<N, H>,
    exponent: u64,
) -> Pair<N, H> {
    let Some(highest) = exponent.checked_ilog2() else { return *one };
    let mut power = *base;
    for bit in (0..highest).rev() {
        power = multiply(registers, &power, &power);
        if exponent >> bit & 1 == 1 {
            power = multiply(registers, &power, base);
        }
    }
    power
}

/// The square of Montgomery's factor, 2^(2·52·digits), from the factor itself.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
fn square_of_factor<const N: usize, const H: usize>(
    registers: &Registers<N, H>,
    one: &Pair<N, H>,
) -> Pair<N, H> {
    // The form of 2^k; a square doubles k, a sum of it and itself adds 1.
    let mut form = *one;
    let exponent = registers.digits * BITS;
    for bit in (0..=exponent.ilog2()).rev() {
        form = multiply(registers, &form, &form);
        if exponent >> bit & 1 == 1 {
            form = sum(&form, &form);
        }
    }
    form
}

/// The product of both pairs, divided by 2^(52·digits) modulo each modulus.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
#[inline]
fn multiply<const N: usize, const H: usize>(
    registers: &Registers<N, H>,
    a: &Pair<N, H>,
    b: &Pair<N, H>,
) -> Pair<N, H> {
    sums(registers, a, b).map(|sum| carried(sum))
}

/// Likewise, and twice each product that `doubled` says.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
#[inline]
fn multiply_and_double<const N: usize, const H: usize>(
    registers: &Registers<N, H>,
    a: &Pair<N, H>,
    b: &Pair<N, H>,
    doubled: [bool; 2],
) -> Pair<N, H> {
    let mut products = sums(registers, a, b);
    for (product, doubled) in products.iter_mut().zip(doubled) {
        let shift = _mm_set_epi64x(0, doubled.into());
        product.wide = product.wide.map(|digits| _mm512_sll_epi64(digits, shift));
        product.half = product.half.map(|digits| _mm256_sll_epi64(digits, shift));
    }
    products.map(|product| carried(product))
}

/// The products with digits of up to 60 bits.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
#[inline]
fn sums<const N: usize, const H: usize>(
    registers: &Registers<N, H>,
    a: &Pair<N, H>,
    b: &Pair<N, H>,
) -> Pair<N, H> {
    let zero = Number { wide: [_mm512_setzero_si512(); N], half: [_mm256_setzero_si256(); H] };
    let mut sums = Sums { above: [zero; 2], lowest: _mm_setzero_si128() };
    let [first, second] = b;
    let wide = must_cast_slice(&first.wide).iter().zip(must_cast_slice(&second.wide));
    let half = must_cast_slice(&first.half).iter().zip(must_cast_slice(&second.half));
    for (first, second) in wide.take(registers.digits) {
        sums.add(registers, a, [*first, *second]);
    }
    for (first, second) in half.take(registers.digits.saturating_sub(8 * N)) {
        sums.add(registers, a, [*first, *second]);
    }
    sums.finished()
}

/// A product while it is made.
struct Sums<const N: usize, const H: usize> {
    /// All digits, but for what has to be carried to digit 0.
    above: Pair<N, H>,
    /// Digit 0 of both numbers, the one thing that quotients depend on.
    lowest: __m128i,
}

impl<const N: usize, const H: usize> Sums<N, H> {
    /// Adds the product of `a` and a digit, and as many times the modulus as make digit 0 zero;
    /// then every digit takes the place of the one below.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
    #[inline]
    fn add(&mut self, registers: &Registers<N, H>, a: &Pair<N, H>, digits: [u64; 2]) {
        let [modulus0, modulus1] = lowest_digits(&registers.moduli);
        let [a0, a1] = lowest_digits(a);
        let zero = _mm_setzero_si128();
        let digit = pair_of(digits[0], digits[1]);
        let column = _mm_madd52lo_epu64(self.lowest, a0, digit);
        let quotient = _mm_madd52lo_epu64(zero, column, registers.negative_inverses);
        let carry = _mm_srli_epi64::<52>(_mm_madd52lo_epu64(column, modulus0, quotient));

        // What becomes digit 0 by the shift. Little of it waits for the quotient.
        let [_, next] = lowest_digits(&self.above);
        let next = _mm_madd52lo_epu64(next, a1, digit);
        let next = _mm_madd52lo_epu64(next, modulus1, quotient);
        let high = _mm_madd52hi_epu64(_mm_madd52hi_epu64(zero, a0, digit), modulus0, quotient);
        self.lowest = _mm_add_epi64(_mm_add_epi64(next, high), carry);

        let quotients = [quotient, _mm_unpackhi_epi64(quotient, quotient)];
        let streams = self.above.iter_mut().zip(a).zip(&registers.moduli);
        for (((sum, a), modulus), (digit, quotient)) in
            streams.zip(digits.into_iter().zip(quotients))
        {
            let digit = _mm512_set1_epi64(digit.cast_signed());
            let quotient = _mm512_broadcastq_epi64(quotient);
            let half_digit = _mm512_castsi512_si256(digit);
            let half_quotient = _mm512_castsi512_si256(quotient);
            let mut above = _mm512_setzero_si512();
            for ((sum, a), modulus) in sum.half.iter_mut().zip(&a.half).zip(&modulus.half) {
                let low = _mm256_madd52lo_epu64(*sum, *a, half_digit);
                let low = _mm256_madd52lo_epu64(low, *modulus, half_quotient);
                above = _mm512_castsi256_si512(low);
                let shifted = _mm256_alignr_epi64::<1>(_mm256_setzero_si256(), low);
                *sum = _mm256_madd52hi_epu64(shifted, *a, half_digit);
                *sum = _mm256_madd52hi_epu64(*sum, *modulus, half_quotient);
            }
            for ((sum, a), modulus) in sum.wide.iter_mut().zip(&a.wide).zip(&modulus.wide).rev() {
                let low = _mm512_madd52lo_epu64(*sum, *a, digit);
                let low = _mm512_madd52lo_epu64(low, *modulus, quotient);
                let shifted = _mm512_alignr_epi64::<1>(above, low);
                above = low;
                *sum = _mm512_madd52hi_epu64(shifted, *a, digit);
                *sum = _mm512_madd52hi_epu64(*sum, *modulus, quotient);
            }
        }
    }

    /// The sums with digit 0 among the others.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
    #[inline]
    fn finished(mut self) -> Pair<N, H> {
        let lowest = [self.lowest, _mm_unpackhi_epi64(self.lowest, self.lowest)];
        for (sum, lowest) in self.above.iter_mut().zip(lowest) {
            match (sum.wide.first_mut(), sum.half.first_mut()) {
                (Some(wide), _) => {
                    *wide = _mm512_mask_mov_epi64(*wide, 1, _mm512_broadcastq_epi64(lowest));
                }
                (None, Some(half)) => {
                    *half = _mm256_mask_mov_epi64(*half, 1, _mm256_broadcastq_epi64(lowest));
                }
                (None, None) => {}
            }
        }
        self.above
    }
}
