//! A subscriber, as a program holds it, how it is made, and the samples that it yields.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use ringway_shm::generation::Key;
use ringway_shm::heap::Heap;
use ringway_shm::layout::CursorLayout;
use ringway_shm::region::PeerRegion;

use super::error::TopicError;
use super::intake::{Arrived, IntakeTerms, Origin, SubscriberEnd, Took};
use super::join::seek;
use super::label::{Label, Role, TopicEndId};
use super::presence::Cards;
use super::slot::{Format, Lender, Unreadable, WORDS_MAX, Words, read};
use super::topic::Meeting;
use super::wire::Behind;
use crate::entry::{Segments, Trust};
use crate::lease::Lease;
use crate::message::{Delivery, InPlace};
use crate::node::{Carried, block_on};
use crate::shared::Shared;
use crate::urings::HeapOf;
use crate::urings::wire::CarriedType;
use crate::wait_list::WaitKey;

/// Samples that may lie untaken, unless told otherwise.
const DEPTH: u32 = 64;

/// A subscriber about to be made: await it as it is, or refine it first.
///
/// It is there when it reads each publisher of the topic, on the nodes that there are: it gets their next sample for certain.
///
/// # Cancel safety
///
/// Dropping it leaves nothing behind.
#[must_use = "nothing is subscribed to until it is awaited"]
pub struct SubscriberBuilder<D: Delivery + ?Sized> {
    shared: Arc<Shared>,
    label: Label,
    depth: u32,
    leases: Option<u16>,
    behind: Behind,
    meeting: Meeting,
    delivery: PhantomData<fn() -> D>,
}

impl<D: Delivery + ?Sized> SubscriberBuilder<D> {
    pub(super) fn new(shared: &Arc<Shared>, label: Label) -> Self {
        Self {
            shared: Arc::clone(shared),
            label,
            depth: DEPTH,
            leases: None,
            behind: Behind::Wait,
            meeting: Meeting::default(),
            delivery: PhantomData,
        }
    }

    /// Has room for so many samples of each publisher that were not taken, at least 1 and as many as its lane has at most. The
    /// default is 64.
    pub fn depth(mut self, samples: u32) -> Self {
        self.depth = samples.max(1);
        self
    }

    /// Holds so many samples of each publisher at a time that are read in place, from 1 to 1024; the default is the depth. What
    /// the publisher cannot use again is bounded by that. With all of them held nothing is taken, until one is dropped.
    pub fn leases(mut self, samples: u16) -> Self {
        self.leases = Some(samples);
        self
    }

    /// Keeps the newest samples, as many as its depth, and misses older ones: no publisher waits for it. Each sample tells how many
    /// were missed before it. Without this publishers wait for it, as they have been told to.
    pub fn drop_oldest(mut self) -> Self {
        self.behind = Behind::DropOldest;
        self
    }

    /// Waits for publishers that there are already no longer than this; the default is 5 s.
    pub fn within(mut self, within: Duration) -> Self {
        self.meeting.within = within;
        self
    }

    /// Goes on without those that do not answer in time: it gets what they publish once they have.
    pub fn allow_unanswered(mut self) -> Self {
        self.meeting.allows_unanswered = true;
        self
    }

    /// Yields plain values as leases, which are read where they lie, instead of as copies.
    pub fn in_place(self) -> SubscriberBuilder<Lease<D::Message>>
    where
        D::Message: InPlace,
    {
        let Self {
            shared,
            label,
            depth,
            leases,
            behind,
            meeting,
            delivery: _,
        } = self;
        SubscriberBuilder {
            shared,
            label,
            depth,
            leases,
            behind,
            meeting,
            delivery: PhantomData,
        }
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
    pub fn wait(self) -> Result<Subscriber<D>, TopicError> {
        let shared = Arc::clone(&self.shared);
        block_on(Some(shared), self.into_future())
    }

    async fn open(self) -> Result<Subscriber<D>, TopicError> {
        let Self { shared, label, .. } = &self;
        if shared.is_detaching() {
            return Err(TopicError::Detached);
        }
        shared.agree_on_topic::<D::Message>(label)?;
        let subscriber = self.make();
        let end = &subscriber.end;
        shared.show_end(label, end.id, Role::Subscriber)?;
        let look = || {
            let cards = seek(shared, end);
            (end.unanswered(), cards == Cards::Whole)
        };
        self.meeting.wait(shared, label, look).await?;
        // All nodes are met: of two that were shown at the same time, one at least has seen the other.
        shared.agree_on_topic::<D::Message>(label)?;
        match end.refusals().pop() {
            None => Ok(subscriber),
            Some((publisher, why)) => Err(TopicError::Refused {
                topic: label.topic().to_owned(),
                publisher,
                why: why.to_string(),
            }),
        }
    }

    fn make(&self) -> Subscriber<D> {
        let shared = &self.shared;
        let claims = u32::from(CursorLayout::CLAIMS_MAX).min(self.depth);
        let claims = self
            .leases
            .map_or(claims, |leases| u32::from(leases).max(1));
        let claims = u16::try_from(claims).unwrap_or(u16::MAX);
        let claims = CursorLayout::new(claims.min(CursorLayout::CLAIMS_MAX));
        let terms = IntakeTerms {
            format: Format::of::<D::Message>(),
            behind: self.behind,
            depth: self.depth,
            claims: claims.expect("in-range: at most as many as there can be"),
        };
        let id = TopicEndId::new(shared.core().id(), shared.numbers.next());
        let carried = CarriedType::of(&Carried::of::<D::Message>());
        let end = SubscriberEnd::new(shared, id, self.label.clone(), carried, terms);
        shared.topics.add_subscriber(&end);
        Subscriber {
            shared: Arc::clone(shared),
            end,
            words: Box::new([0; WORDS_MAX]),
            unread: 0,
            key: WaitKey::default(),
            delivery: PhantomData,
        }
    }
}

impl<D: Delivery + ?Sized> IntoFuture for SubscriberBuilder<D> {
    type Output = Result<Subscriber<D>, TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// The samples of a topic, from when it was made on: a [`Stream`] of [`Sample`]s, each publisher's in its order. It ends when its
/// node leaves the bus, and not before: publishers come and go.
///
/// Made by [`Topic::subscriber`](crate::Topic::subscriber). Dropped, it takes nothing more; samples that it has yielded stay
/// readable.
///
/// # Cancel safety
///
/// Dropping a future of `next` loses no sample.
pub struct Subscriber<D: Delivery + ?Sized> {
    shared: Arc<Shared>,
    end: Arc<SubscriberEnd>,
    words: Box<Words>,
    /// Samples that could not be read, since the one yielded last.
    unread: u64,
    key: WaitKey,
    delivery: PhantomData<fn() -> D>,
}

impl<D: Delivery + ?Sized> Subscriber<D> {
    /// Returns the topic's name.
    pub fn topic(&self) -> &str {
        self.end.label.topic()
    }

    /// Identifies this subscriber.
    pub fn id(&self) -> TopicEndId {
        self.end.id
    }

    /// Returns the publishers that it reads.
    pub fn publishers(&self) -> Vec<TopicEndId> {
        self.end.read_from()
    }

    /// Takes the next sample that has come already; never waits.
    pub fn try_next(&mut self) -> Option<Sample<D>> {
        match self.look() {
            Found::Sample(sample) => Some(sample),
            Found::Nothing | Found::Changed | Found::Over => None,
        }
    }

    /// Returns an iterator that blocks its thread until the next sample comes.
    ///
    /// # Panics
    ///
    /// When it is asked for a sample in a handler of this node, or in a future that the node drives.
    pub fn blocking(&mut self) -> Blocking<'_, D> {
        Blocking(self)
    }

    /// The next sample that has come.
    fn look(&mut self) -> Found<D> {
        loop {
            let arrived = match self.end.take(&mut self.words) {
                Took::Sample(arrived) => arrived,
                Took::Nothing => return Found::Nothing,
                Took::Changed => return Found::Changed,
                Took::Over => return Found::Over,
            };
            let (from, sequence, missed) = (arrived.from, arrived.sequence, arrived.missed);
            match self.read(arrived) {
                Ok(value) => {
                    return Found::Sample(Sample {
                        value,
                        from,
                        sequence,
                        missed: missed + std::mem::take(&mut self.unread),
                    });
                }
                Err(_) => self.unread += missed + 1,
            }
        }
    }

    fn read(&self, arrived: Arrived) -> Result<D::Arrival, Unreadable> {
        let format = self.end.terms.format;
        let (origin, owner) = arrived.lent.unzip();
        match origin {
            Some(Origin::There(urings)) => {
                let lender = OfPeer {
                    heap: urings.segments(),
                    shared: &self.shared,
                };
                let read = read::<D>(&self.words, format, &lender, owner);
                if let Err(Unreadable::Entry(error)) = &read {
                    urings.bad_entry(error);
                }
                read
            }
            Some(Origin::Here(_)) | None => {
                let lender = OfOwn {
                    heap: self.shared.core().heap(),
                    shared: &self.shared,
                };
                read::<D>(&self.words, format, &lender, owner)
            }
        }
    }
}

/// What a look found; see [`Took`].
enum Found<D: Delivery + ?Sized> {
    Sample(Sample<D>),
    Nothing,
    Changed,
    Over,
}

impl<D: Delivery + ?Sized> Stream for Subscriber<D> {
    type Item = Sample<D>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Sample<D>>> {
        let this = self.get_mut();
        let mut is_prepared = false;
        loop {
            match this.look() {
                Found::Sample(sample) => return Poll::Ready(Some(sample)),
                Found::Over => return Poll::Ready(None),
                Found::Nothing if is_prepared => return Poll::Pending,
                Found::Nothing | Found::Changed => {}
            }
            this.end.arrivals.register(&mut this.key, cx);
            this.end.prepare_to_wait();
            is_prepared = true;
        }
    }
}

impl<D: Delivery + ?Sized> Unpin for Subscriber<D> {}

impl<D: Delivery + ?Sized> Drop for Subscriber<D> {
    fn drop(&mut self) {
        self.end.arrivals.remove(&mut self.key);
        self.shared.hide_end(&self.end.label, self.end.id);
        self.shared.topics.remove_subscriber(self.end.id.number());
        self.end.close();
    }
}

impl<D: Delivery + ?Sized> fmt::Debug for Subscriber<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("topic", &self.topic())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// The samples of a subscriber, each waited for; from [`Subscriber::blocking`].
#[derive(Debug)]
pub struct Blocking<'a, D: Delivery + ?Sized>(&'a mut Subscriber<D>);

impl<D: Delivery + ?Sized> Iterator for Blocking<'_, D> {
    type Item = Sample<D>;

    fn next(&mut self) -> Option<Sample<D>> {
        if let Some(sample) = self.0.try_next() {
            return Some(sample);
        }
        let shared = Arc::clone(&self.0.shared);
        block_on(Some(shared), StreamExt::next(self.0))
    }
}

/// What was published once: `Deref` to what a handler would get, the value or a [`Lease`].
pub struct Sample<D: Delivery + ?Sized> {
    value: D::Arrival,
    from: TopicEndId,
    sequence: u64,
    missed: u64,
}

impl<D: Delivery + ?Sized> Sample<D> {
    /// Returns its number among the samples of its publisher, from 1.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns how many samples of its publisher were missed between it and the one before.
    pub fn missed_before(&self) -> u64 {
        self.missed
    }

    /// Returns who published it.
    pub fn publisher(&self) -> TopicEndId {
        self.from
    }

    /// Returns what was published.
    pub fn into_inner(self) -> D::Arrival {
        self.value
    }
}

impl<D: Delivery + ?Sized> Deref for Sample<D> {
    type Target = D::Arrival;

    fn deref(&self) -> &D::Arrival {
        &self.value
    }
}

impl<D: Delivery + ?Sized> fmt::Debug for Sample<D>
where
    D::Arrival: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("value", &self.value)
            .field("publisher", &self.from)
            .field("sequence", &self.sequence)
            .field("missed_before", &self.missed)
            .finish()
    }
}

impl<D: Delivery + ?Sized> fmt::Debug for SubscriberBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriberBuilder")
            .field("topic", &self.label.topic())
            .finish_non_exhaustive()
    }
}

/// The heap of a publisher on another node.
struct OfPeer<'a> {
    heap: HeapOf<'a>,
    shared: &'a Arc<Shared>,
}

impl Segments for OfPeer<'_> {
    fn segment(&self, key: Key) -> Option<PeerRegion> {
        self.heap.segment(key)
    }

    fn trust(&self) -> Trust {
        self.heap.trust()
    }
}

impl Lender for OfPeer<'_> {
    fn shared(&self) -> Option<Arc<Shared>> {
        Some(Arc::clone(self.shared))
    }
}

/// This node's own.
struct OfOwn<'a> {
    heap: &'a Heap,
    shared: &'a Arc<Shared>,
}

impl Segments for OfOwn<'_> {
    fn segment(&self, key: Key) -> Option<PeerRegion> {
        self.heap.segment(key)
    }
}

impl Lender for OfOwn<'_> {
    fn shared(&self) -> Option<Arc<Shared>> {
        Some(Arc::clone(self.shared))
    }
}
