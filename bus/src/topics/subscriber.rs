//! A subscriber, as a program holds it, how it is made, and the samples that it yields.

mod builder;
mod lender;
mod sample;

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};

pub use self::builder::SubscriberBuilder;
pub(super) use self::lender::{OfOwn, OfPeer};
pub use self::sample::Sample;
use super::intake::{Arrived, Origin, SubscriberEnd, Took};
use super::label::TopicEndId;
use super::slot::{Unreadable, Words, read, read_plain};
use crate::message::Delivery;
use crate::node::block_on;
use crate::shared::Shared;
use crate::wait_list::WaitKey;

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
    pub(super) shared: Arc<Shared>,
    pub(super) end: Arc<SubscriberEnd>,
    words: Box<Words>,
    /// Samples that could not be read, since the one yielded last.
    unread: u64,
    /// The topic of the sample yielded last, if a pattern is subscribed to.
    pub(super) named: Option<Arc<str>>,
    pub(super) key: WaitKey,
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
    pub(super) fn look(&mut self) -> Found<D> {
        loop {
            let mut arrived = match self.end.take(&mut self.words) {
                Took::Sample(arrived) => arrived,
                Took::Nothing => return Found::Nothing,
                Took::Changed => return Found::Changed,
                Took::Over => return Found::Over,
            };
            self.named = arrived.topic.take();
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

    #[inline]
    fn read(&mut self, arrived: Arrived) -> Result<D::Arrival, Unreadable> {
        let format = self.end.terms.format;
        if let Some(arrival) = read_plain::<D>(&mut self.words, format) {
            return Ok(arrival);
        }
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
pub(super) enum Found<D: Delivery + ?Sized> {
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
