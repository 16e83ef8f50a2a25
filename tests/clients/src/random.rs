//! Numbers that look random, and are the same for the same seed.

/// A linear congruence: enough to mix what clients do.
#[derive(Debug)]
pub struct Random(u32);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u32) -> Self {
        Self(seed.wrapping_mul(2_654_435_761))
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % limit
    }
}
