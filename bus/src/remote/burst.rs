//! Entries that are submitted together: one lock, one fence and one look at the receiver's bell for all of them.

use std::collections::VecDeque;
use std::sync::Arc;

use ringway_shm::words::EntryWords;

use super::ops::OpKind;
use super::{Obstacle, Outgoing, Phase, RemoteEnd};
use crate::driver::Job;
use crate::mailbox::Overflow;

/// Entries of a burst, at most: half of what may lie untaken in a uring, as much as who waits for room is woken for.
pub(crate) const BURST_MAX: usize = 64;
/// Bytes of blocks in a burst after which it is full: the receiver shall not wait for the filling of all the others.
const BLOCKS_MAX: u64 = 32 << 10;

/// Tells on their way into a submission queue, in their order, none of which was submitted.
#[derive(Default)]
pub(crate) struct Burst {
    /// The words of all; of those before `next` nothing more is needed.
    words: Vec<EntryWords>,
    next: usize,
    /// Those with more than words, each with its place in `words`.
    beside: VecDeque<(usize, Outgoing)>,
    block_bytes: u64,
}

/// What comes next in a burst.
pub(super) enum Next<'a> {
    /// Entries that are no more than their words; at least one.
    Plain(&'a [EntryWords]),
    Beside(&'a mut Outgoing),
}

impl Burst {
    /// Has room for so many without growing.
    pub(crate) fn with_capacity(entries: usize) -> Self {
        Self {
            words: Vec::with_capacity(entries.min(BURST_MAX)),
            ..Self::default()
        }
    }

    /// Appends an entry.
    #[inline]
    pub(crate) fn push(&mut self, outgoing: Outgoing) {
        let at = self.words.len();
        self.words.push(outgoing.words);
        if outgoing.block.is_some() || outgoing.long.is_some() {
            let bytes = outgoing.block.as_ref().map_or(0, |block| block.len());
            self.block_bytes += bytes as u64;
            self.beside.push_back((at, outgoing));
        }
    }

    /// Appends an entry that is no more than its words.
    #[inline]
    pub(crate) fn push_plain(&mut self, words: EntryWords) {
        self.words.push(words);
    }

    /// Takes out the first.
    pub(crate) fn pop(&mut self) -> Option<Outgoing> {
        let words = *self.words.get(self.next)?;
        let beside = self.beside.pop_front_if(|(at, _)| *at == self.next);
        self.advance(1);
        Some(beside.map_or_else(|| plain(words), |(_, outgoing)| outgoing))
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len() - self.next
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is to be submitted before it grows.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= BURST_MAX || self.block_bytes >= BLOCKS_MAX
    }

    pub(super) fn next(&mut self) -> Option<Next<'_>> {
        let until = match self.beside.front_mut() {
            Some((at, outgoing)) if *at == self.next => return Some(Next::Beside(outgoing)),
            Some((at, _)) => *at,
            None => self.words.len(),
        };
        let plain = &self.words[self.next..until];
        (!plain.is_empty()).then_some(Next::Plain(plain))
    }

    /// So many of what [`next`](Self::next) told have been submitted.
    pub(super) fn submitted(&mut self, entries: usize) {
        let _ = self.beside.pop_front_if(|(at, _)| *at == self.next); // of it nothing is left but its words
        self.advance(entries);
    }

    fn advance(&mut self, entries: usize) {
        self.next += entries;
        if self.next == self.words.len() {
            self.words.clear();
            self.next = 0;
            self.block_bytes = 0;
        }
    }

    /// Whether one of them lends a block, so that a completion is to come.
    fn lends(&self) -> bool {
        self.block_bytes > 0
    }
}

/// A tell that is no more than its words.
pub(super) fn plain(words: EntryWords) -> Outgoing {
    Outgoing {
        words,
        block: None,
        long: None,
        kind: OpKind::Tell,
    }
}

impl RemoteEnd {
    /// Puts entries into the submission queue, from the first on; what is left in `burst` was not, and the first of that met
    /// the obstacle.
    ///
    /// Each is submitted for good before the next is: a crash meanwhile loses those that are left, and no other.
    pub(crate) fn submit_burst(self: &Arc<Self>, burst: &mut Burst) -> Result<(), Obstacle> {
        let mut phase = self.lock();
        let open = match &mut *phase {
            Phase::Open(open) => open,
            Phase::Waiting | Phase::Claimed | Phase::Opening(_) => return Err(Obstacle::Opening),
            Phase::Refused(refusal) => return Err(Obstacle::Refused(refusal.clone())),
            Phase::Ended(reason) => return Err(Obstacle::Ended(reason.clone())),
        };
        let needs_op = burst.lends() || open.overflow == Overflow::DropOldest;
        if needs_op
            && open.must_watch()
            && let Some(shared) = self.shared.upgrade()
        {
            shared.jobs.leave(Job::Reap(Arc::clone(self)));
        }
        let submitted = open.submit_burst(burst);
        self.hint_long_max(open);
        if needs_op {
            self.show(open);
        }
        self.unlock(phase);
        submitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: u64) -> EntryWords {
        [number; 7]
    }

    // Goal: runs of plain entries are told at once, each of the others alone, all in their order, also when one is taken out.
    #[test]
    fn entries_come_in_their_order() {
        let mut burst = Burst::with_capacity(4);
        for number in 0..6 {
            let long = [2, 3].contains(&number).then(|| {
                let long = crate::token::Long::of_bytes(&[7; 40]);
                long.expect("40 bytes do not fit an entry")
            });
            let words = numbered(number);
            burst.push(Outgoing {
                long,
                ..plain(words)
            });
        }
        assert!(
            matches!(burst.next(), Some(Next::Plain(words)) if words == [numbered(0), numbered(1)])
        );
        burst.submitted(1);
        assert!(matches!(burst.next(), Some(Next::Plain(words)) if words == [numbered(1)]));
        burst.submitted(1);
        assert!(matches!(burst.next(), Some(Next::Beside(it)) if it.words == numbered(2)));
        burst.submitted(1);
        assert!(
            burst
                .pop()
                .is_some_and(|it| it.words == numbered(3) && it.long.is_some())
        );
        assert!(
            burst
                .pop()
                .is_some_and(|it| it.words == numbered(4) && it.long.is_none())
        );
        assert_eq!(burst.len(), 1);
        burst.submitted(1);
        assert!(burst.next().is_none() && burst.is_empty() && burst.pop().is_none());
        burst.push(plain(numbered(9)));
        assert_eq!((burst.len(), burst.words.len()), (1, 1), "it starts over");
    }
}
