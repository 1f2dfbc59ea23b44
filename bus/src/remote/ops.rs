//! The ops of one uring: what was submitted and needs a completion.
//!
//! ```text
//!            issue            poll                complete              take
//!  (free) ---------> Submitted ----> Waiting(waker) ----> Completed ------------> (free), or
//!                        |               |                    |                   Held until the reply is released
//!                        +---- ignore ---+---- ignore --------+
//!                                 v
//!                              Ignored -- complete --> (free)
//! ```
//!
//! An op keeps its block until the completer has given it back or is dead, whoever still waits for it.
//!
//! # Invariants
//! - **in-flight**: the completions that may still come, summed over all ops, never exceed the completion queue's
//!   capacity; so it cannot overflow. An ask that lends a block may get two (its reply, then the block), and weighs two.
//! - **generations**: an op is named by index and generation; a completion that names another generation is a lie or a
//!   repetition, and changes nothing.

mod asker;
mod complete;
mod count;
mod end;
#[cfg(test)]
mod tests;

use std::task::Waker;

use ringway_shm::generation::Key;
use ringway_shm::words::EntryWords;

pub(crate) use self::asker::{Asking, Ignored, Look};
pub(crate) use self::complete::{Answered, Said, UnknownOp};
pub(crate) use self::end::{Fate, Leases};
use super::account::Decided;
use crate::actor::Undone;
use crate::clock::Nanos;
use crate::entry::EntryToken;
use crate::token::Long;

/// What an op waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpKind {
    /// The return of a block; nobody waits for it.
    Tell,
    /// A reply.
    Ask,
}

/// How an op ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome<B> {
    /// The completer's words; a reply that lies in its heap is held until `release`.
    Completed { words: EntryWords, is_held: bool },
    /// The receiver ended first. Boxed: rare, and larger than all else in an op.
    Ended(Box<Unanswered<B>>),
}

/// What is known of an ask whose receiver ended first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unanswered<B> {
    pub(crate) taken: bool,
    pub(crate) why: Undone,
    pub(crate) message: Option<Unsent<B>>,
}

/// An entry that was never taken, with what lay beside it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsent<B> {
    pub(crate) words: EntryWords,
    pub(crate) block: Option<B>,
    /// What of its payload was in the slots behind it.
    pub(crate) long: Option<Long>,
}

#[derive(Debug)]
enum State<B> {
    /// The place is free.
    Free,
    Submitted,
    Waiting(Waker),
    Completed(Outcome<B>),
    Ignored,
    /// The asker reads the reply in the completer's heap.
    Held,
}

#[derive(Debug)]
struct Op<B> {
    key: Key,
    kind: OpKind,
    state: State<B>,
    block: Option<B>,
    position: u64,
    /// The entry as it was submitted, for a message that comes back.
    words: EntryWords,
    weight: u32,
    /// The completer still reads the block.
    is_lent: bool,
    /// The completer has not answered yet; a tell wants no answer, but for one without a block, whose op waits for nothing
    /// else: whether it was handled.
    awaits_reply: bool,
    /// A tell whose fate was known while its block is still lent.
    known: Known,
}

/// What is known of a tell whose block is still lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    /// It was handled; whether well, its lease's end says.
    Handled,
    /// It failed, and its sender was told.
    Told,
}

impl<B> Op<B> {
    /// A place that nothing was submitted from yet.
    fn free(key: Key) -> Self {
        Self {
            key,
            kind: OpKind::Tell,
            state: State::Free,
            block: None,
            position: 0,
            words: EntryWords::default(),
            weight: 0,
            is_lent: false,
            awaits_reply: false,
            known: Known::Nothing,
        }
    }

    /// When the asker stops waiting; `NONE` for a tell.
    fn deadline(&self) -> Nanos {
        Nanos(EntryToken::from_words(self.words).deadline())
    }

    /// No completion can come any more; what remains is the asker's business.
    #[inline]
    fn is_final(&self) -> bool {
        !self.is_lent && !self.awaits_reply
    }

    /// What becomes of the message is not known yet.
    fn is_undecided(&self) -> bool {
        self.awaits_reply
            || (self.kind == OpKind::Tell && self.is_lent && self.known == Known::Nothing)
    }
}

/// The ops of one uring.
#[derive(Debug)]
pub(crate) struct OpTable<B> {
    /// By index. A place that is free keeps the last key that it had.
    places: Vec<Op<B>>,
    /// Indices of free places, the one freed last at the end: its lines are still near.
    free: Vec<u32>,
    credit: u32,
    in_flight: usize,
    /// Ops that were issued and taken back.
    withdrawn: u64,
    /// Messages with an op, by what has become of them.
    pub(super) decided: Decided,
}

impl<B> OpTable<B> {
    /// A table for a completion queue of `capacity` entries.
    pub(crate) fn new(capacity: u32) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            credit: capacity,
            in_flight: 0,
            withdrawn: 0,
            decided: Decided::default(),
        }
    }

    /// Whether nothing is in flight, and nothing that has come is still to be read.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    /// Ops whose final completion has not come.
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Takes a place and its credit; `None` when the credit is spent, and the block comes back.
    #[inline]
    pub(crate) fn issue(&mut self, kind: OpKind, block: Option<B>) -> Result<Key, Option<B>> {
        let weight = if kind == OpKind::Ask && block.is_some() {
            2
        } else {
            1
        };
        if self.credit < weight {
            return Err(block);
        }
        let Some(op) = self.place() else {
            return Err(block);
        };
        op.state = match kind {
            OpKind::Tell => State::Ignored,
            OpKind::Ask => State::Submitted,
        };
        op.kind = kind;
        op.is_lent = block.is_some();
        op.awaits_reply = kind == OpKind::Ask || !op.is_lent;
        op.block = block;
        op.weight = weight;
        op.known = Known::Nothing;
        let key = op.key;
        self.credit -= weight;
        self.in_flight += 1;
        Ok(key)
    }

    /// A free place, with its next key; `None` when a million are taken.
    #[inline]
    fn place(&mut self) -> Option<&mut Op<B>> {
        if let Some(index) = self.free.pop() {
            let op = self.places.get_mut(index as usize)?;
            op.key = op.key.next();
            return Some(op);
        }
        let index = u32::try_from(self.places.len())
            .ok()
            .filter(|index| *index <= Key::INDEX_MAX)?;
        Some(self.places.push_mut(Op::free(Key::first(index))))
    }

    /// Says where the op's entry went, and what it says.
    #[inline]
    pub(crate) fn submitted(&mut self, key: Key, position: u64, words: &EntryWords) {
        if let Some(op) = self.get_mut(key) {
            op.position = position;
            op.words = *words;
        }
    }

    /// Takes back an op whose entry was not accepted.
    pub(crate) fn withdraw(&mut self, key: Key) -> Option<B> {
        self.get_mut(key)?;
        self.withdrawn += 1;
        self.in_flight -= 1;
        self.remove(key)
    }

    #[inline]
    fn get_mut(&mut self, key: Key) -> Option<&mut Op<B>> {
        let op = self.places.get_mut(key.index() as usize)?;
        (op.key == key && !matches!(op.state, State::Free)).then_some(op)
    }

    #[inline]
    fn remove(&mut self, key: Key) -> Option<B> {
        let op = self.get_mut(key)?;
        op.state = State::Free;
        op.is_lent = false;
        op.awaits_reply = false;
        let (weight, block) = (op.weight, op.block.take());
        self.credit += weight;
        self.free.push(key.index());
        block
    }

    /// Takes out the blocks that are still lent.
    pub(crate) fn take_lent(&mut self) -> Vec<B> {
        let lent = self.places.iter_mut().filter(|op| op.is_lent);
        lent.filter_map(|op| op.block.take()).collect()
    }
}
