//! An entry on its way into a submission queue, and what can stand in its way.

use ringway_shm::block::Block;
use ringway_shm::heap::{Heap, HeapError};
use ringway_shm::words::EntryWords;

use super::ops::OpKind;
use crate::entry::{Beside, EntryToken, Sealed};
use crate::exit::ExitReason;
use crate::token::Long;
use crate::urings::wire::OpenRefusal;

/// An entry on its way into a submission queue.
pub(crate) struct Outgoing {
    pub(crate) words: EntryWords,
    pub(crate) block: Option<Block>,
    /// What of the payload goes on in the slots behind the entry.
    pub(crate) long: Option<Long>,
    pub(crate) kind: OpKind,
}

impl Outgoing {
    #[inline]
    pub(crate) fn new(sealed: Sealed, kind: OpKind) -> Self {
        let (block, long) = match sealed.beside {
            Beside::Nothing => (None, None),
            Beside::Block(block) => (Some(block), None),
            Beside::Long(long) => (None, Some(long)),
        };
        Self {
            words: *sealed.entry.words(),
            block,
            long,
            kind,
        }
    }

    /// What lies beside the words of one that was not submitted.
    pub(crate) fn into_beside(self) -> Beside {
        match (self.block, self.long) {
            (Some(block), _) => Beside::Block(block),
            (None, Some(long)) => Beside::Long(long),
            (None, None) => Beside::Nothing,
        }
    }

    /// Moves a payload from behind the entry into a block.
    pub(super) fn move_to_block(&mut self, heap: &Heap) -> Result<(), HeapError> {
        let Some(long) = &self.long else {
            return Ok(());
        };
        let (entry, block) = EntryToken::from_words(self.words).move_to_block(long, heap)?;
        self.words = *entry.words();
        self.block = Some(block);
        self.long = None;
        Ok(())
    }

    /// Whether a completion is to come.
    pub(super) fn needs_op(&self) -> bool {
        self.kind == OpKind::Ask || self.block.is_some()
    }
}

/// Why an entry could not be submitted now, or ever.
#[derive(Clone, Debug)]
pub(crate) enum Obstacle {
    /// The uring is being opened.
    Opening,
    /// No slot, or no credit, is free.
    Full,
    /// There is no room for a payload behind its entry; in a block it would have some.
    Crowded,
    /// The receiver has not yet mapped the block's segment.
    Unacknowledged,
    /// The receiver has closed its end; how it ended is about to be told.
    Closing,
    /// The receiver has ended, or its node has.
    Ended(ExitReason),
    /// The receiver's node refused to open the uring.
    Refused(OpenRefusal),
}

impl Obstacle {
    /// Tells whether waiting can help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Opening | Self::Full | Self::Crowded | Self::Unacknowledged | Self::Closing
        )
    }
}
