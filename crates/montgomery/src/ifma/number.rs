//! Numbers in registers, one for each modulus.

use core::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_set_epi64x, _mm_setzero_si128, _mm_unpackhi_epi64,
    _mm_unpacklo_epi64, _mm256_add_epi64, _mm256_alignr_epi64, _mm256_and_si256,
    _mm256_castsi256_si128, _mm256_cmpeq_epi64_mask, _mm256_cmpgt_epu64_mask,
    _mm256_mask_mov_epi64, _mm256_mask_sub_epi64, _mm256_setzero_si256, _mm256_srli_epi64,
    _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512, _mm512_castsi512_si128,
    _mm512_castsi512_si256, _mm512_cmpeq_epi64_mask, _mm512_cmpgt_epu64_mask,
    _mm512_extracti64x4_epi64, _mm512_mask_mov_epi64, _mm512_mask_sub_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_srli_epi64,
};

use bytemuck::must_cast_slice;
use zeroize::Zeroizing;

use super::digits::{Digits, MASK, digits_in};
use crate::{LONGEST, TABLE};

/// A number in registers.
#[derive(Clone, Copy)]
pub(super) struct Number<const N: usize, const H: usize> {
    pub(super) wide: [__m512i; N],
    pub(super) half: [__m256i; H],
}

/// A number for each modulus.
pub(super) type Pair<const N: usize, const H: usize> = [Number<N, H>; 2];

/// The entry of each modulus that its index says; time is the same for all of them.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
pub(super) fn choose<const N: usize, const H: usize>(
    table: &[Pair<N, H>; TABLE],
    indices: [u64; 2],
) -> Pair<N, H> {
    let zero = Number { wide: [_mm512_setzero_si512(); N], half: [_mm256_setzero_si256(); H] };
    let mut chosen = [zero; 2];
    let indices = indices.map(|index| _mm512_set1_epi64(index.cast_signed()));
    for (number, entry) in (0..).zip(table) {
        let number = _mm512_set1_epi64(number);
        for ((chosen, entry), index) in chosen.iter_mut().zip(entry).zip(indices) {
            let is_it = _mm512_cmpeq_epi64_mask(number, index);
            for (chosen, entry) in chosen.wide.iter_mut().zip(&entry.wide) {
                *chosen = _mm512_mask_mov_epi64(*chosen, is_it, *entry);
            }
            for (chosen, entry) in chosen.half.iter_mut().zip(&entry.half) {
                *chosen = _mm256_mask_mov_epi64(*chosen, is_it, *entry);
            }
        }
    }
    chosen
}

/// Digits of more than 52 bits, carried into the ones above.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
#[inline]
pub(super) fn carried<const N: usize, const H: usize>(mut number: Number<N, H>) -> Number<N, H> {
    let largest = _mm512_set1_epi64(MASK.cast_signed());
    let half_largest = _mm512_castsi512_si256(largest);
    let mut below = _mm512_setzero_si512();
    // What is left to carry is 1 from digits that are too large now, and on through all that are
    // as large as can be. An addition of bits does the same, one bit a digit.
    let (mut too_large, mut full) = (0, 0);
    for (index, digits) in number.wide.iter_mut().enumerate() {
        let carry = _mm512_srli_epi64::<52>(*digits);
        let shifted = _mm512_alignr_epi64::<7>(carry, below);
        below = carry;
        *digits = _mm512_add_epi64(_mm512_and_si512(*digits, largest), shifted);
        too_large |= u64::from(_mm512_cmpgt_epu64_mask(*digits, largest)) << (8 * index);
        full |= u64::from(_mm512_cmpeq_epi64_mask(*digits, largest)) << (8 * index);
    }
    for digits in &mut number.half {
        let carry = _mm256_srli_epi64::<52>(*digits);
        let below = _mm512_extracti64x4_epi64::<1>(below);
        let shifted = _mm256_alignr_epi64::<3>(carry, below);
        *digits = _mm256_add_epi64(_mm256_and_si256(*digits, half_largest), shifted);
        too_large |= u64::from(_mm256_cmpgt_epu64_mask(*digits, half_largest)) << (8 * N);
        full |= u64::from(_mm256_cmpeq_epi64_mask(*digits, half_largest)) << (8 * N);
    }
    let carries = full.wrapping_add(too_large << 1) ^ full;
    let minus_one = _mm512_set1_epi64(-1);
    for (index, digits) in number.wide.iter_mut().enumerate() {
        let carry = (carries >> (8 * index)) as u8;
        let sum = _mm512_mask_sub_epi64(*digits, carry, *digits, minus_one);
        *digits = _mm512_and_si512(sum, largest);
    }
    for digits in &mut number.half {
        let carry = (carries >> (8 * N)) as u8;
        let minus_one = _mm512_castsi512_si256(minus_one);
        let sum = _mm256_mask_sub_epi64(*digits, carry, *digits, minus_one);
        *digits = _mm256_and_si256(sum, half_largest);
    }
    number
}

/// The sums of both pairs, not reduced.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
pub(super) fn sum<const N: usize, const H: usize>(a: &Pair<N, H>, b: &Pair<N, H>) -> Pair<N, H> {
    let mut sums = *a;
    for (sum, b) in sums.iter_mut().zip(b) {
        for (sum, b) in sum.wide.iter_mut().zip(&b.wide) {
            *sum = _mm512_add_epi64(*sum, *b);
        }
        for (sum, b) in sum.half.iter_mut().zip(&b.half) {
            *sum = _mm256_add_epi64(*sum, *b);
        }
    }
    sums.map(|sum| carried(sum))
}

/// Digits 0 and 1, each of the first number and the second.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
#[inline]
pub(super) fn lowest_digits<const N: usize, const H: usize>(
    [first, second]: &Pair<N, H>,
) -> [__m128i; 2] {
    let lowest = |number: &Number<N, H>| match (number.wide.first(), number.half.first()) {
        (Some(wide), _) => _mm512_castsi512_si128(*wide),
        (None, Some(half)) => _mm256_castsi256_si128(*half),
        (None, None) => _mm_setzero_si128(),
    };
    let (first, second) = (lowest(first), lowest(second));
    [_mm_unpacklo_epi64(first, second), _mm_unpackhi_epi64(first, second)]
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
#[inline]
pub(super) fn pair_of(first: u64, second: u64) -> __m128i {
    _mm_set_epi64x(second.cast_signed(), first.cast_signed())
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl")]
pub(super) fn load<const N: usize, const H: usize>(numbers: &[Digits; 2]) -> Pair<N, H> {
    numbers.each_ref().map(|number| {
        let (wide, _) = number.as_chunks::<8>();
        let mut loaded =
            Number { wide: [_mm512_setzero_si512(); N], half: [_mm256_setzero_si256(); H] };
        for (place, digits) in loaded.wide.iter_mut().zip(wide) {
            *place = bytemuck::must_cast(*digits);
        }
        let half = number.as_chunks::<4>().0.iter().skip(2 * N);
        for (place, digits) in loaded.half.iter_mut().zip(half) {
            *place = bytemuck::must_cast(*digits);
        }
        loaded
    })
}

pub(super) fn stored<const N: usize, const H: usize>(number: &Number<N, H>) -> Digits {
    let mut digits = Zeroizing::new([0; digits_in(LONGEST)]);
    let (wide, half) = (must_cast_slice::<_, u64>(&number.wide), must_cast_slice(&number.half));
    for (place, digit) in digits.iter_mut().zip(wide.iter().chain(half)) {
        *place = *digit;
    }
    digits
}
