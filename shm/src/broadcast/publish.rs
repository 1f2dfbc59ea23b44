//! A lane's writing end.

use core::fmt;
use std::boxed::Box;
use std::collections::VecDeque;
use std::vec::Vec;

use thiserror::Error;

use super::members::{Members, Place};
use super::slots::OwnSlots;
use super::{LaneLine, MemberId, MemberState, Policy, TailLine, own_part, sign};
use crate::error::Violation;
use crate::layout::{BroadcastLayout, CursorLayout};
use crate::mutant::{Mutant, release_unless};
use crate::region::{DefaultKeep, Keep, OwnRecord, OwnRegion, PeerRegion};
use crate::step;
use crate::sync::Ordering::Relaxed;
use crate::sync::dekker_fence;

/// Publishes samples. For each that is leased it keeps a `B`, such as the block of its payload, until nobody can read it any
/// more. See [`broadcast`](super).
pub struct PublishEnd<B, K = DefaultKeep> {
    pub(super) slots: OwnSlots<K>,
    line: OwnRecord<LaneLine, K>,
    tail_line: OwnRecord<TailLine, K>,
    layout: BroadcastLayout,
    pub(super) members: Members<K>,
    pub(super) tail: u64,                   // the last sequence published
    pub(super) given_up: u64,               // the last sequence that was retired early
    pub(super) blocks: Box<[Option<B>]>,    // by slot: what its sample leases
    pub(super) leased: usize,               // how many of these there are
    pub(super) retired: VecDeque<(u64, B)>, // overwritten, in order, and perhaps read still
    pub(super) claimed: Vec<u64>,           // what the last scan found; kept for its memory
    asked: u64,                             // the last `wants` epoch
    is_asking: bool,                        // it stands there
    closed: bool,
}

/// A member, and from where on it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its name in this lane.
    pub member: MemberId,
    /// The sequence behind which it begins: the newest, or with history one so much older.
    pub after: u64,
}

/// Why a sample was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// A member that is waited for has no room for it. May be untrue a moment later.
    #[error("a subscriber that is waited for has not taken what was published before")]
    Full,
    /// This end was closed.
    #[error("the lane is closed")]
    Closed,
}

/// A sample that was not published: the words were only borrowed, and this is the rest of it.
#[derive(Error)]
#[error("not published")]
pub struct Unpublished<B> {
    /// What was to be kept for it.
    pub block: Option<B>,
    /// Why not.
    #[source]
    pub reason: Refused,
}

impl<B> fmt::Debug for Unpublished<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leased = self.block.is_some();
        write!(f, "Unpublished({:?}, leased: {leased})", self.reason)
    }
}

impl<B, K: Keep> PublishEnd<B, K> {
    /// Writes an empty lane into `own`, of [`BroadcastLayout::publisher_len`].
    ///
    /// The place was never used, or all members of its last use have left or are dead.
    ///
    /// # Panics
    ///
    /// When `own` is too small or does not start on a cache line.
    #[must_use]
    pub fn create(own: &OwnRegion<K>, layout: BroadcastLayout) -> Self {
        assert!(
            own.len() >= layout.publisher_len(),
            "own part is smaller than its layout"
        );
        let line: OwnRecord<LaneLine, K> = own_part(own.hold(BroadcastLayout::LINE_AT));
        let tail_line: OwnRecord<TailLine, K> = own_part(own.hold(BroadcastLayout::TAIL_AT));
        let lines = own_part(own.hold_all(BroadcastLayout::SLOTS_AT, layout.slot_lines()));
        let slots = OwnSlots::new(lines, layout);
        // Relaxed: subscribers learn of this place later, over a socket.
        line.wants.store(0, Relaxed);
        line.closed.store(0, Relaxed);
        line.makes_barriers.store(0, Relaxed);
        tail_line.tail.store(0, Relaxed);
        sign(&line.magic, &line.sizes, layout.to_bits());
        Self {
            slots,
            line,
            tail_line,
            layout,
            members: Members::new(),
            tail: 0,
            given_up: 0,
            blocks: (0..layout.slots().get()).map(|_| None).collect(),
            leased: 0,
            retired: VecDeque::new(),
            claimed: Vec::new(),
            asked: 0,
            is_asking: false,
            closed: false,
        }
    }

    /// Says that this side asks by [`ask_before_barrier`](Self::ask_before_barrier) whenever it sleeps, so that subscribers which
    /// the barrier reaches need no fence for each sample. Before anybody joins.
    pub fn promise_barriers(&mut self) {
        // Relaxed: subscribers learn of this place later, over a socket.
        self.line.makes_barriers.store(1, Relaxed);
    }

    /// Has members' barriers stand for a fence with each burst, as far as they make them. They must reach this process:
    /// `sys::membarrier::is_reached` says so.
    pub fn rely_on_barriers(&mut self) {
        self.members.rely_on_barriers();
    }

    /// Adds a subscriber, whose part is `peer`, and says from where on it takes: behind the newest sample, or with `history` so
    /// many earlier, as far as they are there. It must not take before it has been told.
    ///
    /// # Errors
    ///
    /// The subscriber's part is too small, misaligned, or says that it is something else.
    pub fn join(
        &mut self,
        peer: &PeerRegion<K>,
        layout: CursorLayout,
        policy: Policy,
        history: u64,
    ) -> Result<Joined, Violation> {
        let gone = self.gone();
        let after = self.tail.saturating_sub(history).max(gone);
        let place = Place {
            policy,
            slots: self.layout.slots(),
            after,
            gone,
        };
        let member = self.members.join(peer, layout, place)?;
        Ok(Joined { member, after })
    }

    /// Forgets a member: it has said that it takes no more and holds no lease, or it is dead. Returns whether there was one.
    ///
    /// Its claims count no more. A member that reads a block after this may find it written again.
    pub fn leave(&mut self, member: MemberId) -> bool {
        self.members.leave(member)
    }

    /// Waits for a member no more: it takes nothing, or is not heard of. Its claims count until it [leaves](Self::leave); if it
    /// takes still, it finds that it was cut off.
    pub fn disregard(&mut self, member: MemberId) {
        self.members.disregard(member);
    }

    /// Names a member no more, which looks for the [latest](super::SubscribeEnd::latest) sample alone, when it likes: it costs
    /// publishing nothing then.
    pub fn overlook(&mut self, member: MemberId) {
        self.members.overlook(member);
    }

    /// Publishes a sample and returns its sequence. With a `block` it is leased: its words tell where that is. Once this returns
    /// `Ok` it is delivered even if this process dies; to make sure that subscribers look, go on with
    /// [`idle_members`](Self::idle_members), once per burst.
    ///
    /// Cost: two Release stores and a few Relaxed ones, whoever subscribes; cursors are read only when the slots look full.
    ///
    /// # Errors
    ///
    /// [`Full`](Refused::Full), or [`Closed`](Refused::Closed) by this end.
    ///
    /// # Panics
    ///
    /// When there are more words than a slot has.
    #[inline]
    pub fn publish(&mut self, words: &[u64], block: Option<B>) -> Result<u64, Unpublished<B>> {
        assert!(
            words.len() <= self.layout.words(),
            "more words than a slot has"
        );
        let sequence = self.tail + 1;
        if (sequence > self.members.limit() || self.closed)
            && let Err(reason) = self.look_for_room_slow(sequence)
        {
            return Err(Unpublished { block, reason });
        }
        let leased = block.is_some();
        if leased || self.leased > 0 {
            self.keep(sequence, block);
        }
        self.slots.write(sequence, words, leased);
        self.tail = sequence;
        // Release tail: pairs with the load in `SubscribeEnd::newest`.
        self.tail_line
            .tail
            .store(sequence, release_unless(Mutant::TailRelaxed));
        step!("publish-tail");
        Ok(sequence)
    }

    #[cold]
    fn look_for_room_slow(&mut self, sequence: u64) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        self.members.look(self.tail);
        if sequence > self.members.limit() {
            return Err(Refused::Full);
        }
        Ok(())
    }

    /// Puts what the sample of `sequence` leases in its slot's place; what stood there waits for its readers.
    fn keep(&mut self, sequence: u64, block: Option<B>) {
        let leased = block.is_some();
        let slots = self.layout.slots();
        let place = &mut self.blocks[slots.slot_index(sequence)];
        if let Some(overwritten) = core::mem::replace(place, block) {
            self.retired
                .push_back((sequence - slots.get(), overwritten));
            self.leased -= 1;
        }
        self.leased += usize::from(leased);
    }

    /// Samples that fit now; at least as many fit later, unless someone joins. Reads the cursors.
    pub fn room(&mut self) -> u64 {
        self.members.look(self.tail);
        self.members.limit().saturating_sub(self.tail)
    }

    /// At least as many as [`room`](Self::room), as far as the one member goes that had least when it was last looked at: a look
    /// at one cursor.
    #[must_use]
    pub fn room_at_most(&self) -> u64 {
        self.members.limit_at_most().saturating_sub(self.tail)
    }

    /// The member that has least room, as last seen; `None` when none is waited for.
    #[must_use]
    pub fn slowest(&self) -> Option<MemberId> {
        self.members.slowest()
    }

    /// After publishing: calls `found` with each member that does not watch this lane, and the epoch since which it does not,
    /// unless it was named in that epoch before. Who is named is owed a note, and perhaps a ring.
    ///
    /// Cost: for each member a load of a line that seldom changes; a full fence, unless all of them make a
    /// [barrier](Self::rely_on_barriers) when they go idle.
    #[inline]
    pub fn idle_members(&mut self, found: impl FnMut(MemberId, u64)) {
        self.members.idle(found);
    }

    /// Says that this side waits for room or blocks, and returns the wait's number. Then look once more for what is wanted
    /// ([`room`](Self::room), [`reclaim`](Self::reclaim)), and sleep only if there is none. Each subscriber answers each number
    /// once, to whatever it takes or releases next, which need not be enough: so arm this node's bell *before*, as an answer that
    /// does not ring is spent; and who was woken, looked and still has too little asks anew.
    ///
    /// Cost: a store and a full fence.
    pub fn ask_for_room(&mut self) -> u64 {
        let asked = self.ask_before_barrier();
        // SeqCst room, and blocks: `wants` before the caller's look at cursors or claims; pairs with the fences in
        // `SubscribeEnd::publisher_wants_by_now`, `SubscribeEnd::go_idle` and `Claims::clear`, between their store and the load
        // of `wants`. What is stored before this, `asleep` above all, is seen by whoever sees the number and fences then.
        dekker_fence(Mutant::NoFenceAfterWants);
        asked
    }

    /// The same without the fence: between this and the look the caller makes a barrier in all processes
    /// (`sys::membarrier::barrier`), one for any number of lanes. If that fails it must not sleep, but look again and again: those
    /// who rely on it need not have seen the number.
    ///
    /// Cost: a store.
    pub fn ask_before_barrier(&mut self) -> u64 {
        self.asked += 1;
        self.is_asking = true;
        // Relaxed: the fence, or the barrier, orders it.
        self.line.wants.store(self.asked, Relaxed);
        self.asked
    }

    /// Says that this side waits for nothing.
    pub fn stop_asking(&mut self) {
        // Not again: subscribers read that line with each sample.
        if core::mem::take(&mut self.is_asking) {
            // Relaxed: a subscriber that still sees the old number rings once in vain.
            self.line.wants.store(0, Relaxed);
        }
    }

    /// A member that was found to lie, once each. It is not waited for any more, but its claims count until it
    /// [leaves](Self::leave): it may read still.
    pub fn next_blame(&mut self) -> Option<(MemberId, Violation)> {
        self.members.next_blame()
    }

    /// Says that no sample follows. As after a sample, go on with [`idle_members`](Self::idle_members).
    pub fn close(&mut self) {
        self.closed = true;
        // Release closed: pairs with the load in `SubscribeEnd::publisher_closed`.
        self.line
            .closed
            .store(1, release_unless(Mutant::ClosedRelaxed));
    }

    /// The last sequence published; 0 for none.
    #[inline]
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// The last sequence whose sample is gone; those behind it are there for [`join`](Self::join) to begin with.
    #[must_use]
    pub fn gone(&self) -> u64 {
        let overwritten = self.tail.saturating_sub(self.layout.slots().get());
        overwritten.max(self.given_up)
    }

    /// What this lane is.
    #[must_use]
    pub fn layout(&self) -> BroadcastLayout {
        self.layout
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = MemberId> {
        self.members.ids()
    }

    /// What is to be seen of a member; `None` when it has left.
    #[must_use]
    pub fn member(&self, member: MemberId) -> Option<MemberState> {
        self.members.state(member)
    }
}

impl<B, K: Keep> fmt::Debug for PublishEnd<B, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishEnd")
            .field("layout", &self.layout)
            .field("tail", &self.tail)
            .field("leased", &self.leased)
            .field("retired", &self.retired.len())
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}
