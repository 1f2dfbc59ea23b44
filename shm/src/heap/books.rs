//! The heap's books: free lists by size class over the spaces of all its segments.
//!
//! A freed block goes onto its class's list and is the first to be handed out again, since its
//! lines are in the cache; large ones are handed out in turn, since theirs are in the cache of the
//! processor that has read them. A list that is full frees its oldest block to the space it came from,
//! where it joins its neighbours; when no space can serve a request, all lists are flushed first.
//! So memory is never short only because it lies on the wrong list. Pure bookkeeping in private
//! memory: it makes no system call and does not know where segments are mapped.
//!
//! # Invariants
//! - **handed-out-once**: a unit belongs to one [`Place`] of a caller, or to one list, or is free
//!   in its space.
//! - **live-stays**: only a segment with no block at a caller is withdrawn.

use super::lists::{Listed, Lists};
use super::space::{Run, Space};

/// A block at a caller: to be given back to the same books once. `H` says where its segment is.
#[derive(Debug)]
pub(crate) struct Place<H> {
    pub(crate) home: H,
    slot: u32,
    run: Run,
}

impl<H> Place<H> {
    /// The first unit of the block, counted from the start of the segment.
    pub(crate) fn offset(&self) -> u32 {
        self.run.offset()
    }

    /// How many units the block has.
    pub(crate) fn units(&self) -> u32 {
        self.run.units()
    }
}

/// What giving a block back has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Freed {
    /// Its segment holds other blocks.
    InUse,
    /// It was the last block of its segment: see [`Books::withdraw`].
    Emptied(u32), // units of that segment
}

/// A segment taken out of the books, for its owner to retire. Drop it outside of locks.
#[derive(Debug)]
pub(crate) struct Withdrawn {
    pub(crate) slot: u32,
    _space: Option<Space>,
}

/// Sums over the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) allocated: u64,
    pub(crate) freed: u64,
    /// Blocks at callers, counted segment by segment; one more for each that is pinned at the moment.
    pub(crate) live: u64,
    pub(crate) segments: usize,
    pub(crate) units: u64,
    pub(crate) free: u64,
    pub(crate) largest_free: u32,
}

#[derive(Debug)]
struct Segment<H> {
    home: H,
    space: Space,
    live: u32,       // blocks at callers, and the pin; what is on lists is not live
    emptied_at: u64, // how many blocks had been freed, ever, when it last became empty
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Books<H> {
    segments: Vec<Option<Segment<H>>>,
    refused: Vec<u32>, // per slot: the least request refused since units last returned to its space
    lists: Lists,
    empty: usize,
    allocated: u64,
    freed: u64,
    looked_at: u64, // how many had been freed at the last look for what rests
    wish: u32,      // units that would let large blocks take turns; 0 for none
}

impl<H: Copy> Books<H> {
    pub(crate) fn new() -> Self {
        Self {
            segments: Vec::new(),
            refused: Vec::new(),
            lists: Lists::new(),
            empty: 0,
            allocated: 0,
            freed: 0,
            looked_at: 0,
            wish: 0,
        }
    }

    /// Hands out a block of `units`, a number that [`units_for`](super::class::units_for) made.
    pub(crate) fn allocate(&mut self, units: u32) -> Option<Place<H>> {
        let another = match self.lists.is_short(units) {
            true => self.another(units),
            false => None,
        };
        let Listed { slot, run } = match another.or_else(|| self.lists.pop(units)) {
            Some(listed) => listed,
            None => self.carve(units)?,
        };
        Some(self.hand_out(slot, run))
    }

    /// Units of a segment that would let large blocks take turns, told once.
    #[inline]
    pub(crate) fn take_wish(&mut self) -> u32 {
        std::mem::take(&mut self.wish)
    }

    /// A block of `units` that is not on the list, if a space has one.
    #[cold]
    fn another(&mut self, units: u32) -> Option<Listed> {
        let found = self.search_spaces(units);
        if found.is_none()
            && let Some(wish) = self.lists.stayed_short(units)
        {
            self.wish = wish;
        }
        found
    }

    /// Hands out a block of `units` of the segment in `slot` only, for the one who has just brought
    /// it.
    pub(crate) fn allocate_in(&mut self, slot: u32, units: u32) -> Option<Place<H>> {
        let run = self.segment_mut(slot).space.allocate(units)?;
        Some(self.hand_out(slot, run))
    }

    /// Takes a block back.
    pub(crate) fn free(&mut self, place: Place<H>) -> Freed {
        let Place { slot, run, .. } = place;
        self.freed += 1;
        if let Some(unlisted) = self.lists.push(Listed { slot, run }) {
            self.free_to_space(unlisted);
        }
        self.leave(slot)
    }

    /// Adds the books of a new segment, pinned: it counts as in use until [`unpin`](Self::unpin).
    ///
    /// # Panics
    ///
    /// When the slot has a segment.
    pub(crate) fn insert(&mut self, slot: u32, home: H, space: Space) {
        let at = slot as usize;
        if at >= self.segments.len() {
            self.segments.resize_with(at + 1, || None);
            self.refused.resize(at + 1, 0);
        }
        assert!(self.segments[at].is_none(), "slot {slot} has a segment");
        self.segments[at] = Some(Segment {
            home,
            space,
            live: 1,
            emptied_at: 0,
        });
        self.refused[at] = u32::MAX;
    }

    /// Ends the pin of a new segment.
    pub(crate) fn unpin(&mut self, slot: u32) -> Freed {
        self.leave(slot)
    }

    /// Takes out the smallest empty segment, as long as `keep` empty ones and `floor` units remain.
    ///
    /// Cost: looks at every segment, and at every block on a list when one is taken out.
    pub(crate) fn withdraw(&mut self, keep: usize, floor: u64) -> Option<Withdrawn> {
        if self.empty <= keep {
            return None;
        }
        let total: u64 = self
            .segments
            .iter()
            .flatten()
            .map(|segment| u64::from(segment.space.units()))
            .sum();
        let (at, units) = self.smallest_empty()?;
        if total - u64::from(units) < floor {
            return None; // a larger one would leave even less
        }
        Some(self.take_out(at))
    }

    /// Takes out a segment of more than `first` units that was empty at the last [`look`](Self::look) and has held no block since,
    /// as long as `floor` units remain.
    pub(crate) fn withdraw_rested(&mut self, first: u32, floor: u64) -> Option<Withdrawn> {
        let looked_at = self.looked_at;
        let at = self.may_go(first, floor, |emptied_at| emptied_at < looked_at)?;
        Some(self.take_out(at))
    }

    /// Notes what is empty now; tells whether a segment could be taken out if it stays so.
    pub(crate) fn look(&mut self, first: u32, floor: u64) -> bool {
        self.looked_at = self.freed + 1;
        self.may_go(first, floor, |_| true).is_some()
    }

    /// An empty segment of more than `first` units without which `floor` units remain.
    fn may_go(&self, first: u32, floor: u64, is_meant: impl Fn(u64) -> bool) -> Option<usize> {
        let segments = || self.segments.iter().flatten();
        let total: u64 = segments().map(|it| u64::from(it.space.units())).sum();
        self.segments.iter().position(|segment| {
            segment.as_ref().is_some_and(|it| {
                let units = it.space.units();
                let is_spare = units > first && total - u64::from(units) >= floor;
                it.live == 0 && is_spare && is_meant(it.emptied_at)
            })
        })
    }

    /// Returns how many units the empty segments have.
    pub(crate) fn empty_units(&self) -> u64 {
        let empty = self
            .segments
            .iter()
            .flatten()
            .filter(|segment| segment.live == 0);
        empty.map(|segment| u64::from(segment.space.units())).sum()
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals {
            allocated: self.allocated,
            freed: self.freed,
            free: self.lists.units(),
            ..Totals::default()
        };
        for segment in self.segments.iter().flatten() {
            totals.segments += 1;
            totals.live += u64::from(segment.live);
            totals.units += u64::from(segment.space.units());
            totals.free += u64::from(segment.space.free_units());
            totals.largest_free = totals.largest_free.max(match segment.live {
                0 => segment.space.units(), // all else of it is on lists
                _ => segment.space.largest_free(),
            });
        }
        totals.largest_free = totals.largest_free.max(self.lists.largest());
        totals
    }

    fn hand_out(&mut self, slot: u32, run: Run) -> Place<H> {
        self.allocated += 1;
        let segment = self.segment_mut(slot);
        segment.live += 1;
        let (home, was_empty) = (segment.home, segment.live == 1);
        self.empty -= usize::from(was_empty);
        Place { home, slot, run }
    }

    fn leave(&mut self, slot: u32) -> Freed {
        let freed = self.freed;
        let segment = self.segment_mut(slot);
        segment.live -= 1;
        if segment.live > 0 {
            return Freed::InUse;
        }
        segment.emptied_at = freed;
        let units = segment.space.units();
        self.empty += 1;
        Freed::Emptied(units)
    }

    fn carve(&mut self, units: u32) -> Option<Listed> {
        self.search_spaces(units).or_else(|| {
            (self.lists.units() > 0).then(|| self.flush_slow())?;
            self.search_spaces(units)
        })
    }

    /// First fit by slot: the later, larger segments drain first and can be given back.
    fn search_spaces(&mut self, units: u32) -> Option<Listed> {
        for (at, refused) in self.refused.iter_mut().enumerate() {
            if *refused <= units {
                continue;
            }
            let Some(segment) = &mut self.segments[at] else {
                continue;
            };
            match segment.space.allocate(units) {
                Some(run) => {
                    return Some(Listed {
                        slot: slot_of(at),
                        run,
                    });
                }
                None => *refused = units,
            }
        }
        None
    }

    #[cold]
    fn flush_slow(&mut self) {
        for list in 0..Lists::COUNT {
            while let Some(listed) = self.lists.pop_oldest(list) {
                self.free_to_space(listed);
            }
        }
    }

    fn free_to_space(&mut self, Listed { slot, run }: Listed) {
        self.segment_mut(slot).space.free(run);
        self.refused[slot as usize] = u32::MAX;
    }

    fn smallest_empty(&self) -> Option<(usize, u32)> {
        let empty = |(at, segment): (usize, &Option<Segment<H>>)| {
            let segment = segment.as_ref().filter(|segment| segment.live == 0)?;
            Some((at, segment.space.units()))
        };
        // The latest among equals: the earliest are searched first, and so fill best.
        self.segments
            .iter()
            .enumerate()
            .filter_map(empty)
            .rev()
            .min_by_key(|&(_, units)| units)
    }

    fn take_out(&mut self, at: usize) -> Withdrawn {
        let slot = slot_of(at);
        self.lists.forget(slot);
        self.empty -= 1;
        self.refused[at] = 0;
        Withdrawn {
            slot,
            _space: self.segments[at].take().map(|segment| segment.space),
        }
    }

    fn segment_mut(&mut self, slot: u32) -> &mut Segment<H> {
        self.segments[slot as usize]
            .as_mut()
            .expect("live-stays: a block's segment is in the books")
    }
}

fn slot_of(at: usize) -> u32 {
    u32::try_from(at).expect("slots are the indices of keys, 20 bits")
}

#[cfg(test)]
mod tests;
