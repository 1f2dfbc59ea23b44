//! The lanes of high priority of an inbox: whose turn it is among them, and how their owner comes to them.
//!
//! A lane is watched by the driver as any other is. But the driver comes to it between the turns of actors only, each of which
//! may be many messages; so an owner that is busy looks at these lanes itself before each message, at a few of them, and schedules
//! what has something. One entry is taken of each in turn.

use ringway_shm::sync::AtomicU32;
use ringway_shm::sync::Ordering::Relaxed;

use super::lane::Took;
use super::serving::Serving;
use super::{Inbox, State};
use crate::mailbox::Overflow;
use crate::priority::Priority;

/// Lanes that a busy owner looks at before one message; of more than these, at some before each.
const LOOKS_MAX: usize = 4;

/// What spares an owner the lock: written under it.
#[derive(Debug, Default)]
pub(super) struct HighHint {
    /// Lanes of high priority that are open.
    open: AtomicU32,
    /// Those of them that are scheduled.
    ready: AtomicU32,
}

impl HighHint {
    pub(super) fn show(&self, state: &State) {
        // Relaxed: hints; who schedules a lane wakes the owner after that, and an owner looks under the lock before it waits.
        let count = |len| u32::try_from(len).unwrap_or(u32::MAX);
        self.open.store(count(state.lanes_high.len()), Relaxed);
        self.ready.store(count(state.ready_high.len()), Relaxed);
    }

    fn has_open(&self) -> bool {
        self.open.load(Relaxed) > 0
    }

    fn has_ready(&self) -> bool {
        self.ready.load(Relaxed) > 0
    }
}

impl Inbox {
    /// Takes the next entry of high priority into the owner's hands, as [`pop`](Self::pop) takes others.
    ///
    /// Cost: two loads while no such lane is open; else this inbox's lock.
    pub(crate) fn pop_high(&self, serving: &mut Serving) -> bool {
        if !self.high.has_open() && !serving.has_high() {
            return false;
        }
        self.look_at_high();
        loop {
            if self.high.has_ready() {
                self.next_high(serving);
            }
            let Some(lane) = serving.lane.as_ref().filter(|_| serving.has_high()) else {
                return false;
            };
            if self.overflow == Overflow::DropOldest {
                let lane = lane.clone();
                serving.finish();
                self.drop_oldest(&lane);
            }
            let Some(lane) = &serving.lane else {
                return false;
            };
            let has_ended = std::mem::take(&mut serving.is_in_hand);
            match lane.take(has_ended, &mut serving.taken) {
                Took::Entry => {
                    serving.is_in_hand = true;
                    return true;
                }
                Took::Nothing => serving.lane = None,
                Took::Last => self.part_with(serving),
            }
        }
    }

    /// Schedules what has something and is not scheduled.
    fn look_at_high(&self) {
        let mut state = self.lock();
        let looks = LOOKS_MAX.min(state.lanes_high.len());
        let mut found: [_; LOOKS_MAX] = [const { None }; LOOKS_MAX];
        for (lane, found) in state.lanes_high.iter().zip(&mut found[..looks]) {
            *found = lane.has_unseen().then(|| lane.clone());
        }
        state.lanes_high.rotate_left(looks);
        drop(state);
        found.iter().flatten().for_each(|lane| lane.schedule());
    }

    /// Hands the owner the lane of high priority whose turn it is.
    fn next_high(&self, serving: &mut Serving) {
        serving.finish();
        let mut state = self.lock();
        let over = match serving.lane.take() {
            Some(lane) if lane.priority == Priority::High && !lane.is_closed() => {
                state.ready_high.push_back(lane);
                None
            }
            Some(lane) => state.give_back(lane),
            None => None,
        };
        serving.lane = state.ready_high.pop_front();
        self.high.show(&state);
        drop(state);
        drop(over);
    }

    /// Takes a lane of high priority back that the owner has in its hands: others are to have their turn.
    pub(crate) fn leave_high(&self, serving: &mut Serving) {
        if serving.has_high() {
            self.rest(serving);
        }
    }
}
