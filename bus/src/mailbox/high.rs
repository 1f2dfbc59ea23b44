//! The lane for letters of high priority: a mailbox of the same bound and policy beside the first, made when there is a letter
//! for it.
//!
//! Its actor has no batch of it: it takes its letters one by one, under the lock. They are few, and each may be the last for a
//! while. None goes straight: the place for that is closed from the start.

use std::sync::OnceLock;

use ringway_shm::brief::Brief;
use ringway_shm::handoff::Handoff;
use ringway_shm::once::OnceBox;
use ringway_shm::sync::AtomicU32;
use ringway_shm::sync::Ordering::Relaxed;

use super::{Mailbox, Seldom, State};
use crate::priority::Priority;

impl<L> Mailbox<L> {
    /// The lane of this priority.
    #[inline]
    pub(crate) fn lane(&self, priority: Priority) -> &Self {
        match priority {
            Priority::Normal => self,
            Priority::High => self.high(),
        }
    }

    /// The lane of high priority.
    fn high(&self) -> &Self {
        self.high_if_any().unwrap_or_else(|| self.make_high())
    }

    /// The same, if there is one.
    #[inline]
    pub(super) fn high_if_any(&self) -> Option<&Self> {
        self.seldom.get()?.high.get()
    }

    #[cold]
    fn make_high(&self) -> &Self {
        let seldom = self.seldom();
        // Under the lock, as the closing is: either it is made closed, or who closes finds it.
        let state = self.lock();
        let closed = self
            .closed()
            .map_or_else(OnceLock::new, |reason| reason.clone().into());
        let lane = seldom.high.get_or_init(|| {
            let seldom = OnceBox::new();
            if closed.get().is_some() {
                seldom.get_or_init(|| Seldom {
                    closed,
                    ..Seldom::default()
                });
            }
            Self {
                straight: Handoff::closed(),
                state: Brief::new(State { letters: None }),
                queued: AtomicU32::new(0),
                in_batch: AtomicU32::new(0),
                capacity: self.capacity,
                overflow: self.overflow,
                seldom,
            }
        });
        drop(state);
        lane
    }

    /// Whether [`take_high`](Self::take_high) has a letter; for the actor alone.
    #[inline]
    pub(crate) fn has_high(&self) -> bool {
        // Relaxed: a hint; see edge, which holds for this lane too.
        self.high_if_any()
            .is_some_and(|high| high.queued.load(Relaxed) > 0)
    }

    /// Takes the oldest letter of high priority; for the actor alone.
    pub(crate) fn take_high(&self) -> Option<L> {
        let high = self.high_if_any()?;
        let mut state = high.lock();
        let letter = state.pop();
        // Relaxed: a hint, as in `push`.
        high.queued.store(state.len(), Relaxed);
        high.offer_room(state, 0);
        letter
    }

    /// Letters of high priority that wait.
    pub(crate) fn ahead_high(&self) -> usize {
        self.high_if_any()
            .map_or(0, |high| high.lock().len() as usize)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::exit::ExitReason;
    use crate::mailbox::{Batch, Overflow, Pushed, Refused};

    // Goal: the lane of high priority has room, an order and an edge of its own; a mailbox that is closed gives its letters out
    // first, and refuses in both.
    #[test]
    fn it_is_a_mailbox_of_its_own() {
        let mailbox = Mailbox::new(2, Overflow::Fail);
        assert!(!mailbox.has_high() && mailbox.take_high().is_none());
        for letter in [1, 2] {
            assert!(mailbox.push(|| letter).is_ok());
        }
        assert!(matches!(mailbox.push(|| 3), Err(Refused::Full)));
        let high = mailbox.lane(Priority::High);
        assert!(matches!(high.push(|| 11), Ok(Pushed::First)));
        assert!(matches!(high.push(|| 12), Ok(Pushed::Queued)));
        assert!(matches!(high.push(|| 13), Err(Refused::Full)));
        assert!(mailbox.has_high());
        assert_eq!(
            (mailbox.ahead(&Batch::default()), mailbox.ahead_high()),
            (2, 2)
        );
        assert_eq!(mailbox.take_high(), Some(11));
        assert!(matches!(high.push(|| 13), Ok(Pushed::Queued)));
        assert_eq!(mailbox.close(&ExitReason::Killed), [12, 13, 1, 2]);
        for lane in [&mailbox, high] {
            let refused = lane.push(|| 4);
            assert!(matches!(refused, Err(Refused::Closed(ExitReason::Killed))));
        }
    }

    // Goal: a lane that is made when the mailbox is closed already refuses; nothing is ever queued in it.
    #[test]
    fn it_is_made_closed() {
        let mailbox = Mailbox::new(2, Overflow::Wait);
        assert!(mailbox.close(&ExitReason::Stopped).is_empty());
        let refused = mailbox.lane(Priority::High).push(|| 1);
        assert!(matches!(refused, Err(Refused::Closed(ExitReason::Stopped))));
    }

    // Goal: what its policy drops is of its own priority, and counted with the rest.
    #[test]
    fn it_drops_its_own() {
        let mailbox = Mailbox::new(1, Overflow::DropOldest);
        assert!(mailbox.push(|| 1).is_ok());
        let high = mailbox.lane(Priority::High);
        assert!(high.push(|| 11).is_ok());
        assert!(matches!(high.push(|| 12), Ok(Pushed::Displaced(11))));
        assert!(matches!(mailbox.push(|| 2), Ok(Pushed::Displaced(1))));
        assert_eq!(mailbox.dropped(), 2);
        assert_eq!(mailbox.close(&ExitReason::Stopped), [12, 2]);
    }
}
