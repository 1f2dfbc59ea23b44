//! The run queue of a node's workers: tasks that are ready, in the order in which they became so.
//!
//! A task is one allocation (`async-task`); waking it moves a pointer here. Pushing never blocks for longer than
//! another push or pop, and never makes a system call unless a worker sleeps.
//!
//! Two kinds of workers take from the queue: the *driver*, which also polls urings and sleeps in the kernel on its
//! doorbells, and *helpers*, which only run tasks and sleep on a condition variable. The task that a worker wakes runs
//! next on that worker, and so a message and its answer stay in one processor's caches; what that displaces waits in the
//! worker's queue, from which others take when they have nothing to do, or, without helpers, in one of the driver's thread
//! that has no lock. What other threads make ready is shared.
//!
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | task-queued | `share`: unlock of `queue` | `pop_shared`: lock of `queue` | the task |
//! | helper-parked | `rouse`: fence, then load of `helpers_parked` | `park`: count, then fence; then a look at all queues | a task, or it is not missed |
//! | driver-looks | `rouse`: fence, then load of `driver_looks` | `stop_looking`: store, then fence; then a look at all hints | a task, or it is not missed |
//! | worker-asleep | `rouse`: fence, then load of `driver_asleep` | `fall_asleep`: store, then fence; then `is_empty` | see `has_woken_driver` |

mod here;
mod places;

use std::collections::VecDeque;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use async_task::{ScheduleInfo, WithInfo};
use ringway_shm::sync::Ordering::{Relaxed, SeqCst};
use ringway_shm::sync::{AtomicBool, AtomicUsize, fence};
use ringway_shm::sys::SysError;
use ringway_shm::sys::eventfd::Eventfd;

use self::here::Working;
use self::places::{Places, Popped};
use crate::trace::warning;

/// Tasks that a helper runs between two looks at what else there is.
const TASKS_PER_ROUND: usize = 16;

/// The number of the worker that is the driver; helpers count from one.
const DRIVER: usize = 0;

/// A task that is ready to run.
pub(crate) type Ready = async_task::Runnable<Arc<RunQueue>>;

/// Tasks that are ready to run.
pub(crate) struct RunQueue {
    queue: Mutex<VecDeque<Ready>>,
    /// Tasks in `queue`; a hint that spares idle passes the lock.
    length: AtomicUsize,
    places: Places,
    driver_asleep: AtomicBool,
    /// The driver is awake and has nothing to run: what is made ready, it finds without a helper being woken.
    driver_looks: AtomicBool,
    driver_bell: Eventfd,
    /// Threads in [`help`](Self::help); while there are any, no task is kept from others.
    helpers_running: AtomicUsize,
    helpers_parked: AtomicUsize,
    helpers: Condvar,
    #[cfg(feature = "test")]
    pub(crate) quiet: crate::test::quiet::Desk,
}

/// Makes a task ready: on a worker it is the next one, unless it was woken by itself.
fn schedule(task: Ready, how: ScheduleInfo) {
    let queue = task.metadata();
    if !here::is_worker(Arc::as_ptr(queue)) {
        let queue = Arc::clone(queue);
        queue.share([task]);
        return queue.rouse();
    }
    if how.woken_while_running {
        // This worker is about to take its next task: nobody needs to be roused for this one.
        return keep_here(task);
    }
    if let Some(task) = here::put_next(task) {
        let queue = Arc::clone(task.metadata());
        keep_here(task);
        queue.rouse();
    }
}

/// Lets a task wait on a worker's thread, behind those that are ready longer.
fn keep_here(task: Ready) {
    let queue = task.metadata();
    // Relaxed: a helper that comes later finds what is made ready after it came.
    if queue.helpers_running.load(Relaxed) == 0 {
        return here::put_own([task]);
    }
    let queue = Arc::clone(queue);
    queue.places.push(here::worker(), task);
}

impl RunQueue {
    /// Says that this thread is the driver: what it makes ready itself, it finds without being woken.
    ///
    /// Between its last look at the queue and its sleep nothing of the user's may run.
    pub(crate) fn drive_here(&self) -> Working<'_> {
        Working::begin(self, DRIVER)
    }

    /// Creates an empty queue for so many workers, with the eventfd that wakes its driver.
    pub(crate) fn create(workers: usize) -> Result<Arc<Self>, SysError> {
        Ok(Arc::new(Self {
            places: Places::new(workers.max(1)),
            queue: Mutex::new(VecDeque::new()),
            length: AtomicUsize::new(0),
            driver_asleep: AtomicBool::new(false),
            driver_looks: AtomicBool::new(false),
            driver_bell: Eventfd::create()?,
            helpers_running: AtomicUsize::new(0),
            helpers_parked: AtomicUsize::new(0),
            helpers: Condvar::new(),
            #[cfg(feature = "test")]
            quiet: crate::test::quiet::Desk::default(),
        }))
    }

    /// Makes `future` a detached task; it runs when it was scheduled and a worker takes it.
    ///
    /// Its queue lies beside it: a schedule function without a state of its own costs a wake two counts less.
    pub(crate) fn task(
        self: &Arc<Self>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Ready {
        let builder = async_task::Builder::new().metadata(Arc::clone(self));
        let (ready, task) = builder.spawn(|_| future, WithInfo(schedule));
        task.detach();
        ready
    }

    /// Puts tasks where every worker finds them.
    fn share(&self, tasks: impl IntoIterator<Item = Ready>) {
        let mut queue = self.lock();
        queue.extend(tasks);
        // Relaxed: a hint; whoever acts on it takes the lock.
        self.length.store(queue.len(), Relaxed);
    }

    /// Wakes a worker if one sleeps; called after something was made ready for it.
    ///
    /// On the driver's own thread this costs a look at who it is.
    pub(crate) fn rouse(&self) {
        if here::is_driver(self) {
            // Relaxed: a helper that comes later looks at all queues before it parks.
            if self.helpers_running.load(Relaxed) == 0 {
                return;
            }
            fence(SeqCst);
        } else if self.has_woken_driver() {
            return;
        }
        // SeqCst driver-looks: after the fence here or in `has_woken_driver`, which pairs with that in `stop_looking`. A
        // driver that looks finds the task, or has stopped looking after that, and then sees to it that somebody does.
        if !self.driver_looks.load(Relaxed) {
            self.wake_helper();
        }
    }

    /// Wakes a helper, if one is parked; after a fence that follows what there is to do.
    fn wake_helper(&self) {
        // SeqCst helper-parked: the caller's fence pairs with that in `park`.
        if self.helpers_parked.load(Relaxed) > 0 {
            let _queue = self.lock(); // a helper that has counted itself and not looked yet holds it
            self.helpers.notify_one();
        }
    }

    /// Says that the driver has nothing to run and goes on looking. Without helpers nobody asks.
    pub(crate) fn look_out(&self) {
        // Relaxed, both: the driver's word, by which nothing is published; a helper that comes later has not been counted on.
        if self.helpers_running.load(Relaxed) > 0 && !self.driver_looks.load(Relaxed) {
            self.driver_looks.store(true, Relaxed);
        }
    }

    /// The driver has found something to run, or is about to sleep: what else was left to it is a helper's now.
    pub(crate) fn stop_looking(&self) {
        // Relaxed: the driver's own word.
        if self.driver_looks.load(Relaxed) {
            self.stop_looking_slow();
        }
    }

    #[cold]
    fn stop_looking_slow(&self) {
        // Relaxed: ordered by the fence.
        self.driver_looks.store(false, Relaxed);
        // SeqCst driver-looks: pairs with the fence before `rouse` looks. The pusher puts a task and then looks at the flag,
        // the driver takes the flag down and then looks for tasks: not both can miss the other.
        fence(SeqCst);
        // Relaxed: ordered by the fence; exact for what was put before the pusher's fence.
        if self.length.load(Relaxed) > 0 || self.places.look_full() {
            self.wake_helper();
        }
    }

    /// Rings the driver's bell if it sleeps.
    ///
    /// SeqCst worker-asleep: pairs with the fence in `fall_asleep`. The pusher stores a task and then reads the flag,
    /// the sleeper stores the flag and then looks for tasks; the two fences rule out that both miss the other.
    fn has_woken_driver(&self) -> bool {
        fence(SeqCst);
        // Relaxed: the fence above orders it; a stale `true` costs one spurious wake.
        let wakes = self.driver_asleep.load(Relaxed) && self.driver_asleep.swap(false, Relaxed);
        if wakes {
            self.answer(self.driver_bell.ring());
        }
        wakes
    }

    /// Whether the driver sleeps: what this thread did before, it has then not seen. If not, it sees that before it sleeps.
    pub(crate) fn is_driver_asleep(&self) -> bool {
        // SeqCst worker-asleep: pairs with the fence in `fall_asleep`, as that in `has_woken_driver`.
        fence(SeqCst);
        // Relaxed: ordered by the fence.
        self.driver_asleep.load(Relaxed)
    }

    /// Takes the task to run now: what this thread has woken last, else what it keeps, in turn with what is shared.
    pub(crate) fn pop(&self) -> Option<Ready> {
        if !here::is_worker(self) {
            return self.pop_shared();
        }
        match here::take_next() {
            Some(Ok(task)) => return Some(task),
            Some(Err(task)) => keep_here(task),
            None => {}
        }
        // Behind what is there already, so that neither kind waits for more than the other has now.
        let shared = self.pop_shared();
        if let Some(shared) = shared {
            keep_here(shared);
        }
        here::take_own().or_else(|| self.pop_place())
    }

    fn pop_place(&self) -> Option<Ready> {
        match self.places.pop(here::worker())? {
            Popped::One(task) => Some(task),
            Popped::Half(task) => {
                // Who looked for a task meanwhile has not found those that this worker is not about to run.
                self.rouse();
                Some(task)
            }
        }
    }

    fn pop_shared(&self) -> Option<Ready> {
        // Relaxed: a hint; a task missed here is seen by the look after the sleeper's fence.
        if self.length.load(Relaxed) == 0 {
            return None;
        }
        let mut queue = self.lock();
        let runnable = queue.pop_front();
        // Relaxed: a hint, as in `share`.
        self.length.store(queue.len(), Relaxed);
        runnable
    }

    /// Says that the driver is about to sleep. The caller looks at everything once more after this returns, and
    /// sleeps only if all of it is idle.
    pub(crate) fn fall_asleep(&self) {
        // Relaxed: ordered by the fence.
        self.driver_asleep.store(true, Relaxed);
        // SeqCst worker-asleep: pairs with the fence in `rouse`.
        fence(SeqCst);
    }

    /// Says that the driver runs again, and clears its bell before it looks at anything.
    pub(crate) fn wake_up(&self) {
        // Relaxed: the worst case is one needless ring.
        self.driver_asleep.store(false, Relaxed);
        self.answer(self.driver_bell.clear().map(drop));
    }

    /// Our own eventfd cannot fail; if it does, the driver sleeps until its next bell or timer.
    fn answer(&self, result: Result<(), SysError>) {
        if let Err(error) = result {
            warning!(%error, "the driver's own bell failed");
            let _ = error;
        }
    }

    /// Tells whether a task is ready; exact, for the look before sleeping.
    pub(crate) fn is_empty(&self) -> bool {
        let has_own = here::is_worker(self) && here::has_any();
        !has_own && self.places.are_empty() && self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Ready>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The eventfd on which the driver sleeps beside its doorbells.
    pub(crate) fn driver_bell(&self) -> &Eventfd {
        &self.driver_bell
    }

    /// Runs what is ready when its worker ends: actors that were told to end, and have not seen it yet.
    pub(crate) fn run_rest(&self) {
        while let Some(runnable) = self.pop() {
            runnable.run();
        }
    }

    /// Runs tasks on the calling helper thread until `stopped` is set and none is ready; sleeps while there are none.
    /// `between` runs after some tasks, `before_sleep` when there are no more.
    pub(crate) fn help(
        &self,
        worker: usize,
        stopped: &AtomicBool,
        between: impl Fn(),
        before_sleep: impl Fn(),
    ) {
        let _working = Working::begin(self, worker);
        self.helpers_running.fetch_add(1, Relaxed);
        loop {
            {
                #[cfg(feature = "test")]
                let _at_work = crate::test::quiet::AtWork::begin(self);
                for _ in 0..TASKS_PER_ROUND {
                    let Some(task) = self.pop() else { break };
                    task.run();
                }
                between();
            }
            if here::has_any() {
                continue;
            }
            before_sleep();
            if self.park(stopped).is_break() {
                break;
            }
        }
        self.helpers_running.fetch_sub(1, Relaxed);
    }

    /// Lets a helper sleep while no task is ready.
    fn park(&self, stopped: &AtomicBool) -> ControlFlow<()> {
        let mut queue = self.lock();
        loop {
            self.helpers_parked.fetch_add(1, Relaxed);
            // SeqCst helper-parked: pairs with the fence before `rouse` looks for parked helpers. The pusher puts a task
            // and then looks, the helper counts itself and then looks for tasks: not both can miss the other.
            fence(SeqCst);
            let is_idle = queue.is_empty() && self.places.are_empty();
            // Relaxed: set before `stop_helpers` notifies under the lock.
            let ends = is_idle && stopped.load(Relaxed);
            if is_idle && !ends {
                queue = self
                    .helpers
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            self.helpers_parked.fetch_sub(1, Relaxed);
            match (is_idle, ends) {
                (_, true) => return ControlFlow::Break(()),
                (false, _) => return ControlFlow::Continue(()),
                (true, false) => {}
            }
        }
    }

    /// Leaves it to this thread to have a deadline minded, if that is in its hands alone: a wait that it ends soon needs no
    /// timer. `false` if one is needed now.
    ///
    /// Who waits is woken at the next tick of the coarse clock, or before the thread sleeps or works for this queue no more,
    /// and arms its timer then. So this is for deadlines for which a tick does not matter.
    #[inline]
    pub(crate) fn mind_later(&self, waker: &Waker) -> bool {
        let is_alone = self.places.is_one() && here::is_worker(self);
        if is_alone {
            here::put_unminded(waker);
        }
        is_alone
    }

    /// Whether [`wake_unminded`](Self::wake_unminded) would wake anybody.
    #[inline]
    pub(crate) fn has_unminded(&self) -> bool {
        here::has_unminded()
    }

    /// Wakes all whose deadlines were left to this worker; `true` if there were any.
    pub(crate) fn wake_unminded(&self) -> bool {
        here::wake_unminded()
    }

    /// Takes the task that this worker has woken last, if it is its turn; what it has not, [`pop`](Self::pop) has.
    #[inline]
    pub(crate) fn pop_next(&self) -> Option<Ready> {
        match here::take_next()? {
            Ok(task) => Some(task),
            Err(task) => {
                keep_here(task);
                None
            }
        }
    }

    /// Counts a message that was handled, on this thread for now; `false` if this is none of the workers.
    #[inline]
    pub(crate) fn count_handled(&self, entries: u64) -> bool {
        here::count_handled(self, entries)
    }

    /// Whether this thread is one of its workers.
    pub(crate) fn is_worker_here(&self) -> bool {
        here::is_worker(self)
    }

    /// Takes what this worker has counted.
    pub(crate) fn take_handled(&self) -> here::Handled {
        here::take_handled()
    }

    /// Wakes every helper so that it sees `stopped`.
    pub(crate) fn stop_helpers(&self) {
        let _queue = self.lock();
        self.helpers.notify_all();
    }
}

impl std::fmt::Debug for RunQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunQueue")
            .field("length", &self.length.load(Relaxed))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicBool, AtomicU32};
    use std::task::{Poll, Wake, Waker};
    use std::time::Duration;

    use super::*;
    use crate::clock::Nanos;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn counted() -> (Arc<Count>, Waker) {
        let count = Arc::<Count>::default();
        (Arc::clone(&count), Waker::from(count))
    }

    /// A task that wakes the other one whenever it runs, for ever.
    fn player(queue: &Arc<RunQueue>, wakers: &Arc<Mutex<Vec<Waker>>>, number: usize) -> Ready {
        let wakers = Arc::clone(wakers);
        queue.task(poll_fn(move |_| {
            wakers.lock().unwrap()[1 - number].wake_by_ref();
            Poll::Pending
        }))
    }

    // Goal: two tasks that wake each other without end do not keep a third from its turn, which was ready before them.
    #[test]
    fn two_that_play_leave_turns_to_others() {
        let queue = RunQueue::create(1).unwrap();
        let wakers = Arc::<Mutex<Vec<_>>>::default();
        let players = [0, 1].map(|number| player(&queue, &wakers, number));
        *wakers.lock().unwrap() = players.iter().map(|player| player.waker()).collect();
        let has_run = Arc::new(AtomicBool::new(false));
        let runs = Arc::clone(&has_run);
        let third = queue.task(async move { runs.store(true, Relaxed) });
        let working = queue.drive_here();
        [third].into_iter().chain(players).for_each(Ready::schedule);
        for _ in 0..64 {
            queue.pop().unwrap().run();
        }
        assert!(has_run.load(Relaxed));
        drop(working);
        assert!(!queue.is_empty()); // what this thread kept is there for others
        wakers.lock().unwrap().clear();
    }

    // Goal: a task that wakes itself goes behind those that are ready.
    #[test]
    fn who_yields_goes_last() {
        let queue = RunQueue::create(1).unwrap();
        let _working = queue.drive_here();
        let has_run = Arc::new(AtomicBool::new(false));
        let sees = Arc::clone(&has_run);
        let mut looks = 0;
        let yields = queue.task(poll_fn(move |cx| {
            looks += 1;
            if looks == 1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            assert!(sees.load(Relaxed));
            Poll::Ready(())
        }));
        let other = queue.task(async move { has_run.store(true, Relaxed) });
        [other, yields].into_iter().for_each(Ready::schedule);
        while let Some(task) = queue.pop() {
            task.run();
        }
    }
    // Goal: what is made ready while the driver looks is left to it; what it leaves when it stops looking, a helper runs.
    // Method: the driver takes the first of two tasks and never comes back for the second.
    #[test]
    fn who_stops_looking_leaves_nothing_lying() {
        let queue = RunQueue::create(2).unwrap();
        let stopped = AtomicBool::new(false);
        let (ran, runs) = std::sync::mpsc::channel();
        std::thread::scope(|threads| {
            threads.spawn(|| queue.help(1, &stopped, || (), || ()));
            let watchdog = Nanos::now().plus(Duration::from_secs(120));
            while queue.helpers_parked.load(Relaxed) == 0 {
                assert!(!watchdog.has_passed(), "the helper does not park");
                std::thread::yield_now();
            }
            let _driver = queue.drive_here();
            queue.look_out();
            let tasks = [1, 2].map(|number| {
                let ran = ran.clone();
                queue.task(async move { ran.send(number).unwrap() })
            });
            let elsewhere = || tasks.into_iter().for_each(Ready::schedule);
            threads.spawn(elsewhere).join().unwrap();
            assert_eq!(queue.helpers_parked.load(Relaxed), 1);
            let first = queue.pop().unwrap();
            queue.stop_looking();
            let second = runs.recv_timeout(Duration::from_secs(120));
            drop(first);
            // Relaxed: `stop_helpers` notifies under the lock.
            stopped.store(true, Relaxed);
            queue.stop_helpers();
            assert_eq!(second, Ok(2));
        });
    }

    // Goal: a deadline is left to a worker that is alone, once for each who waits; that wakes them before it goes.
    #[test]
    fn deadlines_left_to_a_worker_are_minded() {
        let (woken, waker) = counted();
        let alone = RunQueue::create(1).unwrap();
        assert!(!alone.mind_later(&waker), "on a thread that is no worker");
        let working = alone.drive_here();
        assert!(alone.mind_later(&waker) && alone.mind_later(&waker));
        assert!(alone.has_unminded());
        alone.wake_unminded();
        assert_eq!(woken.0.load(Relaxed), 1);
        assert!(alone.mind_later(&waker));
        {
            let two = RunQueue::create(2).unwrap();
            let _working = two.drive_here();
            assert!(!two.mind_later(&waker), "with another who could");
            assert!(!two.has_unminded(), "what is another's");
        }
        assert_eq!(woken.0.load(Relaxed), 1);
        drop(working);
        assert_eq!(woken.0.load(Relaxed), 2);
        assert!(!alone.has_unminded());
    }

    // Goal: of what one worker keeps, another that has nothing takes half, the oldest first.
    #[test]
    fn who_has_nothing_takes_from_others() {
        let queue = RunQueue::create(2).unwrap();
        queue.helpers_running.store(1, Relaxed);
        let order = Arc::<Mutex<Vec<u32>>>::default();
        let task = |number| {
            let order = Arc::clone(&order);
            queue.task(async move { order.lock().unwrap().push(number) })
        };
        let helper = Working::begin(&queue, 1);
        (1..=5).map(task).for_each(Ready::schedule);
        {
            let _driver = queue.drive_here();
            for _ in 0..2 {
                queue.pop().unwrap().run();
            }
        }
        while let Some(task) = queue.pop() {
            task.run();
        }
        drop(helper);
        let order = order.lock().unwrap();
        assert_eq!(order[..2], [1, 2]);
        assert_eq!(order.len(), 5);
    }

    // Goal: what was taken from another and is not run at once is not left to a taker that may take long: who looked for tasks
    // while these were in nobody's queue is roused. Method: a driver that has found none falls asleep before the taking ends.
    #[test]
    fn who_takes_from_others_rouses_for_the_rest() {
        let queue = RunQueue::create(3).unwrap();
        queue.helpers_running.store(2, Relaxed);
        let helper = Working::begin(&queue, 1);
        let task = |_| queue.task(async {});
        (0..4).map(task).for_each(Ready::schedule);
        {
            let _other = Working::begin(&queue, 2);
            queue.fall_asleep();
            let first = queue.pop().unwrap(); // one of two, and one is kept by the first helper
            assert!(!queue.driver_asleep.load(Relaxed));
            first.run();
            queue.fall_asleep();
            queue.pop().unwrap().run(); // its own by now
            assert!(queue.driver_asleep.load(Relaxed), "there was no need");
        }
        while let Some(task) = queue.pop() {
            task.run();
        }
        drop(helper);
    }
}
