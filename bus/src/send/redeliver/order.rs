//! The order of what is sent again: one queue per receiver that is followed and per priority, whichever addresses it is sent by.
//!
//! A message is *behind* while it is not on its way to the newest life that any of them was sent to. Only the first of those
//! behind may be sent; so all that an ended life left goes to the next one in its old order, and what is new waits for that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

use crate::addr::{ActorId, Followed};
use crate::priority::Priority;
use crate::shared::lock;

/// Lives of one receiver that are told apart at a time; more than can be on their way.
const LIVES_MAX: usize = 16;

/// The queues of one node, and the numbers that it gives.
#[derive(Default)]
pub(crate) struct Ledgers {
    next: AtomicU64,
    by_receiver: Mutex<HashMap<(Followed, Priority), Weak<Ledger>>>,
}

impl Ledgers {
    /// A number that no other message of this node has.
    pub(crate) fn number(&self) -> u64 {
        // Relaxed: it only has to be another one.
        self.next.fetch_add(1, Relaxed) + 1
    }

    /// The queue to a receiver of what has this priority, made if there is none.
    pub(super) fn to(&self, receiver: (Followed, Priority)) -> Arc<Ledger> {
        let mut by_receiver = lock(&self.by_receiver);
        if let Some(ledger) = by_receiver.get(&receiver).and_then(Weak::upgrade) {
            return ledger;
        }
        by_receiver.retain(|_, ledger| ledger.strong_count() > 0);
        let ledger = Arc::<Ledger>::default();
        by_receiver.insert(receiver, Arc::downgrade(&ledger));
        ledger
    }
}

#[derive(Default)]
struct Entry {
    /// The life that it is on its way to.
    life: Option<u64>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Books {
    next: u64,
    entries: BTreeMap<u64, Entry>,
    behind: BTreeSet<u64>,
    /// Lives in the order in which they were first sent to, the newest last.
    lives: Vec<(ActorId, u64)>,
    newest: u64,
}

/// The queue to one receiver.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Books>);

impl Books {
    fn index(&mut self, life: ActorId) -> u64 {
        if let Some((_, index)) = self.lives.iter().find(|(known, _)| *known == life) {
            return *index;
        }
        self.newest += 1;
        if self.lives.len() == LIVES_MAX {
            self.lives.remove(0);
        }
        self.lives.push((life, self.newest));
        // What is on its way to another one may still come back, and goes first.
        let others = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.life.is_some());
        self.behind.extend(others.map(|(place, _)| *place));
        self.newest
    }

    /// The one whose turn it is, to be woken outside of the lock.
    fn first(&mut self) -> Option<Waker> {
        let first = self.behind.first()?;
        self.entries.get_mut(first)?.waker.take()
    }
}

impl Ledger {
    /// Takes the last place.
    pub(super) fn enter(self: &Arc<Self>) -> Ticket {
        let mut books = lock(&self.0);
        let place = books.next;
        books.next += 1;
        books.entries.insert(place, Entry::default());
        books.behind.insert(place);
        Ticket {
            ledger: Arc::clone(self),
            place,
        }
    }
}

/// The place of one message.
pub(super) struct Ticket {
    ledger: Arc<Ledger>,
    place: u64,
}

impl Ticket {
    /// Waits for its turn to be sent to this life.
    pub(super) fn poll_turn(&self, life: ActorId, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut books = lock(&self.ledger.0);
        let books = &mut *books;
        books.index(life);
        if books.behind.first() == Some(&self.place) {
            return Poll::Ready(());
        }
        let entry = books.entries.get_mut(&self.place);
        let former = entry.and_then(|entry| entry.waker.replace(waker));
        drop(former); // a task's, which is nobody's code
        Poll::Pending
    }

    /// It is on its way to this life.
    pub(super) fn sent(&self, life: ActorId) {
        let mut books = lock(&self.ledger.0);
        let index = books.index(life);
        if let Some(entry) = books.entries.get_mut(&self.place) {
            entry.life = Some(index);
        }
        if index == books.newest {
            books.behind.remove(&self.place);
        }
        let next = books.first();
        drop(books);
        next.into_iter().for_each(Waker::wake);
    }

    /// It came back.
    pub(super) fn came_back(&self) {
        let mut books = lock(&self.ledger.0);
        if let Some(entry) = books.entries.get_mut(&self.place) {
            entry.life = None;
        }
        books.behind.insert(self.place);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut books = lock(&self.ledger.0);
        books.entries.remove(&self.place);
        books.behind.remove(&self.place);
        let next = books.first();
        drop(books);
        next.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;
    use crate::peering::NodeId;

    fn life(number: u64) -> ActorId {
        ActorId::new(
            NodeId::from_bits(1).unwrap(),
            Number::from_bits(number).unwrap(),
        )
    }

    fn may(ticket: &Ticket, number: u64) -> bool {
        let cx = Context::from_waker(Waker::noop());
        ticket.poll_turn(life(number), &cx).is_ready()
    }

    // Goal: what an ended life left goes to the next one in its old order, before anything new, also when its later ones are the
    // first to hear of the end; what was handled holds nobody up, nor does what was given up.
    #[test]
    fn the_old_go_first_and_in_order() {
        let ledger = Arc::<Ledger>::default();
        let tickets: Vec<_> = (0..4).map(|_| ledger.enter()).collect();
        for ticket in &tickets {
            assert!(may(ticket, 1));
            ticket.sent(life(1));
        }
        let mut tickets = tickets.into_iter();
        drop(tickets.next()); // handled
        let [first, second, third] = std::array::from_fn(|_| tickets.next().unwrap());
        let new = ledger.enter();
        third.came_back();
        assert!(!may(&third, 2) && !may(&new, 2), "others are on their way");
        first.came_back();
        assert!(may(&first, 2) && !may(&third, 2));
        first.sent(life(2));
        assert!(!may(&third, 2) && !may(&new, 2));
        drop(second); // given up
        assert!(may(&third, 2) && !may(&new, 2));
        third.sent(life(2));
        assert!(may(&new, 2));
        new.sent(life(2));
        // One who has not heard of the end yet is not held up, and finds out.
        let late = ledger.enter();
        assert!(may(&late, 1));
    }
}
