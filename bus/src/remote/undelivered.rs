//! What failed after a tell's `Ok`: per address, the messages that came back, and why.

use std::any::Any;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use futures_util::Stream;
use ringway_shm::block::Block;
use ringway_shm::card::Counter;
use ringway_shm::words::EntryWords;

use crate::actor::Undone;
use crate::completion;
use crate::entry::{Beside, EntryToken};
use crate::exit::ExitReason;
use crate::message::{Message, Parcel};
use crate::queue::UndeliveredToken;
use crate::shared::Shared;
use crate::token::OwnedToken;
use crate::wait_list::{WaitKey, WaitList};

/// Messages kept for readers of one address's stream, and as many again whose handlers began until their actor ends; the
/// oldest beyond it are counted as dead letters.
const RETURNS_MAX: usize = 4096;

/// A tell that had returned `Ok` and was not handled to its end.
///
/// # Examples
///
/// What had no effect goes to the successor; what had begun is for the program to judge.
///
/// ```
/// # use ringway::prelude::*;
/// # async fn resend<M, A>(old: &Addr<A>, new: &Addr<A>) -> Result<u64, BoxError>
/// # where M: Message + ?Sized, A: Actor + ringway::Accepts<M> {
/// let mut in_doubt = 0;
/// let mut failed = old.undelivered::<M>(); // ends when the old actor has, and all have been read
/// while let Some(Undelivered { message, taken, why, .. }) = failed.next().await {
///     match message {
///         Some(message) if !taken => new.tell(message).await.map_err(|error| error.to_string())?,
///         _ => {
///             eprintln!("in doubt: {why}");
///             in_doubt += 1;
///         }
///     }
/// }
/// # Ok(in_doubt) }
/// ```
pub struct Undelivered<M: Message + ?Sized> {
    /// The message; `None` when it was taken and its bytes are gone with the receiver. `tell` and `ask` take it as it is;
    /// [`into_value`](Parcel::into_value) gives what is inside.
    pub message: Option<Parcel<M>>,
    /// Whether its handler had begun. If not, it had no effect and is safe to send again.
    pub taken: bool,
    /// Why it was not handled.
    pub why: Undone,
}

impl<M: Message + ?Sized> std::fmt::Debug for Undelivered<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Undelivered")
            .field("type", &M::NAME)
            .field("message", &self.message.is_some())
            .field("taken", &self.taken)
            .field("why", &self.why)
            .finish()
    }
}

/// An entry of a uring that came back as it was sent.
pub(crate) struct Raw {
    pub(crate) words: EntryWords,
    pub(crate) beside: Beside,
    pub(crate) taken: bool,
    pub(crate) why: Undone,
}

/// Something was queued for the readers, who are still to be told; with it goes what gave way to it.
#[must_use = "readers are woken, and what gave way is dropped, outside of the lock"]
pub(super) struct Queued {
    item: Option<Item>,
    begun: Option<Begun>,
}

enum Item {
    Typed {
        returned: Box<dyn Any + Send>,
        is_counted: bool,
    },
    Raw(Raw),
}

impl Item {
    /// Whether a counter has it already: a mailbox's policy counts what it drops.
    fn is_counted(&self) -> bool {
        match self {
            Self::Typed { is_counted, .. } => *is_counted,
            Self::Raw(raw) => raw.why == Undone::Dropped,
        }
    }

    fn typed<M: Message + ?Sized>(returned: Undelivered<M>) -> Self {
        Self::Typed {
            is_counted: returned.why == Undone::Dropped,
            returned: Box::new(returned),
        }
    }
}

/// A message whose handler began and did not come to its end: why is known when its actor has ended.
enum Begun {
    Typed(fn(Undone) -> Item),
    Raw(EntryWords, Option<Block>),
}

impl Begun {
    fn because(self, why: Undone) -> Item {
        match self {
            Self::Typed(item) => item(why),
            Self::Raw(words, block) => Item::Raw(Raw {
                words,
                beside: block.map_or(Beside::Nothing, Beside::Block),
                taken: true,
                why,
            }),
        }
    }
}

/// Takes the oldest out of a full queue.
fn make_room<T>(queue: &mut VecDeque<T>) -> Option<T> {
    (queue.len() >= RETURNS_MAX)
        .then(|| queue.pop_front())
        .flatten()
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    begun: VecDeque<Begun>,
    ended: Option<ExitReason>,
}

/// The messages that came back to one address.
pub struct Returns {
    shared: Weak<Shared>,
    queue: Mutex<Queue>,
    readers: WaitList,
}

impl std::fmt::Debug for Returns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Returns").finish_non_exhaustive()
    }
}

impl Returns {
    pub(crate) fn new(shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::downgrade(shared),
            queue: Mutex::default(),
            readers: WaitList::default(),
        })
    }

    pub(crate) fn push<M: Message + ?Sized>(&self, returned: Undelivered<M>) {
        self.push_item(Item::typed(returned));
    }

    /// Queues an entry that came back, under the lock of its end; what it returns is owed outside of it.
    pub(super) fn queue_raw(&self, raw: Raw) -> Queued {
        self.queue_item(Item::Raw(raw))
    }

    /// Tells the readers of what was queued.
    pub(super) fn announce(&self, queued: impl IntoIterator<Item = Queued>) {
        for Queued { item, begun } in queued {
            self.lose(item);
            self.count_lost(u64::from(begun.is_some()));
        }
        self.readers.wake_all();
    }

    /// The handler of a tell of this process began and did not come to its end.
    pub(crate) fn begun<M: Message + ?Sized>(&self) {
        self.push_begun(Begun::Typed(|why| {
            Item::typed(Undelivered::<M> {
                message: None,
                taken: true,
                why,
            })
        }));
    }

    /// The same, for a tell in another process, under the lock of its end.
    pub(super) fn queue_begun(&self, words: EntryWords, block: Option<Block>) -> Queued {
        self.keep_begun(Begun::Raw(words, block))
    }

    fn push_begun(&self, begun: Begun) {
        self.announce([self.keep_begun(begun)]);
    }

    /// Keeps it until its actor has ended, or queues it if it has.
    fn keep_begun(&self, begun: Begun) -> Queued {
        let mut queue = self.lock();
        if let Some(reason) = queue.ended.clone() {
            drop(queue);
            return self.queue_item(begun.because(Undone::Ended(reason)));
        }
        let begun_before = make_room(&mut queue.begun);
        queue.begun.push_back(begun);
        Queued {
            item: None,
            begun: begun_before,
        }
    }

    fn push_item(&self, item: Item) {
        self.announce([self.queue_item(item)]);
    }

    fn queue_item(&self, item: Item) -> Queued {
        let mut queue = self.lock();
        let item_before = make_room(&mut queue.items);
        queue.items.push_back(item);
        Queued {
            item: item_before,
            begun: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what nobody will read, and drops it: user code, so not under the lock.
    fn lose(&self, displaced: impl IntoIterator<Item = Item>) {
        let lost = displaced.into_iter().filter(|item| !item.is_counted());
        self.count_lost(lost.count() as u64);
    }

    /// Counts messages of which nobody can be told any more.
    pub(super) fn count_lost(&self, lost: u64) {
        if lost > 0
            && let Some(shared) = self.shared.upgrade()
        {
            shared.count(Counter::DeadLetters, lost);
        }
    }

    /// Says that nothing more will come back: the receiver has ended.
    pub(crate) fn end(&self, reason: &ExitReason) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.ended.get_or_insert_with(|| reason.clone());
        // They were taken before those that came back untaken.
        let begun = std::mem::take(&mut queue.begun);
        for begun in begun.into_iter().rev() {
            let why = Undone::Ended(reason.clone());
            queue.items.push_front(begun.because(why));
        }
        let beyond = queue.items.len().saturating_sub(RETURNS_MAX);
        let displaced: Vec<_> = queue.items.drain(..beyond).collect();
        drop(queue);
        self.lose(displaced);
        self.readers.wake_all();
    }

    /// Those who wait for a change.
    pub(crate) fn readers(&self) -> &WaitList {
        &self.readers
    }

    /// Takes the oldest returned token of a queue, whatever its type; `None` beside `true` when there will be no more.
    pub(crate) fn take_token(&self) -> (Option<UndeliveredToken>, bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let item = queue.items.pop_front();
        let has_ended = queue.ended.is_some();
        drop(queue);
        let Some(Item::Raw(raw)) = item else {
            return (None, has_ended);
        };
        let token = UndeliveredToken {
            token: EntryToken::unseal(raw.words, raw.beside).map(OwnedToken::new),
            taken: raw.taken,
            why: raw.why,
        };
        (Some(token), has_ended)
    }

    /// Takes the oldest returned message of type `M`; `None` beside `true` when there will be no more.
    fn take<M: Message + ?Sized>(&self) -> (Option<Undelivered<M>>, bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let found = queue.items.iter().position(|item| match item {
            Item::Typed { returned, .. } => returned.is::<Undelivered<M>>(),
            Item::Raw(raw) => raw.words[1] == M::TYPE_ID.to_bits(),
        });
        let item = found.and_then(|index| queue.items.remove(index));
        let has_ended = queue.ended.is_some();
        drop(queue);
        let returned = item.and_then(|item| match item {
            Item::Typed { returned, .. } => {
                let returned = returned.downcast::<Undelivered<M>>();
                returned.ok().map(|returned| *returned)
            }
            Item::Raw(Raw {
                words,
                beside,
                taken,
                why,
            }) => Some(Undelivered {
                message: completion::take_back(|| self.shared.upgrade(), words, beside),
                taken,
                why,
            }),
        });
        (returned, has_ended)
    }
}

/// The messages of one type that came back to one address, oldest first; ends when the receiver has ended and all
/// have been read. Dropping it loses nothing: another stream of the same address goes on.
pub struct UndeliveredStream<M: Message + ?Sized> {
    returns: Arc<Returns>,
    key: WaitKey,
    of: PhantomData<fn() -> Box<M>>,
}

impl<M: Message + ?Sized> UndeliveredStream<M> {
    pub(crate) fn new(returns: Arc<Returns>) -> Self {
        Self {
            returns,
            key: WaitKey::default(),
            of: PhantomData,
        }
    }

    /// Takes the next message that has come back already; never waits.
    pub fn try_next(&mut self) -> Option<Undelivered<M>> {
        self.returns.take().0
    }
}

impl<M: Message + ?Sized> Stream for UndeliveredStream<M> {
    type Item = Undelivered<M>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        for registered in [false, true] {
            match this.returns.take() {
                (Some(returned), _) => return Poll::Ready(Some(returned)),
                (None, true) => return Poll::Ready(None),
                (None, false) if registered => return Poll::Pending,
                (None, false) => this.returns.readers.register(&mut this.key, cx),
            }
        }
        Poll::Pending
    }
}

impl<M: Message + ?Sized> Drop for UndeliveredStream<M> {
    fn drop(&mut self) {
        self.returns.readers.remove(&mut self.key);
    }
}

impl<M: Message + ?Sized> std::fmt::Debug for UndeliveredStream<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UndeliveredStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Node;
    use crate::testing::TempDir;

    fn begun(returns: &Returns, number: u64) {
        let mut words = EntryWords::default();
        words[1] = <u64 as Message>::TYPE_ID.to_bits();
        words[2] = number;
        returns.announce([returns.queue_begun(words, None)]);
    }

    // Goal: a receiver that answers every tell with 'began and did not end' does not make the sender keep every message:
    // the oldest beyond the bound are dead letters, before its end as after. Method: some more than the bound of each.
    #[test]
    fn what_comes_back_is_bounded() {
        let temp = TempDir::new();
        let node = Node::attach(temp.config("node")).unwrap();
        let returns = Returns::new(node.shared());
        let lost = || node.shared().core().counted(Counter::DeadLetters);
        let bound = RETURNS_MAX as u64;
        (0..bound + 3).for_each(|number| begun(&returns, number));
        assert_eq!(lost(), 3);
        let returned = |why| Undelivered::<u64> {
            message: None,
            taken: false,
            why,
        };
        (0..5).for_each(|_| returns.push(returned(Undone::Expired)));
        assert_eq!(lost(), 3, "a queue of their own");
        returns.end(&ExitReason::Killed);
        assert_eq!(lost(), 3 + 5, "the oldest of both");
        let first = returns.take_token().0;
        assert!(first.is_some_and(|first| first.taken));
        returns.push(returned(Undone::Expired));
        assert_eq!(lost(), 3 + 5, "there is room");
        (0..7).for_each(|_| returns.push(returned(Undone::Dropped)));
        assert_eq!(lost(), 3 + 5 + 7);
    }

    // Goal: what a mailbox's policy has counted as dropped is not counted once more.
    #[test]
    fn the_dropped_are_counted_once() {
        let temp = TempDir::new();
        let node = Node::attach(temp.config("node")).unwrap();
        let returns = Returns::new(node.shared());
        for _ in 0..=RETURNS_MAX {
            returns.push(Undelivered::<u64> {
                message: None,
                taken: false,
                why: Undone::Dropped,
            });
        }
        assert_eq!(node.shared().core().counted(Counter::DeadLetters), 0);
    }
}
