//! What is to be tried again later, by the clock. No clock ever proves anything here: it only spaces out tries.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::frame::SegmentName;
use crate::peering::NodeId;

/// The first pause before a try is repeated.
const BACKOFF_FIRST: Duration = Duration::from_millis(5);
/// The longest: what a node that became free again waits at most.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// What is due at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Connect to a node again.
    Call(NodeId),
    /// Accept again: there were too many descriptors.
    Accept,
    /// Send what is queued again: too many descriptors were under way.
    Flush(u64),
    /// Announce a segment again that the peer could not map.
    Announce(NodeId, SegmentName),
    /// Read on in a peer's names.
    Names(NodeId),
    /// Look whether retired segments of a peer are still read.
    Unmap(NodeId),
    /// Look for memory of this node's that nothing is in any more.
    Trim,
}

/// Things that are due later, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<(Instant, u64), Due>,
    count: u64,
}

impl Timers {
    pub(super) fn after(&mut self, pause: Duration, due: Due) {
        self.count += 1;
        self.due.insert((Instant::now() + pause, self.count), due);
    }

    /// Time until the first is due; `None` when nothing is.
    pub(super) fn pause(&self) -> Option<Duration> {
        let ((at, _), _) = self.due.first_key_value()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Takes the first thing that is due.
    pub(super) fn take(&mut self) -> Option<Due> {
        let first = self.due.first_entry()?;
        (first.key().0 <= Instant::now()).then(|| first.remove())
    }
}

/// A pause that doubles with each use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(BACKOFF_FIRST)
    }
}

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(BACKOFF_MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_limit() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..12).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(
            pauses,
            [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000, 1000]
        );
    }

    #[test]
    fn timers_come_in_order() {
        let mut timers = Timers::default();
        assert_eq!((timers.pause(), timers.take()), (None, None));
        timers.after(Duration::from_secs(3600), Due::Accept);
        timers.after(Duration::ZERO, Due::Flush(1));
        timers.after(Duration::ZERO, Due::Flush(2));
        assert_eq!(timers.pause(), Some(Duration::ZERO));
        assert_eq!(
            [timers.take(), timers.take()],
            [Some(Due::Flush(1)), Some(Due::Flush(2))]
        );
        assert_eq!(timers.take(), None);
        assert!(
            timers
                .pause()
                .is_some_and(|pause| pause > Duration::from_secs(3000))
        );
    }
}
