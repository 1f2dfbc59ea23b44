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
//! A *long entry* goes on in the slots behind its own, its *rest*, and is pushed, taken and handled as one. Positions count
//! slots.
//!
//! # Invariants
//! - **one-writer**: slots are written by [`Push`] alone, heads by [`Take`] alone, each in its own segment.
//! - **stamps**: the slot of position `p` bears `p + 1` once its entry is whole. Until then it bears the stamp of the lap
//!   before (0 on the first lap). Positions are counts of 56 bits and never wrap (in 20 years of 100 million a second).
//! - **rest**: the highest byte of a stamp says what its slot is: 0 an entry of one slot, 1 to 254 the first slot of a long
//!   entry with so many behind it, 255 one of these. They are written before the first is stamped, so a head never lies
//!   among them; both sides check that.
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
pub use take::{Behind, Rest, Take, Taken};

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

/// Whether `stamp` says that the entry of `position` was not written yet, whatever the slot was on the lap before.
#[inline]
fn is_empty(stamp: u64, position: u64, capacity: Pow2) -> bool {
    let empty = empty(position, capacity);
    stamp == empty || (empty != 0 && count_of(stamp) == empty)
}

/// Slots that a long entry may have behind its first.
pub const REST_MAX: usize = 254;

/// Where a stamp says what its slot is.
const MARK_SHIFT: u32 = 56;
/// The mark of a slot of a rest.
const REST_MARK: u8 = 255;

/// The stamp of `position`, marked.
#[inline]
const fn marked(position: u64, mark: u8) -> u64 {
    (position + 1) | (mark as u64) << MARK_SHIFT
}

/// What a stamp says its slot is.
#[inline]
const fn mark_of(stamp: u64) -> u8 {
    (stamp >> MARK_SHIFT) as u8
}

/// A stamp without its mark: the position plus one.
#[inline]
const fn count_of(stamp: u64) -> u64 {
    stamp & ((1 << MARK_SHIFT) - 1)
}
