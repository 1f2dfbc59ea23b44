//! Waiting for room in a lane, and for blocks: who waits asks, and the driver looks.

use std::sync::Arc;

use ringway_shm::sync::Ordering::AcqRel;

use super::{Owed, PublisherEnd};
use crate::driver::Job;

/// What the driver's look for room found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomLook {
    Nothing,
    /// All who wait were woken.
    Over,
}

impl PublisherEnd {
    /// Has readers ring when they have taken or given back something, and the driver look for it. Look once more afterwards.
    pub(in crate::topics) fn wait_for_room(self: &Arc<Self>) {
        if let Some(lane) = &mut self.sending().lane {
            lane.ask_for_room();
        }
        // AcqRel room-watched: pairs with the store in `stop_watching`.
        if !self.is_watched.swap(true, AcqRel)
            && let Some(shared) = self.shared.upgrade()
        {
            let job = Job::Outlet(Arc::clone(self));
            shared.jobs.rouse(job, &shared.queue);
        }
    }

    /// The driver has said that it sleeps: who takes or gives back something from now on rings.
    pub(crate) fn ask(&self) {
        if let Some(lane) = &mut self.sending().lane {
            lane.ask_for_room();
        }
    }

    /// The driver's look for room and blocks.
    pub(crate) fn check_room(&self) -> RoomLook {
        let mut owed = Owed::default();
        let mut guard = self.sending();
        let sending = &mut *guard;
        let (has_room, has_freed) = match &mut sending.lane {
            Some(lane) if !sending.is_over => {
                let has_room = lane.room() > 0;
                let has_freed = lane.retired() > 0 && sending.reclaim(&mut owed);
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
