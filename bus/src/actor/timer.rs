//! An actor's timers: messages that it gets from itself when their time has come.
//!
//! They are kept in order by the actor alone, and only the first of them is known to its node: so a thousand timers of one
//! actor cost its node one. That one has a waker of its own, which notes that it has rung and wakes the actor's task.
//!
//! # Invariants
//! - **one-tick**: an interval is either waiting for its time or among the due, never both. So there is at most one tick of
//!   it that was not handled, however late that is.
//! - **with its incarnation**: the timers are part of the actor's context, and go with it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::Relaxed;
use slab::Slab;

use crate::clock::Nanos;
use crate::driver::timer::TimerKey;
use crate::shared::Shared;

/// Identifies a timer of one actor; no other timer of that actor ever has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    number: u64,
    place: usize,
}

/// What a timer gives.
enum Gives<L> {
    Once(L),
    Each {
        period: Duration,
        make: Box<dyn FnMut() -> L + Send>,
    },
}

struct Timer<L> {
    number: u64,
    due: Nanos,
    gives: Gives<L>,
}

/// The waker of a timer of an actor's.
pub(super) struct Ringer {
    is_rung: AtomicBool,
    /// The actor's.
    task: Waker,
}

impl Ringer {
    pub(super) fn new(task: &Waker) -> Arc<Self> {
        Arc::new(Self {
            is_rung: AtomicBool::new(false),
            task: task.clone(),
        })
    }

    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// Whether it has rung since this was asked last.
    #[inline]
    pub(super) fn take(&self) -> bool {
        // Relaxed: whoever rings stores it before the wake that makes the task run again.
        let is_rung = self.is_rung.load(Relaxed);
        if is_rung {
            self.is_rung.store(false, Relaxed);
        }
        is_rung
    }
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Relaxed: the wake that follows makes the task run again, and see it.
        self.is_rung.store(true, Relaxed);
        self.task.wake_by_ref();
    }
}

/// The timers of one actor.
pub(super) struct ActorTimers<L> {
    shared: Arc<Shared>,
    ringer: Arc<Ringer>,
    timers: Slab<Timer<L>>,
    /// Those whose time is to come.
    waiting: BTreeSet<(Nanos, TimerId)>,
    /// Those whose time has come, in that order.
    due: VecDeque<TimerId>,
    /// What the node knows: the first of those that wait, or one that was cancelled since.
    armed: Option<(Nanos, TimerKey)>,
    last: u64,
}

/// An actor's timers, if it has ever set one.
pub(super) type MaybeTimers<L> = Option<Box<ActorTimers<L>>>;

impl<L> ActorTimers<L> {
    /// Starts without any, for an actor with this task.
    pub(super) fn new(shared: &Arc<Shared>, task: &Waker) -> Self {
        Self {
            shared: Arc::clone(shared),
            ringer: Ringer::new(task),
            timers: Slab::new(),
            waiting: BTreeSet::new(),
            due: VecDeque::new(),
            armed: None,
            last: 0,
        }
    }

    /// Gives a letter once.
    pub(super) fn after(&mut self, delay: Duration, letter: L) -> TimerId {
        self.add(delay, Gives::Once(letter))
    }

    /// Gives a letter each time that a period is over.
    pub(super) fn interval(
        &mut self,
        period: Duration,
        make: Box<dyn FnMut() -> L + Send>,
    ) -> TimerId {
        assert!(!period.is_zero(), "an interval of no time");
        self.add(period, Gives::Each { period, make })
    }

    fn add(&mut self, delay: Duration, gives: Gives<L>) -> TimerId {
        let due = self.shared.clock.after(delay);
        self.last += 1;
        let number = self.last;
        let place = self.timers.insert(Timer { number, due, gives });
        let id = TimerId { number, place };
        self.waiting.insert((due, id));
        self.arm();
        id
    }

    /// Takes a timer back; `false` if it has given all that it had.
    pub(super) fn cancel(&mut self, id: TimerId) -> bool {
        let is_it = |timer: &Timer<L>| timer.number == id.number;
        if !self.timers.get(id.place).is_some_and(is_it) {
            return false;
        }
        let timer = self.timers.remove(id.place);
        if !self.waiting.remove(&(timer.due, id)) {
            self.due.retain(|due| *due != id);
        }
        if self.waiting.is_empty() {
            self.disarm();
        }
        true
    }

    /// Whether a letter is due, which [`take_due`](Self::take_due) takes.
    #[inline]
    pub(super) fn has_due(&mut self) -> bool {
        if self.ringer.take() {
            self.hear();
        }
        !self.due.is_empty()
    }

    /// Takes it.
    pub(super) fn take_due(&mut self) -> Option<L> {
        let id = self.due.pop_front()?;
        if let Some(timer) = self.timers.get_mut(id.place)
            && let Gives::Each { period, make } = &mut timer.gives
        {
            let letter = make();
            timer.due = next_tick(timer.due, *period, self.shared.clock.now());
            self.waiting.insert((timer.due, id));
            self.arm();
            return Some(letter);
        }
        match self.timers.try_remove(id.place)?.gives {
            Gives::Once(letter) => Some(letter),
            Gives::Each { .. } => None,
        }
    }

    /// Finds those whose time has come.
    #[cold]
    fn hear(&mut self) {
        let now = self.shared.clock.now();
        while let Some((_, id)) = self.waiting.first().filter(|(due, _)| *due <= now) {
            self.due.push_back(*id);
            self.waiting.pop_first();
        }
        // The timer that has rung is gone.
        if self.armed.is_some_and(|(due, _)| due <= now) {
            self.disarm();
        }
        self.arm();
    }

    /// Has the node know the first.
    fn arm(&mut self) {
        let Some((first, _)) = self.waiting.first() else {
            return;
        };
        // One that is early rings for nothing, and then this is set right.
        if self.armed.is_some_and(|(armed, _)| armed <= *first) {
            return;
        }
        let first = *first;
        self.disarm();
        let key = self.shared.arm_timer(first, &self.ringer.waker());
        self.armed = Some((first, key));
    }

    fn disarm(&mut self) {
        if let Some((_, key)) = self.armed.take() {
            self.shared.timers.disarm(key);
        }
    }
}

/// The first tick after now, of those that come each `period` since the one that was due: what was missed is left out.
fn next_tick(due: Nanos, period: Duration, now: Nanos) -> Nanos {
    let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
    let missed = now.0.saturating_sub(due.0) / period;
    Nanos(due.0.saturating_add(period.saturating_mul(missed + 1)))
}

impl<L> Drop for ActorTimers<L> {
    fn drop(&mut self) {
        self.disarm();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: ticks stay on the grid of their interval, however late one is handled, and one that is late is not made up for.
    #[test]
    fn missed_ticks_are_left_out() {
        let period = Duration::from_nanos(10);
        for (now, next) in [(100, 110), (104, 110), (109, 110), (110, 120), (157, 160)] {
            assert_eq!(next_tick(Nanos(100), period, Nanos(now)), Nanos(next));
        }
        let far = next_tick(Nanos(100), Duration::MAX, Nanos(100));
        assert_eq!(far, Nanos(u64::MAX));
    }
}
