//! A uring: a submission lane and a completion lane, between a submitting node and one actor of another.
//!
//! ```text
//!   submitter's segment                              completer's segment
//!   ┌ SubmitterLine: wants, closed ┐ <── TakeEnd     ┌ CompleterLine: idle, closed ┐ <── SubmitEnd
//!   ├ CQ head                      ┤ <── PostEnd     ├ SQ head, done               ┤ <── SubmitEnd
//!   ├ SQ slots                     ┤ <── TakeEnd     ├ CQ slots                    ┤ <── ReapEnd
//!   └ op words                     ┘ <── TakeEnd     └ aside slots                 ┘ <── SubmitEnd
//!     written by SubmitEnd, ReapEnd, OpWords           written by TakeEnd, PostEnd
//! ```
//!
//! The ends of one side stand under locks of their own: submitting and reaping never wait for each other.
//!
//! # Invariants
//! - **one-writer**: each part is written by its side alone; the other maps it read-only.
//! - **in-flight**: the submitter has at most as many completions outstanding as the CQ has slots (an ask that also lends a
//!   block counts two), by its private table of ops; so a completion always finds room. It reaps before it counts a
//!   completion as come.
//! - **taken-means-begun**: `head` passes an entry just before its handler starts; `done` when it has ended.
//! # Edges
//! Those of [`lane`](crate::lane), twice, and:
//!
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | idle | Dekker: see [`ready`](crate::ready) | | |
//! | room | Dekker: `wants`, `Asleep::arm`, load of `head` | store of `head`, `TakeEnd::go_idle` or `submitter_wants_by_now`, load of `wants` | one sees the other |
//! | closed-by-submitter | `SubmitEnd::close` | `TakeEnd::submitter_closed` | its last entry |
//! | closed-by-completer | `TakeEnd::close` | `SubmitEnd::peer_closed` | its last head |
//! | aside | `TakeEnd::put_aside`, `take_up` | `SubmitEnd::put_aside` | what an entry is whose end is still to come; that its handler has ended |
//! | op-word | `OpWords` | `TakeEnd::op_word` | what the submitter did before, such as its last read of a reply |
//! # If a side dies
//! | who | the other finds | repaired by |
//! |---|---|---|
//! | submitter | entries up to the last stamp | the completer takes them all, and drops their completions |
//! | completer | completions up to the last stamp; then `head` and `done` are final | the submitter reaps, takes back what is past `head`, and reports the rest |

mod aside;
mod op;
mod post;
mod reap;
mod submit;
mod take;

pub use aside::{Aside, AsideClaim, AsideSlot};
pub use op::{Forward, OpWord, OpWords};
pub use post::PostEnd;
pub use reap::ReapEnd;
pub use submit::SubmitEnd;
pub use take::TakeEnd;

use self::aside::{OwnAside, PeerAside};
use crate::error::Violation;
use crate::lane::{HeadLine, Push, Take};
use crate::layout::{MAGIC, UringLayout};
use crate::region::{
    DefaultKeep, Keep, OwnRecords, OwnRegion, PeerRegion, ReadOnly, Record, record,
};
use crate::sync::{AtomicU64, Ordering::Relaxed, Ordering::Release};
use crate::words::Slot;

record! {
    /// The submitter's own line.
    pub struct SubmitterLine: size 64, align 64 {
        magic: AtomicU64,
        sizes: AtomicU64,
        /// Slots taken at which a wait for room is over: one more than when it began. 0 when nobody waits.
        pub(crate) wants: AtomicU64,
        /// Not 0: no entry follows.
        pub(crate) closed: AtomicU64,
    }
}

record! {
    /// The completer's own line; the submitter reads it after every batch, so it changes seldom.
    pub struct CompleterLine: size 64, align 64 {
        magic: AtomicU64,
        sizes: AtomicU64,
        /// Epoch since which the uring is not watched; 0 while it is.
        pub(crate) idle: AtomicU64,
        /// Not 0: no entry is taken any more.
        pub(crate) closed: AtomicU64,
        /// Entries put aside for which there was no slot.
        pub(crate) aside_beyond: AtomicU64,
    }
}

/// The submitter's part of a uring, made before the peer's is known.
#[derive(Debug)]
pub struct Submitter<K = DefaultKeep> {
    own: OwnRegion<K>,
    layout: UringLayout,
}

/// What the submitter has of a uring.
#[derive(Debug)]
pub struct SubmitterEnds<K = DefaultKeep> {
    /// Puts entries on the submission queue.
    pub submit: SubmitEnd<K>,
    /// Takes completions.
    pub reap: ReapEnd<K>,
    /// Says something of ops in flight.
    pub ops: OpWords<K>,
}

impl<K: Keep> Submitter<K> {
    /// Writes an empty part into `own`, of [`UringLayout::submitter_len`].
    ///
    /// The place was never used, or the other end of its last use has closed it or is dead.
    ///
    /// # Panics
    ///
    /// When `own` is too small or does not start on a cache line.
    #[must_use]
    pub fn create(own: OwnRegion<K>, layout: UringLayout) -> Self {
        assert!(
            own.len() >= layout.submitter_len(),
            "own part is smaller than its layout"
        );
        let line: &SubmitterLine = own_part(own.record(UringLayout::LINE_AT));
        own_part(own.record::<HeadLine>(UringLayout::HEAD_AT)).clear();
        clear_stamps(own_part(
            own.records(UringLayout::SLOTS_AT, layout.sq.get()),
        ));
        for word in own_part(own.records::<AtomicU64>(layout.op_words_at(), layout.op_words())) {
            word.store(0, Relaxed); // Relaxed: as below.
        }
        // Relaxed, all but the last: the peer learns of this place later, over a socket.
        line.wants.store(0, Relaxed);
        line.closed.store(0, Relaxed);
        line.sizes.store(layout.to_bits(), Relaxed);
        // Release part-made: pairs with the load in `check`, should a peer look without being told.
        line.magic.store(MAGIC, Release);
        Self { own, layout }
    }

    /// Joins it to the completer's part.
    ///
    /// # Errors
    ///
    /// The peer's part is too small, misaligned, or says that it is something else.
    pub fn open(self, peer: &PeerRegion<K>) -> Result<SubmitterEnds<K>, Violation> {
        let Self { own, layout } = self;
        let misplaced = Violation::Place {
            name: "uring's completer part",
            needed: layout.completer_len(),
            len: peer.len(),
        };
        let line = peer
            .hold::<CompleterLine>(UringLayout::LINE_AT)
            .ok_or(misplaced)?;
        check(line.get(), |line| &line.magic, |line| &line.sizes, layout)?;
        let sq_head = peer.hold(UringLayout::HEAD_AT).ok_or(misplaced)?;
        let cq_slots = peer
            .hold_all(UringLayout::SLOTS_AT, layout.cq.get())
            .ok_or(misplaced)?;
        let aside = peer
            .hold_all(layout.aside_at(), UringLayout::ASIDE_MAX)
            .ok_or(misplaced)?;

        let sq_slots = own_part(own.hold_all(UringLayout::SLOTS_AT, layout.sq.get()));
        let cq_head = own_part(own.hold(UringLayout::HEAD_AT));
        let words: OwnRecords<AtomicU64, K> =
            own_part(own.hold_all(layout.op_words_at(), layout.op_words()));
        let own_line = own_part(own.hold(UringLayout::LINE_AT));
        Ok(SubmitterEnds {
            submit: SubmitEnd::new(
                Push::over_empty(sq_slots, sq_head),
                own_line,
                line.clone(),
                PeerAside::new(aside),
            ),
            reap: ReapEnd::new(Take::new(cq_slots, cq_head), line),
            ops: OpWords::new(words),
        })
    }
}

/// The completer's part of a uring.
#[derive(Debug)]
pub struct Completer<K = DefaultKeep> {
    own: OwnRegion<K>,
    layout: UringLayout,
}

/// What the completer has of a uring.
#[derive(Debug)]
pub struct CompleterEnds<K = DefaultKeep> {
    /// Takes entries off the submission queue.
    pub take: TakeEnd<K>,
    /// Posts completions.
    pub post: PostEnd<K>,
}

impl<K: Keep> Completer<K> {
    /// Writes an empty part into `own`, of [`UringLayout::completer_len`]; the same rules as for
    /// [`Submitter::create`].
    ///
    /// # Panics
    ///
    /// When `own` is too small or does not start on a cache line.
    #[must_use]
    pub fn create(own: OwnRegion<K>, layout: UringLayout) -> Self {
        assert!(
            own.len() >= layout.completer_len(),
            "own part is smaller than its layout"
        );
        let line: &CompleterLine = own_part(own.record(UringLayout::LINE_AT));
        own_part(own.record::<HeadLine>(UringLayout::HEAD_AT)).clear();
        clear_stamps(own_part(
            own.records(UringLayout::SLOTS_AT, layout.cq.get()),
        ));
        for slot in own_part(own.records::<AsideSlot>(layout.aside_at(), UringLayout::ASIDE_MAX)) {
            slot.taken.store(0, Relaxed); // Relaxed: as below.
        }
        // Relaxed, all but the last: the peer learns of this place later, over a socket.
        line.idle.store(0, Relaxed);
        line.closed.store(0, Relaxed);
        line.aside_beyond.store(0, Relaxed);
        line.sizes.store(layout.to_bits(), Relaxed);
        // Release part-made: pairs with the load in `check`, should a peer look without being told.
        line.magic.store(MAGIC, Release);
        Self { own, layout }
    }

    /// Joins it to the submitter's part.
    ///
    /// # Errors
    ///
    /// The peer's part is too small, misaligned, or says that it is something else.
    pub fn open(self, peer: &PeerRegion<K>) -> Result<CompleterEnds<K>, Violation> {
        let Self { own, layout } = self;
        let misplaced = Violation::Place {
            name: "uring's submitter part",
            needed: layout.submitter_len(),
            len: peer.len(),
        };
        let line = peer
            .hold::<SubmitterLine>(UringLayout::LINE_AT)
            .ok_or(misplaced)?;
        check(line.get(), |line| &line.magic, |line| &line.sizes, layout)?;
        let cq_head = peer.hold(UringLayout::HEAD_AT).ok_or(misplaced)?;
        let sq_slots = peer
            .hold_all(UringLayout::SLOTS_AT, layout.sq.get())
            .ok_or(misplaced)?;
        let op_words = peer
            .hold_all(layout.op_words_at(), layout.op_words())
            .ok_or(misplaced)?;

        let cq_slots = own_part(own.hold_all(UringLayout::SLOTS_AT, layout.cq.get()));
        let sq_head = own_part(own.hold(UringLayout::HEAD_AT));
        let own_line = own_part(own.hold(UringLayout::LINE_AT));
        let aside = own_part(own.hold_all(layout.aside_at(), UringLayout::ASIDE_MAX));
        Ok(CompleterEnds {
            take: TakeEnd::new(
                Take::new(sq_slots, sq_head),
                own_line,
                line,
                op_words,
                OwnAside::new(aside),
            ),
            post: PostEnd::new(Push::over_empty(cq_slots, cq_head)),
        })
    }
}

/// What must be in an own part, whose size was checked when it was made.
fn own_part<T>(found: Option<T>) -> T {
    found.expect("own part starts on a cache line")
}

fn clear_stamps(slots: &[Slot<7>]) {
    for slot in slots {
        slot.stamp.store(0, Relaxed); // Relaxed: the peer learns of this place later, over a socket.
    }
}

/// Checks that a peer's part is of the same layout as the own one.
fn check<T: Record>(
    line: ReadOnly<'_, T>,
    magic: impl FnOnce(&T) -> &AtomicU64,
    sizes: impl FnOnce(&T) -> &AtomicU64,
    layout: UringLayout,
) -> Result<(), Violation> {
    // Acquire part-made: pairs with the store of the magic in `create`.
    let found = line.load_acquire(magic);
    if found != MAGIC {
        return Err(Violation::Mismatch {
            name: "a uring's magic",
            expected: MAGIC,
            found,
        });
    }
    let (found, expected) = (line.load(sizes), layout.to_bits());
    if found != expected {
        return Err(Violation::Mismatch {
            name: "a uring's version and sizes",
            expected,
            found,
        });
    }
    Ok(())
}
