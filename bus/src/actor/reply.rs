//! The reply to an ask of this process: one place, which the asker and the letter's port share.
//!
//! # If a side goes first
//! The asker: the port finds that it is alone, and what it answers is dropped; a handler that waits for that is woken. The
//! port: the asker is woken, and hears that the handler did not come to its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use ringway_shm::oneshot::{self, Getter, Giver};

use crate::clock::Nanos;

/// What an asker leaves to who answers.
#[derive(Debug)]
struct Waits {
    asker: Waker,
    /// Made for a handler that would rather not answer in vain.
    awaited: Option<Arc<Awaited>>,
}

impl Waits {
    fn wake(self) {
        self.asker.wake();
        if let Some(awaited) = self.awaited {
            awaited.end();
        }
    }
}

/// Whether an asker still waits, for a handler that asks.
#[derive(Debug, Default)]
pub(crate) struct Awaited(Mutex<Wait>);

#[derive(Debug, Default)]
struct Wait {
    is_over: bool,
    /// The handler's.
    waker: Option<Waker>,
}

impl Awaited {
    fn lock(&self) -> MutexGuard<'_, Wait> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it still waits.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.lock().is_over
    }

    /// Has `waker` woken when it waits no more; `false` if that is so already.
    pub(crate) fn watch(&self, waker: &Waker) -> bool {
        let mut waker = Some(waker.clone()); // what is left in it is dropped after the lock
        let mut wait = self.lock();
        if !wait.is_over {
            std::mem::swap(&mut wait.waker, &mut waker);
        }
        !wait.is_over
    }

    fn end(&self) {
        let waker = {
            let mut wait = self.lock();
            wait.is_over = true;
            wait.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The side that waits for the reply; without a place it has heard.
#[derive(Debug)]
pub(crate) struct Asker<T>(Option<Getter<T, Waits, Nanos>>);

/// The side that gives it, once.
#[derive(Debug)]
pub(crate) struct Answerer<T>(Option<Giver<T, Waits, Nanos>>);

/// Makes both sides of a place; the reply wakes `waker` unless a later poll names another.
#[inline]
pub(crate) fn slot<T>(deadline: Nanos, waker: &Waker) -> (Answerer<T>, Asker<T>) {
    let waits = Waits {
        asker: waker.clone(),
        awaited: None,
    };
    let (giver, getter) = oneshot::pair(waits, deadline);
    (Answerer(Some(giver)), Asker(Some(getter)))
}

impl<T> Asker<T> {
    /// Waits for the reply; `None` when there will be none. Not polled again after it was ready.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        let Some(getter) = self.0.take() else {
            return Poll::Ready(None);
        };
        match getter.get() {
            Ok(reply) => Poll::Ready(reply),
            Err(getter) => self.wait(getter, cx),
        }
    }

    /// Has the reply wake the waker of `cx`.
    fn wait(&mut self, getter: Getter<T, Waits, Nanos>, cx: &Context<'_>) -> Poll<Option<T>> {
        if getter.change(|waits| waits.asker.will_wake(cx.waker())) == Some(false) {
            // Made and dropped while nothing is held: wakers are the user's code.
            let mut waker = cx.waker().clone();
            let _ = getter.change(|waits| std::mem::swap(&mut waits.asker, &mut waker));
        }
        // A reply that came meanwhile may have woken another.
        match getter.get() {
            Ok(reply) => Poll::Ready(reply),
            Err(getter) => {
                self.0 = Some(getter);
                Poll::Pending
            }
        }
    }

    /// Stops waiting; what had come and was not read is returned. What comes later finds nobody.
    pub(crate) fn give_up(&mut self) -> Option<T> {
        match self.0.take()?.leave() {
            Ok(reply) => reply,
            Err(waits) => {
                waits.awaited.iter().for_each(|awaited| awaited.end());
                None
            }
        }
    }
}

impl<T> Drop for Asker<T> {
    #[inline]
    fn drop(&mut self) {
        // One that has heard has let go of the place.
        if self.0.is_some() {
            drop(self.give_up());
        }
    }
}

impl<T> Answerer<T> {
    /// Whether the asker has given up; `false` may be stale at once.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_none_or(Giver::has_left)
    }

    /// What tells whether the asker still waits.
    pub(crate) fn awaited(&self) -> Option<Weak<Awaited>> {
        let giver = self.0.as_ref()?;
        let known = giver.change(|waits| waits.awaited.as_ref().map(Arc::downgrade));
        let awaited = known.map(|known| {
            known.or_else(|| {
                let new = Arc::default();
                giver.change(|waits| Arc::downgrade(waits.awaited.get_or_insert(new)))
            })
        });
        // Of one that has given up there is nobody to be found.
        Some(awaited.flatten().unwrap_or_default())
    }

    #[inline]
    pub(crate) fn deadline(&self) -> Nanos {
        self.0.as_ref().map_or(Nanos::NONE, |giver| *giver.beside())
    }

    /// Gives the reply; `false` for an asker that had given up, and hears nothing.
    #[inline]
    pub(crate) fn answer(mut self, reply: T) -> bool {
        self.settle(Some(reply))
    }

    #[inline]
    fn settle(&mut self, reply: Option<T>) -> bool {
        let Some(giver) = self.0.take() else {
            return false;
        };
        match giver.settle(reply) {
            Ok(waits) => {
                waits.wake();
                true
            }
            Err(_) => false,
        }
    }
}

impl<T> Drop for Answerer<T> {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.settle(None);
        }
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
