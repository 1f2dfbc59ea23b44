//! Segments in and out: growing, announcing, retiring.
#![allow(unsafe_code, reason = "sends the address of a segment between threads")]

use std::ptr::NonNull;
use std::sync::MutexGuard;

use rustix::param::page_size;

use super::books::{Freed, Withdrawn};
use super::class::UNIT;
use super::space::Space;
use super::{Block, Heap, HeapChange, HeapError, HeapSegment, lock};
use crate::generation::Key;
use crate::segment::{OwnSegment, SegmentError};
use crate::sync::Ordering::Relaxed;
use crate::sys::fork::{self, GuardError};

const SEGMENT_NAME: &str = "ringway-heap"; // what /proc/*/maps shows

/// Where a segment is: its key, and its first byte here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) key: Key,
    pub(crate) base: NonNull<u8>,
}

// SAFETY: an address; what may be done there is up to the one block that owns it (owned-block).
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

/// A new segment: in the table, with its books opened, but not yet entered in the heap's.
struct Added {
    segment: HeapSegment,
    space: Space,
}

impl Heap {
    /// Allocates by growing, unless another thread has grown or freed meanwhile.
    #[cold]
    pub(super) fn allocate_slow(&self, units: u32, len: usize) -> Result<Block, HeapError> {
        guard()?;
        let wanted = u64::from(units) * UNIT as u64;
        loop {
            let turn = lock(&self.shared.growth);
            if let Some(place) = self.books().allocate(units) {
                return Ok(Block::new(self.clone(), place, len));
            }
            match self.add_segment(wanted) {
                Ok(Added { segment, space }) => {
                    let place = {
                        let mut books = self.books();
                        books.insert(segment.key.index(), home(&segment), space);
                        books.allocate_in(segment.key.index(), units)
                    };
                    drop(turn);
                    let place = place.expect("a new segment holds what it was made for");
                    let block = Block::new(self.clone(), place, len);
                    self.announce(segment);
                    return Ok(block);
                }
                // Empty segments that are too small stand in the way of a large one.
                Err(HeapError::Full { .. }) if self.make_room(wanted, turn) => {}
                // Of what was asked for, not of its class.
                Err(HeapError::Full { .. }) => return Err(self.full(len as u64)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Adds a segment of so many units, that large blocks can take turns, if that is little beside the limit. All goes on without.
    #[cold]
    pub(super) fn widen(&self, units: u32) {
        let wanted = u64::from(units) * UNIT as u64;
        let turn = lock(&self.shared.growth);
        if self.table().bytes().saturating_add(wanted) > self.shared.config.limit / 4 {
            return;
        }
        let Ok(Added { segment, space }) = self.add_segment(wanted) else {
            return;
        };
        self.books()
            .insert(segment.key.index(), home(&segment), space);
        drop(turn);
        self.announce(segment);
    }

    /// Adds one segment, unless there are `bytes` already; `true` when there may be more to do.
    pub(super) fn grow_towards(&self, bytes: u64) -> Result<bool, HeapError> {
        guard()?;
        let turn = lock(&self.shared.growth);
        let missing = bytes.saturating_sub(self.table().bytes_in_use());
        if missing == 0 {
            return Ok(false);
        }
        let Added { segment, space } =
            self.add_segment(missing.min(self.shared.config.segment_max))?;
        self.books()
            .insert(segment.key.index(), home(&segment), space);
        drop(turn);
        self.announce(segment);
        Ok(true)
    }

    /// Makes a segment that holds `wanted` bytes at least. The caller holds `growth`.
    fn add_segment(&self, wanted: u64) -> Result<Added, HeapError> {
        let config = &self.shared.config;
        let needed = wanted.next_multiple_of(page_size() as u64);
        let (largest, room) = {
            let table = self.table();
            (
                table.largest_up_to(config.segment_max),
                config.limit.saturating_sub(table.bytes()),
            )
        };
        let len = config
            .next_segment(largest, needed, room)
            .ok_or_else(|| self.full(wanted))?;
        let segment = create(len, needed)?;
        let space = Space::new(units_of(segment.len()));
        let inserted = self.table().insert(segment.clone(), &self.shared.marks);
        let key = inserted.ok_or_else(|| self.full(wanted))?;
        Ok(Added {
            segment: HeapSegment { key, segment },
            space,
        })
    }

    /// Tells of a new segment, then lets it be retired.
    fn announce(&self, segment: HeapSegment) {
        let slot = segment.key.index();
        self.tell(HeapChange::Announce(segment));
        let freed = self.books().unpin(slot);
        if let Freed::Emptied(units) = freed {
            self.retire_surplus();
            self.rest(units > self.shared.first_units);
        }
    }

    /// A segment has become empty and perhaps is kept: says so if it is larger than the first one, and nobody has.
    #[inline]
    pub(super) fn rest(&self, is_large: bool) {
        // Relaxed: one of those who find it unsaid says it.
        if is_large && !self.shared.rests.load(Relaxed) {
            self.rest_slow();
        }
    }

    #[cold]
    fn rest_slow(&self) {
        // Relaxed: as above.
        if !self.shared.rests.swap(true, Relaxed) {
            self.tell(HeapChange::Rest);
        }
    }

    /// Retires empty segments beyond the one that is kept.
    pub(super) fn retire_surplus(&self) {
        loop {
            let withdrawn = self.books().withdraw(1, self.floor());
            let Some(withdrawn) = withdrawn else { return };
            self.retire(withdrawn);
        }
    }

    /// Retires all empty segments, reserved ones too, if that makes room for `wanted` bytes; gives
    /// up the turn to grow. Reports whether to try again.
    fn make_room(&self, wanted: u64, turn: MutexGuard<'_, ()>) -> bool {
        drop(turn);
        let empty = self.books().empty_units() * UNIT as u64;
        let rest = self.table().bytes().saturating_sub(empty);
        if rest + wanted > self.shared.config.limit {
            return false;
        }
        let mut any = false;
        loop {
            let withdrawn = self.books().withdraw(0, 0);
            let Some(withdrawn) = withdrawn else {
                return any;
            };
            self.retire(withdrawn);
            any = true;
        }
    }

    /// Has the peers unmap a segment that is out of the books. It is gone at once when no peer has
    /// it.
    #[cold]
    pub(super) fn retire(&self, withdrawn: Withdrawn) {
        let key = self.table().retire(withdrawn.slot);
        self.tell(HeapChange::Retire(key));
        // Only now: its index must not return before everyone was told.
        let gone = self.table().take_unmapped(key, &self.shared.marks);
        drop(gone);
    }

    fn tell(&self, change: HeapChange) {
        let callback = lock(&self.shared.on_change).clone();
        if let Some(callback) = callback {
            callback(change);
        }
    }

    fn full(&self, wanted: u64) -> HeapError {
        let free = self.books().totals().free * UNIT as u64;
        HeapError::Full {
            wanted,
            free,
            limit: self.shared.config.limit,
        }
    }
}

/// Creates a segment of `len` bytes, or of `needed` when the system has not as many.
fn create(len: u64, needed: u64) -> Result<OwnSegment, SegmentError> {
    OwnSegment::create(SEGMENT_NAME, len).or_else(|error| {
        if needed == len {
            return Err(error);
        }
        OwnSegment::create(SEGMENT_NAME, needed)
    })
}

fn home(segment: &HeapSegment) -> Home {
    Home {
        key: segment.key,
        base: segment.segment.region().as_ptr(),
    }
}

fn units_of(bytes: u64) -> u32 {
    u32::try_from(bytes / UNIT as u64)
        .expect("a segment has at most 128 GiB: checked by the config")
}

/// Makes sure that this is no forked child, whose copies of the locks may be held by nobody.
fn guard() -> Result<(), HeapError> {
    fork::guard().map_err(|error| match error {
        GuardError::UsedAfterFork(error) => HeapError::System(SegmentError::UsedAfterFork(error)),
        GuardError::System(error) => HeapError::System(SegmentError::System(error)),
    })
}
