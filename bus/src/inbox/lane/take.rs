//! Taking entries, by the lane's owner: one when its handler is about to begin, and the word that it has ended.
//!
//! # Invariants
//! - **taken-means-begun**: an entry is taken only by the owner, when its handler is about to begin.

use std::sync::Arc;

use ringway_shm::brief::Guard;
use ringway_shm::generation::Key;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::uring::{Aside, OpWord, TakeEnd};

use super::InboxLane;
use super::watch::{AWAY, HOT, SCHEDULED};
use crate::entry::EntryToken;
use crate::exit::ExitReason;
use crate::message::TypeId;
use crate::token::Long;

/// An entry that was taken: its handler begins now.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) token: EntryToken,
    /// What of its payload was in the slots behind it.
    pub(crate) long: Option<Long>,
    /// The sender did not want it any more when it was taken.
    pub(crate) is_cancelled: bool,
}

/// What the owner got of a lane.
pub(in crate::inbox) enum Took {
    Entry,
    /// It is empty, and the driver watches it again.
    Nothing,
    /// It has come to its end.
    Last,
}

/// Which try to take an entry it is, of a lane that may be at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    First,
    Second,
}

pub(super) struct Taking {
    pub(super) end: TakeEnd,
    /// Entries taken since it was looked whether the submitter waits for room.
    pub(super) since_room_check: u32,
    /// It is among the lanes that are looked at before this node sleeps.
    pub(super) is_listed: bool,
    /// Slots of the entry taken last.
    pub(super) slots: u64,
    /// The submitter will send nothing more: it closed the lane, or is dead.
    pub(super) is_ending: bool,
    /// The head is final: the submitter was told so, or is about to be.
    pub(super) is_closed: bool,
    /// The handler of the entry taken last did not come to its end.
    pub(super) is_abandoned: bool,
}

impl Taking {
    /// The handler of the entry taken last has ended.
    pub(super) fn finish(&mut self) {
        self.end.finish(self.slots);
    }

    /// Whether the lane's end is to wait for what is put aside: its sender is told of the end as of that of all.
    #[cold]
    pub(super) fn waits_for_aside(&self, lane: &InboxLane) -> bool {
        self.end.has_aside() && !lane.peer.is_dead()
    }

    /// Looks at the op word of an entry just taken.
    pub(super) fn is_cancelled(&self, user_data: u64) -> bool {
        let op = Key::from_bits(user_data);
        op.is_some_and(|op| self.end.op_word(op).is_ok_and(OpWord::is_cancelled))
    }

    /// Looks whether the submitter waits for room and has not been told for this wait.
    pub(super) fn submitter_waits(&mut self) -> bool {
        self.since_room_check = 0;
        self.end.submitter_wants().is_some()
    }
}

impl InboxLane {
    #[inline]
    pub(super) fn taking(&self) -> Guard<'_, Taking> {
        self.taking.lock()
    }

    /// Whether the oldest entry is to be dropped: the owner's policy says so, and more wait than are kept.
    pub(in crate::inbox) fn overflows(&self) -> bool {
        self.keeps
            .is_some_and(|keeps| self.taking().end.has_more_than(keeps))
    }

    /// Takes an entry for the owner, after it has said whether the handler of the one before has ended. Of an empty lane the
    /// driver has the watch again.
    ///
    /// A closed lane gives none: its node may close it, by leaving, before its owner stops.
    pub(in crate::inbox) fn take(self: &Arc<Self>, has_ended: bool, taken: &mut Taken) -> Took {
        let mut taking = self.taking();
        if has_ended {
            taking.finish();
        }
        self.take_next(taking, taken, Try::First)
    }

    #[inline]
    fn take_next(
        self: &Arc<Self>,
        mut taking: Guard<'_, Taking>,
        taken: &mut Taken,
        which: Try,
    ) -> Took {
        if taking.is_closed {
            return Took::Last;
        }
        let words = taken.token.words_mut();
        match taking
            .end
            .take_long_into(words, |rest| Long::of_slots(rest))
        {
            Ok(Some(entry)) => {
                taken.is_cancelled = taking.is_cancelled(words[0]);
                taken.long = entry.rest;
                taking.slots = entry.slots;
                taking.since_room_check += 1;
                let looks = taking.since_room_check >= self.room_check_every;
                let rings = looks && taking.submitter_waits();
                // Without a fence that look may have missed a wait that began just now: what was taken last stays to be offered.
                taking.since_room_check = taking.since_room_check.max(1);
                let is_listed = std::mem::replace(&mut taking.is_listed, true);
                drop(taking);
                if rings {
                    self.peer.ring_bell();
                }
                if !is_listed {
                    self.list();
                }
                Took::Entry
            }
            Ok(None) => self.drained(taking, taken, which),
            Err(violation) => {
                drop(taking);
                self.peer.violation(violation);
                self.close(&ExitReason::ProtocolViolation);
                Took::Last
            }
        }
    }

    /// Has the room that was made offered before this node sleeps.
    #[cold]
    fn list(self: &Arc<Self>) {
        if let Some(shared) = self.shared() {
            shared.offers.add(self);
        }
    }

    /// Tells the submitter that there is room, if it waits for any: this node is about to sleep.
    pub(in crate::inbox) fn offer_room(&self) {
        let mut taking = self.taking();
        taking.is_listed = false;
        let has_room = std::mem::take(&mut taking.since_room_check) > 0;
        let rings = has_room && taking.end.submitter_wants_by_now().is_some();
        drop(taking);
        if rings {
            self.peer.ring_bell();
        }
    }

    /// The owner found the lane empty.
    fn drained(
        self: &Arc<Self>,
        mut taking: Guard<'_, Taking>,
        taken: &mut Taken,
        which: Try,
    ) -> Took {
        // Without a fence: a wait that began just now may be missed. From here on the lane is watched, and `cool` looks again after its
        // fence, which follows our store of the head by this very lock. Until then who waits is awake: it looks at the head for a
        // whole spin, long after our store has left this processor, before it sleeps, and once more after a fence of its own.
        let rings = taking.submitter_waits();
        if taking.is_ending || taking.end.submitter_closed() {
            // Only now is it known that nothing follows: what came between the owner's look and the end is still there, and
            // the second try takes it. Who has a stamp come and go between two looks gets no third.
            if which == Try::First && taking.end.peek() {
                return self.take_next(taking, taken, Try::Second);
            }
            if !taking.waits_for_aside(self) {
                drop(taking);
                self.close(&ExitReason::Normal);
                return Took::Last;
            }
            // Its owner lets go of it when the last has been handled: see `take_up`.
            taking.is_ending = true;
            self.ends.store(false, Relaxed); // Relaxed: as in `end`.
        }
        drop(taking);
        if rings {
            self.peer.ring_bell();
        }
        // In the driver's list it is seen, at the latest when the driver cools it.
        if !self.change(SCHEDULED, HOT)
            && self.change(AWAY, HOT)
            && let Some(shared) = self.shared()
        {
            shared.watch(Arc::clone(self));
        }
        Took::Nothing
    }

    /// Says that the handler of the entry taken last has ended.
    pub(crate) fn finish(&self) {
        self.taking().finish();
    }

    /// Says that the handler of the entry taken last will not come to its end.
    #[cold]
    pub(in crate::inbox) fn abandon(&self) {
        self.taking().is_abandoned = true;
    }

    /// Behind the last entry that has come.
    pub(in crate::inbox) fn filled(&self) -> u64 {
        let taking = self.taking();
        let waiting = (0..).take_while(|count| taking.end.has_more_than(*count));
        taking.end.taken() + waiting.count() as u64
    }

    /// Whether all entries before this position have been taken.
    pub(in crate::inbox) fn has_taken(&self, position: u64) -> bool {
        self.taking().end.taken() >= position
    }

    /// Says that the entry taken last, which has no op, is put aside: its end is still to come.
    #[cold]
    pub(in crate::inbox) fn put_aside(&self, type_id: TypeId) -> Aside {
        let mut taking = self.taking();
        let position = taking.end.taken() - taking.slots;
        taking.end.put_aside(position, type_id.to_bits())
    }

    /// What was put aside has been handled. Of a lane that waits for that alone the owner lets go.
    #[cold]
    pub(in crate::inbox) fn take_up(self: &Arc<Self>, aside: Aside) {
        let mut taking = self.taking();
        taking.end.take_up(aside);
        let is_over = taking.is_ending && !taking.is_closed && !taking.end.has_aside();
        drop(taking);
        if is_over {
            self.end();
        }
    }

    #[cfg(test)]
    pub(crate) fn has_aside(&self) -> bool {
        self.taking().end.has_aside()
    }

    /// Slots taken, and slots of entries whose handlers have ended.
    #[cfg(test)]
    pub(crate) fn heads(&self) -> (u64, u64) {
        let taking = self.taking();
        (taking.end.taken(), taking.end.done())
    }
}
