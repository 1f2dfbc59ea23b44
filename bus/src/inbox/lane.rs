//! One uring seen from its completer.
//!
//! Who watches it is in [`watch`], how its entries are taken in [`take`], what is posted in [`post`], and its end in [`close`].

mod close;
mod post;
mod take;
mod watch;

use std::sync::{Arc, Weak};

use ringway_shm::brief::Brief;
use ringway_shm::card::{Accounts, Counter};
use ringway_shm::generation::Key;
use ringway_shm::lane::Peek;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sync::{AtomicBool, AtomicU32, AtomicU64};
use ringway_shm::uring::{CompleterEnds, PostEnd};

pub(crate) use self::take::Taken;
use self::take::Taking;
pub(super) use self::take::Took;
use self::watch::HOT;
pub(crate) use self::watch::{Patience, Watch};
use super::Inbox;
use super::reply::Replies;
use crate::priority::Priority;
use crate::rings::RingSpan;
use crate::shared::{Part, Shared};
use crate::urings::PeerUrings;

/// The completer's side of a uring.
pub(crate) struct InboxLane {
    pub(crate) peer: Arc<PeerUrings>,
    /// The uring's name, given by its submitter.
    pub(crate) uring: Key,
    /// Of all that comes by it.
    pub(super) priority: Priority,
    shared: Weak<Shared>,
    /// Its place among those that the accounts are made of.
    member: usize,
    inbox: Arc<Inbox>,
    state: AtomicU32,
    /// What the driver looks through while nothing comes, without the lock of `taking`.
    peek: Peek<7>,
    /// `is_ending` of `taking`, for the same look.
    ends: AtomicBool,
    taking: Brief<Taking>,
    posting: Brief<PostEnd>,
    pub(crate) replies: Replies,
    /// Replies that the submitter may have unread: what its completion queue has room for.
    pub(super) credit: usize,
    /// Entries beyond which the oldest are dropped as the owner takes, if its policy is that.
    keeps: Option<u64>,
    /// Tokens that a queue's owner has received; written by one thread at a time.
    received: AtomicU64,
    /// Entries taken between two looks at whether the submitter waits for room.
    room_check_every: u32,
    /// Our half of the uring's memory; returned when the lane is dropped.
    span: RingSpan,
}

impl InboxLane {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        peer: &Arc<PeerUrings>,
        (uring, priority): (Key, Priority),
        inbox: &Arc<Inbox>,
        ends: CompleterEnds,
        span: RingSpan,
        (keeps, room_check_every): (Option<u64>, u32),
    ) -> Arc<Self> {
        peer.count_lane(span.region().len());
        Arc::new_cyclic(|this| Self {
            member: shared.members.add(Weak::clone(this) as Weak<dyn Part>),
            peer: Arc::clone(peer),
            uring,
            priority,
            shared: Arc::downgrade(shared),
            inbox: Arc::clone(inbox),
            state: AtomicU32::new(HOT),
            peek: ends.take.peeker(),
            ends: AtomicBool::new(false),
            taking: Brief::new(Taking {
                end: ends.take,
                since_room_check: 0,
                is_listed: false,
                slots: 0,
                is_ending: false,
                is_closed: false,
                is_abandoned: false,
            }),
            credit: usize::try_from(ends.post.capacity().get()).unwrap_or(usize::MAX),
            posting: Brief::new(ends.post),
            replies: Replies::default(),
            keeps,
            received: AtomicU64::new(0),
            room_check_every,
            span,
        })
    }

    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    pub(crate) fn priority(&self) -> Priority {
        self.priority
    }

    /// Counts a token that a queue's owner has received, who is one thread at a time.
    #[inline]
    pub(crate) fn count_received(&self) {
        // Relaxed: a count, which orders nothing; there is one writer at a time.
        self.received
            .store(self.received.load(Relaxed) + 1, Relaxed);
    }
}

impl Part for InboxLane {
    fn add_to(&self, accounts: &mut Accounts) {
        let taking = self.taking();
        accounts.taken += taking.end.entries();
        let is_in_hand = taking.end.done() < taking.end.taken() && !taking.is_abandoned;
        accounts.in_handling += u64::from(is_in_hand);
        drop(taking);
        accounts.handled += self.received.load(Relaxed); // Relaxed: as in `count_received`
        accounts.blocks_lent += self.replies.lent();
    }
}

impl Drop for InboxLane {
    fn drop(&mut self) {
        self.peer.uncount_lane(self.span.region().len());
        if let Some(shared) = self.shared.upgrade() {
            let taken = self.taking.get_mut().end.entries();
            shared.count(Counter::Taken, taken);
            // Relaxed: as in `count_received`.
            shared.count(Counter::EntriesHandled, self.received.load(Relaxed));
            shared.members.remove(self.member);
        }
    }
}

impl std::fmt::Debug for InboxLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxLane")
            .field("uring", &self.uring)
            .finish_non_exhaustive()
    }
}
