//! Waiting for room in a lane, and for blocks: who waits asks, and the driver looks.

use std::sync::Arc;

use ringway_shm::broadcast::PublishEnd;
use ringway_shm::sync::Ordering::AcqRel;

use super::{Owed, PublisherEnd, To};
use crate::driver::Job;
use crate::inbox::lane::Patience;

/// What the driver's look for room found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomLook {
    Nothing,
    /// All who wait were woken.
    Over,
}

/// Looks at room that does not grow any more until who waits for it is woken.
const STEADY: u32 = 16;
/// The driver's passes for one look, at most: each look takes a line from who writes it with each sample.
const PASSES_PER_LOOK: u64 = 8;

/// Whether room is worth waking for: as long as it grows, who waits is woken for many samples rather than for each.
#[derive(Debug, Default)]
pub(super) struct Growth {
    room: u64,
    /// Looks since it grew.
    looks: u32,
    /// Passes since the last look.
    passes: u64,
}

impl Growth {
    /// The driver's next pass: whether there is enough room. Looks now and then, and at the reader that had least alone, until that
    /// has made enough; in a short lane at once, as there is little to do meanwhile.
    fn look<B>(&mut self, lane: &mut PublishEnd<B>) -> bool {
        let slots = lane.layout().slots().get();
        self.passes += 1;
        if self.passes < PASSES_PER_LOOK.min(slots / 16) {
            return false;
        }
        self.passes = 0;
        let most = lane.room_at_most();
        let room = match most >= slots / 2 || self.looks >= STEADY {
            true => lane.room(),
            false => most,
        };
        self.is_enough(room, slots)
    }

    /// A look found so much room, of `slots`.
    fn is_enough(&mut self, room: u64, slots: u64) -> bool {
        self.looks = match room == self.room {
            true => self.looks + 1,
            false => 0,
        };
        self.room = room;
        let is_enough = room > 0 && (room >= slots / 2 || self.looks >= STEADY);
        if is_enough {
            *self = Self::default();
        }
        is_enough
    }
}

impl PublisherEnd {
    /// Has the driver look for what readers take and give back, and readers of this node ring. Look once more afterwards.
    ///
    /// Readers of other nodes are asked by the driver, when it sleeps: until then it looks at their cursors itself.
    pub(in crate::topics) fn wait_for_room(self: &Arc<Self>) {
        let mut sending = self.sending();
        let has_own = sending
            .readers
            .iter()
            .any(|it| matches!(it.to, To::Here(_)));
        if let Some(lane) = sending.lane.as_mut().filter(|_| has_own) {
            lane.ask_for_room();
        }
        drop(sending);
        // AcqRel room-watched: pairs with the store in `stop_watching`.
        if !self.is_watched.swap(true, AcqRel)
            && let Some(shared) = self.shared.upgrade()
        {
            let job = Job::Outlet(Arc::clone(self));
            shared.jobs.rouse(job, &shared.queue);
        }
    }

    /// The driver has said that it sleeps: who takes or gives back something from now on rings. The driver makes a barrier before it
    /// looks.
    pub(crate) fn ask(&self) {
        if let Some(lane) = &mut self.sending().lane {
            lane.ask_before_barrier();
        }
    }

    /// The driver's look for room and blocks; a patient one, if it is awake still, waits for room to grow.
    pub(crate) fn check_room(&self, patience: Patience) -> RoomLook {
        let mut owed = Owed::default();
        let mut guard = self.sending();
        let sending = &mut *guard;
        let (has_room, has_freed) = match &mut sending.lane {
            Some(lane) if !sending.is_over => {
                let has_room = match patience {
                    Patience::Some => sending.growth.look(lane),
                    Patience::None => lane.room() > 0,
                };
                // What nobody waits for is found by who needs it.
                let has_freed =
                    self.blocks.has_waiters() && lane.retired() > 0 && sending.reclaim(&mut owed);
                (has_room, has_freed)
            }
            _ => (true, true),
        };
        let is_over =
            (has_room || !self.room.has_waiters()) && (has_freed || !self.blocks.has_waiters());
        if is_over {
            // AcqRel room-watched: pairs with the swap in `wait_for_room`. Before the wakes: who is woken may wait again.
            self.is_watched.swap(false, AcqRel);
            if let Some(lane) = &mut sending.lane {
                lane.stop_asking();
            }
        }
        sending.blame(&mut owed);
        drop(guard);
        owed.pay();
        // One who began to wait after the look at the waiters above may have found the driver watching still: it asks again.
        if has_room || is_over {
            self.room.wake_all();
        }
        if has_freed || is_over {
            self.blocks.wake_all();
        }
        match is_over {
            true => RoomLook::Over,
            false => RoomLook::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Half of the slots are enough at once; less is when it has not grown for a while, even by one.
    #[test]
    fn room_is_enough_when_it_is_half_or_does_not_grow() {
        let mut growth = Growth::default();
        assert!(growth.is_enough(4, 8) && growth.is_enough(8, 8));
        assert!((0..100).all(|_| !growth.is_enough(0, 8)));
        for room in 1..4 {
            assert!((0..STEADY).all(|_| !growth.is_enough(room, 8)), "{room}");
        }
        assert!(growth.is_enough(3, 8));
        assert!((0..STEADY).all(|_| !growth.is_enough(3, 8)) && growth.is_enough(3, 8));
        // A lane of one slot has no half.
        assert!(growth.is_enough(1, 1));
    }
}
