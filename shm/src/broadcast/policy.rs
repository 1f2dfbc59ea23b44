//! What a subscription asks of its publishers.

use crate::layout::Pow2;

/// What happens when a subscriber is slower than its publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// It misses nothing: the publisher is full when `depth` samples wait for it.
    Wait {
        /// Samples that may wait: from 1 to the number of slots, which also stands for all beyond.
        depth: u64,
    },
    /// It keeps the newest `depth` samples, and its publisher never waits for it.
    DropOldest {
        /// Samples that are kept: from 1 to the number of slots, which also stands for all beyond.
        depth: u64,
    },
}

impl Policy {
    /// The samples that may wait in a lane of so many slots.
    #[inline]
    #[must_use]
    pub fn depth_in(self, slots: Pow2) -> u64 {
        let (Self::Wait { depth } | Self::DropOldest { depth }) = self;
        depth.clamp(1, slots.get())
    }

    /// Whether the publisher waits.
    #[inline]
    #[must_use]
    pub fn waits(self) -> bool {
        matches!(self, Self::Wait { .. })
    }
}
