//! All topics whose names match a pattern, those that are there and those that come: one subscriber to them, and its samples.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};

use super::error::TopicError;
use super::intake::Took;
use super::join::seek;
use super::label::{Label, TopicEndId};
use super::matching::{Matching, names_matching};
use super::name::TopicPattern;
use super::subscriber::{Sample, Subscriber, SubscriberBuilder};
use crate::lease::Lease;
use crate::message::{Delivery, InPlace, Message};
use crate::node::block_on;
use crate::shared::Shared;

/// Topics that one subscriber reads, unless told otherwise.
const TOPICS_MAX: usize = 1024;

/// The topics of a bus whose names match a pattern, and that are of one message; from [`Node::topics`](crate::Node::topics).
/// Cheap to clone.
///
/// A pattern is a name in which a chunk may be `*`, any one chunk, or `**`, any number of chunks, none included: `robot/*/position`,
/// `robot/**`. A topic of another message may match, too: a subscriber is told of it.
///
/// ```
/// # use ringway::prelude::*;
/// # let directory = std::env::temp_dir().join(format!("ringway-doc-topics-{}", std::process::id()));
/// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
/// # block_on(async {
/// let mut all = node.topics::<u64>("robot/*/speed")?.subscriber().drop_oldest().await?;
/// let arm = node.topic::<u64>("robot/arm/speed")?.publisher().await?;   // later, and from any node
/// arm.publish(7).await?;
/// match all.next().await.ok_or("the node has left")? {
///     Ok(sample) => assert_eq!((sample.topic(), **sample), ("robot/arm/speed", 7)),
///     Err(fault) => println!("{fault}"),                                // a topic that matches, and is not read: why
/// }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # node.detach();
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct AllTopics<M: Message + ?Sized> {
    shared: Arc<Shared>,
    pattern: TopicPattern,
    label: Label,
    message: PhantomData<fn(Box<M>)>,
}

impl<M: Message + ?Sized> AllTopics<M> {
    pub(crate) fn open(shared: &Arc<Shared>, pattern: &str) -> Result<Self, TopicError> {
        let pattern = TopicPattern::new(pattern)?;
        Ok(Self {
            shared: Arc::clone(shared),
            label: Label::of_pattern::<M>(&pattern)?,
            pattern,
            message: PhantomData,
        })
    }

    /// Returns the pattern.
    pub fn pattern(&self) -> &TopicPattern {
        &self.pattern
    }

    /// Returns the names of those topics of this message that have a publisher or a subscriber now, on this node or on one that it
    /// is connected to, in their order.
    pub fn names(&self) -> Vec<Arc<str>> {
        names_matching(&self.shared, &self.pattern, M::NAME, self.label.types)
    }

    /// Makes a subscriber to all of them: `node.topics::<Position>("robot/**")?.subscriber().drop_oldest().await?`.
    pub fn subscriber(&self) -> AllSubscriberBuilder<M> {
        let builder = SubscriberBuilder::new(&self.shared, self.label.clone());
        AllSubscriberBuilder(builder.of_pattern(self.pattern.clone(), TOPICS_MAX))
    }
}

impl<M: Message + ?Sized> Clone for AllTopics<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            pattern: self.pattern.clone(),
            label: self.label.clone(),
            message: PhantomData,
        }
    }
}

impl<M: Message + ?Sized> fmt::Debug for AllTopics<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllTopics")
            .field("pattern", &self.pattern.as_str())
            .field("message", &M::NAME)
            .finish_non_exhaustive()
    }
}

/// A subscriber to a pattern about to be made: await it as it is, or refine it first.
///
/// It is there when it reads each publisher of these topics on the nodes that there are, but for those that it says it does not. A
/// publisher that is made later waits for it, as for any other subscriber.
///
/// # Cancel safety
///
/// Dropping it leaves nothing behind.
#[must_use = "nothing is subscribed to until it is awaited"]
pub struct AllSubscriberBuilder<D: Delivery + ?Sized>(SubscriberBuilder<D>);

impl<D: Delivery + ?Sized> AllSubscriberBuilder<D> {
    /// Reads so many topics at a time, at least 1; the default is 1024. Each publisher costs some memory, by its depth, and a look
    /// whenever a sample is looked for. Of a topic that is one too many the subscriber yields [`TopicError::TooMany`]; it is read
    /// once another has no publishers any more.
    pub fn topics_max(mut self, topics: usize) -> Self {
        self.0.topics_max(topics.max(1));
        self
    }

    /// As [`SubscriberBuilder::depth`].
    pub fn depth(self, samples: u32) -> Self {
        Self(self.0.depth(samples))
    }

    /// As [`SubscriberBuilder::leases`].
    pub fn leases(self, samples: u16) -> Self {
        Self(self.0.leases(samples))
    }

    /// As [`SubscriberBuilder::drop_oldest`].
    pub fn drop_oldest(self) -> Self {
        Self(self.0.drop_oldest())
    }

    /// As [`SubscriberBuilder::within`].
    pub fn within(self, within: Duration) -> Self {
        Self(self.0.within(within))
    }

    /// As [`SubscriberBuilder::allow_unanswered`].
    pub fn allow_unanswered(self) -> Self {
        Self(self.0.allow_unanswered())
    }

    /// As [`SubscriberBuilder::in_place`].
    pub fn in_place(self) -> AllSubscriberBuilder<Lease<D::Message>>
    where
        D::Message: InPlace,
    {
        AllSubscriberBuilder(self.0.in_place())
    }

    /// Blocks the calling thread until the subscriber is there.
    ///
    /// # Errors
    ///
    /// See [`TopicError`].
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn wait(self) -> Result<AllSubscriber<D>, TopicError> {
        self.0.wait().map(AllSubscriber)
    }
}

impl<D: Delivery + ?Sized> IntoFuture for AllSubscriberBuilder<D> {
    type Output = Result<AllSubscriber<D>, TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let made = self.0.into_future();
        Box::pin(async move { made.await.map(AllSubscriber) })
    }
}

impl<D: Delivery + ?Sized> fmt::Debug for AllSubscriberBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AllSubscriberBuilder")
            .field(&self.0)
            .finish()
    }
}

/// The samples of all topics whose names match a pattern: a [`Stream`] of [`NamedSample`]s, each publisher's in its order, and of
/// what matches and is not read, each once: [`TopicError::OtherMessage`], [`OtherSchema`](TopicError::OtherSchema),
/// [`TooMany`](TopicError::TooMany), [`Refused`](TopicError::Refused). It ends when its node leaves the bus.
///
/// Made by [`AllTopics::subscriber`]. Dropped, it takes nothing more; samples that it has yielded stay readable.
///
/// # Cancel safety
///
/// Dropping a future of `next` loses nothing.
pub struct AllSubscriber<D: Delivery + ?Sized>(Subscriber<D>);

/// What a subscriber to a pattern yields.
type Item<D> = Result<NamedSample<D>, TopicError>;

impl<D: Delivery + ?Sized> AllSubscriber<D> {
    /// Returns the pattern.
    pub fn pattern(&self) -> &str {
        self.0.topic()
    }

    /// Identifies this subscriber.
    pub fn id(&self) -> TopicEndId {
        self.0.id()
    }

    /// Returns the topics that it reads, in the order of their names.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.0.end.topics()
    }

    /// Returns the publishers that it reads.
    pub fn publishers(&self) -> Vec<TopicEndId> {
        self.0.publishers()
    }

    /// Takes the next sample that has come already, or what is to be told; never waits.
    ///
    /// # Errors
    ///
    /// A topic that matches is not read.
    pub fn try_next(&mut self) -> Option<Item<D>> {
        match self.look() {
            Look::Item(item) => Some(item),
            Look::Nothing | Look::Changed | Look::Over => None,
        }
    }

    /// Blocks the calling thread until the next sample, or what is to be told; `None` when the node has left the bus.
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn next_blocking(&mut self) -> Option<Item<D>> {
        let shared = Arc::clone(&self.0.shared);
        block_on(Some(shared), StreamExt::next(self))
    }

    fn look(&mut self) -> Look<D> {
        let matching = self.0.end.matching.as_ref();
        if let Some(fault) = matching.and_then(Matching::next_fault) {
            return Look::Item(Err(fault));
        }
        match self.0.look() {
            Ok(sample) => {
                let topic = self.0.named.take();
                let topic = topic.unwrap_or_else(|| self.pattern().into());
                return Look::Item(Ok(NamedSample { sample, topic }));
            }
            Err(Took::Over) => return Look::Over,
            Err(Took::Changed) => return Look::Changed,
            Err(_) => {}
        }
        // A publisher that has ended, and of which all is taken, may have left a place.
        let end = &self.0.end;
        let declined = end.matching.as_ref().is_some_and(Matching::has_declined);
        if declined && end.has_unused_place() {
            seek(&self.0.shared, end);
        }
        Look::Nothing
    }
}

/// What a look found; as of any subscriber.
enum Look<D: Delivery + ?Sized> {
    Item(Item<D>),
    Nothing,
    Changed,
    Over,
}

impl<D: Delivery + ?Sized> Stream for AllSubscriber<D> {
    type Item = Item<D>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item<D>>> {
        let this = self.get_mut();
        for is_prepared in [false, true] {
            match this.look() {
                Look::Item(item) => return Poll::Ready(Some(item)),
                Look::Over => return Poll::Ready(None),
                Look::Nothing | Look::Changed if !is_prepared => {
                    let Subscriber { end, key, .. } = &mut this.0;
                    end.arrivals.register(key, cx);
                    end.prepare_to_wait();
                }
                // Not all lanes are prepared: that is for the next poll.
                Look::Changed => cx.waker().wake_by_ref(),
                Look::Nothing => {}
            }
        }
        Poll::Pending
    }
}

impl<D: Delivery + ?Sized> fmt::Debug for AllSubscriber<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllSubscriber")
            .field("pattern", &self.pattern())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// A sample, and the topic into which it was published: `Deref` to the [`Sample`].
pub struct NamedSample<D: Delivery + ?Sized> {
    sample: Sample<D>,
    topic: Arc<str>,
}

impl<D: Delivery + ?Sized> NamedSample<D> {
    /// Returns the name of its topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the name, shared with all samples of the topic, and the sample.
    pub fn into_parts(self) -> (Arc<str>, Sample<D>) {
        (self.topic, self.sample)
    }
}

impl<D: Delivery + ?Sized> Deref for NamedSample<D> {
    type Target = Sample<D>;

    fn deref(&self) -> &Sample<D> {
        &self.sample
    }
}

impl<D: Delivery + ?Sized> fmt::Debug for NamedSample<D>
where
    D::Arrival: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedSample")
            .field("topic", &self.topic)
            .field("sample", &self.sample)
            .finish()
    }
}
