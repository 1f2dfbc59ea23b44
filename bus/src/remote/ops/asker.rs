//! An op as its asker sees it: looked at until it is done, released when its reply was read, or given up.

use std::task::Waker;

use ringway_shm::generation::Key;

use super::{OpTable, Outcome, State};
use crate::clock::Nanos;
use crate::entry::{EntryKind, EntryToken};

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

impl<B> OpTable<B> {
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
}
