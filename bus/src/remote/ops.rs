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

mod end;
#[cfg(test)]
mod tests;

use std::task::Waker;

use ringway_shm::generation::Key;
use ringway_shm::words::EntryWords;

pub(crate) use self::end::{Fate, Leases};
use super::account::Decided;
use crate::actor::Undone;
use crate::clock::Nanos;
use crate::entry::{EntryKind, EntryToken};
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

/// What the caller owes after a completion was taken in.
#[derive(Debug)]
pub(crate) struct Effect<B> {
    /// Wake this asker.
    pub(crate) waker: Option<Waker>,
    /// Free this block.
    pub(crate) freed: Option<B>,
    /// Tell the completer that this op's reply is released: nobody will read it.
    pub(crate) release: Option<Key>,
    /// A tell came back undone: its entry as it was submitted, and its block. Boxed: rare, and larger than all else.
    pub(crate) undone: Option<Box<(EntryWords, Option<B>)>>,
    /// A reply came for an asker that had given up: the bits of what it had asked; else 0, which is no type.
    pub(crate) unread: u64,
}

impl<B> Default for Effect<B> {
    fn default() -> Self {
        Self {
            waker: None,
            freed: None,
            release: None,
            undone: None,
            unread: 0,
        }
    }
}

/// What an ask held until it was answered.
pub(crate) struct Answered<B> {
    /// The asker's, which need not be woken.
    pub(crate) waker: Option<Waker>,
    /// Back from the completer.
    pub(crate) block: Option<B>,
}

/// What a completion says, read from its words by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The op is done: a tell's block is back, an ask is answered (a reply, or why there is none).
    pub(crate) answers: bool,
    /// The op's block is still lent; another completion follows.
    pub(crate) more: bool,
    /// The reply lies in a block of the completer.
    pub(crate) has_block: bool,
    /// Anything but a reply or a block's return.
    pub(crate) failed: bool,
    /// The mailbox's policy dropped the message: its handler never began.
    pub(crate) displaced: bool,
}

/// Who looks whether an op is done. A waker is the user's code: it is cloned before the end's lock is taken, and what is left
/// of it is dropped after that (no-user-code).
pub(crate) struct Asking<'a> {
    /// The waker to be woken, to compare with.
    pub(crate) known: &'a Waker,
    /// A clone of it to be kept by the op; after a look, what is not kept.
    pub(crate) own: Option<Waker>,
}

/// What a look at an op found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look<B> {
    /// `None` for an op that is over.
    Done(Option<Outcome<B>>),
    /// The asker is woken when it is done.
    Waits,
    /// The op does not know this asker: look again with a waker to be kept.
    Stranger,
}

/// A completion that names no op in flight: a repetition or a lie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownOp(pub(crate) u64);

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

    /// Ops of messages that were submitted, ever: each time that a place is used it has the next generation.
    pub(super) fn issued(&self) -> u64 {
        let used = self.places.iter().map(|op| op.key.generation());
        used.sum::<u64>() - self.withdrawn
    }

    /// Messages with an op of which nothing is decided yet.
    pub(super) fn undecided(&self) -> u64 {
        self.places.iter().filter(|op| op.is_undecided()).count() as u64
    }

    /// Blocks that the completer still reads, or will.
    pub(super) fn lent(&self) -> u64 {
        self.places.iter().filter(|op| op.is_lent).count() as u64
    }

    /// Tells whether the completer still reads a block, or will.
    pub(crate) fn has_lent(&self) -> bool {
        self.places.iter().any(|op| op.is_lent)
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

    /// Looks whether the op is done; otherwise lets `by` wait, unless it does already.
    ///
    /// A reply that lies in the completer's heap leaves the op held: call [`OpTable::release`] after reading. Any other
    /// outcome ends it.
    #[inline]
    pub(crate) fn look(&mut self, key: Key, by: &mut Asking<'_>) -> Look<B> {
        let Some(op) = self.get_mut(key) else {
            return Look::Done(None);
        };
        match &mut op.state {
            State::Completed(_) => {}
            State::Waiting(waker) if waker.will_wake(by.known) => return Look::Waits,
            state => {
                let Some(waker) = by.own.take() else {
                    return Look::Stranger;
                };
                if let State::Waiting(former) = std::mem::replace(state, State::Waiting(waker)) {
                    by.own = Some(former);
                }
                return Look::Waits;
            }
        }
        let State::Completed(outcome) = std::mem::replace(&mut op.state, State::Held) else {
            return Look::Waits;
        };
        if !matches!(outcome, Outcome::Completed { is_held: true, .. }) {
            self.release(key);
        }
        Look::Done(Some(outcome))
    }

    /// Ends the asker's interest in a reply that it has read; `true` when the place is free again.
    #[inline]
    pub(crate) fn release(&mut self, key: Key) -> bool {
        let Some(op) = self.get_mut(key) else {
            return false;
        };
        if let State::Waiting(_) = op.state {
            return false; // nothing was read yet
        }
        op.state = State::Ignored;
        if op.is_final() {
            self.remove(key);
            return true;
        }
        false
    }

    /// The asker gave up. Tells what its reply, if one is there already, needs; its waker goes to `left`.
    pub(crate) fn ignore(&mut self, key: Key, left: &mut Option<Waker>) -> Ignored {
        let Some(op) = self.get_mut(key) else {
            return Ignored::Gone;
        };
        let former = std::mem::replace(&mut op.state, State::Ignored);
        let was_completed = matches!(former, State::Completed(_) | State::Held);
        let unread = match &former {
            State::Completed(Outcome::Completed { words, .. }) => {
                let kind = EntryToken::from_words(*words).kind();
                (kind == Some(EntryKind::Reply)).then_some(op.words[1])
            }
            _ => None,
        };
        if let State::Waiting(waker) = former {
            *left = Some(waker);
        }
        match (was_completed, op.is_final()) {
            (false, _) => Ignored::InFlight,
            (true, true) => {
                self.remove(key);
                Ignored::Completed(unread)
            }
            (true, false) => Ignored::Completed(unread),
        }
    }

    /// Takes in the completion of `key`, whose asker is looking, if it is an ask's last word and lies in its entry: the op
    /// is over, and what it held is all that is left of it. `None` for any other completion, of which nothing was taken in.
    ///
    /// What [`complete`](Self::complete) and [`look`](Self::look) would do one after the other, without the words.
    #[inline]
    pub(crate) fn answer(&mut self, key: Key, said: Said) -> Option<Answered<B>> {
        let op = self.get_mut(key)?;
        let is_last = op.kind == OpKind::Ask && op.awaits_reply && !(op.is_lent && said.more);
        let is_plain = said.answers && !said.has_block && !said.displaced;
        if !(is_last && is_plain && matches!(op.state, State::Submitted | State::Waiting(_))) {
            return None;
        }
        op.awaits_reply = false;
        op.is_lent = false;
        let block = op.block.take();
        let former = std::mem::replace(&mut op.state, State::Free);
        self.credit += op.weight;
        self.decided.completed += 1;
        self.in_flight -= 1;
        self.free.push(key.index());
        let waker = match former {
            State::Waiting(waker) => Some(waker),
            _ => None,
        };
        Some(Answered { waker, block })
    }

    /// Takes in a completion.
    #[inline]
    pub(crate) fn complete(
        &mut self,
        words: EntryWords,
        said: Said,
    ) -> Result<Effect<B>, UnknownOp> {
        let mut effect = Effect::default();
        let key = Key::from_bits(words[0]).ok_or(UnknownOp(words[0]))?;
        let Some(op) = self.get_mut(key).filter(|op| !op.is_final()) else {
            return Err(UnknownOp(words[0]));
        };
        // What a tell's completion says is not read, nor is a text beside a message that comes back.
        let is_tell = op.kind == OpKind::Tell;
        effect.release = (said.has_block && (is_tell || said.displaced)).then_some(key);
        let is_inline_tell = is_tell && !op.is_lent;
        let mut returned = None;
        if !said.more && op.is_lent {
            op.is_lent = false;
            returned = op.block.take();
        }
        let is_answered = op.awaits_reply && (said.answers || is_inline_tell);
        if is_answered {
            op.awaits_reply = false;
            match std::mem::replace(&mut op.state, State::Ignored) {
                State::Ignored => {
                    effect.release = said.has_block.then_some(key);
                    if !is_tell && !said.failed {
                        effect.unread = op.words[1];
                    }
                }
                awaited => {
                    op.state = State::Completed(if said.displaced {
                        let (words, block) = (op.words, returned.take());
                        Outcome::Ended(Box::new(Unanswered {
                            taken: false,
                            why: Undone::Dropped,
                            message: Some(Unsent {
                                words,
                                block,
                                long: None,
                            }),
                        }))
                    } else {
                        let is_held = said.has_block;
                        Outcome::Completed { words, is_held }
                    });
                    if let State::Waiting(waker) = awaited {
                        effect.waker = Some(waker);
                    }
                }
            }
        }
        let is_over = returned.is_some() || (is_inline_tell && is_answered);
        let came_undone = is_tell && said.failed && is_over && op.known != Known::Told;
        if came_undone {
            effect.undone = Some(Box::new((op.words, returned)));
        } else {
            effect.freed = returned;
        }
        let is_decided = is_answered || (is_tell && is_over && op.known == Known::Nothing);
        let is_ignored = matches!(op.state, State::Ignored);
        let is_final = op.is_final();
        self.decided.completed += u64::from(is_decided);
        if is_final {
            self.in_flight -= 1;
            if is_ignored {
                self.remove(key);
            }
        }
        Ok(effect)
    }

    /// Finds the askers whose deadlines have passed; returns the earliest deadline to look for next.
    ///
    /// Who is woken here looks at the clock itself, so each is found once. Of one that has sent but not yet waited the
    /// deadline stays to be looked for: only its next look is its first wait.
    pub(crate) fn overdue(&mut self, now: Nanos, wakers: &mut Vec<Waker>) -> Option<Nanos> {
        let mut next = None;
        for op in self.places.iter_mut().filter(|op| op.awaits_reply) {
            let due = op.deadline();
            match &mut op.state {
                _ if due == Nanos::NONE => {}
                State::Waiting(waker) if due <= now => {
                    // The waker itself goes: cloning it would be the user's code, under the lock.
                    wakers.push(std::mem::replace(waker, Waker::noop().clone()));
                }
                State::Waiting(_) | State::Submitted => {
                    next = Some(next.map_or(due, |next: Nanos| next.min(due)));
                }
                _ => {}
            }
        }
        next
    }

    /// Takes out the blocks that are still lent.
    pub(crate) fn take_lent(&mut self) -> Vec<B> {
        let lent = self.places.iter_mut().filter(|op| op.is_lent);
        lent.filter_map(|op| op.block.take()).collect()
    }
}

/// What giving up on an ask left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// Nothing: it had been taken out already.
    Gone,
    /// The entry is on its way; store `cancelled` in its op word.
    InFlight,
    /// The completion had come; if it lies in the completer's heap, release it. A reply was not read: the bits of what had
    /// been asked.
    Completed(Option<u64>),
}
