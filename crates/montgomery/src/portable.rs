//! Powers by 64-bit integers, one modulus after the other.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::modulus::{Modulus, assign, limbs, write};
use crate::{Arithmetic, Powers, TABLE, WINDOW, bits, window, windows};

/// Two moduli, as `Moduli` takes them.
pub(crate) fn arithmetic(moduli: [&[u8]; 2]) -> Option<Box<dyn Arithmetic>> {
    Some(match moduli[0].len().div_ceil(32) {
        0..=1 => Box::new(Portable::<4>::new(moduli)?),
        2 => Box::new(Portable::<8>::new(moduli)?),
        3 => Box::new(Portable::<12>::new(moduli)?),
        4 => Box::new(Portable::<16>::new(moduli)?),
        5 => Box::new(Portable::<20>::new(moduli)?),
        6 => Box::new(Portable::<24>::new(moduli)?),
        7 => Box::new(Portable::<28>::new(moduli)?),
        8 => Box::new(Portable::<32>::new(moduli)?),
        _ => return None,
    })
}

struct Portable<const L: usize> {
    len: usize,
    moduli: [Modulus<L>; 2],
}

impl<const L: usize> Portable<L> {
    fn new(moduli: [&[u8]; 2]) -> Option<Self> {
        let len = moduli[0].len();
        let [first, second] = moduli.map(Modulus::new);
        Some(Self { len, moduli: [first?, second?] })
    }
}

impl<const L: usize> Arithmetic for Portable<L> {
    fn powers(&self, powers: Powers<'_>) -> [Zeroizing<Vec<u8>>; 2] {
        let [first, second] = &self.moduli;
        let [power, other] = powers.each();
        [(first, power), (second, other)].map(|(modulus, power)| {
            let base = |base| Zeroizing::new(entered(modulus, base));
            let power = Zeroizing::new(match power {
                Power::Secret { base: it, exponent } => secret_power(modulus, &base(it), exponent),
                Power::OfTwo { exponent } => power_of_two(modulus, exponent),
                Power::Public { base: it, exponent } => public_power(modulus, &base(it), exponent),
            });
            let mut bytes = Zeroizing::new(vec![0; self.len]);
            write(&modulus.leave(&power), &mut bytes);
            bytes
        })
    }
}

/// The power modulo one of the moduli: see [`Powers`].
enum Power<'a> {
    Secret { base: &'a [u8], exponent: &'a [u8] },
    OfTwo { exponent: &'a [u8] },
    Public { base: &'a [u8], exponent: u64 },
}

impl<'a> Powers<'a> {
    fn each(self) -> [Power<'a>; 2] {
        match self {
            Self::Secret { bases: [base, other], exponents: [exponent, other_exponent] } => [
                Power::Secret { base, exponent },
                Power::Secret { base: other, exponent: other_exponent },
            ],
            Self::OfTwo { exponents } => exponents.map(|exponent| Power::OfTwo { exponent }),
            Self::Public { bases, exponent } => bases.map(|base| Power::Public { base, exponent }),
        }
    }
}

/// A number of up to twice as many limbs as the modulus, in Montgomery's form.
fn entered<const L: usize>(modulus: &Modulus<L>, bytes: &[u8]) -> [u64; L] {
    let (high, low) = bytes.split_at(bytes.len().saturating_sub(8 * L));
    let [high, low] = [high, low].map(|half| modulus.enter(&limbs(half).unwrap_or([0; L])));
    modulus.add(&modulus.enter(&high), &low)
}

/// The power of `base`, in Montgomery's form; time gives away the length of the exponent alone.
fn secret_power<const L: usize>(
    modulus: &Modulus<L>,
    base: &[u64; L],
    exponent: &[u8],
) -> [u64; L] {
    let mut table = [*modulus.one(); TABLE];
    let mut last = *modulus.one();
    for power in table.iter_mut().skip(1) {
        last = modulus.multiply(&last, base);
        *power = last;
    }
    let mut power = *modulus.one();
    for index in (0..windows(exponent.len())).rev() {
        for _ in 0..WINDOW {
            power = modulus.square(&power);
        }
        let window = window(exponent, index);
        let mut chosen = [0; L];
        for (number, entry) in (0u64..).zip(&table) {
            assign(&mut chosen, entry, number.ct_eq(&window));
        }
        power = modulus.multiply(&power, &chosen);
    }
    table.as_flattened_mut().zeroize();
    power
}

/// The power of 2, in Montgomery's form; time gives away the length of the exponent alone.
fn power_of_two<const L: usize>(modulus: &Modulus<L>, exponent: &[u8]) -> [u64; L] {
    let mut power = *modulus.one();
    for bit in bits(exponent) {
        power = modulus.square(&power);
        let double = modulus.add(&power, &power);
        assign(&mut power, &double, u8::from(bit).into());
    }
    power
}

/// The power of `base`, in Montgomery's form; time gives the exponent away.
fn public_power<const L: usize>(modulus: &Modulus<L>, base: &[u64; L], exponent: u64) -> [u64; L] {
    let Some(highest) = exponent.checked_ilog2() else { return *modulus.one() };
    let mut power = *base;
    for bit in (0..highest).rev() {
        power = modulus.square(&power);
        if exponent >> bit & 1 == 1 {
            power = modulus.multiply(&power, base);
        }
    }
    power
}
