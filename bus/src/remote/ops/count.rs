//! What the ops of a uring add up to, for the accounts.

use super::OpTable;

impl<B> OpTable<B> {
    /// Ops of messages that were submitted, ever: each time that a place is used it has the next generation.
    pub(in crate::remote) fn issued(&self) -> u64 {
        let used = self.places.iter().map(|op| op.key.generation());
        used.sum::<u64>() - self.withdrawn
    }

    /// Messages with an op of which nothing is decided yet.
    pub(in crate::remote) fn undecided(&self) -> u64 {
        self.places.iter().filter(|op| op.is_undecided()).count() as u64
    }

    /// Blocks that the completer still reads, or will.
    pub(in crate::remote) fn lent(&self) -> u64 {
        self.places.iter().filter(|op| op.is_lent).count() as u64
    }

    /// Tells whether the completer still reads a block, or will.
    pub(crate) fn has_lent(&self) -> bool {
        self.places.iter().any(|op| op.is_lent)
    }
}
