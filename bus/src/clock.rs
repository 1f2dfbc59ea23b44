//! The one clock of deadlines: CLOCK_MONOTONIC in nanoseconds, the same for all processes of a host.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point in time on CLOCK_MONOTONIC, in nanoseconds; 0 is 'none'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanos(pub(crate) u64);

impl Nanos {
    /// No point in time: a deadline that never comes.
    pub(crate) const NONE: Self = Self(0);

    /// Reads the clock.
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        Self(
            seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(nanos)
                .max(1),
        )
    }

    /// The point `after` from now; saturates in five hundred years.
    pub(crate) fn after(after: Duration) -> Self {
        Self::now().plus(after)
    }

    /// The point `after` from this one; saturates.
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
    pub(crate) fn has_passed(self) -> bool {
        self != Self::NONE && self <= Self::now()
    }
}
