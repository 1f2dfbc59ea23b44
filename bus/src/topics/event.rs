//! Events: the smallest topic. What is published is a number, and nobody is waited for.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytemuck::{Pod, Zeroable};
use futures_util::{Stream, StreamExt};

use super::error::TopicError;
use super::label::TopicEndId;
use super::publisher::{Publisher, PublisherBuilder};
use super::subscriber::{Sample, Subscriber, SubscriberBuilder};
use super::topic::Topic;
use crate::shared::Shared;

/// Notices that may lie untaken at a listener, unless told otherwise.
const DEPTH: u32 = 256;

/// What notifiers publish. Programs do not see it: so whoever subscribes drops the oldest.
#[derive(crate::prelude::Message, Clone, Copy, Pod, Zeroable)]
#[message(move, name = "ringway::Event")]
#[repr(transparent)]
struct Notified(u64);

/// Something that happens, by name: any nodes notify of it and listen to it; from [`Node::event`](crate::Node::event). Cheap to clone.
///
/// It is a topic whose samples are numbers, and shares the topics' names: one name is not both. A notifier never waits. A listener
/// that is behind by more than its depth misses the oldest notices, and is told how many.
///
/// ```
/// # use ringway::prelude::*;
/// # let directory = std::env::temp_dir().join(format!("ringway-doc-event-{}", std::process::id()));
/// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
/// # block_on(async {
/// let doors = node.event("doors/opened")?;
/// let mut opened = doors.listener().await?;              // here or in another process
/// let notifier = doors.notifier().await?;
/// notifier.notify(7)?;
/// let notice = opened.next().await.ok_or("the node has left")?;
/// assert_eq!((notice.id(), notice.missed_before()), (7, 0));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # node.detach();
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Event(Topic<Notified>);

impl Event {
    pub(crate) fn open(shared: &Arc<Shared>, name: &str) -> Result<Self, TopicError> {
        Topic::open(shared, name).map(Self)
    }

    /// Returns the event's name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Makes a notifier, which is there when all listeners hear it.
    pub fn notifier(&self) -> NotifierBuilder {
        NotifierBuilder(self.0.publisher().samples(DEPTH))
    }

    /// Makes a listener, which is there when it hears all notifiers: none of their next notices is missed.
    pub fn listener(&self) -> ListenerBuilder {
        ListenerBuilder(self.0.subscriber().depth(DEPTH).leases(1).drop_oldest())
    }

    /// Returns the notifiers on this node and on those that it is connected to, as their cards show them.
    pub fn notifiers(&self) -> Vec<TopicEndId> {
        self.0.publishers()
    }

    /// Returns the listeners, likewise.
    pub fn listeners(&self) -> Vec<TopicEndId> {
        self.0.subscribers()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.name()).finish()
    }
}

/// Either builder: the time that it waits, the blocking form, the future.
macro_rules! builders {
    ($($builder:ident($inner:ty) makes $made:ident: $what:literal;)*) => {$(
        #[doc = concat!("A ", $what, " about to be made: await it as it is, or refine it first.")]
        ///
        /// # Cancel safety
        ///
        /// Dropping it leaves nothing behind.
        #[must_use = "nothing is made until it is awaited"]
        pub struct $builder($inner);

        impl $builder {
            /// Waits for the other side no longer than this; the default is 5 s.
            pub fn within(self, within: Duration) -> Self {
                Self(self.0.within(within))
            }

            /// Goes on without those that do not answer in time.
            pub fn allow_unanswered(self) -> Self {
                Self(self.0.allow_unanswered())
            }

            #[doc = concat!("Blocks the calling thread until the ", $what, " is there.")]
            ///
            /// # Errors
            ///
            /// See [`TopicError`].
            ///
            /// # Panics
            ///
            /// In a handler of this node, or in a future that the node drives.
            pub fn wait(self) -> Result<$made, TopicError> {
                self.0.wait().map($made)
            }
        }

        impl IntoFuture for $builder {
            type Output = Result<$made, TopicError>;
            type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                let made = self.0.into_future();
                Box::pin(async move { made.await.map($made) })
            }
        }

        impl fmt::Debug for $builder {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($builder)).field(&self.0).finish()
            }
        }
    )*};
}

builders! {
    NotifierBuilder(PublisherBuilder<Notified>) makes Notifier: "notifier";
    ListenerBuilder(SubscriberBuilder<Notified>) makes Listener: "listener";
}

impl ListenerBuilder {
    /// Has room for so many notices of each notifier that were not taken, at least 1; of more than 256 as many as the notifier has. The
    /// default is 256.
    pub fn depth(self, notices: u32) -> Self {
        Self(self.0.depth(notices))
    }
}

/// Notifies of an event. Cheap to clone; the last clone that is dropped ends it.
#[derive(Clone)]
pub struct Notifier(Publisher<Notified>);

impl Notifier {
    /// Tells all listeners that it has happened, with a number of the program's choice; returns how often this notifier has, this
    /// time included. It never waits.
    ///
    /// Cost: a store into shared memory and a fence, however many listen; and a bell for each that sleeps.
    ///
    /// # Errors
    ///
    /// The node is detached.
    pub fn notify(&self, id: u64) -> Result<u64, TopicError> {
        // Nobody is waited for, so there is always room; and the number needs none elsewhere.
        let published = self.0.try_publish(Notified(id));
        published.map_err(|_| TopicError::Detached)
    }

    /// Identifies this notifier.
    pub fn id(&self) -> TopicEndId {
        self.0.id()
    }

    /// Returns the listeners that hear it.
    pub fn listeners(&self) -> Vec<TopicEndId> {
        self.0.subscribers()
    }

    /// Waits until so many listeners, or more, hear it; or its node has left the bus.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn wait_for_listeners(&self, count: usize) {
        self.0.wait_for_subscribers(count).await;
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notifier").field(&self.0).finish()
    }
}

/// The notices of an event: a [`Stream`] of [`Notice`]s, each notifier's in its order. It ends when its node leaves the bus.
///
/// # Cancel safety
///
/// Dropping a future of `next` loses nothing.
pub struct Listener(Subscriber<Notified>);

impl Listener {
    /// Takes the next notice that has come already; never waits.
    pub fn try_next(&mut self) -> Option<Notice> {
        self.0.try_next().map(Notice::of)
    }

    /// Blocks the calling thread until the next notice; `None` when the node has left the bus.
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn next_blocking(&mut self) -> Option<Notice> {
        self.0.blocking().next().map(Notice::of)
    }

    /// Identifies this listener.
    pub fn id(&self) -> TopicEndId {
        self.0.id()
    }

    /// Returns the notifiers that it hears.
    pub fn notifiers(&self) -> Vec<TopicEndId> {
        self.0.publishers()
    }
}

impl Stream for Listener {
    type Item = Notice;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.0.poll_next_unpin(cx).map(|it| it.map(Notice::of))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0).finish()
    }
}

/// That an event has happened once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    id: u64,
    from: TopicEndId,
    sequence: u64,
    missed: u64,
}

impl Notice {
    fn of(sample: Sample<Notified>) -> Self {
        let (from, sequence) = (sample.publisher(), sample.sequence());
        let missed = sample.missed_before();
        let Notified(id) = sample.into_inner();
        Self {
            id,
            from,
            sequence,
            missed,
        }
    }

    /// Returns the number that the notifier chose.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns its place among the notices of its notifier, from 1.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns how many notices of its notifier were missed between it and the one before. What they were is not known.
    pub fn missed_before(&self) -> u64 {
        self.missed
    }

    /// Returns who notified.
    pub fn notifier(&self) -> TopicEndId {
        self.from
    }
}
