//! What has become of the messages that were submitted to one uring.
//!
//! Of a message with an op, its op tells; of one without, the receiver's heads do, and after the receiver's end what was made
//! of it then. What an index counts has no counter beside it: messages sent are the entries pushed, ops issued the generations
//! of their places.

use ringway_shm::card::{Accounts, Counter};
use ringway_shm::sys::fork;

use super::open::Open;
use super::{Phase, RemoteEnd};
use crate::shared::Part;

/// Messages whose fate is decided, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) completed: u64,
    pub(crate) returned: u64,
    pub(crate) died_after_take: u64,
    pub(crate) uncertain: u64,
}

impl Decided {
    fn plus(self, other: Self) -> Self {
        Self {
            completed: self.completed + other.completed,
            returned: self.returned + other.returned,
            died_after_take: self.died_after_take + other.died_after_take,
            uncertain: self.uncertain + other.uncertain,
        }
    }
}

/// Messages without ops, by the receiver's heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Opless {
    /// Those that `done` has passed.
    pub(super) handled: u64,
    /// Those that it has not.
    pub(super) open: u64,
}

impl Open {
    /// Messages without ops, where the handlers of all before position `done` have ended.
    ///
    /// Cost: a look at each entry that `done` has not passed.
    pub(super) fn opless(&self, done: u64) -> Opless {
        let tail = self.submit.tail();
        let kept = done.max(tail.saturating_sub(self.submit.capacity().get()));
        let (mut with_op, mut open) = (0, kept - done);
        for words in (kept..tail).filter_map(|at| self.submit.entry_at(at)) {
            match words[0] {
                0 => open += 1,
                _ => with_op += 1,
            }
        }
        let passed = self.submit.entries().saturating_sub(with_op + open);
        Opless {
            handled: passed.saturating_sub(self.ops.issued().saturating_sub(with_op)),
            open,
        }
    }

    /// Adds what has become of its messages.
    fn add_to(&mut self, accounts: &mut Accounts) {
        accounts.sent += self.submit.entries();
        accounts.blocks_lent += self.ops.lent();
        let mut decided = self.ops.decided.plus(self.opless_decided);
        let mut open = self.ops.undecided();
        if !self.is_judged {
            // A count that cannot be tells nothing: that it has passed no more than was seen is known.
            let seen = self.submit.seen_taken();
            let done = self.submit.done().unwrap_or(seen);
            let opless = self.opless(done);
            decided.completed += opless.handled;
            open += opless.open;
        }
        accounts.completed += decided.completed;
        accounts.returned += decided.returned;
        accounts.died_after_take += decided.died_after_take;
        accounts.uncertain += decided.uncertain;
        accounts.in_flight += open;
    }
}

impl Open {
    /// Its sums go onto the card, once: it is about to go. What was still in flight, nobody will know of.
    pub(super) fn leave_sums(&mut self) {
        if std::mem::replace(&mut self.has_left_sums, true) || fork::check().is_err() {
            return; // A forked child has not the memory.
        }
        let mut sums = Accounts::default();
        self.add_to(&mut sums);
        let peer = self.peer.peer();
        peer.count(Counter::Sent, sums.sent);
        peer.count(Counter::Completed, sums.completed);
        peer.count(Counter::Returned, sums.returned);
        peer.count(Counter::DiedAfterTake, sums.died_after_take);
        peer.count(Counter::Uncertain, sums.uncertain + sums.in_flight);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.leave_sums();
    }
}

impl super::Closed {
    /// Adds what has become of its messages.
    pub(crate) fn add_to(&mut self, accounts: &mut Accounts) {
        self.open.add_to(accounts);
    }
}

impl Part for RemoteEnd {
    fn add_to(&self, accounts: &mut Accounts) {
        if let Phase::Open(open) = &mut *self.lock()
            && !open.has_left_sums
        {
            open.add_to(accounts);
        }
    }
}
