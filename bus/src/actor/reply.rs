//! The reply to an ask of this process: one slot, which the asker and the letter's port share.
//!
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | reply-given | `Answerer::answer`: unlock of `state`, or the count of the slot when it is let go | `Asker::poll`: lock, or the count | the reply |
//!
//! # If a side goes first
//! The asker: the port finds that it is alone, and what it answers is dropped; a handler that waits for that is woken. The
//! port: the asker is woken, and hears that the handler did not come to its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use super::later::Awaited;
use crate::clock::Nanos;

/// Who is woken when an asker waits no more.
#[derive(Debug)]
struct Waits {
    asker: Waker,
    /// A handler that would rather not answer in vain.
    handler: Option<Waker>,
}

impl Waits {
    fn wake(self) {
        self.asker.wake();
        if let Some(handler) = self.handler {
            handler.wake();
        }
    }
}

#[derive(Debug)]
enum State<T> {
    Waiting(Waits),
    Answered(T),
    /// The port was dropped without an answer.
    Unanswered,
    /// The asker has gone.
    GivenUp,
}

#[derive(Debug)]
struct Slot<T> {
    deadline: Nanos,
    state: Mutex<State<T>>,
}

/// The side that waits for the reply.
#[derive(Debug)]
pub(crate) struct Asker<T>(Option<Arc<Slot<T>>>);

/// The side that gives it, once.
#[derive(Debug)]
pub(crate) struct Answerer<T>(Option<Arc<Slot<T>>>);

/// Makes both sides of a slot; the reply wakes `waker` unless a later poll names another.
pub(crate) fn slot<T>(deadline: Nanos, waker: &Waker) -> (Answerer<T>, Asker<T>) {
    let slot = Arc::new(Slot {
        deadline,
        state: Mutex::new(State::Waiting(Waits {
            asker: waker.clone(),
            handler: None,
        })),
    });
    (Answerer(Some(Arc::clone(&slot))), Asker(Some(slot)))
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and tells whom to wake if somebody waits.
    fn settle(&self, state: State<T>) -> Option<Waits> {
        let before = std::mem::replace(&mut *self.lock(), state);
        match before {
            State::Waiting(waits) => Some(waits),
            State::Answered(_) | State::Unanswered | State::GivenUp => None,
        }
    }
}

impl<T: Send> Awaited for Slot<T> {
    fn is_awaited(&self) -> bool {
        matches!(&*self.lock(), State::Waiting(_))
    }

    fn watch(&self, waker: &Waker) -> bool {
        let mut waker = Some(waker.clone()); // what is left in it is dropped after the lock
        match &mut *self.lock() {
            State::Waiting(waits) => {
                std::mem::swap(&mut waits.handler, &mut waker);
                true
            }
            _ => false,
        }
    }
}

impl<T> Asker<T> {
    /// Waits for the reply; `None` when there will be none. Not polled again after it was ready.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        let Some(slot) = self.0.take() else {
            return Poll::Ready(None);
        };
        let slot = match into_inner(slot) {
            // The port is gone: nobody else has the state.
            Ok(state) => {
                return Poll::Ready(match state {
                    State::Answered(reply) => Some(reply),
                    State::Unanswered | State::Waiting(_) | State::GivenUp => None,
                });
            }
            Err(slot) => slot,
        };
        let is_known = |known: &Waker| known.will_wake(cx.waker());
        if !matches!(&*slot.lock(), State::Waiting(waits) if is_known(&waits.asker)) {
            // Outside the lock, as its drop: wakers are the user's code.
            let mut waker = cx.waker().clone();
            let settled = match &mut *slot.lock() {
                State::Waiting(waits) => {
                    std::mem::swap(&mut waits.asker, &mut waker);
                    None
                }
                settled => Some(std::mem::replace(settled, State::Unanswered)),
            };
            drop(waker);
            match settled {
                Some(State::Answered(reply)) => return Poll::Ready(Some(reply)),
                Some(State::Unanswered | State::Waiting(_) | State::GivenUp) => {
                    return Poll::Ready(None);
                }
                None => {}
            }
        }
        self.0 = Some(slot);
        Poll::Pending
    }
}

impl<T> Asker<T> {
    /// Stops waiting; what had come and was not read is returned. What comes later finds nobody.
    pub(crate) fn give_up(&mut self) -> Option<T> {
        let slot = self.0.take()?;
        let before = std::mem::replace(&mut *slot.lock(), State::GivenUp);
        drop(slot);
        match before {
            State::Answered(reply) => Some(reply),
            State::Waiting(Waits { handler, .. }) => {
                handler.into_iter().for_each(Waker::wake);
                None
            }
            State::Unanswered | State::GivenUp => None,
        }
    }
}

impl<T> Drop for Asker<T> {
    fn drop(&mut self) {
        // One that has heard has let go of the slot.
        if self.0.is_some() {
            drop(self.give_up());
        }
    }
}

/// Takes the slot apart if nobody shares it.
fn into_inner<T>(slot: Arc<Slot<T>>) -> Result<State<T>, Arc<Slot<T>>> {
    // A look before the count is given up: of two sides that gave it up at once, one would get nothing.
    if Arc::strong_count(&slot) > 1 {
        return Err(slot);
    }
    let slot = Arc::try_unwrap(slot)?;
    Ok(slot
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

impl<T> Answerer<T> {
    /// Whether the asker has given up; `false` may be stale at once.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|slot| Arc::strong_count(slot) == 1)
    }

    /// What tells whether the asker still waits.
    pub(crate) fn awaited(&self) -> Option<Weak<dyn Awaited>>
    where
        T: Send + 'static,
    {
        let slot = self.0.as_ref()?;
        Some(Arc::downgrade(slot) as Weak<dyn Awaited>)
    }

    pub(crate) fn deadline(&self) -> Nanos {
        self.0.as_ref().map_or(Nanos::NONE, |slot| slot.deadline)
    }

    /// Gives the reply; `false` for an asker that had given up, and hears nothing.
    pub(crate) fn answer(mut self, reply: T) -> bool {
        self.settle(State::Answered(reply))
    }

    fn settle(&mut self, state: State<T>) -> bool {
        let Some(slot) = self.0.take() else {
            return false;
        };
        let waits = slot.settle(state);
        let is_heard = waits.is_some();
        // Before the wake: an asker that finds the slot its own takes the reply without the lock. If it is gone, the reply
        // is dropped here.
        drop(slot);
        if let Some(waits) = waits {
            waits.wake();
        }
        is_heard
    }
}

impl<T> Drop for Answerer<T> {
    fn drop(&mut self) {
        self.settle(State::Unanswered);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn counted() -> (Arc<Count>, Waker) {
        let count = Arc::<Count>::default();
        (Arc::clone(&count), Waker::from(count))
    }

    // Goal: the reply arrives once and wakes the waker of the last poll, not an earlier one.
    #[test]
    fn reply_wakes_who_polled_last() {
        let ((first, early), (last, late)) = (counted(), counted());
        let (answerer, mut asker) = slot(Nanos::NONE, &early);
        assert_eq!(asker.poll(&Context::from_waker(&late)), Poll::Pending);
        answerer.answer(Box::new(7));
        assert_eq!((first.0.load(Relaxed), last.0.load(Relaxed)), (0, 1));
        let reply = asker.poll(&Context::from_waker(&late));
        assert_eq!(reply, Poll::Ready(Some(Box::new(7))));
    }

    // Goal: a port that goes without an answer wakes the asker, which hears that there will be none.
    #[test]
    fn dropped_port_is_heard() {
        let (count, waker) = counted();
        let (answerer, mut asker) = slot::<u32>(Nanos::NONE, &waker);
        assert!(!answerer.is_cancelled());
        drop(answerer);
        assert_eq!(count.0.load(Relaxed), 1);
        assert_eq!(asker.poll(&Context::from_waker(&waker)), Poll::Ready(None));
    }

    // Goal: a port knows that its asker gave up, and what it answers then is dropped.
    #[test]
    fn answer_to_nobody_is_dropped() {
        let (_, waker) = counted();
        let (answerer, asker) = slot(Nanos(7), &waker);
        assert_eq!(answerer.deadline(), Nanos(7));
        drop(asker);
        assert!(answerer.is_cancelled());
        let reply = Arc::new(());
        answerer.answer(Arc::clone(&reply));
        assert_eq!(Arc::strong_count(&reply), 1);
    }

    // Goal: two threads, many slots: each reply arrives, whichever way the slot is taken apart.
    #[test]
    fn replies_cross_threads() {
        const ROUNDS: u32 = 2_000;
        let (sender, receiver) = std::sync::mpsc::channel::<Answerer<u32>>();
        let answering = std::thread::spawn(move || {
            for (number, answerer) in (0..).zip(receiver) {
                answerer.answer(number);
            }
        });
        for round in 0..ROUNDS {
            let reply = futures_executor::block_on(async {
                let mut asker = None;
                std::future::poll_fn(|cx| {
                    if asker.is_none() {
                        let (answerer, waiting) = slot(Nanos::NONE, cx.waker());
                        asker = Some(waiting);
                        sender.send(answerer).unwrap();
                        return Poll::Pending;
                    }
                    asker.as_mut().unwrap().poll(cx)
                })
                .await
            });
            assert_eq!(reply, Some(round));
        }
        drop(sender);
        answering.join().unwrap();
    }
}
