//! One who listens to the dead letters of a node.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::Stream;

use super::DeadLetter;
use crate::shared::lock;
use crate::wait_list::{WaitKey, WaitList};

/// Letters kept for one who listens and does not read: the oldest beyond them are missed, and counted.
pub(super) const LETTERS_MAX: usize = 1024;

#[derive(Default)]
struct State {
    letters: VecDeque<DeadLetter>,
    missed: u64,
    is_over: bool,
}

/// The letters that one listener has not read.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    readers: WaitList,
}

impl Queue {
    pub(super) fn push(&self, letter: DeadLetter) {
        let missed = {
            let mut state = lock(&self.state);
            let missed = (state.letters.len() >= LETTERS_MAX)
                .then(|| state.letters.pop_front())
                .flatten();
            if let Some(missed) = &missed {
                state.missed += 1 + missed.missed_before;
            }
            state.letters.push_back(letter);
            missed
        };
        drop(missed); // with its message: outside the lock
        self.readers.wake_all();
    }

    pub(super) fn end(&self) {
        lock(&self.state).is_over = true;
        self.readers.wake_all();
    }

    /// The oldest letter; `None` beside `true` when there will be no more.
    fn take(&self) -> (Option<DeadLetter>, bool) {
        let mut state = lock(&self.state);
        let mut letter = state.letters.pop_front();
        if let Some(letter) = &mut letter {
            letter.missed_before = std::mem::take(&mut state.missed);
        }
        (letter, state.is_over)
    }
}

/// The dead letters of a node, from when it was made on, oldest first; ends when the node has detached and all were read.
///
/// It keeps the 1024 youngest that were not read; each letter says how many were missed before it.
pub struct DeadLetterStream {
    queue: Arc<Queue>,
    key: WaitKey,
}

impl DeadLetterStream {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            key: WaitKey::default(),
        }
    }

    /// Takes the next letter that has come already; never waits.
    pub fn try_next(&mut self) -> Option<DeadLetter> {
        self.queue.take().0
    }
}

impl Stream for DeadLetterStream {
    type Item = DeadLetter;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        for registered in [false, true] {
            match this.queue.take() {
                (Some(letter), _) => return Poll::Ready(Some(letter)),
                (None, true) => return Poll::Ready(None),
                (None, false) if registered => return Poll::Pending,
                (None, false) => this.queue.readers.register(&mut this.key, cx),
            }
        }
        Poll::Pending
    }
}

impl Drop for DeadLetterStream {
    fn drop(&mut self) {
        self.queue.readers.remove(&mut self.key);
    }
}

impl fmt::Debug for DeadLetterStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterStream").finish_non_exhaustive()
    }
}
