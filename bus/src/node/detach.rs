//! Detaching: the actors are ended, those that do not end are killed, and the bus is left, once.

use std::sync::Arc;
use std::time::Duration;

use crate::blocking::{drive_or_park, is_at_work, is_own_thread};
use crate::clock::Nanos;
use crate::exit::ExitReason;
use crate::process;
use crate::shared::{Living, Shared};
use crate::wait_list::WaitKey;

/// How long a detaching node waits for its actors to stop before it kills them.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How long it then waits for those that it killed: one that never comes to an `await` is left behind.
const KILL_DEADLINE: Duration = Duration::from_secs(1);

impl Shared {
    /// Ends the actors and leaves the bus, once.
    pub(super) fn detach_now(self: &Arc<Self>) {
        if !self.begin_detaching() {
            return;
        }
        self.clock.let_run();
        // A handler, or a future in `run_until`, that detaches its own node cannot wait for it.
        let can_wait = !is_at_work(self) && !is_own_thread(self);
        // Supervisors first: they stop what is below them in their order.
        for living in [self.tops.living(), self.living()] {
            living
                .iter()
                .for_each(|actor| actor.end(ExitReason::Shutdown));
            if can_wait {
                wait_for(self, &living, STOP_DEADLINE);
                let late: Vec<_> = living.into_iter().filter(|it| !it.has_ended()).collect();
                late.iter()
                    .for_each(|actor| actor.kill(ExitReason::StopTimeout));
                wait_for(self, &late, KILL_DEADLINE);
            }
        }
        // After the actors, which may need them to the last.
        process::release_all(self);
        if can_wait {
            drive_or_park(self, process::all_gone(self), Some(STOP_DEADLINE));
        }
        self.go();
    }

    /// Ends what is left of a stop that has begun and does not come to its end any more.
    pub(super) fn end_stop(self: &Arc<Self>) {
        if self.has_left() {
            return;
        }
        let living: Vec<_> = [self.tops.living(), self.living()].concat();
        living
            .iter()
            .for_each(|actor| actor.kill(ExitReason::StopTimeout));
        process::release_all(self);
        if !is_at_work(self) && !is_own_thread(self) {
            wait_for(self, &living, KILL_DEADLINE);
            drive_or_park(self, process::all_gone(self), Some(STOP_DEADLINE));
        }
        self.go();
    }

    /// Leaves the bus, once.
    pub(super) fn go(&self) {
        if !self.begin_leaving() {
            return;
        }
        self.leave();
        self.core().detach();
        self.changes.wake_all();
    }
}

/// Waits until all of these have ended, but no longer than this.
pub(super) fn wait_for(shared: &Arc<Shared>, living: &[Arc<dyn Living>], within: Duration) {
    let all_ended = all_ended(shared, living, shared.clock.after(within));
    drive_or_park(shared, all_ended, Some(within));
}

pub(super) async fn all_ended(shared: &Arc<Shared>, living: &[Arc<dyn Living>], deadline: Nanos) {
    for actor in living {
        let (mut key, mut timer) = (WaitKey::default(), None);
        std::future::poll_fn(|cx| {
            actor.ended().register(&mut key, cx);
            if actor.has_ended() || shared.clock.has_passed(deadline) {
                return std::task::Poll::Ready(());
            }
            timer.get_or_insert_with(|| shared.arm_timer(deadline, cx.waker()));
            std::task::Poll::Pending
        })
        .await;
        actor.ended().remove(&mut key);
        if let Some(timer) = timer {
            shared.timers.disarm(timer);
        }
    }
}
