//! The second end to one receiver: the uring by which what has high priority goes to it.
//!
//! It is opened when something is first sent by it, and is an end like any other: it has its own room, credit, ops and heads, so
//! the fate of what is in it is told as ever. What comes back of it comes back to the same addresses; so nothing more comes back
//! only when both have ended. The first end keeps it, and the two are of one peer: they end together, in either order.

use std::sync::Arc;

use super::{Closed, Open, RemoteEnd};
use crate::exit::ExitReason;
use crate::priority::Priority;
use crate::shared::EndKey;

impl RemoteEnd {
    /// The end for what has this priority; the second end itself is that of what is sent by it.
    #[inline]
    pub(crate) fn of(self: &Arc<Self>, priority: Priority) -> &Arc<Self> {
        match priority {
            Priority::High if self.key.priority == Priority::Normal => self.high(),
            Priority::Normal | Priority::High => self,
        }
    }

    fn high(self: &Arc<Self>) -> &Arc<Self> {
        // Where none can be made, the first end says why nothing is sent.
        self.high.get().or_else(|| self.make_high()).unwrap_or(self)
    }

    #[cold]
    fn make_high(self: &Arc<Self>) -> Option<&Arc<Self>> {
        let shared = self.shared()?;
        if self.end_reason().is_some() {
            return None;
        }
        let (mut is_new, mut is_living) = (false, true);
        let high = self.high.get_or_init(|| {
            is_new = true;
            is_living = self.returns.add_high();
            let key = EndKey {
                priority: Priority::High,
                ..self.key
            };
            let carried = (self.kind, self.carried.clone());
            Self::returning_to(&shared, key, carried, Arc::clone(&self.returns))
        });
        if !is_living {
            let reason = self.end_reason();
            high.refuse(&reason.unwrap_or(ExitReason::NoSuchActor));
        } else if is_new {
            shared.open_high(high);
        }
        Some(high)
    }

    /// Nothing was ever sent by it: nothing comes back.
    pub(super) fn never_opened(&self) {
        if self.key.priority == Priority::High {
            self.returns.end(Priority::High, &ExitReason::Unreachable);
        }
    }

    /// The last address is gone.
    pub(super) fn close(&self, open: Box<Open>) -> Closed {
        Closed::close(open, &self.returns, self.key.priority)
    }
}
