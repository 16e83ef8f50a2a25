//! Bytes with something wrong.

use chacha20::ChaCha20Rng;
use rand_core::Rng;

/// `bytes` with a bit flipped, a byte missing, one too many, or the end cut off.
pub fn mutated(bytes: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut mutated = bytes.to_vec();
    let place = below(rng, bytes.len());
    match below(rng, 4) {
        0 => mutated.truncate(place),
        1 => mutated.push(below(rng, 256).to_le_bytes()[0]),
        2 => drop(mutated.remove(place)),
        _ => mutated[place] ^= 1 << below(rng, 8),
    }
    mutated
}

/// A number below that one.
///
/// # Panics
///
/// If it is 0.
pub fn below(rng: &mut ChaCha20Rng, number: usize) -> usize {
    usize::try_from(rng.next_u32()).expect("32 bits at least") % number
}
