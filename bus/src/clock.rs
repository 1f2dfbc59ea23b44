//! The one clock of deadlines: CLOCK_MONOTONIC in nanoseconds, the same for all processes of a host.
//!
//! Reading it costs some twenty nanoseconds. Its coarse twin, which is set at each tick of the kernel, costs four: where
//! milliseconds do not matter it answers, and only near a deadline the exact one is asked. The coarse clock lags, by a tick
//! at most (1 to 10 ms), or by as long as a host stops the virtual processor that sets it; it is never ahead.
//!
//! # Invariants
//! - **woken-has-passed**: who wakes others when their time has come goes by [`Clock::passed`], and finds with it what they
//!   will find with `has_passed`, however far the coarse clock lags. One that was woken and found that it has to wait would
//!   have no timer left.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds by which the coarse clock is taken to lag at most: ten of the longest ticks.
const LAG_MAX_NS: u64 = 100_000_000;

/// The longest tick.
const TICK_MAX: Duration = Duration::from_millis(10);

/// Waits from here on begin on the coarse clock: a tick is one percent of them.
const COARSE_FROM: Duration = Duration::from_secs(1);

/// A point in time on CLOCK_MONOTONIC, in nanoseconds; 0 is 'none'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanos(pub(crate) u64);

/// The clock of one node: that of the system, or one that a test sets.
///
/// Without the feature `test` there is nothing in it, and nothing to be decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    #[cfg(feature = "test")]
    test: Option<std::sync::Arc<crate::test::clock::NodeClock>>,
}

impl Clock {
    /// The clock of a node under test.
    #[cfg(feature = "test")]
    pub(crate) fn test(clock: crate::test::clock::NodeClock) -> Self {
        Self {
            test: Some(std::sync::Arc::new(clock)),
        }
    }

    /// What time it is.
    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        #[cfg(feature = "test")]
        if let Some(test) = &self.test {
            return test.now();
        }
        Nanos::now()
    }

    /// As [`Nanos::begin`].
    #[inline]
    pub(crate) fn begin(&self, wait: Duration) -> (Nanos, Nanos) {
        #[cfg(feature = "test")]
        if let Some(test) = &self.test {
            let began = test.now();
            return (began, began.plus(wait));
        }
        Nanos::begin(wait)
    }

    /// The point `after` from now.
    #[inline]
    pub(crate) fn after(&self, after: Duration) -> Nanos {
        self.now().plus(after)
    }

    /// Tells whether this is a point in time and has passed, as [`Nanos::has_passed`] does.
    #[inline]
    pub(crate) fn has_passed(&self, at: Nanos) -> bool {
        #[cfg(feature = "test")]
        if let Some(test) = &self.test {
            return at != Nanos::NONE && at <= test.now();
        }
        at.has_passed()
    }

    /// The latest point that has passed: [`has_passed`](Self::has_passed) says so of it and of all before it, from now on.
    #[inline]
    pub(crate) fn passed(&self) -> Nanos {
        #[cfg(feature = "test")]
        if let Some(test) = &self.test {
            return test.now();
        }
        Nanos::passed()
    }

    /// When a thread that sleeps until `due` is to wake up by the system's clock; a test's clock wakes it itself.
    #[inline]
    pub(crate) fn sleep_until(&self, due: Nanos) -> Option<Nanos> {
        #[cfg(feature = "test")]
        if let Some(test) = &self.test {
            return test.sleep_until(due);
        }
        Some(due)
    }

    /// The node leaves: it does not wait for a test to go on.
    pub(crate) fn let_run(&self) {
        #[cfg(feature = "test")]
        if let Some(test) = &self.test {
            test.let_run();
        }
    }
}

impl Nanos {
    /// No point in time: a deadline that never comes.
    pub(crate) const NONE: Self = Self(0);

    /// Reads the clock.
    pub(crate) fn now() -> Self {
        Self::read(ClockId::Monotonic)
    }

    /// Begins a wait: when it began, and when it is over. That is never too early; a long wait is up to two ticks longer
    /// than `wait` says.
    pub(crate) fn begin(wait: Duration) -> (Self, Self) {
        if wait < COARSE_FROM {
            let began = Self::now();
            return (began, began.plus(wait));
        }
        let began = Self::read(ClockId::MonotonicCoarse);
        (began, began.plus(wait.saturating_add(TICK_MAX)))
    }

    fn read(clock: ClockId) -> Self {
        let now = clock_gettime(clock);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        Self(
            seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(nanos)
                .max(1),
        )
    }

    /// Whether a wait of so long begins on the coarse clock: a tick does not matter to it.
    #[inline]
    pub(crate) fn is_long(wait: Duration) -> bool {
        wait >= COARSE_FROM
    }

    /// What the coarse clock says: the same until the kernel's next tick.
    pub(crate) fn tick() -> Self {
        Self::read(ClockId::MonotonicCoarse)
    }

    /// The point `after` from this one; saturates in five hundred years.
    pub(crate) fn plus(self, after: Duration) -> Self {
        let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(after))
    }

    /// The same point on a clock that shows `offset` nanoseconds more; none stays none.
    pub(crate) fn shifted(self, offset: i64) -> Self {
        if self == Self::NONE {
            self
        } else {
            Self(self.0.saturating_add_signed(offset).max(1))
        }
    }

    /// Time from an earlier point to this one; zero when it is later.
    pub(crate) fn since(self, now: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(now.0))
    }

    /// Tells whether this is a point in time and has passed.
    ///
    /// Cost: a look at the coarse clock while it is far ahead.
    pub(crate) fn has_passed(self) -> bool {
        self != Self::NONE && !self.is_far(Self::tick()) && self <= Self::now()
    }

    /// Whether the coarse clock says that this is still to come.
    fn is_far(self, coarse: Self) -> bool {
        self > coarse.near()
    }

    /// Up to where this, as the coarse clock, leaves it to the exact one.
    fn near(self) -> Self {
        Self(self.0.saturating_add(LAG_MAX_NS))
    }

    /// The latest point of which [`has_passed`](Self::has_passed) says so from now on; see woken-has-passed.
    fn passed() -> Self {
        // Neither clock goes back: whoever looks later looks at later ones.
        Self::now().min(Self::tick().near())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: on whichever clock a wait begins, it is over neither too early nor, but for the tick, too late.
    #[test]
    fn a_wait_is_never_cut_short() {
        for wait in [0, 1, 999, 1_000, 5_000, 3_600_000].map(Duration::from_millis) {
            let (began, over) = Nanos::begin(wait);
            let after = Nanos::now();
            assert!(began <= after && over.since(began) >= wait);
            assert!(over <= after.plus(wait).plus(TICK_MAX));
        }
    }

    // Goal: one who is woken when his time has come finds that it has, though the coarse clock stands still: what is woken by
    // is never later than what both clocks admit, and so not than what either of them does later.
    #[test]
    fn who_is_woken_finds_that_it_has_passed() {
        for _ in 0..100 {
            let passed = Nanos::passed();
            assert!(passed.has_passed() && Clock::default().has_passed(passed));
        }
        // The coarse clock has stopped, and the exact one is well beyond what it may lag.
        let coarse = Nanos(1_000_000_000);
        let exact = coarse.plus(Duration::from_secs(1));
        let passed = exact.min(coarse.near());
        assert!(passed < exact && !passed.is_far(coarse));
        assert!(Nanos(passed.0 + 1).is_far(coarse));
    }

    // Goal: what has passed is said to have, at once; what is far ahead is not.
    #[test]
    fn has_passed_is_exact_near_the_deadline() {
        let now = Nanos::now();
        assert!(now.has_passed());
        assert!(!Nanos::NONE.has_passed());
        assert!(!now.plus(Duration::from_secs(3_600)).has_passed());
        let soon = now.plus(Duration::from_millis(1));
        while Nanos::now() < soon {
            std::hint::spin_loop();
        }
        assert!(soon.has_passed());
    }
}
