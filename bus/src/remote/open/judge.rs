//! The end of an open uring: what was sent is judged by the receiver's final heads, or given up without a judgement.

use std::cell::Cell;
use std::task::Waker;

use ringway_shm::uring::SubmitEnd;

use super::Open;
use crate::actor::Undone;
use crate::entry::Beside;
use crate::exit::ExitReason;
use crate::frame::WireKey;
use crate::remote::account::Decided;
use crate::remote::ops::{Fate, Leases};
use crate::remote::owed::Loss;
use crate::remote::undelivered::{Raw, Returns};
use crate::token::Long;
use crate::urings::wire::UringWord;

impl Open {
    /// Why the receiver ended, once its heads were judged.
    pub(in crate::remote) fn end_reason(&self) -> Option<&ExitReason> {
        self.ended.as_ref().filter(|_| self.is_judged)
    }

    /// Whether letting go of the lock is more than that: something is owed, or both ends may be done with the uring.
    #[inline]
    pub(in crate::remote) fn owes_anything(&self) -> bool {
        self.is_judged || !self.owed.is_empty()
    }

    /// Once its heads were judged, all completions have come and all replies are read, both ends are done with the uring:
    /// the peer is told that its half is free. `false` before that.
    #[inline]
    pub(in crate::remote) fn settle(&mut self) -> bool {
        let is_over = self.is_judged && self.ops.is_empty();
        if is_over {
            self.let_go();
            self.leave_sums();
        }
        is_over
    }

    fn let_go(&mut self) {
        self.submit.close();
        self.peer.say(&UringWord::Released {
            uring: WireKey(self.uring),
        });
        self.peer.remove_end(self.uring);
    }

    /// Ends everything in flight without a judgement: the receiver goes on, so the heads are not final. What was sent
    /// counts as taken, and none of it comes back.
    pub(in crate::remote) fn abandon(&mut self, reason: &ExitReason) -> Vec<Waker> {
        self.ended.get_or_insert_with(|| reason.clone());
        if !std::mem::replace(&mut self.is_judged, true) {
            let seen = self.submit.seen_taken();
            let done = self.submit.done().unwrap_or(seen);
            let opless = self.opless(done);
            self.opless_decided.completed = opless.handled;
            self.opless_decided.uncertain = opless.open;
        }
        let why = Undone::Ended(reason.clone());
        let decided = self.ops.decided;
        let undecided = self.ops.undecided();
        let ended = self
            .ops
            .end(&why, Leases::MayRemain, |_| Fate::Handled, |_| None);
        self.ops.decided = Decided {
            uncertain: decided.uncertain + undecided,
            ..decided
        };
        ended.wakers
    }

    /// Judges everything in flight by the final heads.
    pub(in crate::remote) fn finish(
        &mut self,
        why: &Undone,
        leases: Leases,
        returns: &Returns,
    ) -> Vec<Waker> {
        // A head that lies tells nothing: then all that was sent counts as taken, and nothing that was taken since the last
        // honest look as handled, which promises the sender least.
        let (tail, seen) = (self.submit.tail(), self.submit.seen_taken());
        let taken = self.submit.taken().unwrap_or(tail);
        let done = self.submit.done().unwrap_or(seen);
        // What was taken so long ago that its slots were used again is still known if it has an op; else it can only be
        // counted. Of an honest receiver there is none: the slots of the entry in hand are kept free. Of one that lies there are
        // at most as many messages as slots.
        let is_told = std::mem::replace(&mut self.is_judged, true);
        let opless = self.opless(done);
        let untold = if is_told { tail } else { done };
        let kept = untold.max(tail.saturating_sub(self.submit.capacity().get()));
        let known = Cell::new(0);
        let judge = |position| {
            if (untold..kept).contains(&position) {
                known.set(known.get() + 1);
            }
            if position >= taken {
                Fate::Queued
            } else if position >= done {
                Fate::Taken
            } else {
                Fate::Handled
            }
        };
        let submit = &self.submit;
        let ended = self
            .ops
            .end(why, leases, judge, |position| long_at(submit, position));
        let mut by_position: Vec<(u64, Raw)> = ended
            .tells
            .into_iter()
            .map(|tell| {
                let raw = Raw {
                    words: tell.words,
                    beside: tell.block.map_or(Beside::Nothing, Beside::Block),
                    taken: tell.taken,
                    why: why.clone(),
                };
                (tell.position, raw)
            })
            .collect();
        let lost = (kept - untold).saturating_sub(known.get());
        if lost > 0 {
            self.owed.losses.push(Loss::Untold(lost));
        }
        let mut decided = Decided {
            completed: opless.handled,
            died_after_take: lost,
            ..Decided::default()
        };
        for position in kept..tail {
            let Some(words) = self.submit.entry_at(position) else {
                continue;
            };
            if words[0] == 0 {
                let long = long_at(&self.submit, position);
                let raw = Raw {
                    words,
                    beside: long.map_or(Beside::Nothing, Beside::Long),
                    taken: position < taken,
                    why: why.clone(),
                };
                match raw.taken {
                    true => decided.died_after_take += 1,
                    false => decided.returned += 1,
                }
                by_position.push((position, raw));
            }
        }
        if !is_told {
            if kept > done {
                // Of a receiver that lies, it is not known which of them had ops.
                let untold = decided.died_after_take + decided.returned;
                let opless = self.submit.entries().saturating_sub(self.ops.issued());
                decided.completed = opless.saturating_sub(untold);
            }
            let aside = self.aside(done, decided.completed);
            decided.completed -= aside.count();
            decided.died_after_take += aside.count();
            self.opless_decided = decided;
            let (queued, untold) = self.return_aside(aside, why, returns);
            self.owed.queued.extend(queued);
            self.owed
                .losses
                .extend((untold > 0).then_some(Loss::Untold(untold)));
        }
        by_position.sort_by_key(|(position, _)| *position);
        let came_back = by_position.into_iter();
        let queued = came_back.map(|(_, raw)| returns.queue_raw(raw));
        self.owed.queued.extend(queued);
        ended.wakers
    }
}

/// What of its payload lies behind the entry at `position`.
pub(super) fn long_at(submit: &SubmitEnd, position: u64) -> Option<Long> {
    let slots: Vec<_> = submit.rest_at(position).collect();
    (!slots.is_empty()).then(|| Long::of_slots(slots.into_iter()))
}
