//! Powers modulo two odd numbers side by side, in Montgomery's form.
//!
//! That is what the private operation of RSA computes modulo its two primes, and what a search for
//! primes computes modulo two candidates. A processor with AVX-512 IFMA does both at once in vector
//! registers, which takes a quarter of the time; every other one uses the portable code. Which of
//! them is chosen when the program runs. To leave the vector registers alone, build with
//! `RUSTFLAGS='--cfg montgomery_backend="portable"'`.
//!
//! | Module | What is there |
//! |---|---|
//! | crate root | [`Moduli`]: two moduli of the same length |
//! | [`modulus`] | one modulus of a length that is known when the program is built |
//!
//! ```
//! use vschsm_montgomery::Moduli;
//!
//! // 3^5 modulo 0xFB and 2^7 modulo 0xF1.
//! let moduli = Moduli::new([&[0xFB], &[0xF1]]).unwrap();
//! let powers = moduli.powers([&[3], &[2]], [&[5], &[7]]);
//! assert_eq!(powers.each_ref().map(|power| power.as_slice()), [[243], [128]]);
//! ```

#![no_std]

extern crate alloc;

#[cfg(target_arch = "x86_64")]
mod ifma;
mod inverse;
pub mod modulus;
mod portable;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

/// The longest modulus, in bytes.
pub const LONGEST: usize = 256;

/// Two odd moduli of the same length.
pub struct Moduli {
    arithmetic: Box<dyn Arithmetic>,
    len: usize,
}

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    /// AVX-512 IFMA: eight digits of 52 bits in a register, both moduli in turns.
    Ifma,
    /// 64-bit integers, one modulus after the other.
    Portable,
}

impl Implementation {
    /// Both, the fastest first.
    pub const ALL: [Self; 2] = [Self::Ifma, Self::Portable];

    /// Whether the processor has what it needs, and the build leaves it on.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => cfg!(not(montgomery_backend = "portable")) && ifma::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ifma => false,
            Self::Portable => true,
        }
    }
}

/// The powers modulo both; bytes are big-endian.
trait Arithmetic: Send + Sync {
    fn powers(&self, powers: Powers<'_>) -> [Zeroizing<Vec<u8>>; 2];
}

/// Which powers, one a modulus. Secret exponents are equally long.
#[derive(Clone, Copy)]
enum Powers<'a> {
    /// Of these bases; time gives away the length of the exponents alone.
    Secret { bases: [&'a [u8]; 2], exponents: [&'a [u8]; 2] },
    /// Of 2, likewise.
    OfTwo { exponents: [&'a [u8]; 2] },
    /// Of these bases, with the same exponent for both, which time gives away.
    Public { bases: [&'a [u8]; 2], exponent: u64 },
}

impl Moduli {
    /// These moduli, big-endian, for the fastest implementation that the processor has.
    ///
    /// `None` if one is even or 1, begins with a zero byte, or is longer than [`LONGEST`], or if
    /// their lengths differ.
    #[must_use]
    pub fn new(moduli: [&[u8]; 2]) -> Option<Self> {
        let implementation = Implementation::ALL.into_iter().find(|it| it.is_available())?;
        Self::with(implementation, moduli)
    }

    /// As [`new`](Self::new), for this implementation; `None` also if it is not available.
    #[must_use]
    pub fn with(implementation: Implementation, moduli: [&[u8]; 2]) -> Option<Self> {
        let [len, other] = moduli.map(<[u8]>::len);
        let is_modulus = |bytes: &[u8]| match bytes {
            [] | [0 | 1] | [0, ..] => false,
            [.., last] => last % 2 == 1 && bytes.len() <= LONGEST,
        };
        if len != other || !moduli.into_iter().all(is_modulus) || !implementation.is_available() {
            return None;
        }
        let arithmetic = match implementation {
            #[cfg(target_arch = "x86_64")]
            Implementation::Ifma => ifma::arithmetic(moduli)?,
            #[cfg(not(target_arch = "x86_64"))]
            Implementation::Ifma => return None,
            Implementation::Portable => portable::arithmetic(moduli)?,
        };
        Some(Self { arithmetic, len })
    }

    /// The length of each modulus in bytes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.len
    }

    /// The power of each base modulo its modulus, as long as the modulus. Time depends on the
    /// lengths alone.
    ///
    /// # Panics
    ///
    /// If a base is longer than twice the modulus, or the exponents differ in length.
    #[must_use]
    pub fn powers(&self, bases: [&[u8]; 2], exponents: [&[u8]; 2]) -> [Zeroizing<Vec<u8>>; 2] {
        self.check_bases(bases);
        check_exponents(exponents);
        self.arithmetic.powers(Powers::Secret { bases, exponents })
    }

    /// The powers of 2, in four fifths of the time of [`powers`](Self::powers): a multiplication by
    /// 2 costs nothing. Time depends on the lengths alone.
    ///
    /// # Panics
    ///
    /// If the exponents differ in length.
    #[must_use]
    pub fn powers_of_two(&self, exponents: [&[u8]; 2]) -> [Zeroizing<Vec<u8>>; 2] {
        check_exponents(exponents);
        self.arithmetic.powers(Powers::OfTwo { exponents })
    }

    /// As [`powers`](Self::powers), with one exponent that is no secret: time depends on it.
    ///
    /// # Panics
    ///
    /// If a base is longer than twice the modulus.
    #[must_use]
    pub fn public_powers(&self, bases: [&[u8]; 2], exponent: u64) -> [Zeroizing<Vec<u8>>; 2] {
        self.check_bases(bases);
        self.arithmetic.powers(Powers::Public { bases, exponent })
    }

    /// Each number modulo its modulus.
    ///
    /// # Panics
    ///
    /// If a number is longer than twice the modulus.
    #[must_use]
    pub fn reduced(&self, numbers: [&[u8]; 2]) -> [Zeroizing<Vec<u8>>; 2] {
        self.public_powers(numbers, 1)
    }

    fn check_bases(&self, bases: [&[u8]; 2]) {
        let fits = |base: &[u8]| base.len() <= 2 * self.len;
        assert!(bases.into_iter().all(fits), "a base is at most twice as long as the modulus");
    }
}

fn check_exponents([first, second]: [&[u8]; 2]) {
    assert_eq!(first.len(), second.len(), "exponents are equally long");
}

/// Shows no secret.
impl fmt::Debug for Moduli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moduli(2 of {} bytes)", self.len)
    }
}

/// The bits of an exponent, big-endian, the highest first.
fn bits(exponent: &[u8]) -> impl Iterator<Item = bool> {
    exponent.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
}

/// How many bits of an exponent are taken at a time.
const WINDOW: usize = 5;

/// The powers 0 to 31 of a base, of which one is multiplied in for each window.
const TABLE: usize = 1 << WINDOW;

/// How many windows an exponent of `len` bytes has.
fn windows(len: usize) -> usize {
    (8 * len).div_ceil(WINDOW)
}

/// The window of `exponent`, big-endian, that begins `index` windows above its lowest bit.
fn window(exponent: &[u8], index: usize) -> u64 {
    let bit = index * WINDOW;
    let byte = |place: usize| exponent.iter().nth_back(place).map_or(0, |byte| u64::from(*byte));
    let bits = byte(bit / 8 + 1) << 8 | byte(bit / 8);
    bits >> (bit % 8) & (TABLE as u64 - 1)
}
