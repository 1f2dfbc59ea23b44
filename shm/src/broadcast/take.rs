//! Taking samples: all of them, or the newest.

use thiserror::Error;

use super::stamp::{Meaning, SEQUENCE_MAX, Stamp};
use super::{Claim, SubscribeEnd};
use crate::error::Violation;
use crate::mutant::{self, Mutant};
use crate::region::Keep;
use crate::step;
use crate::sync::Ordering::Acquire;
use crate::sync::{dekker_fence, fence};

/// A sample that was taken; its words are where they were asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its number in its lane, from 1.
    pub sequence: u64,
    /// Samples that were dropped between the one taken before and this one.
    pub missed: u64,
    /// Words of the lines that it takes in its slot; those behind its own are left over from earlier samples.
    pub words: usize,
    /// For a sample whose payload is a block of the publisher's: to be held while that is read, then released.
    pub claim: Option<Claim>,
}

/// Why there was something to take, and it was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TakeError {
    /// The sample is leased, and all claims are held by earlier leases: release one first.
    #[error("{claims} leases are held, which is all that there can be")]
    Hoarding {
        /// Leases that can be held.
        claims: usize,
    },
    /// What the publisher's memory says cannot be. Nothing is taken any more.
    #[error("the publisher broke the protocol")]
    Peer(#[source] Violation),
}

impl From<Violation> for TakeError {
    fn from(violation: Violation) -> Self {
        Self::Peer(violation)
    }
}

/// Looks within one call at samples that go while they are copied. The margin that is left to the publisher doubles with each,
/// so it reaches the largest number of slots long before.
const LOOKS_MAX: u32 = 32;

impl<K: Keep> SubscribeEnd<K> {
    /// Takes the next sample: copies its words, as far as `into` has room for them, and publishes the cursor before it returns.
    /// One that drops the oldest goes on behind what it has missed.
    ///
    /// A lane that is full of samples that go faster than they are copied may say `None` although there are some; then
    /// [`go_idle`](Self::go_idle) says so.
    ///
    /// Cost: the publisher's lines, one Release store into this side's, and for a lease a store and a full fence. With a depth below
    /// the number of slots, one that drops the oldest looks at one slot more.
    ///
    /// # Errors
    ///
    /// [`Hoarding`](TakeError::Hoarding), which a released lease ends; or what the publisher says cannot be: so, too, where it does
    /// not wait any more for one that waits. Nothing is taken.
    #[inline]
    pub fn take(&mut self, into: &mut [u64]) -> Result<Option<Taken>, TakeError> {
        if self.waits {
            return self.take_waiting(into);
        }
        let before = self.next;
        let taken = self.take_dropping(into);
        if self.next != before {
            self.publish_cursor(self.next - 1);
        }
        taken
    }

    /// The next sample, which stays where it is until the cursor has passed it: while the publisher waits for this member. That
    /// may be over before this side hears of it, so it makes sure as one does that drops the oldest.
    #[inline]
    fn take_waiting(&mut self, into: &mut [u64]) -> Result<Option<Taken>, TakeError> {
        let sequence = self.next;
        let stamp = self.slots.stamp_acquired(sequence);
        let (lines, leased) = match stamp.judge(sequence, self.slots.layout())? {
            Meaning::Here { lines, leased } => (lines, leased),
            Meaning::Empty => return Ok(None),
            // within-limit: the publisher has broken it.
            Meaning::Overwritten { .. } | Meaning::Retired => {
                return Err(stamp.violation(sequence).into());
            }
        };
        if mutant::under(Mutant::CursorBeforeCopy) {
            self.publish_cursor(sequence);
        }
        let Some(taken) = self.copy_whole(sequence, stamp, (lines, leased), into)? else {
            // Overwritten nevertheless: this member was cut off, or the publisher has broken the limit.
            let found = self.slots.stamp(sequence);
            return Err(found.violation(sequence).into());
        };
        self.next = sequence + 1;
        self.publish_cursor(sequence);
        Ok(Some(taken))
    }

    /// The next sample that is still there.
    #[inline]
    fn take_dropping(&mut self, into: &mut [u64]) -> Result<Option<Taken>, TakeError> {
        let layout = self.slots.layout();
        let slots = layout.slots().get();
        let (mut looks, mut margin, mut retired) = (0, 0, 0);
        while looks < LOOKS_MAX && retired <= slots {
            if self.depth < slots {
                self.keep_depth()?;
            }
            let stamp = self.slots.stamp_acquired(self.next);
            match stamp.judge(self.next, layout)? {
                Meaning::Here { lines, leased } => {
                    if let Some(taken) = self.copy_whole(self.next, stamp, (lines, leased), into)? {
                        self.next += 1;
                        let missed = core::mem::take(&mut self.pending);
                        return Ok(Some(Taken { missed, ..taken }));
                    }
                }
                Meaning::Empty => return Ok(None),
                Meaning::Retired => {
                    self.pass_to(self.next + 1);
                    retired += 1;
                }
                Meaning::Overwritten { by } => {
                    self.pass_overwritten_slow(by, margin)?;
                    margin = 2 * margin + 1;
                    looks += 1;
                }
            }
        }
        Ok(None)
    }

    /// The newest sample that is there, however far this end has taken; `None` when there is none. Takes nothing: the cursor stays
    /// where it is, and the sample says of no gap. The same sample may come again.
    ///
    /// Cost: the publisher's lines, and for a lease a claim with a full fence. Afterwards look at
    /// [`publisher_wants_by_now`](Self::publisher_wants_by_now), as after a batch.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn latest(&mut self, into: &mut [u64]) -> Result<Option<Taken>, TakeError> {
        for _ in 0..LOOKS_MAX {
            let newest = self.newest()?;
            if newest == 0 {
                return Ok(None);
            }
            let stamp = self.slots.stamp_acquired(newest);
            match stamp.judge(newest, self.slots.layout())? {
                Meaning::Here { lines, leased } => {
                    let taken = self.copy_whole(newest, stamp, (lines, leased), into)?;
                    if taken.is_some() {
                        return Ok(taken);
                    }
                }
                Meaning::Retired => return Ok(None),
                Meaning::Empty | Meaning::Overwritten { .. } => {}
            }
        }
        Ok(None)
    }

    /// The newest sequence that was published, though its sample may be gone; 0 for none.
    ///
    /// Cost: the publisher's `tail`, and two slots.
    ///
    /// # Errors
    ///
    /// What the publisher says cannot be.
    pub fn newest(&mut self) -> Result<u64, Violation> {
        // Acquire tail: pairs with the store in `PublishEnd::publish`.
        let (found, floor) = (
            self.tail.get().load_acquire(|line| &line.tail),
            self.tail_seen,
        );
        let wrong = Violation::Newest { found, floor };
        if found < floor || found > SEQUENCE_MAX {
            return Err(wrong);
        }
        if found > 0 {
            // Relaxed: stored before the tail that was acquired, and in-order.
            let stamp = self.slots.stamp(found);
            if stamp.sequence() < found || stamp == Stamp::writing(found) {
                return Err(wrong);
            }
        }
        self.tail_seen = found;
        let mut newest = found;
        // The publisher stores the tail behind the stamp, and may have died between the two.
        for _ in 0..self.slots.layout().slots().get() {
            let stamp = self.slots.stamp_acquired(newest + 1);
            if stamp.sequence() != newest + 1 || !stamp.is_published() {
                break;
            }
            newest += 1;
        }
        Ok(newest)
    }

    /// Drops what is older than the newest `depth`, of which there are fewer than slots.
    #[inline]
    fn keep_depth(&mut self) -> Result<(), Violation> {
        let ahead = self.next + self.depth;
        // Relaxed: `newest` looks again. It is a line that this side has read a lap ago, unless more than `depth` wait.
        let stamp = self.slots.stamp(ahead);
        let waits = stamp.sequence() > ahead || stamp.sequence() == ahead && stamp.is_published();
        if waits {
            self.drop_beyond_depth_slow()?;
        }
        Ok(())
    }

    #[cold]
    fn drop_beyond_depth_slow(&mut self) -> Result<(), Violation> {
        let newest = self.newest()?;
        self.pass_to((newest + 1).saturating_sub(self.depth));
        Ok(())
    }

    /// Goes on behind what was overwritten by the sample `by`: with the newest `depth`, but for so many of the oldest, which are
    /// about to be overwritten, too.
    #[cold]
    fn pass_overwritten_slow(&mut self, by: u64, margin: u64) -> Result<(), Violation> {
        let newest = self.newest()?;
        let kept = (newest + 1).saturating_sub(self.depth) + margin;
        // All up to `by - slots` are gone.
        let there = by - self.slots.layout().slots().get() + 1;
        self.pass_to(kept.min(newest).max(there));
        Ok(())
    }

    /// Copies the sample of `sequence`, whose stamp is `stamp`, and claims it if it is a lease; `None` when it goes meanwhile.
    // Always: it has two callers, and a call that hands back its result through memory costs 10 ns a sample.
    #[inline(always)]
    fn copy_whole(
        &mut self,
        sequence: u64,
        stamp: Stamp,
        (lines, leased): (u8, bool),
        into: &mut [u64],
    ) -> Result<Option<Taken>, TakeError> {
        let place = self.place_for(leased)?;
        let words = self.slots.copy(sequence, lines, into);
        if mutant::under(Mutant::CursorBeforeClaim) && self.waits {
            self.publish_cursor(sequence);
        }
        let claim = place.map(|place| self.claims.claim(place, sequence));
        if claim.is_some() {
            // SeqCst claim: the claim before the second load of the stamp; pairs with the fence in `PublishEnd::reclaim`,
            // between the store of the next stamp and the load of the claim. Ruled out: 'not overwritten here, not claimed
            // there'. It is overwritten's fence, too.
            dekker_fence(Mutant::NoFenceAfterClaim);
        } else if !mutant::under(Mutant::NoFenceAfterCopy) {
            // Acquire overwritten: pairs with the fence in `OwnSlots::write`. If a word above is the next sample's, the load
            // below sees its *writing* stamp, or a later one.
            fence(Acquire);
        }
        step!("subscribe-looks-again");
        if self.slots.stamp(sequence) == stamp || mutant::under(Mutant::NoSecondStamp) {
            return Ok(Some(Taken {
                sequence,
                missed: 0,
                words,
                claim,
            }));
        }
        if let Some(claim) = claim {
            // The publisher may have seen it; the caller looks at `wants` after its batch.
            self.claims.clear(claim);
        }
        Ok(None)
    }

    /// A free claim, if the sample is a lease.
    #[inline]
    fn place_for(&mut self, leased: bool) -> Result<Option<u16>, TakeError> {
        if !leased {
            return Ok(None);
        }
        let claims = self.claims.capacity();
        let place = self.claims.find_free(self.place);
        let place = place.ok_or(TakeError::Hoarding { claims })?;
        self.place = place + 1;
        Ok(Some(place))
    }

    /// Goes on with `next`, unless this end is there already.
    fn pass_to(&mut self, next: u64) {
        let gap = next.saturating_sub(self.next);
        self.next += gap;
        self.pending += gap;
        self.missed += gap;
    }
}
