//! Completions, taken into their ops: what each says, and what its taking in leaves to be done.

use std::task::Waker;

use ringway_shm::generation::Key;
use ringway_shm::words::EntryWords;

use super::{Known, OpKind, OpTable, Outcome, State, Unanswered, Unsent};
use crate::actor::Undone;

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

/// A completion that names no op in flight: a repetition or a lie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownOp(pub(crate) u64);

impl<B> OpTable<B> {
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
}
