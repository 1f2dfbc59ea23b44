//! Taking in completions, and what askers say of their ops.

use std::sync::Arc;
use std::task::Waker;

use ringway_shm::block::Block;
use ringway_shm::generation::Key;
use ringway_shm::lane::Peek;
use ringway_shm::words::EntryWords;

use super::Open;
use crate::actor::Undone;
use crate::clock::Nanos;
use crate::completion;
use crate::entry::Beside;
use crate::message::TypeId;
use crate::remote::ops::{Answered, Ignored, UnknownOp};
use crate::remote::owed::{Fault, Loss};
use crate::remote::undelivered::{Raw, Returns};
use crate::urings::PeerUrings;

/// Completions taken in at one look: a queue's worth, so that a peer that floods has its turn and no more.
const REAPED_PER_LOOK: u32 = 256;

/// Looks at an end without ops before it is not watched any more: whoever asks again at once finds it watched.
const LOOKS_WITHOUT_OPS: u32 = 8;

/// What a look at the completions found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reaped {
    /// At least one had come.
    pub(crate) any: bool,
    /// To be looked at again: more are in flight, or were a moment ago.
    pub(crate) watch: bool,
}

/// What was done with the completion that had come first.
pub(in crate::remote) enum TookIn {
    /// There was none.
    Nothing,
    /// It answers the ask that was looked for, whose op held this.
    Answer(Answered<Block>),
    Other,
}

/// Whether an end without ops is watched a little longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linger {
    Yes,
    /// The driver is about to sleep.
    No,
}

impl Open {
    /// A look at the completions, for who does not hold the lock.
    pub(in crate::remote) fn peeker(&self) -> Peek<7> {
        self.reap.peeker()
    }

    /// Whether submitting this needs the driver to watch the completions from now on; it is told before the entry is
    /// stamped, so that a completion, however quick, finds it watching.
    pub(in crate::remote) fn must_watch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_watched, true)
    }

    /// Takes in all completions that have come, and decides whether the driver is to watch for more.
    pub(in crate::remote) fn reap(
        &mut self,
        wakers: &mut Vec<Waker>,
        returns: &Returns,
        linger: Linger,
    ) -> Reaped {
        let any = self.take_in_all(returns, &mut |_, waker| wakers.push(waker));
        let is_awaited = self.ops.in_flight() > 0 && !self.is_broken;
        self.looks_without_ops = match is_awaited {
            true => 0,
            false => self.looks_without_ops + 1,
        };
        let may_linger = linger == Linger::Yes && !self.is_broken;
        let lingers = may_linger && self.looks_without_ops < LOOKS_WITHOUT_OPS;
        self.is_watched = is_awaited || (lingers && self.ended.is_none());
        if !self.is_watched {
            self.due = None;
        }
        Reaped {
            any,
            watch: self.is_watched,
        }
    }

    /// Takes in all completions that have come, and hands over the wakers of their askers; `true` if there were any.
    #[inline]
    pub(in crate::remote) fn take_in_all(
        &mut self,
        returns: &Returns,
        wake: &mut impl FnMut(u64, Waker),
    ) -> bool {
        let mut any = false;
        for _ in 0..REAPED_PER_LOOK {
            if self.is_broken {
                break;
            }
            match self.reap.reap() {
                Ok(Some(words)) => {
                    any = true;
                    self.take_in(words, returns, wake);
                }
                Ok(None) => break,
                Err(violation) => {
                    self.owed.faults.push(Fault::Violation(violation));
                    // What this fault leads to is seen at the next look.
                    self.is_broken = self.peer.is_cut_off();
                    break;
                }
            }
        }
        any
    }

    /// Takes in the completion that has come first, into `words`, if it is the last word of the ask whose asker is looking;
    /// then gives back what its op held. Any other is taken in as ever.
    #[inline]
    pub(in crate::remote) fn take_in_answer(
        &mut self,
        key: Key,
        words: &mut EntryWords,
        returns: &Returns,
        wake: &mut impl FnMut(u64, Waker),
    ) -> TookIn {
        if self.is_broken || !matches!(self.reap.reap_into(words), Ok(true)) {
            return TookIn::Nothing; // who looks again hears of a violation
        }
        if words[0] == key.to_bits()
            && let Some(answered) = self.ops.answer(key, completion::read(words))
        {
            return TookIn::Answer(answered);
        }
        self.take_in(*words, returns, wake);
        TookIn::Other
    }

    #[inline]
    fn take_in(&mut self, words: EntryWords, returns: &Returns, wake: &mut impl FnMut(u64, Waker)) {
        match self.ops.complete(words, completion::read(&words)) {
            Ok(effect) => {
                if let Some(waker) = effect.waker {
                    wake(words[0], waker);
                }
                if let Some(key) = effect.release {
                    self.words.release_reply(key);
                }
                if let Some(asked) = TypeId::from_bits(effect.unread) {
                    self.owed.losses.push(Loss::Unread(Some(asked)));
                }
                if let Some(undone) = effect.undone {
                    let (entry, block) = *undone;
                    self.owed.queued.push(match completion::undone(&words) {
                        Some(why) => returns.queue_raw(Raw {
                            words: entry,
                            beside: block.map_or(Beside::Nothing, Beside::Block),
                            taken: why != Undone::Dropped,
                            why,
                        }),
                        None => returns.queue_begun(entry, block),
                    });
                }
            }
            Err(UnknownOp(bits)) => {
                self.owed.faults.push(Fault::UnknownOp(bits));
                self.is_broken = self.peer.is_cut_off();
            }
        }
    }

    /// Finds the askers whose deadlines have passed.
    pub(in crate::remote) fn overdue(&mut self, now: Nanos, wakers: &mut Vec<Waker>) {
        self.due = self.ops.overdue(now, wakers);
    }

    /// The asker has read a reply that was held, or has dropped the lease on it.
    pub(in crate::remote) fn release(&mut self, key: Key) {
        self.words.release_reply(key);
        self.ops.release(key);
    }

    /// The asker gave up; its waker goes to `left`. Who is returned is to be rung: its handler may wait for this.
    pub(in crate::remote) fn ignore(
        &mut self,
        key: Key,
        left: &mut Option<Waker>,
    ) -> Option<Arc<PeerUrings>> {
        match self.ops.ignore(key, left) {
            Ignored::Gone => None,
            Ignored::InFlight => {
                self.words.cancel(key);
                Some(Arc::clone(&self.peer))
            }
            Ignored::Completed(unread) => {
                self.words.release_reply(key);
                let losses = &mut self.owed.losses;
                losses.extend(unread.map(|bits| Loss::Unread(TypeId::from_bits(bits))));
                None
            }
        }
    }
}
