//! A lane: entries from one process to another, in order, each in a stamped slot.
//!
//! ```text
//!   writer's segment                                   reader's segment
//!   slots ┌───────────┬───────────┬───────────┬───┐    ┌─────────────┐
//!         │stamp words│stamp words│stamp words│ … │    │ head   done │
//!         └───────────┴───────────┴───────────┴───┘    └─────────────┘
//!           written by Push, read by Take                written by Take, read by Push
//! ```
//!
//! Never allocates, never blocks, never overwrites what was not taken, and needs no compare-and-swap. A message costs one
//! cache line each way: the reader watches the stamp of the slot that comes next, so the tail stays private.
//!
//! # Invariants
//! - **one-writer**: slots are written by [`Push`] alone, heads by [`Take`] alone, each in its own segment.
//! - **stamps**: the slot of position `p` bears `p + 1` once its entry is whole. Until then it bears the stamp of the lap
//!   before (0 on the first lap). Positions are 64-bit counts and never wrap.
//! - **in-range**: `tail - capacity <= head <= tail`, and heads never go back. Checked at every load of the peer's; a head
//!   or stamp that breaks it is a [`Violation`](crate::error::Violation), and no index is ever made of it.
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | entry-written | `Push::push`: store of the stamp | `Take::take`: load of the stamp, fence | the entry's words |
//! | slot-free | `Take::take`: store of `head` | `Push`: load of `head`, fence | that the words were copied |
//! | handled | `Take::finish`: store of `done` | `Push::done`: load of `done`, fence | what the handler did |
//! # If a side dies
//! | after… | the other finds | repaired by |
//! |---|---|---|
//! | writing words, before the stamp | an empty slot | nobody: nothing was sent |
//! | the stamp | a message | nobody: the mapping keeps it readable |
//! | copying words, before `head` | an entry not taken | the writer: it takes it back ([`Push::entry_at`]) |
//! | `head` | an entry taken | the writer: it reports what `done` has not passed as died after take |

mod peek;
mod push;
mod take;

pub use peek::Peek;
pub use push::Push;
pub use take::Take;

use crate::layout::Pow2;
use crate::region::record;
use crate::sync::AtomicU64;

record! {
    /// How far the reading end has come. The two counts share a line, as they change together.
    pub struct HeadLine: size 64, align 64 {
        /// Entries taken.
        pub(crate) head: AtomicU64,
        /// Entries handled; at most `head`.
        pub(crate) done: AtomicU64,
    }
}

impl HeadLine {
    /// Makes the line that of a lane from which nothing was taken.
    pub(crate) fn clear(&self) {
        use crate::sync::Ordering::Relaxed;
        // Relaxed: the peer learns of this place later, over a socket.
        self.head.store(0, Relaxed);
        self.done.store(0, Relaxed);
    }
}

/// The stamp of a slot whose entry of `position` was not written yet: that of the lap before, 0 on the first.
#[inline]
fn empty(position: u64, capacity: Pow2) -> u64 {
    (position + 1).saturating_sub(capacity.get())
}
