//! Blocks of samples that are gone: which of them nobody reads any more.

use core::mem::{ManuallyDrop, take};

use super::PublishEnd;
use crate::mutant::{self, Mutant};
use crate::region::Keep;
use crate::sync::dekker_fence;

impl<B, K: Keep> PublishEnd<B, K> {
    /// Blocks of samples that are gone, of which some may be read still: what [`reclaim`](Self::reclaim) looks at.
    #[inline]
    #[must_use]
    pub fn retired(&self) -> usize {
        self.retired.len()
    }

    /// Hands the blocks of those samples to `free`, with their sequences, that are gone and that nobody reads any more. Returns
    /// how many are read still.
    ///
    /// Cost: a full fence, and a load of every claim of every member; nothing where no sample is gone.
    pub fn reclaim(&mut self, mut free: impl FnMut(u64, B)) -> usize {
        if self.retired.is_empty() {
            return 0;
        }
        // SeqCst claim: the stamps that overwrote before the loads of the claims; pairs with the fence in `SubscribeEnd`,
        // between the store of a claim and the second load of the stamp. Ruled out: 'not claimed here, not overwritten there'.
        // One fence for all that have been overwritten before.
        dekker_fence(Mutant::NoFenceBeforeScan);
        self.claimed.clear();
        if !mutant::under(Mutant::NoScan) {
            self.members.claimed(self.tail, &mut self.claimed);
        }
        self.claimed.sort_unstable();
        // Each once around the list, which stays in order.
        for _ in 0..self.retired.len() {
            let Some((sequence, block)) = self.retired.pop_front() else {
                break;
            };
            if self.claimed.binary_search(&sequence).is_ok() {
                self.retired.push_back((sequence, block));
            } else {
                free(sequence, block);
            }
        }
        self.retired.len()
    }

    /// Gives samples up before they are overwritten, oldest first: all but the newest `keep`, as far as all members that are
    /// waited for have taken them. Those that drop the oldest miss them, if they have not taken them. Returns how many; their
    /// blocks are [reclaimed](Self::reclaim) as those of others.
    ///
    /// Cost: a store for each, and a look at the cursors.
    pub fn retire(&mut self, keep: u64) -> u64 {
        self.members.look(self.tail);
        self.retire_until(self.tail.saturating_sub(keep).min(self.members.least()))
    }

    /// The same of those that all members have taken, also those that drop the oldest: so none of them misses any.
    pub fn retire_taken(&mut self, keep: u64) -> u64 {
        let taken = self.members.taken_by_all(self.tail);
        self.retire_until(self.tail.saturating_sub(keep).min(taken))
    }

    fn retire_until(&mut self, until: u64) -> u64 {
        let gone = self.gone();
        for sequence in gone + 1..=until {
            self.slots.retire(sequence);
            let place = self.layout().slots().slot_index(sequence);
            if let Some(block) = self.blocks[place].take() {
                self.leased -= 1;
                self.retired.push_back((sequence, block));
            }
        }
        self.given_up = self.given_up.max(until.min(self.tail));
        until.saturating_sub(gone)
    }

    /// Whether nobody can read a block of this lane any more: the last member has left.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.members.len() == 0
    }
}

/// Drops what it keeps for samples, when there is no member. While there is one, its blocks may be read, now or later: then they
/// are never given back.
impl<B, K> Drop for PublishEnd<B, K> {
    fn drop(&mut self) {
        if self.members.len() > 0 {
            let _kept = ManuallyDrop::new((take(&mut self.blocks), take(&mut self.retired)));
        }
    }
}
