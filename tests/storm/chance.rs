//! Numbers that look random, the same for the same seed.

use std::cell::Cell;

/// xorshift64 (Marsaglia, 2003).
#[derive(Debug)]
pub(crate) struct Chance(Cell<u64>);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds that lie next to each other begin far apart.
        Self(Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))
    }

    /// A number below a limit.
    pub(crate) fn below(&self, limit: usize) -> usize {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        usize::try_from((x >> 8) % limit as u64).expect("below a usize")
    }
}
