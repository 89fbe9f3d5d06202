//! Random numbers from a seed.

use crate::limits::mix;

pub(super) struct SeededRandom(u64);

impl SeededRandom {
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// One of the numbers below `end`; 0 if there are none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let scaled = u128::from(self.draw()).wrapping_mul(end as u128) >> 64;
        scaled as usize
    }
}
