//! How a subscriber is made.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ringway_shm::layout::CursorLayout;

use super::Subscriber;
use crate::lease::Lease;
use crate::message::{Delivery, InPlace, Message as _};
use crate::node::{Carried, block_on};
use crate::shared::Shared;
use crate::topics::error::TopicError;
use crate::topics::intake::{Batch, FilterTerms, IntakeTerms, SubscriberEnd};
use crate::topics::join::seek;
use crate::topics::label::{Label, Role, TopicEndId};
use crate::topics::matching::Matching;
use crate::topics::name::TopicPattern;
use crate::topics::presence::Cards;
use crate::topics::slot::Format;
use crate::topics::topic::Meeting;
use crate::topics::wire::Behind;
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
    filter: FilterTerms,
    meeting: Meeting,
    /// What it subscribes to, if that is a pattern.
    matching: Option<Limits>,
    delivery: PhantomData<fn() -> D>,
}

/// A pattern, and how many topics of it are read.
struct Limits {
    pattern: TopicPattern,
    topics_max: usize,
}

impl<D: Delivery + ?Sized> SubscriberBuilder<D> {
    pub(in crate::topics) fn new(shared: &Arc<Shared>, label: Label) -> Self {
        Self {
            shared: Arc::clone(shared),
            label,
            depth: DEPTH,
            leases: None,
            behind: Behind::Wait,
            filter: FilterTerms::default(),
            meeting: Meeting::default(),
            matching: None,
            delivery: PhantomData,
        }
    }

    /// The same for all topics that match, `topics_max` of them at most.
    pub(in crate::topics) fn of_pattern(
        mut self,
        pattern: TopicPattern,
        topics_max: usize,
    ) -> Self {
        self.matching = Some(Limits {
            pattern,
            topics_max,
        });
        self
    }

    pub(in crate::topics) fn topics_max(&mut self, topics: usize) {
        if let Some(limits) = &mut self.matching {
            limits.topics_max = topics;
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

    /// Takes no samples; for one that looks for the newest.
    pub(super) fn newest(mut self) -> Self {
        self.behind = Behind::Newest;
        self
    }

    /// Yields no sample of a publisher before that of this sequence: of a history, or of what comes.
    pub fn from_sequence(mut self, sequence: u64) -> Self {
        self.filter.from = sequence;
        self
    }

    /// Yields no sample that is older than this when it is taken, as far as its publisher says when it was published
    /// ([`timed`](crate::PublisherBuilder::timed)).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.filter.age_max = Some(age);
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
            filter,
            meeting,
            matching,
            delivery: _,
        } = self;
        SubscriberBuilder {
            shared,
            label,
            depth,
            leases,
            behind,
            filter,
            meeting,
            matching,
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
        // Of a pattern, each topic by itself fits or does not.
        let is_topic = self.matching.is_none();
        if is_topic {
            shared.agree_on_topic::<D::Message>(label)?;
        }
        let subscriber = self.make();
        let end = &subscriber.end;
        shared.show_end(label, end.id, Role::Subscriber)?;
        let look = || {
            let cards = seek(shared, end);
            (end.unanswered(), cards == Cards::Whole)
        };
        self.meeting.wait(shared, label.topic(), look).await?;
        if !is_topic {
            return Ok(subscriber);
        }
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
            filter: self.filter,
        };
        let id = TopicEndId::new(shared.core().id(), shared.numbers.next());
        let carried = CarriedType::of(&Carried::of::<D::Message>());
        let message = D::Message::NAME;
        let matching = self
            .matching
            .as_ref()
            .map(|it| Matching::new(it.pattern.clone(), it.topics_max, message));
        let end = SubscriberEnd::new(shared, id, self.label.clone(), carried, terms, matching);
        shared.topics.add_subscriber(&end);
        Subscriber {
            shared: Arc::clone(shared),
            end,
            batch: Batch::new(terms.format.slot_words(true)),
            named: None,
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

impl<D: Delivery + ?Sized> fmt::Debug for SubscriberBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriberBuilder")
            .field("topic", &self.label.topic())
            .finish_non_exhaustive()
    }
}
