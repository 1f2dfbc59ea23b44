//! A broadcast lane: samples from one publisher to any number of subscribers, each written once.
//!
//! ```text
//!   publisher's segment                                   a segment of each subscriber
//!   ┌ LaneLine: wants, closed ─────────────┐              ┌ CursorLine: idle, closed ────────────┐
//!   ├ TailLine: tail ──────────────────────┤              ├ TakenLine: taken ────────────────────┤
//!   ├ slots: stamp words | stamp words | … ┤ <─ read by ─ ├ claims: sequence | 0 | sequence | …  ┤
//!   └──────────────────────────────────────┘   read by ─> └──────────────────────────────────────┘
//!     written by PublishEnd alone                           written by SubscribeEnd and Claims alone
//! ```
//!
//! A sample has a *sequence*: its number in the lane, from 1. Its payload is in its slot; or its slot has the token of a block
//! of the publisher's heap, and then it is *leased*: who reads it holds a claim, a word with its sequence. Publishing costs the
//! same for any number of subscribers, releasing a lease is a store, and nothing that a subscriber does, or leaves undone,
//! delays a publisher that does not wait for it.
//!
//! `docs/topics.md` is the protocol with its argument; what follows is the short form.
//!
//! # Invariants
//! - **one-writer**: each part is written by its side alone; there is no compare-and-swap between the two.
//! - **in-order**: the stamp of a slot only grows: *writing* `s`, then `s` whole, perhaps `s` retired, then *writing*
//!   `s + slots`. Sequences are counts of 56 bits and are never used twice.
//! - **within-limit**: the slot of `s` is overwritten, or retired, only when every waiting member has taken `s`.
//! - **claimed-kept**: a block that a subscriber may read is in its slot's place, or on the list of retired blocks; from there
//!   it is handed back only after a fence and a look at the claims of all members, none of which has its sequence.
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | sample-written | `PublishEnd::publish`: store of the stamp | `SubscribeEnd`: first load of the stamp, fence | words, block |
//! | overwritten | `PublishEnd::publish`: fence behind *writing* | `SubscribeEnd`: fence before the second load of the stamp | that words change |
//! | taken | `SubscribeEnd`: store of `taken` | `PublishEnd`: load of `taken`, fence | that words were copied; the claim |
//! | released | `Claims`: store of 0, or of the next claim | `PublishEnd::reclaim`: load of the claim, fence | the last read of the block |
//! | claim-free | `Claims::release`: store of 0 | `Claims::claim`: load of the word | the same, to be passed on with the next claim |
//! | tail | `PublishEnd::publish`: store of `tail` | `SubscribeEnd::newest`: load of `tail`, fence | the stamps up to it |
//! | closed | store of either side's `closed` | load by the other, fence | its last sample; its last cursor and claim |
//! | claim | Dekker: claim, fence, stamp | stamp, fence, claim | at least one of the two sees the other |
//! | idle | Dekker: see [`ready`](crate::ready); no fence of the publisher where all members make a barrier | | |
//! | room, blocks | Dekker: `Asleep::arm`, `wants`, fence or barrier, load of cursor or claim | store of either, fence (none of a cursor where there is the barrier), load of `wants` | one sees the other |
//! # If a side dies
//! | after… | the others find | repaired by |
//! |---|---|---|
//! | publisher: *writing* | an empty slot | nobody: nothing was published |
//! | publisher: the stamp, before `tail` | a sample | nobody: who looks for the newest looks further than `tail` |
//! | publisher: the stamp, before ringing | a sample | a death notice makes subscribers look |
//! | subscriber: a claim, or the cursor | a claim | the publisher: [`PublishEnd::leave`] |

mod claims;
#[cfg(feature = "std")]
mod members;
mod peek;
mod policy;
#[cfg(feature = "std")]
mod publish;
#[cfg(feature = "std")]
mod reclaim;
mod slots;
mod stamp;
mod subscribe;
mod take;

pub use claims::{Claim, Claims};
#[cfg(feature = "std")]
pub use members::{MemberId, MemberState};
pub use peek::BroadcastPeek;
pub use policy::Policy;
#[cfg(feature = "std")]
pub use publish::{Joined, PublishEnd, Refused, Unpublished};
pub use subscribe::{SubscribeEnd, Subscriber};
pub use take::{TakeError, Taken};

use crate::error::Violation;
use crate::layout::MAGIC;
use crate::region::{ReadOnly, Record, record};
use crate::sync::{AtomicU64, Ordering::Relaxed, Ordering::Release};

record! {
    /// The publisher's own line; subscribers read it after every batch, so it changes seldom.
    pub struct LaneLine: size 64, align 64 {
        magic: AtomicU64,
        sizes: AtomicU64,
        /// Epoch of a wait for room or blocks; 0 when the publisher waits for neither.
        pub(crate) wants: AtomicU64,
        /// Not 0: no sample follows.
        pub(crate) closed: AtomicU64,
        /// Not 0: before it sleeps the publisher makes a barrier in all processes that have registered for it, behind `wants`.
        makes_barriers: AtomicU64,
    }
}

record! {
    /// What the publisher writes at every sample, for those who look for the newest.
    pub struct TailLine: size 64, align 64 {
        tail: AtomicU64,
    }
}

record! {
    /// A subscriber's own line; the publisher reads it after every burst, so it changes seldom.
    pub struct CursorLine: size 64, align 64 {
        magic: AtomicU64,
        sizes: AtomicU64,
        /// Epoch since which the lane is not watched; 0 while it is.
        pub(crate) idle: AtomicU64,
        /// Not 0: no sample is taken any more.
        pub(crate) closed: AtomicU64,
        /// Not 0: behind `idle` it makes a barrier in all processes that have registered for it, before it looks.
        pub(crate) makes_barriers: AtomicU64,
    }
}

record! {
    /// What a subscriber writes at every sample.
    pub struct TakenLine: size 64, align 64 {
        /// The last sequence that was taken or passed over; 0 for none yet.
        pub(crate) taken: AtomicU64,
        answered: AtomicU64, // the last `wants` that this process's threads have answered; of no use to others
    }
}

record! {
    /// A line of a slot; the first word of a slot's first line is its stamp.
    pub(crate) struct Line: size 64, align 64 {
        words: [AtomicU64; 8],
    }
}

/// What must be in an own part, whose size was checked when it was made.
fn own_part<T>(found: Option<T>) -> T {
    found.expect("own part starts on a cache line")
}

/// Says what a part is, and that it is whole.
fn sign(magic: &AtomicU64, sizes: &AtomicU64, bits: u64) {
    // Relaxed: as the magic is stored behind it.
    sizes.store(bits, Relaxed);
    // Release part-made: pairs with the load in `check`, should a peer look without being told.
    magic.store(MAGIC, Release);
}

/// Checks that a peer's part is what it is said to be.
fn check<T: Record>(
    line: ReadOnly<'_, T>,
    magic: impl FnOnce(&T) -> &AtomicU64,
    sizes: impl FnOnce(&T) -> &AtomicU64,
    bits: u64,
) -> Result<(), Violation> {
    // Acquire part-made: pairs with the store of the magic in `sign`.
    let found = line.load_acquire(magic);
    let mismatch = |expected, found| Violation::Mismatch {
        name: "a broadcast part's magic, or version and sizes",
        expected,
        found,
    };
    if found != MAGIC {
        return Err(mismatch(MAGIC, found));
    }
    let found = line.load(sizes);
    if found != bits {
        return Err(mismatch(bits, found));
    }
    Ok(())
}
