//! The driver: polls the urings of a node, reaps completions, runs tasks, fires timers, and sleeps when all is idle.
//!
//! There is one per node. It runs on the node's own worker thread, on the thread that calls
//! [`Node::run_until`](crate::Node::run_until), or as a [future](crate::Node::drive) of the user's executor.
//!
//! # What it looks at
//! | what | watched while | cost of an idle one |
//! |---|---|---|
//! | lanes of inboxes | hot: from a note until drained and idle for a spin; a little while their owners serve them | none: its submitter writes a note |
//! | ends of remote actors | an op is in flight, or somebody waits for room | none |
//! | lanes of topics | somebody waits for a sample, until the driver sleeps, or until there are many | none: its publisher writes a note |
//! | peers' notes and bells | always | one load per pass and peer while awake; none asleep |
//!
//! So the cost of a pass grows with what is happening, and not with what is open.
//!
//! # Sleeping
//! The driver makes every hot lane idle (their submitters must note them from then on), arms `asleep` on its card and
//! in its run queue, each followed by a fence, and looks at everything once more. Then it blocks on its bells, until
//! the first timer at most. A bell is cleared before anything is looked at again.

mod jobs;
mod sleep;
mod spin;
#[cfg(test)]
mod tests;
pub(crate) mod timer;
mod topics;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use ringway_shm::lane::Peek;
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::{AcqRel, Relaxed, Release};

pub(crate) use self::jobs::{Job, Jobs};
pub(crate) use self::sleep::Sleeper;
pub(crate) use self::spin::SPIN_NS;
use self::spin::Spin;
use self::topics::WatchedTopics;
use crate::blocking::AtWork;
use crate::clock::Nanos;
use crate::inbox::InboxLane;
use crate::inbox::lane::{Patience, Watch};
use crate::remote::{Linger, RemoteEnd, RoomLook};
use crate::shared::Shared;
use crate::urings::PeerUrings;

/// Tasks run between two looks at the urings.
const TASKS_PER_PASS: usize = 16;

/// Passes between two looks at the timers while no task runs, and at owners that take long: a few microseconds, at some
/// fifty nanoseconds a pass.
const PASSES_PER_CLOCK: u32 = 64;

/// Passes for which the driver takes in completions itself after the future that it drives has not: they were others'.
const PASSES_NOT_HANDED_OVER: u32 = 1024;

/// Looks at the completions in one pass while the future that a thread drives is all that goes on, or at the lanes while nothing
/// but messages is awaited: about as long as the rest of the pass, which what comes meanwhile would have to wait for.
const LOOKS_PER_PASS: usize = 16;

/// What one pass found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Busy,
    Idle,
}

/// A peer whose notes are looked for.
struct WatchedPeer {
    urings: Arc<PeerUrings>,
    /// One for each of its note rings.
    notes: Vec<Peek<1>>,
}

/// How a driver looks for notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Through the peekers: a ring that was just added is seen a pass later.
    Quick,
    /// Under the locks, before it sleeps.
    Exact,
}

/// Polls everything of one node; see the [module](self).
pub(crate) struct Driver {
    shared: Arc<Shared>,
    sleeper: Sleeper,
    hot: Vec<Arc<InboxLane>>,
    reaping: Vec<Arc<RemoteEnd>>,
    rooms: Vec<Arc<RemoteEnd>>,
    peers: Vec<WatchedPeer>,
    topics: WatchedTopics,
    /// Scratch for wakers, empty between two ends.
    wakers: Vec<Waker>,
    passes: u32,
    /// When those were woken last whose deadlines were left to this thread.
    tick: Nanos,
    spin: Spin,
    /// The future that this thread polls next may look at completions itself; taken by the next pass.
    may_hand_over: bool,
    /// Completions were left to it.
    has_handed_over: bool,
    /// Passes that found something to do.
    #[cfg(feature = "test")]
    busy: u64,
    /// The most lanes and ends that one pass has looked at.
    #[cfg(test)]
    most_watched: usize,
}

impl Driver {
    pub(crate) fn create(shared: &Arc<Shared>) -> std::io::Result<Self> {
        Ok(Self {
            shared: Arc::clone(shared),
            sleeper: Sleeper::create(shared)?,
            hot: Vec::new(),
            reaping: Vec::new(),
            rooms: Vec::new(),
            peers: Vec::new(),
            topics: WatchedTopics::default(),
            wakers: Vec::new(),
            passes: 0,
            tick: Nanos::NONE,
            spin: Spin::new(),
            may_hand_over: false,
            has_handed_over: false,
            #[cfg(feature = "test")]
            busy: 0,
            #[cfg(test)]
            most_watched: 0,
        })
    }

    /// Looks at everything once and runs some tasks.
    pub(crate) fn pass(&mut self) -> Pass {
        let mut is_busy = self.shared.jobs.has_any() && self.accept_jobs();
        #[cfg(test)]
        self.count_watched();
        is_busy |= !self.rooms.is_empty() && self.look_for_room();
        is_busy |= !self.hot.is_empty() && self.look_at_lanes();
        is_busy |= !self.topics.is_empty() && self.topics.look(Patience::Some);
        let has_run = self.run_tasks();
        is_busy |= has_run | self.read_notes(Look::Quick);
        self.passes = self.passes.wrapping_add(1);
        // Handlers may take long; a pass without them does not.
        if has_run || self.passes.is_multiple_of(PASSES_PER_CLOCK) {
            self.fire();
        }
        if self.passes.is_multiple_of(PASSES_PER_CLOCK) && self.shared.watches.has_any() {
            is_busy |= self.shared.watches.look();
        }
        if self.passes.is_multiple_of(PASSES_PER_CLOCK) && self.topics.are_many() {
            is_busy |= self.leave_topics_to_notes();
        }
        // Last: whoever drives until a reply comes looks at it next, and all else was done while that was on its way.
        let may_hand_over = std::mem::take(&mut self.may_hand_over);
        let looks = match may_hand_over && !is_busy && self.hot.is_empty() {
            true if !self.reaping.is_empty() => LOOKS_PER_PASS,
            _ => 1,
        };
        is_busy |= (0..looks).any(|_| !self.is_quiet())
            && ((may_hand_over && self.hands_over()) || self.reap(Linger::Yes));
        is_busy = is_busy || self.sees_entry();
        #[cfg(feature = "test")]
        self.count_busy(is_busy);
        if is_busy { Pass::Busy } else { Pass::Idle }
    }

    /// Watches no topic's lane any more until a note comes: a pass costs no more for those in which nothing happens.
    #[cold]
    fn leave_topics_to_notes(&mut self) -> bool {
        // Notes are read before new idle epochs are published: at most two unread notes per lane.
        let is_busy = self.read_notes(Look::Exact);
        !self.topics.cool() | is_busy
    }

    /// Takes over what others left, whether the hint said so or not.
    #[cold]
    fn accept_jobs(&mut self) -> bool {
        let jobs = self.shared.jobs.take_exactly();
        let is_busy = !jobs.is_empty();
        for job in jobs {
            match job {
                Job::Watch(lane) => self.hot.push(lane),
                Job::Reap(end) => self.reaping.push(end),
                Job::Room(end) => self.rooms.push(end),
                Job::Intake(end) => self.topics.intakes.push(end),
                Job::Outlet(end) => self.topics.outlets.push(end),
                Job::Peer(peer) => {
                    self.sleeper.watch(&peer);
                    self.peers.push(WatchedPeer {
                        urings: peer,
                        notes: Vec::new(),
                    });
                }
            }
        }
        is_busy
    }

    /// Whether no watched end has anything to reap, or to be asked whether it is to be watched further.
    #[inline]
    fn is_quiet(&self) -> bool {
        self.reaping.iter().all(|end| end.is_quiet())
    }

    /// Looks at the lanes a few times more while nothing else is awaited: a message that comes during the rest of a pass waits
    /// for that. No more looks in all for many lanes than for one.
    fn sees_entry(&self) -> bool {
        if self.hot.is_empty() || !self.reaping.is_empty() {
            return false;
        }
        let looks = LOOKS_PER_PASS / self.hot.len();
        (0..looks).any(|_| !self.hot.iter().all(|lane| lane.is_quiet()))
    }

    /// Leaves completions that have come to the future that is polled next. What that does not take in, the pass after it
    /// does.
    fn hands_over(&mut self) -> bool {
        self.has_handed_over = self.has_completion();
        self.has_handed_over
    }

    fn has_completion(&self) -> bool {
        self.reaping.iter().any(|end| end.has_completion())
    }

    fn reap(&mut self, linger: Linger) -> bool {
        let mut is_busy = false;
        let wakers = &mut self.wakers;
        self.reaping.retain(|end| {
            if linger == Linger::Yes && end.is_quiet() {
                return true;
            }
            let reaped = end.reap(wakers, linger);
            is_busy |= reaped.any;
            reaped.watch
        });
        is_busy
    }

    /// Wakes what is due.
    fn fire(&mut self) {
        if self.shared.queue.has_unminded() {
            let tick = Nanos::tick();
            if std::mem::replace(&mut self.tick, tick) != tick {
                self.shared.queue.wake_unminded();
            }
        }
        self.shared.timers.fire(&self.shared.clock);
        let clock = &self.shared.clock;
        if self.due_ask().is_some_and(|due| clock.has_passed(due)) {
            let now = clock.passed();
            let wakers = &mut self.wakers;
            let ends = self.reaping.iter();
            ends.for_each(|end| end.wake_overdue(now, wakers));
        }
    }

    /// No ask is overdue before this.
    fn due_ask(&self) -> Option<Nanos> {
        self.reaping.iter().filter_map(|end| end.due()).min()
    }

    /// When something is due next.
    fn due(&self) -> Option<Nanos> {
        let timer = self.shared.timers.first();
        timer.into_iter().chain(self.due_ask()).min()
    }

    /// When it is to wake up by itself.
    pub(crate) fn sleeps_until(&self) -> Option<Nanos> {
        self.due()
            .and_then(|due| self.shared.clock.sleep_until(due))
    }

    fn look_for_room(&mut self) -> bool {
        let mut is_busy = false;
        self.rooms.retain(|end| {
            let look = end.check_room();
            is_busy |= matches!(look, RoomLook::Wakes | RoomLook::AsksAnew);
            look != RoomLook::Over
        });
        is_busy
    }

    fn look_at_lanes(&mut self) -> bool {
        let takes_stock = self.passes.is_multiple_of(PASSES_PER_CLOCK);
        if !takes_stock && self.hot.iter().all(|lane| lane.is_quiet()) {
            return false;
        }
        let patience = if takes_stock {
            Patience::None
        } else {
            Patience::Some
        };
        let mut is_busy = false;
        self.hot.retain(|lane| {
            let found = lane.watch(patience);
            is_busy |= found == Watch::Entry;
            found != Watch::Leave
        });
        is_busy
    }

    /// Whether there is no note that the peekers know of, and none of the peers has gone.
    fn has_no_notes(&mut self) -> bool {
        self.peers.iter_mut().all(|WatchedPeer { urings, notes }| {
            urings.refresh(notes);
            !urings.is_gone() && !notes.iter().any(Peek::has_entry)
        })
    }

    fn read_notes(&mut self, look: Look) -> bool {
        if look == Look::Quick && self.has_no_notes() {
            return false;
        }
        let mut is_busy = false;
        let hot = &mut self.hot;
        let sleeper = &mut self.sleeper;
        self.peers.retain(|WatchedPeer { urings, .. }| {
            if urings.is_gone() {
                sleeper.forget(urings);
                return false;
            }
            urings.read_notes(|lane| {
                is_busy = true;
                if lane.heat() {
                    hot.push(lane);
                }
            });
            true
        });
        is_busy
    }

    fn run_tasks(&mut self) -> bool {
        for run in 0..TASKS_PER_PASS {
            let Some(task) = self.shared.queue.pop() else {
                self.shared.count_up();
                return run > 0;
            };
            self.shared.queue.stop_looking();
            task.run();
        }
        self.shared.count_up();
        true
    }

    /// One pass; after an idle one spins a little, then sleeps until something happens, unless `woken` is set. Whoever
    /// sets it rouses the driver after that.
    pub(crate) fn turn_unless(&mut self, woken: &AtomicBool) {
        if self.pass() == Pass::Busy {
            self.spin.end();
            return;
        }
        // No pause between two passes: it would cost more than the pass, and with it the reply that comes meanwhile.
        if self.spin.goes_on() {
            self.shared.queue.look_out();
            return;
        }
        self.spin.end();
        // Relaxed: read after the fence in `arm`; it is stored before the fence in `rouse`.
        if self.prepare_to_sleep() == Pass::Idle && !woken.load(Relaxed) {
            let due = self.sleeps_until();
            self.sleeper.block(due);
        }
        self.sleeper.wake_up();
    }

    /// Cools every lane, says that the driver sleeps, and looks once more. The caller blocks only if this returns
    /// `Idle`, and calls `wake_up` in either case.
    pub(crate) fn prepare_to_sleep(&mut self) -> Pass {
        #[cfg(feature = "test")]
        let asked = self.shared.queue.quiet.asked();
        self.shared.queue.stop_looking();
        let has_woken = self.shared.queue.wake_unminded();
        // Notes are read before new idle epochs are published: at most two unread notes per uring.
        self.read_notes(Look::Exact);
        self.hot.drain(..).for_each(|lane| lane.cool());
        let mut is_heard = self.topics.cool();
        self.shared.sweep_replies();
        self.sleeper.arm();
        // Not before: subscribers answer each number once, and an answer to who does not sleep is spent.
        is_heard &= self.topics.ask();
        let mut is_busy = self.accept_jobs() | has_woken | !is_heard;
        is_busy |= self.reap(Linger::No);
        is_busy |=
            self.look_for_room() | self.shared.watches.look() | self.topics.look(Patience::None);
        is_busy |= self.read_notes(Look::Exact) || !self.hot.is_empty();
        self.fire();
        is_busy |= self
            .due()
            .is_some_and(|due| self.shared.clock.has_passed(due));
        // Last, as a wake on this thread rouses nobody: what the looks above have woken is found here.
        is_busy |= !self.shared.queue.is_empty() || self.shared.jobs.has_any();
        if !is_busy {
            self.shared.offers.make();
        }
        #[cfg(feature = "test")]
        if !is_busy && self.says_that_it_is_quiet(asked) {
            return Pass::Busy;
        }
        #[cfg(feature = "test")]
        self.count_busy(is_busy);
        if is_busy { Pass::Busy } else { Pass::Idle }
    }

    #[cfg(feature = "test")]
    fn count_busy(&mut self, is_busy: bool) {
        self.busy += u64::from(is_busy);
    }

    /// Answers who waits until there is nothing to do; `true` when it is to look again.
    #[cfg(feature = "test")]
    fn says_that_it_is_quiet(&self, asked: u64) -> bool {
        let quiet = &self.shared.queue.quiet;
        let are_at_rest = || self.shared.living().iter().all(|it| it.is_at_rest());
        quiet.answer(asked, self.busy, || self.due(), are_at_rest)
    }

    /// Drives until `future` is ready; polls it first, and again whenever it was woken.
    pub(crate) fn run_until<F: Future>(&mut self, future: F) -> F::Output {
        let _at_work = AtWork::begin(&self.shared);
        let mut future = pin!(future);
        let shared = Arc::clone(&self.shared);
        let _driving = shared.queue.drive_here();
        let woken = Arc::new(Woken {
            flag: AtomicBool::new(true),
            shared: Arc::clone(&self.shared),
        });
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let mut reaps_alone = 0;
        let mut runs = 0;
        loop {
            let was_handed_over = std::mem::take(&mut self.has_handed_over);
            // Relaxed: the swap looks again. AcqRel future-woken: pairs with the store in `wake_by_ref`.
            let is_woken = woken.flag.load(Relaxed) && woken.flag.swap(false, AcqRel);
            if (is_woken || was_handed_over)
                && let Poll::Ready(output) = future.as_mut().poll(&mut cx)
            {
                // What ran since the last pass has not been counted yet.
                if runs > 0 {
                    shared.count_up();
                }
                return output;
            }
            reaps_alone = match was_handed_over && self.has_completion() {
                true => PASSES_NOT_HANDED_OVER,
                false => u32::saturating_sub(reaps_alone, 1),
            };
            self.may_hand_over = reaps_alone == 0;
            // What the future has woken answers it more often than not, and then all else can wait: as long as it can for the
            // tasks of one pass.
            if is_woken
                && runs < TASKS_PER_PASS
                && let Some(task) = shared.queue.pop_next()
            {
                runs += 1;
                task.run();
                if woken.flag.load(Relaxed) {
                    continue;
                }
            }
            runs = 0;
            // Relaxed: the look before sleeping is in `Shared::rouse`, whose fence orders it.
            if woken.flag.load(Relaxed) {
                self.pass();
            } else {
                self.turn_unless(&woken.flag);
            }
        }
    }

    pub(crate) fn sleeper(&mut self) -> &mut Sleeper {
        &mut self.sleeper
    }
}

/// The waker of a future that a driver runs until it is ready.
struct Woken {
    flag: AtomicBool,
    shared: Arc<Shared>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release future-woken: pairs with the swap in `run_until`.
        self.flag.store(true, Release);
        self.shared.queue.rouse();
    }
}
