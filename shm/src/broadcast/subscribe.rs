//! A lane's reading end: one for each subscriber.

use super::slots::PeerSlots;
use super::stamp::SEQUENCE_MAX;
use super::{
    BroadcastPeek, Claims, CursorLine, LaneLine, Policy, TailLine, TakenLine, check, own_part, sign,
};
use crate::error::Violation;
use crate::layout::{BroadcastLayout, CursorLayout};
use crate::mutant::{Mutant, release_unless};
use crate::region::{DefaultKeep, Keep, OwnRecord, OwnRegion, PeerRecord, PeerRegion};
use crate::step;
use crate::sync::Ordering::{Relaxed, Release};
use crate::sync::{AtomicU64, dekker_fence, light_fence};

/// A subscriber's part, made before it joins.
#[derive(Debug)]
pub struct Subscriber<K = DefaultKeep> {
    own: OwnRegion<K>,
    layout: CursorLayout,
}

impl<K: Keep> Subscriber<K> {
    /// Writes an empty part into `own`, of [`CursorLayout::subscriber_len`]: no sample taken, no lease.
    ///
    /// The place was never used, or the publisher of its last use has forgotten that member or is dead.
    ///
    /// # Panics
    ///
    /// When `own` is too small or does not start on a cache line.
    #[must_use]
    pub fn create(own: OwnRegion<K>, layout: CursorLayout) -> Self {
        assert!(
            own.len() >= layout.subscriber_len(),
            "own part is smaller than its layout"
        );
        let line: &CursorLine = own_part(own.record(CursorLayout::LINE_AT));
        let taken: &TakenLine = own_part(own.record(CursorLayout::TAKEN_AT));
        let claims: &[AtomicU64] =
            own_part(own.records(CursorLayout::CLAIMS_AT, layout.claims().into()));
        // Relaxed throughout: the publisher learns of this place later, over a socket.
        for claim in claims {
            claim.store(0, Relaxed);
        }
        taken.taken.store(0, Relaxed);
        taken.answered.store(0, Relaxed);
        line.idle.store(0, Relaxed);
        line.closed.store(0, Relaxed);
        line.makes_barriers.store(0, Relaxed);
        sign(&line.magic, &line.sizes, layout.to_bits());
        Self { own, layout }
    }

    /// Says that this side goes idle by [`go_idle_before_barrier`](SubscribeEnd::go_idle_before_barrier) alone, so that a publisher
    /// which the barrier reaches needs no fence for each burst. Before it joins.
    pub fn promise_barriers(&self) {
        let line: &CursorLine = own_part(self.own.record(CursorLayout::LINE_AT));
        // Relaxed: the publisher learns of this place later, over a socket.
        line.makes_barriers.store(1, Relaxed);
    }

    /// Opens the reading end: behind the sequence `after`, which the publisher's answer to the join said.
    ///
    /// # Errors
    ///
    /// The publisher's part is too small, misaligned, or says that it is something else; or `after` is no sequence.
    pub fn open(
        self,
        peer: &PeerRegion<K>,
        layout: BroadcastLayout,
        policy: Policy,
        after: u64,
    ) -> Result<SubscribeEnd<K>, Violation> {
        let misplaced = Violation::Place {
            name: "a broadcast lane",
            needed: layout.publisher_len(),
            len: peer.len(),
        };
        let lane: PeerRecord<LaneLine, K> = peer.hold(BroadcastLayout::LINE_AT).ok_or(misplaced)?;
        let tail = peer.hold(BroadcastLayout::TAIL_AT).ok_or(misplaced)?;
        let lines = peer.hold_all(BroadcastLayout::SLOTS_AT, layout.slot_lines());
        let slots = PeerSlots::new(lines.ok_or(misplaced)?, layout);
        check(
            lane.get(),
            |line| &line.magic,
            |line| &line.sizes,
            layout.to_bits(),
        )?;
        if after >= SEQUENCE_MAX {
            return Err(Violation::Newest {
                found: after,
                floor: 0,
            });
        }
        let Self { own, layout: parts } = self;
        let cursor: OwnRecord<TakenLine, K> = own_part(own.hold(CursorLayout::TAKEN_AT));
        let words = own_part(own.hold_all(CursorLayout::CLAIMS_AT, parts.claims().into()));
        Ok(SubscribeEnd {
            waits: policy.waits(),
            depth: policy.depth_in(layout.slots()),
            claims: Claims::new(words, cursor.clone(), lane.clone()),
            own: own_part(own.hold(CursorLayout::LINE_AT)),
            slots,
            tail,
            lane,
            cursor,
            next: after + 1,
            tail_seen: after,
            pending: 0,
            missed: 0,
            place: 0,
            epoch: 0,
            is_idle: false,
            is_reached: false,
        })
    }
}

/// Takes samples, in order. See [`broadcast`](super).
#[derive(Debug)]
pub struct SubscribeEnd<K = DefaultKeep> {
    pub(super) slots: PeerSlots<K>,
    pub(super) tail: PeerRecord<TailLine, K>,
    lane: PeerRecord<LaneLine, K>,
    own: OwnRecord<CursorLine, K>,
    cursor: OwnRecord<TakenLine, K>,
    pub(super) claims: Claims<K>,
    pub(super) waits: bool,
    pub(super) depth: u64,     // at most the number of slots
    pub(super) next: u64,      // the sequence to be taken next
    pub(super) tail_seen: u64, // the publisher's tail, as last seen
    pub(super) pending: u64,   // samples passed over since the one taken last
    pub(super) missed: u64,    // samples passed over in all
    pub(super) place: u16,     // where to look for a free claim first
    epoch: u64,                // the last `idle` epoch
    is_idle: bool,
    is_reached: bool, // a barrier of the publisher's stands for the fence of each cursor
}

impl<K: Keep> SubscribeEnd<K> {
    /// Has the publisher's barriers stand for a fence with each sample, if it makes any. They must reach this process:
    /// `sys::membarrier::is_reached` says so.
    pub fn rely_on_barriers(&mut self) {
        // Relaxed: stored before the publisher answered.
        self.is_reached = self.lane.get().load(|line| &line.makes_barriers) != 0;
    }

    /// A way to [`peek`](Self::peek) for those who do not hold this end.
    #[must_use]
    pub fn peeker(&self) -> BroadcastPeek<K> {
        BroadcastPeek::new(self.slots.clone(), self.cursor.clone())
    }

    /// Whether [`take`](Self::take) has something to say: a sample, a gap, or a violation. `true` may turn out to be a gap with
    /// nothing behind it yet.
    ///
    /// Cost: a load of the line that the publisher writes next; no store.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> bool {
        // Relaxed: `take` looks again before it reads words.
        let stamp = self.slots.stamp(self.next);
        !stamp.is_empty(self.next, self.slots.layout())
    }

    /// The claims of this subscription, for those who hold its leases.
    #[must_use]
    pub fn claims(&self) -> Claims<K> {
        self.claims.clone()
    }

    /// The last sequence that was taken or passed over.
    #[inline]
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.next - 1
    }

    /// Samples that were passed over in all: of those published since it joined, up to [`taken`](Self::taken), the ones that it
    /// did not get.
    #[inline]
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Stops watching this lane, unless something came: returns whether it is idle now. Then the publisher names this member
    /// after its next sample. Look at [`publisher_wants`](Self::publisher_wants) and
    /// [`publisher_closed`](Self::publisher_closed) afterwards.
    ///
    /// Cost: a store, a full fence, and a look at the slot.
    #[must_use = "if it is not idle it must be looked at"]
    pub fn go_idle(&mut self) -> bool {
        self.go_idle_before_barrier();
        // SeqCst idle: `idle` before the look at the slot; pairs with the fence in `PublishEnd::idle_members`. It is also
        // room's: the cursor before the caller's load of `wants`; pairs with the fence in `PublishEnd::ask_for_room`.
        dekker_fence(Mutant::NoFenceAfterIdle);
        self.stays_idle()
    }

    /// The first half of [`go_idle`](Self::go_idle); then the caller makes a barrier in all processes
    /// (`sys::membarrier::barrier`), one for any number of lanes, and goes on with [`stays_idle`](Self::stays_idle). If that
    /// fails it must not sleep, but look again and again: a publisher that relies on it need not have seen the number.
    ///
    /// Cost: a store.
    pub fn go_idle_before_barrier(&mut self) {
        self.epoch += 1;
        self.is_idle = true;
        // Relaxed: the fence, or the barrier, orders it.
        self.own.idle.store(self.epoch, Relaxed);
    }

    /// The second half: whether nothing has come, and the lane is idle now.
    #[must_use = "if it is not idle it must be looked at"]
    pub fn stays_idle(&mut self) -> bool {
        if self.peek() {
            self.go_hot();
        }
        self.is_idle
    }

    /// Watches this lane again; nothing to do if it is watched.
    #[inline]
    pub fn go_hot(&mut self) {
        if self.is_idle {
            self.is_idle = false;
            // Relaxed: a publisher that still sees the old number names this member once in vain.
            self.own.idle.store(0, Relaxed);
        }
    }

    /// Whether the last [`go_idle`](Self::go_idle) holds.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// The number of a wait of the publisher for room or blocks, if no thread of this process has answered it yet: then see
    /// whether to ring its bell. To be called after a fence: [`go_idle`](Self::go_idle)'s.
    #[inline]
    #[must_use = "whoever is told a number owes a look at the bell"]
    pub fn publisher_wants(&self) -> Option<u64> {
        self.claims.publisher_wants()
    }

    /// The same after a batch: a wait that began before the last [`take`](Self::take) is found, or the publisher sees the room.
    ///
    /// Cost: a load of a line that seldom changes; for one that is waited for, and that the publisher's barriers do
    /// [not](Self::rely_on_barriers) reach, a full fence.
    #[inline]
    #[must_use = "whoever is told a number owes a look at the bell"]
    pub fn publisher_wants_by_now(&self) -> Option<u64> {
        // The cursor of one that drops the oldest makes no room, and who gives up a claim has made a fence.
        if self.waits {
            // Room: the cursor before the load of `wants`. Ruled out: 'no room there, not wanted here'.
            if self.is_reached {
                // SeqCst: pairs with the barrier behind `PublishEnd::ask_before_barrier`.
                light_fence(Mutant::NoFenceBeforeWants);
            } else {
                // SeqCst: pairs with the fence in `PublishEnd::ask_for_room`, or with that barrier.
                dekker_fence(Mutant::NoFenceBeforeWants);
            }
        }
        self.claims.publisher_wants()
    }

    /// Whether the publisher publishes no more. Then what [`take`](Self::take) finds after this call is the rest.
    #[must_use]
    pub fn publisher_closed(&self) -> bool {
        // Acquire closed: pairs with the store in `PublishEnd::close`.
        self.lane.get().load_acquire(|line| &line.closed) != 0
    }

    /// Ends the subscription: nothing more is taken, and the publisher does not wait for it any more. The leases that were taken
    /// go on, and the publisher must hear when the last is released, to forget this member.
    pub fn close(self) -> Claims<K> {
        // Release closed: pairs with the load in `Members::look`. The last claim and cursor come before it.
        self.own
            .closed
            .store(1, release_unless(Mutant::ClosedRelaxed));
        self.claims
    }

    /// Says how far this end has come.
    #[inline]
    pub(super) fn publish_cursor(&self, taken: u64) {
        // Release taken: pairs with the load in `Members::look`. The copies and the claim above come before it.
        self.cursor.taken.store(taken, Release);
        step!("subscribe-taken");
    }
}
