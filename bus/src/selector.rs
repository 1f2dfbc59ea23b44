//! Many sources as one stream, at a cost that does not grow with those in which nothing happens.
//!
//! Each source is polled with a waker of its own, which puts it on a list of those that are ready; the selector looks at that list
//! alone.
//!
//! ```text
//!   source 0 ─ waker ─┐
//!   source 1 ─ waker ─┼─> ready: [7, 1] ─> Selector::poll_next polls 7
//!       …             │
//!   source 7 ─ waker ─┘
//! ```
//!
//! # Invariants
//! - **once**: a source stands on the list at most once, and its mark says so; the mark is taken away before the source is polled. So
//!   what wakes it while it is polled puts it back, and a wake that finds the mark is answered by a poll that is still to come.
//! - **no-user-code**: under the list's lock nothing is polled, woken or dropped.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::Stream;
use futures_util::task::AtomicWaker;
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::AcqRel;
use slab::Slab;

use crate::shared::lock;

/// Sources that are polled in vain before others of the same task have a turn.
const IN_VAIN_MAX: u32 = 64;

/// Any streams of items of one type, by keys, as one stream: for thousands of [`Subscriber`](crate::Subscriber)s,
/// [`Listener`](crate::Listener)s and asks in one task. What happens costs the same however many sources are idle.
///
/// Sources that are ready take turns. One whose stream ends is told of, with `None`, and gone. Streams of other types are brought to
/// one with `map`, a future such as an [`Ask`](crate::Ask) with `futures::stream::once`.
///
/// As a [`Stream`] it is pending while it has no source: sources may be added between two items.
///
/// # Cancel safety
///
/// Dropping a future of `next` loses nothing.
///
/// # Examples
///
/// ```
/// # use ringway::prelude::*;
/// # let directory = std::env::temp_dir().join(format!("ringway-doc-selector-{}", std::process::id()));
/// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
/// # block_on(async {
/// let mut selector = ringway::Selector::new();
/// for joint in 0..100_u64 {
///     let topic = node.topic::<u64>(format!("joint/{joint}"))?;
///     selector.add(joint, topic.subscriber().depth(4).await?.map(|sample| *sample));
/// }
/// let publisher = node.topic::<u64>("joint/42")?.publisher().await?;
/// publisher.publish(7).await?;
/// assert_eq!(selector.next().await, Some((42, Some(7))));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # node.detach();
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Selector<K, T> {
    sources: Slab<Source<K, T>>,
    ready: Arc<Ready>,
    /// Identifies the source added last.
    last: u64,
}

struct Source<K, T> {
    key: K,
    stream: Pin<Box<dyn Stream<Item = T> + Send>>,
    alarm: Arc<Alarm>,
    /// The same, as it is polled with.
    waker: Waker,
}

/// Identifies a source of one selector; no other of it ever has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId {
    place: usize,
    number: u64,
}

/// The sources to be polled.
#[derive(Default)]
struct Ready {
    list: Mutex<VecDeque<Arc<Alarm>>>,
    /// Of whoever polls the selector.
    task: AtomicWaker,
}

/// The waker of a source.
struct Alarm {
    id: SourceId,
    is_listed: AtomicBool,
    ready: Arc<Ready>,
}

impl Alarm {
    /// Puts the source on the list, if it is not there; `true` if it was put there.
    fn list(self: &Arc<Self>) -> bool {
        // AcqRel source-listed: pairs with the swap in `Selector::poll_next`. What made the source ready comes before the mark, and
        // whoever takes the mark away polls after that.
        let is_new = !self.is_listed.swap(true, AcqRel);
        if is_new {
            lock(&self.ready.list).push_back(Arc::clone(self));
        }
        is_new
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.list() {
            self.ready.task.wake();
        }
    }
}

impl<K, T> Default for Selector<K, T> {
    fn default() -> Self {
        Self {
            sources: Slab::new(),
            ready: Arc::default(),
            last: 0,
        }
    }
}

impl<K, T> Selector<K, T> {
    /// Makes one without sources.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source; its items come with the key, which need not be another than that of others.
    pub fn add(&mut self, key: K, stream: impl Stream<Item = T> + Send + 'static) -> SourceId {
        self.last += 1;
        let number = self.last;
        let place = self.sources.vacant_key();
        let id = SourceId { place, number };
        let alarm = Arc::new(Alarm {
            id,
            is_listed: AtomicBool::new(false),
            ready: Arc::clone(&self.ready),
        });
        let waker = Waker::from(Arc::clone(&alarm));
        let added = Arc::clone(&alarm);
        self.sources.insert(Source {
            key,
            stream: Box::pin(stream),
            alarm,
            waker,
        });
        added.wake_by_ref(); // to be polled for the first time
        id
    }

    /// Takes a source out, and drops its stream; its key comes back. `None` if it has ended, or was taken out.
    pub fn remove(&mut self, id: SourceId) -> Option<K> {
        let source = self.sources.get(id.place)?;
        if source.alarm.id != id {
            return None;
        }
        Some(self.sources.remove(id.place).key)
    }

    /// Returns the number of sources.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Returns whether there is no source.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Takes the source whose turn it is off the list.
    fn turn(&self) -> Option<Arc<Alarm>> {
        let alarm = lock(&self.ready.list).pop_front()?;
        // AcqRel source-listed: pairs with the swap in `Alarm::list`. Before the poll: see once.
        alarm.is_listed.swap(false, AcqRel);
        Some(alarm)
    }
}

impl<K: Clone, T> Stream for Selector<K, T> {
    /// A source's key, and its item; `None` when it has ended.
    type Item = (K, Option<T>);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<(K, Option<T>)>> {
        let this = self.get_mut();
        // Before the look at the list: who puts a source there afterwards wakes this task.
        this.ready.task.register(cx.waker());
        let mut in_vain = 0;
        while let Some(alarm) = this.turn() {
            let place = alarm.id.place;
            let source = this.sources.get_mut(place);
            let Some(source) = source.filter(|it| it.alarm.id == alarm.id) else {
                continue; // taken out
            };
            match source
                .stream
                .as_mut()
                .poll_next(&mut Context::from_waker(&source.waker))
            {
                Poll::Ready(Some(item)) => {
                    source.alarm.list(); // it may have more, once the others had their turns
                    return Poll::Ready(Some((source.key.clone(), Some(item))));
                }
                Poll::Ready(None) => {
                    let Source { key, .. } = this.sources.remove(place);
                    return Poll::Ready(Some((key, None)));
                }
                Poll::Pending => in_vain += 1,
            }
            if in_vain == IN_VAIN_MAX {
                cx.waker().wake_by_ref();
                break;
            }
        }
        Poll::Pending
    }
}

impl<K, T> Unpin for Selector<K, T> {}

impl<K, T> fmt::Debug for Selector<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("sources", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
    use futures_executor::block_on;
    use futures_util::{FutureExt, StreamExt, stream};

    use super::*;

    /// A channel whose polls are counted.
    fn counted(
        polls: &Arc<AtomicU32>,
    ) -> (UnboundedSender<u32>, impl Stream<Item = u32> + Send + use<>) {
        let (sender, mut receiver): (_, UnboundedReceiver<u32>) = unbounded();
        let polls = Arc::clone(polls);
        let stream = stream::poll_fn(move |cx| {
            polls.fetch_add(1, Relaxed);
            receiver.poll_next_unpin(cx)
        });
        (sender, stream)
    }

    // Goal: what one source gives costs as many polls among ten thousand idle ones as alone. Method: polls are counted.
    #[test]
    fn idle_sources_are_not_polled() {
        let polls = Arc::new(AtomicU32::new(0));
        let mut selector = Selector::new();
        let senders: Vec<_> = (0..10_000)
            .map(|key| {
                let (sender, stream) = counted(&polls);
                selector.add(key, stream);
                sender
            })
            .collect();
        assert_eq!(block_on(async { poll_all(&mut selector).await }), 0);
        assert_eq!(
            polls.swap(0, Relaxed),
            10_000,
            "each once, to be woken by it"
        );
        for round in 0..100 {
            let active = 97 * round;
            senders[active].unbounded_send(7).unwrap();
            let got = selector.next().now_or_never();
            assert_eq!(got, Some(Some((active, Some(7)))));
            assert_eq!(selector.next().now_or_never(), None);
        }
        assert_eq!(polls.load(Relaxed), 200);
        drop(senders);
    }

    /// Polls until nothing is ready; returns how many items came.
    async fn poll_all(selector: &mut Selector<usize, u32>) -> usize {
        let mut items = 0;
        loop {
            match selector.next().now_or_never() {
                Some(_) => items += 1,
                None if lock(&selector.ready.list).is_empty() => return items,
                None => {}
            }
        }
    }

    // Goal: those that are ready take turns; ends are told, each once; what is taken out gives nothing.
    #[test]
    fn sources_take_turns_and_end() {
        let mut selector = Selector::new();
        selector.add("a", stream::iter([1, 2, 3]));
        selector.add("b", stream::iter([10, 20]));
        let gone = selector.add("c", stream::iter([100]));
        assert_eq!(selector.remove(gone), Some("c"));
        assert_eq!(selector.remove(gone), None);
        let again = selector.add("d", stream::empty());
        assert_ne!(gone, again);
        let mut got = Vec::new();
        while !selector.is_empty() {
            got.push(block_on(selector.next()).unwrap());
        }
        let told = [
            ("a", Some(1)),
            ("b", Some(10)),
            ("d", None),
            ("a", Some(2)),
            ("b", Some(20)),
            ("a", Some(3)),
            ("b", None),
            ("a", None),
        ];
        assert_eq!(got, told);
        assert_eq!(selector.next().now_or_never(), None);
    }

    // Goal: a source that wakes itself whenever it is polled does not keep the task from others.
    #[test]
    fn a_source_that_wakes_itself_lets_others_run() {
        let mut selector = Selector::<u32, u32>::new();
        let restless = stream::poll_fn(|cx: &mut Context<'_>| {
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        selector.add(0, restless);
        assert_eq!(selector.next().now_or_never(), None);
        selector.add(1, stream::iter([5]));
        assert_eq!(block_on(selector.next()), Some((1, Some(5))));
    }

    // Goal: no wake from other threads is lost.
    #[test]
    fn threads_wake_it() {
        let mut selector = Selector::new();
        let polls = Arc::default();
        let threads: Vec<_> = (0..4)
            .map(|key| {
                let (sender, stream) = counted(&polls);
                selector.add(key, stream);
                std::thread::spawn(move || {
                    for item in 0..10_000 {
                        sender.unbounded_send(item).unwrap();
                        if item % 64 == 0 {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let mut next = [0; 4];
        while !selector.is_empty() {
            let (key, item) = block_on(selector.next()).unwrap();
            match item {
                Some(item) => {
                    assert_eq!(item, next[key]);
                    next[key] += 1;
                }
                None => assert_eq!(next[key], 10_000),
            }
        }
        threads.into_iter().for_each(|it| it.join().unwrap());
    }
}
