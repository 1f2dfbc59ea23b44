//! Lists of freed blocks, one for each size class: the last freed first, the large ones in turn.
//!
//! # Invariants
//! - **one-class**: a list holds runs of just its class's units.
//! - **bounded**: no list is longer than its class's `list_max`; what is too much is handed back to the caller.
//! - **summed**: `units` is the sum over all runs on the lists.

use std::collections::VecDeque;

use super::class::Class;
use super::space::Run;

/// A freed block, and the slot of its segment.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) slot: u32,
    pub(super) run: Run,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Lists {
    of_class: Vec<VecDeque<Listed>>,
    units: u64,
    /// By class: how often too few blocks took turns.
    short: Vec<u8>,
}

/// So often a block is used again out of turn before it is worth a segment that they can take turns.
const SHORT_MAX: u8 = 16;

impl Lists {
    /// How many lists there are.
    pub(super) const COUNT: usize = Class::COUNT;

    pub(super) fn new() -> Self {
        Self {
            of_class: (0..Self::COUNT).map(|_| VecDeque::new()).collect(),
            units: 0,
            short: vec![0; Self::COUNT],
        }
    }

    /// How many units are on the lists.
    pub(super) fn units(&self) -> u64 {
        self.units
    }

    /// How many units the largest block on a list has; 0 when there is none.
    pub(super) fn largest(&self) -> u32 {
        let mut longest_first = self.of_class.iter().rev();
        let largest = longest_first.find_map(VecDeque::back);
        largest.map_or(0, |listed| listed.run.units())
    }

    /// Puts a block on its class's list. Returns what is for its space instead: the block itself when no class has just
    /// its units, or the oldest of a list that is full.
    #[must_use]
    pub(super) fn push(&mut self, listed: Listed) -> Option<Listed> {
        let Some(class) = class_of(listed.run.units()) else {
            return Some(listed);
        };
        self.units += u64::from(listed.run.units());
        let list = &mut self.of_class[class.index()];
        list.push_back(listed);
        if list.len() <= class.list_max() {
            return None;
        }
        let oldest = list.pop_front()?;
        self.units -= u64::from(oldest.run.units());
        Some(oldest)
    }

    /// Whether another block of just these units is to be used before one of those on the list: too few take turns.
    pub(super) fn is_short(&self, units: u32) -> bool {
        class_of(units).is_some_and(|class| {
            class.takes_turns() && self.of_class[class.index()].len() < class.list_max()
        })
    }

    /// There was no other: at times that tells how many units it takes, that enough of them can take turns.
    pub(super) fn stayed_short(&mut self, units: u32) -> Option<u32> {
        let class = class_of(units)?;
        let short = self.short.get_mut(class.index())?;
        *short = short.saturating_add(1);
        let blocks = u32::try_from(class.list_max()).unwrap_or(0) + 1;
        (*short == SHORT_MAX).then(|| blocks.saturating_mul(units))
    }

    /// Takes a block of just these units: the youngest, or the oldest of those that take turns.
    pub(super) fn pop(&mut self, units: u32) -> Option<Listed> {
        let class = class_of(units)?;
        let list = &mut self.of_class[class.index()];
        let listed = match class.takes_turns() {
            true => list.pop_front()?,
            false => list.pop_back()?,
        };
        debug_assert_eq!(listed.run.units(), units, "one-class");
        self.units -= u64::from(units);
        Some(listed)
    }

    /// Takes the oldest block of the list at `index`, below [`COUNT`](Self::COUNT).
    pub(super) fn pop_oldest(&mut self, index: usize) -> Option<Listed> {
        let listed = self.of_class[index].pop_front()?;
        self.units -= u64::from(listed.run.units());
        Some(listed)
    }

    /// Drops all blocks of the segment in `slot`, which leaves the books.
    pub(super) fn forget(&mut self, slot: u32) {
        self.short.fill(0);
        for list in &mut self.of_class {
            list.retain(|listed| {
                let stays = listed.slot != slot;
                if !stays {
                    self.units -= u64::from(listed.run.units());
                }
                stays
            });
        }
    }
}

/// The class of runs of just these units; none for runs between two classes, which there are where
/// the heap's limit forbade rounding up: a list must not hand them out for something larger.
fn class_of(units: u32) -> Option<Class> {
    Class::of(units).filter(|class| class.units() == units)
}
