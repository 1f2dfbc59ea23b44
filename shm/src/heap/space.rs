//! The books of one segment: which of its units are in use.
//!
//! An offset allocator, whose records lie in private memory, so nobody who maps the segment can
//! spoil them. It rounds what it searches for up to a bin, and so would refuse a request for a
//! whole segment whose size lies between two bins; such a request is served whole, past it.

use offset_allocator::{Allocation, Allocator};

const UNITS_A_RECORD: u32 = 4; // one record (32 bytes) for 256 bytes of the segment: an eighth on top
const RECORDS_MIN: u32 = 4096; // a small segment (256 KiB) may be cut into single units throughout

/// Units of one segment, free and used.
pub(crate) struct Space {
    units: u32,
    used: u32,
    whole: bool, // the one block is the segment itself; the allocator knows nothing of it
    allocator: Allocator,
}

/// A run of units that [`Space::allocate`] handed out, to be given back to the same space once.
pub(crate) struct Run {
    offset: u32,
    units: u32,
    record: Option<Allocation>, // none: the whole segment
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}", self.offset, self.units)
    }
}

impl Run {
    /// The first unit, counted from the start of the segment.
    pub(crate) fn offset(&self) -> u32 {
        self.offset
    }

    /// How many units.
    pub(crate) fn units(&self) -> u32 {
        self.units
    }
}

impl Space {
    /// Opens the books of an unused segment of `units`.
    ///
    /// Cost: 32 bytes of private memory for 256 of the segment, written at once; call it outside of
    /// locks.
    pub(crate) fn new(units: u32) -> Self {
        let records = (units / UNITS_A_RECORD).max(RECORDS_MIN.min(units)) + 4; // the allocator keeps some back
        Self {
            units,
            used: 0,
            whole: false,
            allocator: Allocator::with_max_allocs(units, records),
        }
    }

    /// Reserves a run of `units`, or returns `None` when no free run is long enough or the records
    /// are used up.
    pub(crate) fn allocate(&mut self, units: u32) -> Option<Run> {
        debug_assert!(units > 0);
        if self.whole {
            return None;
        }
        if let Some(record) = self.allocator.allocate(units) {
            self.used += units;
            return Some(Run {
                offset: record.offset,
                units,
                record: Some(record),
            });
        }
        if self.used > 0 || units > self.units {
            return None;
        }
        self.whole = true;
        self.used = units;
        Some(Run {
            offset: 0,
            units,
            record: None,
        })
    }

    /// Takes back a run of this very space.
    pub(crate) fn free(&mut self, run: Run) {
        match run.record {
            Some(record) => self.allocator.free(record),
            None => self.whole = false,
        }
        self.used -= run.units;
    }

    /// How many units the segment has.
    pub(crate) fn units(&self) -> u32 {
        self.units
    }

    /// How many of them are free, together.
    pub(crate) fn free_units(&self) -> u32 {
        self.units - self.used
    }

    /// A run of at least this many units is free; a longer one may be.
    pub(crate) fn largest_free(&self) -> u32 {
        match (self.used, self.whole) {
            (0, _) => self.units,
            (_, true) => 0,
            _ => self.allocator.storage_report().largest_free_region,
        }
    }
}

impl std::fmt::Debug for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Space")
            .field("units", &self.units)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoke() {
        let mut space = Space::new(64);
        let a = space.allocate(8).unwrap();
        let b = space.allocate(8).unwrap();
        assert_ne!(a.offset(), b.offset());
        assert_eq!(space.free_units(), 48);
        space.free(a);
        space.free(b);
        assert_eq!((space.free_units(), space.largest_free()), (64, 64));
    }

    // Goal: a request for all of a segment whose size is no bin. Method: 1001 units, between the
    // bins 960 and 1024.
    #[test]
    fn the_whole_segment_can_be_one_block() {
        let mut space = Space::new(1001);
        let all = space.allocate(1001).unwrap();
        assert_eq!(
            (all.offset(), all.units(), space.largest_free()),
            (0, 1001, 0)
        );
        assert!(space.allocate(1).is_none());
        space.free(all);
        let one = space.allocate(1).unwrap();
        assert!(space.allocate(1001).is_none(), "no longer empty");
        space.free(one);
        assert!(space.allocate(1001).is_some());
    }

    #[test]
    fn full_returns_none() {
        let mut space = Space::new(4096);
        let runs: Vec<_> = std::iter::from_fn(|| space.allocate(1)).collect();
        assert_eq!(runs.len(), 4096, "single units throughout");
        assert!(space.allocate(1).is_none());
        runs.into_iter().for_each(|run| space.free(run));
        assert_eq!(space.largest_free(), 4096);
    }
}
