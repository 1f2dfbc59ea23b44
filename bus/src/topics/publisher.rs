//! A publisher, as a program holds it, and how it is made.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ringway_shm::heap::HeapError;
use ringway_shm::layout::{BroadcastLayout, Pow2};

use super::error::{PublishError, TopicError};
use super::join::seek_for;
use super::label::{Label, Role, TopicEndId};
use super::outlet::{OutletTerms, PublisherEnd};
use super::presence::Cards;
use super::publish::{Publishing, publish_now};
use super::publish_all::PublishAll;
use super::raw::{KindOf, TopicKind};
use super::slot::Format;
use super::topic::Meeting;
use crate::loan::Loan;
use crate::message::{Fill, InPlace, Message, Sendable};
use crate::node::lookup::Deadline;
use crate::node::{Carried, block_on};
use crate::send::LoanError;
use crate::shared::Shared;
use crate::urings::wire::CarriedType;

/// Samples that a publisher's lane has room for, unless told otherwise.
const SAMPLES: u32 = 256;
/// The most that can be asked for.
const SAMPLES_MAX: u32 = 1 << 16;
/// The part of its node's heap that a publisher's old samples may take, unless told otherwise.
const HEAP_SHARE: u64 = 4;

/// A publisher about to be made: await it as it is, or refine it first.
///
/// It is there when each subscriber of the topic, on the nodes that there are, reads it: none of them misses its first sample.
///
/// # Cancel safety
///
/// Dropping it leaves nothing behind.
#[must_use = "there is no publisher until it is awaited"]
pub struct PublisherBuilder<M: Message + ?Sized> {
    shared: Arc<Shared>,
    label: Label,
    history: u32,
    samples: u32,
    bytes: Option<u64>,
    is_timed: bool,
    meeting: Meeting,
    message: PhantomData<fn(Box<M>)>,
}

impl<M: Message + ?Sized> PublisherBuilder<M> {
    pub(super) fn new(shared: &Arc<Shared>, label: Label) -> Self {
        Self {
            shared: Arc::clone(shared),
            label,
            history: 0,
            samples: SAMPLES,
            bytes: None,
            is_timed: false,
            meeting: Meeting::default(),
            message: PhantomData,
        }
    }

    /// Keeps the newest `samples` samples, at most 65536, for subscribers that come later: each begins with them. The default is
    /// none.
    pub fn history(mut self, samples: u32) -> Self {
        self.history = samples.min(SAMPLES_MAX);
        self
    }

    /// Has room for so many samples that were not taken, from 1 to 65536; rounded up to a power of two, and as many as the history
    /// at least. The default is 256. No subscriber is behind by more than that.
    pub fn samples(mut self, samples: u32) -> Self {
        self.samples = samples.clamp(1, SAMPLES_MAX);
        self
    }

    /// Keeps no more than so many bytes of blocks for samples that nobody waits for: of large ones, subscribers that drop the oldest
    /// get fewer, but for those that they read, and the history. The default is a quarter of what the node's heap may be.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Has each sample say when it was published: subscribers can tell its age, and pass over old ones.
    ///
    /// Cost: a look at the clock for each sample, and for some small messages a cache line more in the lane.
    pub fn timed(mut self) -> Self {
        self.is_timed = true;
        self
    }

    /// Waits for subscribers that there are already no longer than this; the default is 5 s.
    pub fn within(mut self, within: Duration) -> Self {
        self.meeting.within = within;
        self
    }

    /// Goes on without those that do not answer in time: they may miss the first samples.
    pub fn allow_unanswered(mut self) -> Self {
        self.meeting.allows_unanswered = true;
        self
    }

    /// Blocks the calling thread until the publisher is there.
    ///
    /// # Errors
    ///
    /// See [`TopicError`].
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn wait(self) -> Result<Publisher<M>, TopicError> {
        let shared = Arc::clone(&self.shared);
        block_on(Some(shared), self.into_future())
    }

    async fn open(self) -> Result<Publisher<M>, TopicError> {
        let Self { shared, label, .. } = &self;
        if shared.is_detaching() {
            return Err(TopicError::Detached);
        }
        shared.agree_on_topic::<M>(label)?;
        let publisher = self.make()?;
        let end = &publisher.0.end;
        shared.show_end(label, end.id, Role::Publisher)?;
        let look = || {
            // Those of this node join at once; the others see this one on the card.
            seek_for(shared, label);
            let (subscribers, cards) = shared.ends_of(label, Role::Subscriber);
            (end.missing_of(subscribers), cards == Cards::Whole)
        };
        self.meeting.wait(shared, label.topic(), look).await?;
        // All nodes are met: of two that were shown at the same time, one at least has seen the other.
        shared.agree_on_topic::<M>(label)?;
        Ok(publisher)
    }

    fn make(&self) -> Result<Publisher<M>, TopicError> {
        let Self { shared, .. } = self;
        let format = Format::of::<M>();
        let samples = u64::from(self.samples.max(self.history).max(1));
        let slots = Pow2::new(samples.next_power_of_two()).unwrap_or(Pow2::MAX);
        let layout = BroadcastLayout::new(slots, format.slot_words(self.is_timed))
            .expect("in-range: no format has more words than a slot can have");
        let span = shared.ring_span(layout.publisher_len())?;
        let limit = shared.core().heap().stats().limit;
        let terms = OutletTerms {
            layout,
            format,
            history: self.history.into(),
            bytes: self.bytes.unwrap_or(limit / HEAP_SHARE),
            is_timed: self.is_timed,
        };
        let id = TopicEndId::new(shared.core().id(), shared.numbers.next());
        let carried = CarriedType::of(&Carried::of::<M>());
        let kind = KindOf::Type(TopicKind::of::<M>);
        let end = PublisherEnd::new(shared, id, self.label.clone(), carried, terms, span, kind);
        shared.topics.add_publisher(&end);
        let shared = Arc::clone(shared);
        Ok(Publisher(Arc::new(Handle { shared, end }), PhantomData))
    }
}

impl<M: Message + ?Sized> IntoFuture for PublisherBuilder<M> {
    type Output = Result<Publisher<M>, TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// Publishes samples into a topic, in order: every subscriber gets them so, whatever others publish there. Cheap to clone; the
/// last clone that is dropped ends it. What it has published then can still be taken and read.
///
/// Made by [`Topic::publisher`](crate::Topic::publisher).
pub struct Publisher<M: Message + ?Sized>(Arc<Handle>, PhantomData<fn(Box<M>)>);

struct Handle {
    shared: Arc<Shared>,
    end: Arc<PublisherEnd>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Self { shared, end } = self;
        shared.hide_end(&end.label, end.id);
        end.end();
    }
}

impl<M: Message + ?Sized> Publisher<M> {
    /// Returns the topic's name.
    pub fn topic(&self) -> &str {
        self.0.end.label.topic()
    }

    /// Identifies this publisher.
    pub fn id(&self) -> TopicEndId {
        self.0.end.id
    }

    /// Publishes a message, by value or as a loan that was filled; the answer is the sample's sequence. What it does while
    /// a subscriber that is waited for has no room, see [`Publishing`].
    ///
    /// Cost: the same for any number of subscribers that do not sleep, but for a look at a word of each.
    pub fn publish<S: Sendable<Message = M>>(&self, message: S) -> Publishing<'_, S> {
        Publishing::new(&self.0.shared, &self.0.end, message)
    }

    /// Publishes messages of an iterator, in their order; see [`PublishAll`].
    pub fn publish_all<I>(&self, messages: I) -> PublishAll<'_, I::IntoIter>
    where
        I: IntoIterator,
        I::IntoIter: Send,
        I::Item: Sendable<Message = M>,
    {
        PublishAll::new(&self.0.shared, &self.0.end, messages.into_iter())
    }

    /// Publishes a message, or gives it back at once.
    ///
    /// # Errors
    ///
    /// See [`PublishError`].
    pub fn try_publish<S: Sendable<Message = M>>(
        &self,
        message: S,
    ) -> Result<u64, PublishError<S>> {
        publish_now(&self.0.shared, &self.0.end, message)
    }

    /// Reserves a message of `items` items (1 for one that is a value), to be filled in place and then published without a copy.
    ///
    /// # Errors
    ///
    /// The heap has no block of that size: samples that are read, and those that subscribers wait for, keep theirs.
    pub fn loan(&self, items: usize) -> Result<Loan<M>, LoanError>
    where
        M: InPlace,
        M::Access: Fill<M::View>,
    {
        let Handle { shared, end } = &*self.0;
        let heap = shared.core().heap();
        let room = end.terms.format.room();
        match Loan::for_entry(heap, items, room) {
            Err(HeapError::Full { .. }) => {
                end.make_room();
                Ok(Loan::for_entry(heap, items, room)?)
            }
            loan => Ok(loan?),
        }
    }

    /// Returns the subscribers that read this publisher.
    pub fn subscribers(&self) -> Vec<TopicEndId> {
        self.0.end.readers()
    }

    /// Waits until so many subscribers, or more, read this publisher; or its node has left the bus.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn wait_for_subscribers(&self, count: usize) {
        let Handle { shared, end } = &*self.0;
        let look = || (shared.is_detaching() || end.reader_count() >= count).then_some(());
        Deadline::never(shared).until(&shared.changes, look).await;
    }
}

impl<M: Message + ?Sized> Clone for Publisher<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<M: Message + ?Sized> fmt::Debug for Publisher<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("topic", &self.topic())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl<M: Message + ?Sized> fmt::Debug for PublisherBuilder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublisherBuilder")
            .field("topic", &self.label.topic())
            .finish_non_exhaustive()
    }
}
