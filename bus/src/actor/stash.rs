//! What an actor has put aside: messages in hand that it is not ready for, with the ways back of their askers, until it has them
//! handled again.
//!
//! ```text
//!   handled --stash--> aside --unstash--> again --its turn--> handled
//! ```
//!
//! Both lists are in the order in which the messages were first put aside; one that is put aside again has its old place. Made
//! with the first message, part of what an actor has of its own: who puts nothing aside pays nothing.
//!
//! # If the actor ends
//! The handler of each had begun, and did not come to an end. An asker hears that, wherever it is, as its way back is dropped;
//! the sender of a tell of this process gets it back as taken. A tell of another process that came in its entry alone has a mark in
//! its lane, which its sender finds when it hears of the end, of the actor or of this process. What is left of a sender that is
//! dead is a dead letter of this node.

use std::collections::VecDeque;
use std::fmt;

use super::cell::CellCore;
use super::later::Interest;
use super::port::{Back, Stashed};
use super::{Actor, Undone};
use crate::clock::{Clock, Nanos};
use crate::inbox::reply::RemotePort;
use crate::inbox::{AsideMark, Orphan};
use crate::message::Sendable;
use crate::send::redeliver::About;

/// Messages put aside at a time, unless told otherwise: half as many as one process may have under way to an actor, so that
/// there is credit left for the one that is waited for.
const CAPACITY: usize = 64;

/// What belongs to a message in hand beside its letter.
pub(super) struct Along {
    /// The way back of a message of another process, if it has one.
    pub(super) remote: Option<RemotePort>,
    pub(super) about: Option<About>,
    /// Of a message of another process.
    pub(super) entry: Option<Orphan>,
    /// Of one that no op stands for: what tells its sender that it is not over.
    pub(super) mark: Option<AsideMark>,
    /// Who waits for the answer, and until when.
    pub(super) interest: Interest,
    pub(super) deadline: Nanos,
}

impl Along {
    /// Why it need not be handled, if that is so.
    fn unwanted(&mut self, clock: &Clock) -> Option<Undone> {
        if let Some(remote) = &mut self.remote {
            remote.look_again();
            return remote.unwanted(clock);
        }
        if matches!(self.interest, Interest::Nobody) {
            return None;
        }
        if clock.has_passed(self.deadline) {
            return Some(Undone::Expired);
        }
        self.interest.is_over().then_some(Undone::Cancelled)
    }
}

struct Kept<L> {
    /// Its place among all.
    number: u64,
    letter: L,
    along: Along,
}

/// The message in hand, if it had been put aside.
struct Hand {
    number: u64,
    entry: Option<Orphan>,
    mark: Option<AsideMark>,
}

/// The messages that one actor has put aside.
pub(super) struct Stash<L> {
    capacity: usize,
    aside: VecDeque<Kept<L>>,
    again: VecDeque<Kept<L>>,
    last: u64,
    hand: Option<Hand>,
    /// What belongs to the letter that was given last.
    along: Option<Along>,
}

/// An actor's stash, if it has ever used one.
pub(super) type MaybeStash<L> = Option<Box<Stash<L>>>;

impl<L> Default for Stash<L> {
    fn default() -> Self {
        Self {
            capacity: CAPACITY,
            aside: VecDeque::new(),
            again: VecDeque::new(),
            last: 0,
            hand: None,
            along: None,
        }
    }
}

impl<L> Stash<L> {
    pub(super) fn bound(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Messages put aside.
    pub(super) fn len(&self) -> usize {
        self.aside.len()
    }

    /// Whether there is room for one more, once those are gone that nobody wants any more.
    pub(super) fn has_room(&mut self, core: &CellCore) -> bool {
        if self.aside.len() < self.capacity {
            return true;
        }
        let clock = &core.shared().clock;
        let mut kept = VecDeque::with_capacity(self.aside.len());
        for mut one in self.aside.drain(..) {
            let Some(why) = one.along.unwanted(clock) else {
                kept.push_back(one);
                continue;
            };
            core.shared().count_undone(&why);
            if let Some(remote) = one.along.remote {
                remote.undone(&why);
            }
        }
        self.aside = kept;
        self.aside.len() < self.capacity
    }

    /// Puts the message in hand aside.
    pub(super) fn put(&mut self, letter: L, mut along: Along) {
        let number = match self.hand.take() {
            Some(hand) => {
                along.mark = along.mark.or(hand.mark);
                hand.number
            }
            None => {
                self.last += 1;
                self.last
            }
        };
        let place = self.aside.partition_point(|it| it.number < number);
        let kept = Kept {
            number,
            letter,
            along,
        };
        self.aside.insert(place, kept);
    }

    /// Has the oldest handled again.
    pub(super) fn take_up_one(&mut self) -> bool {
        let Some(kept) = self.aside.pop_front() else {
            return false;
        };
        let place = self.again.partition_point(|it| it.number < kept.number);
        self.again.insert(place, kept);
        true
    }

    /// Has all of them handled again; returns how many.
    pub(super) fn take_up(&mut self) -> usize {
        let count = self.aside.len();
        self.again.append(&mut self.aside);
        self.again.make_contiguous().sort_by_key(|it| it.number);
        count
    }

    #[inline]
    pub(super) fn has_due(&self) -> bool {
        !self.again.is_empty()
    }

    pub(super) fn take_due(&mut self) -> Option<L> {
        let mut kept = self.again.pop_front()?;
        if let Some(remote) = &mut kept.along.remote {
            remote.look_again();
        }
        self.hand = Some(Hand {
            number: kept.number,
            entry: kept.along.entry,
            mark: kept.along.mark.take(),
        });
        self.along = Some(kept.along);
        Some(kept.letter)
    }

    /// What belongs to the letter that was given last, once.
    pub(super) fn along(&mut self) -> Option<Along> {
        self.along.take()
    }

    /// Another message is about to be taken, or there is none: the handler of that in hand has ended.
    #[inline]
    pub(super) fn passed(&mut self) {
        if self.hand.is_some() {
            self.let_go();
        }
    }

    // Out of the way of all other messages: a mark's drop is much code.
    #[cold]
    #[inline(never)]
    fn let_go(&mut self) {
        self.hand = None;
    }

    /// The actor ends with the message in hand not handled; tells whether its sender hears of that.
    pub(super) fn abandon_hand(&mut self) -> bool {
        let mark = self.hand.as_mut().and_then(|hand| hand.mark.take());
        mark.is_some_and(tells)
    }

    /// The entry that the message in hand came by.
    pub(super) fn entry_in_hand(&self) -> Option<Orphan> {
        self.hand.as_ref()?.entry
    }
}

/// Leaves it to the sender of a message that is not handled again to find that; `false` if it is dead.
fn tells(mark: AsideMark) -> bool {
    let is_heard = !mark.is_of_the_dead();
    mark.stays();
    is_heard
}

impl<L> Stash<L> {
    /// The actor ends: each sender is told what there is to tell.
    pub(super) fn lose<A: Actor<Letters = L>>(self, core: &CellCore) {
        if self.again.is_empty() && self.aside.is_empty() {
            return;
        }
        let returns = core.returns();
        for Kept { letter, along, .. } in self.again.into_iter().chain(self.aside) {
            let is_heard = along.remote.as_ref().is_some_and(|it| !it.is_of_the_dead())
                | along.mark.is_some_and(tells);
            let stashed = Stashed {
                core,
                returns: &returns,
                sender: along.entry.map(|it| it.sender).filter(|_| !is_heard),
            };
            A::give_back(letter, &Back::Stashed(stashed));
            // Its drop says that the handler did not come to its end.
            drop(along.remote);
        }
    }
}

/// Why a message was not put aside.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StashError<S: Sendable> {
    /// There are as many as may be; see [`Context::stash_capacity`](crate::Context::stash_capacity).
    #[error("{capacity} messages are put aside, and no more may be")]
    Full {
        /// The message.
        message: S,
        /// How many may be.
        capacity: usize,
    },
    /// No message of that type is in hand: a hook runs, or it was put aside already.
    #[error("no message of that type is in hand")]
    NotInHand {
        /// The message.
        message: S,
    },
}

impl<S: Sendable> StashError<S> {
    /// Returns the message.
    pub fn into_inner(self) -> S {
        match self {
            Self::Full { message, .. } | Self::NotInHand { message } => message,
        }
    }
}

impl<S: Sendable> fmt::Debug for StashError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { capacity, .. } => f
                .debug_struct("Full")
                .field("capacity", capacity)
                .finish_non_exhaustive(),
            Self::NotInHand { .. } => f.debug_struct("NotInHand").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(stash: &mut Stash<u32>, letter: u32) {
        let along = Along {
            remote: None,
            about: None,
            entry: None,
            mark: None,
            interest: Interest::Nobody,
            deadline: Nanos::NONE,
        };
        stash.put(letter, along);
    }

    fn handled(stash: &mut Stash<u32>) -> u32 {
        stash.passed();
        stash.take_due().unwrap()
    }

    // Goal: whatever is put aside again, and however it is taken up, what was put aside first is handled first.
    #[test]
    fn the_order_is_that_of_the_first_time() {
        let mut stash = Stash::default();
        (1..=4).for_each(|letter| put(&mut stash, letter));
        assert!(!stash.has_due());
        assert_eq!(stash.take_up(), 4);
        for letter in 1..=2 {
            assert_eq!(handled(&mut stash), letter);
            put(&mut stash, letter);
        }
        stash.passed();
        put(&mut stash, 5);
        assert!(stash.take_up_one());
        assert_eq!(handled(&mut stash), 1);
        put(&mut stash, 1);
        assert_eq!(
            stash.take_up(),
            3,
            "those that wait already are not counted"
        );
        let order: Vec<_> = (0..5).map(|_| handled(&mut stash)).collect();
        assert_eq!(order, [1, 2, 3, 4, 5]);
        assert!(!stash.take_up_one() && stash.take_due().is_none());
    }
}
