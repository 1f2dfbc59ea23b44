//! Urings whose addresses are gone while the peer still reads our half of them.
//!
//! The memory stays until the peer has said that it closed the uring, or is dead.

use std::collections::HashMap;
use std::sync::Mutex;

use ringway_shm::block::Block;
use ringway_shm::card::Accounts;
use ringway_shm::generation::Key;

use super::lock;
use crate::exit::ExitReason;
use crate::peering::NodeId;
use crate::remote::{Closed, Opening};

/// What remains of an end without addresses.
pub(crate) enum Rest {
    /// The request to open it is on its way.
    Opening(Opening),
    /// What was sent is still to be handled.
    Open(Closed),
}

impl Rest {
    fn uring(&self) -> Key {
        match self {
            Self::Opening(opening) => opening.uring,
            Self::Open(open) => open.uring(),
        }
    }

    /// The blocks that the receiver still reads, or will.
    fn into_lent(self) -> Vec<Block> {
        match self {
            Self::Opening(_) => Vec::new(),
            Self::Open(open) => open.into_lent(),
        }
    }

    /// The receiver has ended: what it did not handle comes back to whoever still reads that, or is a dead letter.
    fn end(self, reason: &ExitReason) {
        match self {
            Self::Opening(_) => {}
            Self::Open(open) => open.end(reason),
        }
    }
}

#[derive(Default)]
struct Books {
    rests: HashMap<(NodeId, Key), Rest>,
    /// Closed by the peer in the moment in which the last address went, before the rest was kept.
    early: HashMap<(NodeId, Key), ExitReason>,
    /// Taken out, and about to end.
    ending: usize,
}

/// The ends without addresses.
#[derive(Default)]
pub(crate) struct Closing {
    books: Mutex<Books>,
}

impl Closing {
    /// Keeps it until the peer closes it, which may have happened already.
    pub(super) fn keep(&self, node: NodeId, rest: Rest) {
        let place = (node, rest.uring());
        let mut books = lock(&self.books);
        let Some(reason) = books.early.remove(&place) else {
            books.rests.insert(place, rest);
            return;
        };
        books.ending += 1;
        drop(books);
        self.end(vec![rest], &reason);
    }

    /// The peer has closed it.
    pub(super) fn closed(&self, node: NodeId, uring: Key, reason: &ExitReason) {
        let mut books = lock(&self.books);
        let rest = books.rests.remove(&(node, uring));
        if rest.is_none() {
            books.early.insert((node, uring), reason.clone());
        }
        let rest: Vec<_> = rest.into_iter().collect();
        books.ending += rest.len();
        drop(books);
        self.end(rest, reason);
    }

    /// This node leaves; returns the blocks that receivers still read, or will.
    pub(super) fn clear(&self) -> Vec<Block> {
        let rests = std::mem::take(&mut lock(&self.books).rests);
        rests.into_values().flat_map(Rest::into_lent).collect() // outside the lock
    }

    /// Adds what they know to the accounts; `false` while one of them ends.
    pub(super) fn add_to(&self, accounts: &mut Accounts) -> bool {
        let mut books = lock(&self.books);
        for rest in books.rests.values_mut() {
            if let Rest::Open(open) = rest {
                open.add_to(accounts);
            }
        }
        books.ending == 0
    }

    /// Ends those that were taken out of the books, where they count as ending.
    fn end(&self, rests: Vec<Rest>, reason: &ExitReason) {
        let count = rests.len();
        rests.into_iter().for_each(|rest| rest.end(reason));
        lock(&self.books).ending -= count;
    }

    /// The peer is dead.
    pub(super) fn forget(&self, node: NodeId, reason: &ExitReason) {
        let mut books = lock(&self.books);
        books.early.retain(|(other, _), _| *other != node);
        let rests: Vec<Rest> = books
            .rests
            .extract_if(|(other, _), _| *other == node)
            .map(|(_, rest)| rest)
            .collect();
        books.ending += rests.len();
        drop(books);
        self.end(rests, reason);
    }
}
