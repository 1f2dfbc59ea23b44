//! The remote half of a mailbox: the urings that peers have opened to one actor or queue.
//!
//! An entry stays in its uring until its handler is about to begin: the uring is the mailbox. What lies here is only
//! which urings have something. The driver, which watches the lanes, schedules them; the owner serves those scheduled
//! in turn, a few entries each.

pub(crate) mod lane;
pub(crate) mod reply;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use self::lane::Took;
pub(crate) use self::lane::{InboxLane, Taken};
use crate::exit::ExitReason;

/// Entries served from one uring before the next one has its turn.
const TURN_MAX: u32 = 16;

#[derive(Default)]
struct State {
    /// Lanes that may hold entries, in the order of their turns.
    ready: VecDeque<Arc<InboxLane>>,
    served: u32,
    /// Every lane that is open, for the end.
    lanes: Vec<Arc<InboxLane>>,
    receiver: Option<Waker>,
    closed: Option<ExitReason>,
}

/// The urings to one actor or queue.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a newly opened lane in, unless the owner has ended.
    pub(crate) fn add(&self, lane: &Arc<InboxLane>) -> Result<(), ExitReason> {
        let mut state = self.lock();
        match &state.closed {
            Some(reason) => Err(reason.clone()),
            None => {
                state.lanes.push(Arc::clone(lane));
                Ok(())
            }
        }
    }

    /// Puts a lane at the end of the queue and wakes the owner. The lane's state says that it is scheduled.
    pub(crate) fn schedule(&self, lane: Arc<InboxLane>) {
        let mut state = self.lock();
        if state.closed.is_some() {
            return;
        }
        state.ready.push_back(lane);
        let receiver = state.receiver.take();
        drop(state);
        if let Some(waker) = receiver {
            waker.wake();
        }
    }

    /// Takes the next entry; what it returns has been taken: its handler must begin now.
    pub(crate) fn pop(&self) -> Option<Taken> {
        let mut state = self.lock();
        loop {
            if state.served >= TURN_MAX {
                state.served = 0;
                let turn = 1.min(state.ready.len());
                state.ready.rotate_left(turn);
            }
            state.served += 1;
            let lane = Arc::clone(state.ready.front()?);
            drop(state);
            let is_over = match lane.take() {
                Took::Entry {
                    words,
                    is_cancelled,
                } => {
                    return Some(Taken {
                        words,
                        is_cancelled,
                        lane,
                    });
                }
                Took::Nothing => false,
                Took::Last => true,
            };
            state = self.lock();
            state.served = 0;
            // Only the owner takes lanes out of `ready`, so the front is still this lane; it may stand there once more
            // by now, further back.
            state.ready.pop_front();
            if is_over {
                state.lanes.retain(|other| !Arc::ptr_eq(other, &lane));
            }
        }
    }

    /// Waits until a lane is scheduled or the inbox is closed.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.ready.is_empty() || state.closed.is_some() {
            return Poll::Ready(());
        }
        match &mut state.receiver {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Refuses further lanes and closes those open: their submitters learn what was never taken, and `reason`.
    pub(crate) fn close(&self, reason: &ExitReason) {
        let lanes = {
            let mut state = self.lock();
            state.closed.get_or_insert_with(|| reason.clone());
            state.ready.clear();
            std::mem::take(&mut state.lanes)
        };
        for lane in lanes {
            lane.close(reason);
        }
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("lanes", &self.lock().lanes.len())
            .finish_non_exhaustive()
    }
}
