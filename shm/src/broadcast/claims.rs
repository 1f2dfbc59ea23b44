//! A subscriber's claims: one word for each lease that it holds.
//!
//! The taking end stores claims, under its lock; any thread of the subscriber's process releases them. A word that holds 0 is
//! free, so the words are their own list of free places.

use super::{LaneLine, TakenLine};
use crate::mutant::{self, Mutant, release_unless};
use crate::region::{DefaultKeep, Keep, OwnRecord, OwnRecords, PeerRecord};
use crate::step;
use crate::sync::Ordering::{Acquire, Relaxed};
use crate::sync::dekker_fence;

/// A place in the table of claims that stands for one lease. To be given to [`Claims::release`]: one that is dropped keeps its
/// block from its publisher for as long as the subscription lasts.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a claim keeps a block until it is released"]
pub struct Claim {
    index: u16,
    sequence: u64,
}

impl Claim {
    /// The sequence of the sample that it claims.
    #[inline]
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// The claims of one subscriber on one lane, for all of its threads.
#[derive(Debug)]
pub struct Claims<K = DefaultKeep> {
    words: OwnRecords<crate::sync::AtomicU64, K>,
    cursor: OwnRecord<TakenLine, K>,
    lane: PeerRecord<LaneLine, K>,
}

impl<K: Keep> Clone for Claims<K> {
    fn clone(&self) -> Self {
        Self {
            words: self.words.clone(),
            cursor: self.cursor.clone(),
            lane: self.lane.clone(),
        }
    }
}

impl<K: Keep> Claims<K> {
    pub(super) fn new(
        words: OwnRecords<crate::sync::AtomicU64, K>,
        cursor: OwnRecord<TakenLine, K>,
        lane: PeerRecord<LaneLine, K>,
    ) -> Self {
        Self {
            words,
            cursor,
            lane,
        }
    }

    /// Releases a lease: nothing of its block is read any more. Returns the number of a wait of the publisher that no thread of
    /// this process has answered yet: then see whether to ring its bell.
    ///
    /// Cost: a store, a full fence, and a load of a line that seldom changes.
    ///
    /// # Panics
    ///
    /// When the claim is another table's.
    #[must_use = "whoever is told a number owes a look at the bell"]
    pub fn release(&self, claim: Claim) -> Option<u64> {
        self.clear(claim);
        self.publisher_wants()
    }

    /// Claims held now.
    #[must_use]
    pub fn held(&self) -> usize {
        // Relaxed: a count, stale at once.
        let held = self.words.iter().filter(|word| word.load(Relaxed) != 0);
        held.count()
    }

    /// Leases that can be held at a time.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.words.len()
    }

    /// The number of a wait of the publisher that was not handed out yet.
    #[inline]
    pub(super) fn publisher_wants(&self) -> Option<u64> {
        // Relaxed: the caller's fence orders it.
        let wants = self.lane.get().load(|line| &line.wants);
        if wants == 0 {
            return None;
        }
        // Relaxed: only this process's threads agree on who rings. The maximum, so that a thread that was late with an old
        // number does not make this one be answered again.
        (self.cursor.answered.fetch_max(wants, Relaxed) < wants).then_some(wants)
    }

    /// A free place, looked for from `from` on.
    #[inline]
    pub(super) fn find_free(&self, from: u16) -> Option<u16> {
        let all = u16::try_from(self.words.len()).unwrap_or(u16::MAX);
        let mut places = (from..all).chain(0..from.min(all));
        places.find(|place| self.is_free(*place))
    }

    #[inline]
    fn is_free(&self, place: u16) -> bool {
        let order = if mutant::under(Mutant::ClaimFreeRelaxed) {
            Relaxed
        } else {
            // Acquire claim-free: pairs with the store in `clear`. The next claim in this word passes on what was read
            // under the last one.
            Acquire
        };
        self.words[usize::from(place)].load(order) == 0
    }

    /// Claims `sequence` in a place that was found free.
    #[inline]
    pub(super) fn claim(&self, place: u16, sequence: u64) -> Claim {
        // Release released: pairs with the loads in `PublishEnd::reclaim`, as this value may be what it finds in the place of 0.
        self.words[usize::from(place)].store(sequence, release_unless(Mutant::ClaimRelaxed));
        step!("subscribe-claimed");
        Claim {
            index: place,
            sequence,
        }
    }

    /// Gives a claim up, so that a look at `wants` after this finds a publisher that has seen it and sleeps.
    pub(super) fn clear(&self, claim: Claim) {
        let word = &self.words[usize::from(claim.index)];
        // Relaxed: this process's own. Not for loom, which would not try a store behind another thread's load for it.
        let is_own = cfg!(loom) || word.load(Relaxed) == claim.sequence;
        assert!(is_own, "a claim of another table");
        // Release released, and claim-free: pair with the loads in `PublishEnd::reclaim` and `is_free`.
        word.store(0, release_unless(Mutant::ClaimReleaseRelaxed));
        step!("subscribe-released");
        // Loom's fences make more visible than they must, which would hide the edges that these two break.
        if !mutant::under(Mutant::ClaimFreeRelaxed) && !mutant::under(Mutant::ClaimRelaxed) {
            // SeqCst blocks: the claim before the load of `wants`; pairs with the fence in `PublishEnd::ask_for_room`, between
            // the publisher's store of `wants` and its look at the claims. Ruled out: 'claimed there, not wanted here'.
            dekker_fence(Mutant::NoFenceAfterRelease);
        }
    }
}
