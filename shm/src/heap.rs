//! A heap: blocks of message memory in segments that this process owns and peers map read-only.
//!
//! ```text
//!   private memory                                  shared memory
//!   free lists ──┐                                  ┌───────────────┐ segment 0#1
//!     by class   ├─► Place{segment, offset, units} ─► block │ block  │
//!   spaces ──────┘       in a Block                 └───────────────┘ segment 1#1, twice as large ...
//! ```
//!
//! The books are private: a peer can spoil neither them nor any block. The heap grows by whole
//! segments up to its limit and gives empty ones back, all but one. It tells whoever connects it to
//! peers what to announce ([`Heap::on_change`]), and keeps who has answered; a token may be
//! sent to a peer only for a segment that it [has acknowledged](Heap::is_acknowledged).
//!
//! Large blocks (32 KiB and more) are used in turn, some 4 MiB of them: a peer that has just read
//! one has its lines in a cache of its own, and writing them again would fetch back each. A heap
//! that is used for such blocks again and again grows for that, once, within a quarter of its limit.
//!
//! Never zeroes a block, never moves one, and never waits for a peer: exhaustion is an error.
//!
//! # Invariants
//! - **owned-block**: a span handed out belongs to one [`Block`] until that is dropped.
//! - **stays-mapped**: a segment that a block lies in is in use, hence held by the table.
//! - **announced-first**: a segment is retired after its announcement has returned: it is pinned
//!   until then.
//!
//! Locks: `growth` before `table`, `books` alone. Callbacks and system calls run under none of
//! them, but for the making of a segment, which runs under `growth` so that only one thread makes
//! one.

mod books;
mod class;
mod growth;
mod lists;
mod marks;
mod space;
mod supply;
mod table;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::param::page_size;

pub(crate) use self::books::Place;
use self::books::{Books, Freed};
pub(crate) use self::class::UNIT;
pub use self::growth::HeapConfig;
use self::marks::Marks;
pub use self::marks::PEERS_MAX;
pub(crate) use self::supply::Home;
use self::table::Table;
pub use crate::block::Block;
use crate::generation::Key;
use crate::region::PeerRegion;
use crate::segment::{OwnSegment, SegmentError};
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicBool, AtomicU64};
use crate::sys::fork;

/// Why there is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeapError {
    /// Too much is in use. May be untrue a moment later: peers complete, and segments come back.
    #[error("no block of {wanted} bytes free in a heap of {limit}, {free} bytes free in pieces")]
    Full {
        /// The bytes asked for.
        wanted: u64,
        /// The bytes free in its segments, too scattered or too few.
        free: u64,
        /// The limit of the heap.
        limit: u64,
    },
    /// No heap of this limit can ever have such a block.
    #[error("a block of {wanted} bytes is larger than the heap may grow, {limit} bytes")]
    TooLarge {
        /// The bytes asked for.
        wanted: u64,
        /// The limit of the heap.
        limit: u64,
    },
    /// The system refused a segment. The heap stays as it is.
    #[error("the heap cannot grow")]
    System(#[from] SegmentError),
}

/// A segment of the heap, to be announced to peers.
#[derive(Clone, Debug)]
pub struct HeapSegment {
    /// What tokens call it.
    pub key: Key,
    /// The segment, with the descriptor to be passed.
    pub segment: OwnSegment,
}

/// What peers must hear of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HeapChange {
    /// A new segment. Each peer that maps it is to be [acknowledged](Heap::acknowledge).
    Announce(HeapSegment),
    /// A segment that holds no block any more. Each peer that it was announced to shall unmap it;
    /// [`retire_acknowledged`](Heap::retire_acknowledged) tells the heap who has.
    Retire(Key),
    /// A segment beyond the first size holds no block any more and is kept for the next: [`trim`](Heap::trim) gives it back if
    /// there is none for a while. Said once, until `trim` has found nothing more to give back.
    Rest,
}

/// Sums over a heap at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeapStats {
    /// Blocks handed out, ever.
    pub allocated: u64,
    /// Blocks freed, ever. The difference is owned by this process, some of them lent.
    pub freed: u64,
    /// Blocks that the books of the segments have in use: the same difference, counted there. A segment that is being added
    /// counts as one.
    pub in_use: u64,
    /// Segments in use.
    pub segments: usize,
    /// Segments that wait for peers to unmap them.
    pub retiring: usize,
    /// Bytes of all of them, which the limit counts.
    pub bytes: u64,
    /// Free bytes in the segments in use.
    pub free: u64,
    /// A block of this size can be had without growing, and perhaps a somewhat larger one.
    pub largest_free: u64,
    /// The limit of `bytes`.
    pub limit: u64,
}

impl HeapStats {
    /// Blocks that are not freed.
    #[must_use]
    pub const fn live(&self) -> u64 {
        self.allocated - self.freed
    }
}

type Callback = Arc<dyn Fn(HeapChange) + Send + Sync>;

/// A handle to a heap; see the [module](self). Clones share it, and every block holds one.
#[derive(Clone)]
pub struct Heap {
    shared: Arc<Shared>,
}

struct Shared {
    config: HeapConfig,
    limit_units: u32,
    first_units: u32,  // of a segment that is kept when all is empty
    floor: AtomicU64,  // units that `reserve` asked to keep
    rests: AtomicBool, // it was said that an empty segment is kept
    books: Mutex<Books<Home>>,
    growth: Mutex<()>,
    table: Mutex<Table>,
    marks: Marks, // written under `table`
    on_change: Mutex<Option<Callback>>,
}

impl Heap {
    /// Makes a heap without any segment; the first block brings the first.
    #[must_use]
    pub fn new(config: HeapConfig) -> Self {
        let config = config.checked(page_size() as u64);
        let shared = Shared {
            config,
            limit_units: u32::try_from(config.limit / UNIT as u64).unwrap_or(u32::MAX),
            first_units: u32::try_from(config.first_segment / UNIT as u64).unwrap_or(u32::MAX),
            floor: AtomicU64::new(0),
            rests: AtomicBool::new(false),
            books: Mutex::new(Books::new()),
            growth: Mutex::default(),
            table: Mutex::new(Table::new()),
            marks: Marks::new(),
            on_change: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Reports whether both are handles to one heap: only then can one's blocks be lent as the
    /// other's.
    #[inline]
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Hands out a block of `len` bytes, aligned to 64, with whatever its last user left in it.
    ///
    /// Cost: one lock, held for some tens of nanoseconds; system calls only when the heap grows, by
    /// the thread that makes it grow and those that wait for the same.
    ///
    /// # Errors
    ///
    /// [`HeapError::Full`] when segments would exceed the limit, [`HeapError::TooLarge`] when the
    /// block alone would, and [`HeapError::System`] when the system refuses a segment, as it does
    /// to a forked child.
    pub fn allocate(&self, len: usize) -> Result<Block, HeapError> {
        let units = self.units_for(len)?;
        // A forked child must not touch the lock, which the parent may have held.
        if fork::check().is_ok() {
            let (place, wish) = {
                let mut books = self.books();
                (books.allocate(units), books.take_wish())
            };
            if wish > 0 {
                self.widen(wish);
            }
            if let Some(place) = place {
                return Ok(Block::new(self.clone(), place, len));
            }
        }
        self.allocate_slow(units, len)
    }

    /// Grows to at least `bytes` of segments, and keeps that many from now on, empty or not. The
    /// last call counts.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate). What was added before the error stays.
    pub fn reserve(&self, bytes: u64) -> Result<(), HeapError> {
        let limit = self.shared.config.limit;
        if bytes > limit {
            return Err(HeapError::TooLarge {
                wanted: bytes,
                limit,
            });
        }
        // Relaxed: a wish, which the books' lock orders well enough.
        self.shared.floor.store(bytes / UNIT as u64, Relaxed);
        // Until another call has asked for less: its word is the last.
        while self.floor() >= bytes / UNIT as u64 && self.grow_towards(bytes)? {}
        self.retire_surplus();
        Ok(())
    }

    /// Returns the segments in use, for a peer that has just connected. Set
    /// [`on_change`](Self::on_change) first: a segment may then be told twice, but none is missed.
    #[must_use]
    pub fn segments(&self) -> Vec<HeapSegment> {
        self.table().in_use_now()
    }

    /// Returns a segment in use as its peers see it, for a reader in this process.
    #[must_use]
    pub fn segment(&self, key: Key) -> Option<PeerRegion> {
        self.table().segment(key)
    }

    /// Calls `callback` for every segment that comes or goes, instead of the callback before.
    ///
    /// It runs in the thread that allocated or freed, under no lock of the heap. It must be quick,
    /// must not panic, and should not own a clone of this heap, which would then never be dropped.
    pub fn on_change(&self, callback: impl Fn(HeapChange) + Send + Sync + 'static) {
        *lock(&self.shared.on_change) = Some(Arc::new(callback));
    }

    /// Notes that the peer in this slot has mapped a segment. Returns `false` when the segment is
    /// not in use any more: the peer has heard so, or will.
    ///
    /// # Panics
    ///
    /// When `peer` is not below [`PEERS_MAX`].
    pub fn acknowledge(&self, key: Key, peer: u16) -> bool {
        assert_peer(peer);
        self.table().acknowledge(key, peer, &self.shared.marks)
    }

    /// Reports whether the peer in this slot has mapped a segment. Without a lock; may be stale at
    /// once.
    #[must_use]
    pub fn is_acknowledged(&self, key: Key, peer: u16) -> bool {
        self.shared.marks.contains(key, peer)
    }

    /// Notes that the peer in this slot has unmapped a retired segment.
    ///
    /// # Panics
    ///
    /// When `peer` is not below [`PEERS_MAX`].
    pub fn retire_acknowledged(&self, key: Key, peer: u16) {
        assert_peer(peer);
        let gone = self.table().retired_by(key, peer, &self.shared.marks);
        drop(gone);
    }

    /// Forgets a peer that is dead, or holds nothing of ours any more. Its slot may be given to
    /// another afterwards.
    ///
    /// # Panics
    ///
    /// When `peer` is not below [`PEERS_MAX`].
    pub fn forget_peer(&self, peer: u16) {
        assert_peer(peer);
        let gone = self.table().forget_everywhere(peer, &self.shared.marks);
        drop(gone);
    }

    /// Returns sums over the heap. Looks at every segment.
    #[must_use]
    pub fn stats(&self) -> HeapStats {
        let (bytes, retiring) = {
            let table = self.table();
            (table.bytes(), table.retiring())
        };
        let totals = self.books().totals();
        HeapStats {
            allocated: totals.allocated,
            freed: totals.freed,
            in_use: totals.live,
            segments: totals.segments,
            retiring,
            bytes,
            free: totals.free * UNIT as u64,
            largest_free: u64::from(totals.largest_free) * UNIT as u64,
            limit: self.shared.config.limit,
        }
    }

    /// Takes back the place of a block that is being dropped.
    pub(crate) fn free(&self, place: Place<Home>) {
        if fork::check().is_err() {
            return; // A forked child has neither the memory nor, perhaps, the lock.
        }
        let mut rests = false;
        let withdrawn = {
            let mut books = self.books();
            match books.free(place) {
                Freed::InUse => None,
                Freed::Emptied(units) => {
                    rests = units > self.shared.first_units;
                    books.withdraw(1, self.floor())
                }
            }
        };
        if let Some(withdrawn) = withdrawn {
            self.retire(withdrawn);
        }
        self.rest(rests);
    }

    /// Gives back what has held no block since the last call: an empty segment that is larger than the first one, if
    /// [`reserve`](Self::reserve) did not ask for it. To be called now and then, as [`HeapChange::Rest`] says. Returns whether a
    /// further call may find more.
    pub fn trim(&self) -> bool {
        // Relaxed: said again by who empties a segment from now on, or by the answer.
        self.shared.rests.store(false, Relaxed);
        let first = self.shared.first_units;
        loop {
            let withdrawn = self.books().withdraw_rested(first, self.floor());
            match withdrawn {
                Some(withdrawn) => self.retire(withdrawn),
                None => break,
            }
        }
        let may_be_more = self.books().look(first, self.floor());
        // Relaxed: as above.
        self.shared.rests.fetch_or(may_be_more, Relaxed);
        may_be_more
    }

    fn units_for(&self, len: usize) -> Result<u32, HeapError> {
        let (wanted, limit) = (len as u64, self.shared.config.limit);
        let units = class::units_for(len).filter(|_| wanted <= limit);
        // Rounding up to a class may pass the limit; the block itself does not.
        units
            .map(|units| units.min(self.shared.limit_units))
            .ok_or(HeapError::TooLarge { wanted, limit })
    }

    fn floor(&self) -> u64 {
        self.shared.floor.load(Relaxed) // Relaxed: a wish
    }

    fn books(&self) -> MutexGuard<'_, Books<Home>> {
        lock(&self.shared.books)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.shared.table)
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

/// Locks. No code of a user runs under these locks, so a poisoned one is a bug that has panicked
/// already; going on keeps drops from panicking too.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn assert_peer(peer: u16) {
    assert!(
        peer < PEERS_MAX,
        "peer slot {peer} is not below {PEERS_MAX}"
    );
}
