//! What actors under test write down, for their test to read in order.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::shared::lock;
use crate::wait_list::{WaitKey, WaitList};

/// The reading end of a journal: what happened in actors under test, in the order in which they wrote it down with their
/// [`Pen`]s.
///
/// Writing takes no message and waits for nobody, so it can be done in any hook, in a drop, and where the messages
/// themselves are what is tested. Where one message says it all, a [`Probe`](super::Probe) in place of who gets it needs no pen.
///
/// ```
/// use ringway::prelude::*;
/// use ringway::test::{Journal, Pen, TestBus};
///
/// #[derive(Actor)]
/// #[actor(handles(u32), hooks)]
/// struct Adder(Pen<String>);
///
/// impl Hooks for Adder {
///     async fn stopping(&mut self, reason: &ExitReason, _cx: &mut Context<Self>) {
///         self.0.write(format!("stops: {reason}"));
///     }
/// }
///
/// impl Handler<u32> for Adder {
///     async fn handle(&mut self, number: u32, _cx: &mut Context<Self>) {
///         self.0.write(format!("got {number}"));
///     }
/// }
///
/// let bus = TestBus::new();
/// let node = bus.attach("node")?;
/// let (journal, pen) = Journal::new();
/// let adder = node.spawn(Adder(pen))?;
/// adder.tell(7).wait()?;
/// journal.expect("got 7".to_owned()).wait();
/// adder.stop();
/// assert_eq!(journal.rest(), ["stops: it was stopped"]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Journal<E>(Arc<Pages<E>>);

/// The writing end of a [`Journal`]; cloned, it writes into the same.
pub struct Pen<E>(Arc<Pages<E>>);

struct Pages<E> {
    state: Mutex<State<E>>,
    /// Tasks that wait for a change.
    changed: WaitList,
    /// Threads that do.
    changed_for_threads: Condvar,
}

struct State<E> {
    entries: VecDeque<E>,
    pens: usize,
}

impl<E> Journal<E> {
    /// An empty journal, and a pen for it.
    pub fn new() -> (Self, Pen<E>) {
        let pages = Arc::new(Pages {
            state: Mutex::new(State {
                entries: VecDeque::new(),
                pens: 1,
            }),
            changed: WaitList::default(),
            changed_for_threads: Condvar::new(),
        });
        (Self(Arc::clone(&pages)), Pen(pages))
    }

    /// Waits for the next entry, as long as it takes.
    #[track_caller]
    pub fn next(&self) -> NextEntry<'_, E> {
        NextEntry {
            pages: &self.0,
            key: WaitKey::default(),
            caller: Location::caller(),
        }
    }

    /// Waits for the next entry, which must be equal to `expected`.
    #[track_caller]
    pub fn expect(&self, expected: E) -> ExpectEntry<'_, E>
    where
        E: PartialEq + fmt::Debug,
    {
        ExpectEntry {
            next: self.next(),
            expected: Some(expected),
        }
    }

    /// The next entry if it stands there already.
    pub fn try_next(&self) -> Option<E> {
        lock(&self.0.state).entries.pop_front()
    }

    /// All that was written and not read yet.
    pub fn so_far(&self) -> Vec<E> {
        let entries = std::mem::take(&mut lock(&self.0.state).entries);
        entries.into()
    }

    /// All that is left to be read when nobody has a pen any more, that is when the actors that had them are gone; blocks the
    /// calling thread until then. Not for a thread that has to drive their node itself.
    pub fn rest(self) -> Vec<E> {
        let mut state = lock(&self.0.state);
        while state.pens > 0 {
            state = self.0.wait(state);
        }
        std::mem::take(&mut state.entries).into()
    }
}

impl<E> Pages<E> {
    fn wait<'a>(
        &self,
        state: std::sync::MutexGuard<'a, State<E>>,
    ) -> std::sync::MutexGuard<'a, State<E>> {
        let woken = self.changed_for_threads.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed_for_threads.notify_all();
        self.changed.wake_all();
    }

    /// The next entry; `Err` when none will come.
    fn take(state: &mut State<E>) -> Result<Option<E>, ()> {
        match state.entries.pop_front() {
            None if state.pens == 0 => Err(()),
            entry => Ok(entry),
        }
    }
}

impl<E> Pen<E> {
    /// Writes an entry.
    pub fn write(&self, entry: E) {
        lock(&self.0.state).entries.push_back(entry);
        self.0.tell();
    }
}

impl<E> Clone for Pen<E> {
    fn clone(&self) -> Self {
        lock(&self.0.state).pens += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<E> Drop for Pen<E> {
    fn drop(&mut self) {
        lock(&self.0.state).pens -= 1;
        self.0.tell();
    }
}

/// A wait for the next entry of a [`Journal`]: await it, or [`wait`](Self::wait).
///
/// # Panics
///
/// When none will come: nobody has a pen.
///
/// # Cancel safety
///
/// Dropped before it is ready, it has taken nothing.
#[must_use = "nothing is waited for until this is awaited"]
pub struct NextEntry<'a, E> {
    pages: &'a Pages<E>,
    key: WaitKey,
    caller: &'static Location<'static>,
}

impl<E> NextEntry<'_, E> {
    /// Blocks the calling thread until an entry is written. Not for a thread that has to drive the writers' node itself.
    ///
    /// # Panics
    ///
    /// When none will come: nobody has a pen.
    pub fn wait(self) -> E {
        let mut state = lock(&self.pages.state);
        loop {
            match Pages::take(&mut state) {
                Ok(Some(entry)) => return entry,
                Ok(None) => state = self.pages.wait(state),
                Err(()) => {
                    drop(state);
                    self.none_will_come()
                }
            }
        }
    }

    fn none_will_come(&self) -> ! {
        panic!(
            "nobody is left to write into the journal that is read at {}",
            self.caller
        )
    }
}

impl<E> Future for NextEntry<'_, E> {
    type Output = E;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<E> {
        let this = self.get_mut();
        this.pages.changed.register(&mut this.key, cx);
        let taken = Pages::take(&mut lock(&this.pages.state));
        match taken {
            Ok(entry) => entry.map_or(Poll::Pending, Poll::Ready),
            Err(()) => this.none_will_come(),
        }
    }
}

impl<E> Drop for NextEntry<'_, E> {
    fn drop(&mut self) {
        self.pages.changed.remove(&mut self.key);
    }
}

/// A wait for a certain entry of a [`Journal`]: await it, or [`wait`](Self::wait).
///
/// # Panics
///
/// When the next one is another, or none will come.
///
/// # Cancel safety
///
/// Dropped before it is ready, it has taken nothing.
#[must_use = "nothing is waited for until this is awaited"]
pub struct ExpectEntry<'a, E> {
    next: NextEntry<'a, E>,
    expected: Option<E>,
}

impl<E: PartialEq + fmt::Debug> ExpectEntry<'_, E> {
    /// Blocks the calling thread until an entry is written. Not for a thread that has to drive the writers' node itself.
    ///
    /// # Panics
    ///
    /// When the next one is another, or none will come.
    pub fn wait(self) {
        let caller = self.next.caller;
        compare(&self.next.wait(), self.expected.as_ref(), caller);
    }
}

// Nothing in it is pinned.
impl<E> Unpin for ExpectEntry<'_, E> {}

impl<E: PartialEq + fmt::Debug> Future for ExpectEntry<'_, E> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        Pin::new(&mut this.next)
            .poll(cx)
            .map(|entry| compare(&entry, this.expected.take().as_ref(), this.next.caller))
    }
}

fn compare<E: PartialEq + fmt::Debug>(
    entry: &E,
    expected: Option<&E>,
    caller: &'static Location<'static>,
) {
    if let Some(expected) = expected.filter(|expected| *expected != entry) {
        panic!("expected at {caller}: {expected:?}\n    but what came: {entry:?}");
    }
}

impl<E> fmt::Debug for Journal<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0.state);
        f.debug_struct("Journal")
            .field("unread", &state.entries.len())
            .field("pens", &state.pens)
            .finish()
    }
}

impl<E> fmt::Debug for Pen<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pen").finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for NextEntry<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NextEntry(at {})", self.caller)
    }
}

impl<E: fmt::Debug> fmt::Debug for ExpectEntry<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExpectEntry").field(&self.expected).finish()
    }
}
