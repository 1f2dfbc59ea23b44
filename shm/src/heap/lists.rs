//! Lists of freed blocks, one for each size class, the last freed first.
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
}

impl Lists {
    /// How many lists there are.
    pub(super) const COUNT: usize = Class::COUNT;

    pub(super) fn new() -> Self {
        Self {
            of_class: (0..Self::COUNT).map(|_| VecDeque::new()).collect(),
            units: 0,
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

    /// Takes the youngest block of just these units.
    pub(super) fn pop(&mut self, units: u32) -> Option<Listed> {
        let listed = self.of_class[class_of(units)?.index()].pop_back()?;
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
