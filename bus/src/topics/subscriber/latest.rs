//! The newest sample of a topic, for who does not want the others.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Sample, Subscriber, SubscriberBuilder};
use crate::lease::Lease;
use crate::message::{Delivery, InPlace};
use crate::node::block_on;
use crate::topics::error::TopicError;
use crate::topics::intake::Took;
use crate::topics::label::TopicEndId;

/// Samples of one publisher that may be read in place at a time, unless told otherwise.
const LEASES: u16 = 8;

/// A reader of the newest sample about to be made: await it as it is, or refine it first.
///
/// # Cancel safety
///
/// Dropping it leaves nothing behind.
#[must_use = "nothing is read until it is awaited"]
#[derive(Debug)]
pub struct LatestBuilder<D: Delivery + ?Sized>(SubscriberBuilder<D>);

impl<D: Delivery + ?Sized> LatestBuilder<D> {
    pub(in crate::topics) fn new(builder: SubscriberBuilder<D>) -> Self {
        Self(builder.leases(LEASES).newest())
    }

    /// Holds so many samples of each publisher at a time that are read in place, from 1 to 1024; the default is 8. With all of them
    /// held it finds none, until one is dropped.
    pub fn leases(self, samples: u16) -> Self {
        Self(self.0.leases(samples))
    }

    /// Finds no sample that is older than this, as far as its publisher says when it was published
    /// ([`timed`](crate::PublisherBuilder::timed)).
    pub fn max_age(self, age: Duration) -> Self {
        Self(self.0.max_age(age))
    }

    /// Waits for publishers that there are already no longer than this; the default is 5 s.
    pub fn within(self, within: Duration) -> Self {
        Self(self.0.within(within))
    }

    /// Goes on without those that do not answer in time.
    pub fn allow_unanswered(self) -> Self {
        Self(self.0.allow_unanswered())
    }

    /// Yields plain values as leases, which are read where they lie, instead of as copies.
    pub fn in_place(self) -> LatestBuilder<Lease<D::Message>>
    where
        D::Message: InPlace,
    {
        LatestBuilder(self.0.in_place())
    }

    /// Blocks the calling thread until the reader is there.
    ///
    /// # Errors
    ///
    /// See [`TopicError`].
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn wait(self) -> Result<Latest<D>, TopicError> {
        self.0.wait().map(Latest)
    }
}

impl<D: Delivery + ?Sized> IntoFuture for LatestBuilder<D> {
    type Output = Result<Latest<D>, TopicError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let made = self.0.into_future();
        Box::pin(async move { made.await.map(Latest) })
    }
}

/// Reads the newest sample of a topic, whenever it is asked to: a sample that was published before, if it is there still, or
/// since. There is no queue, nothing wakes it unless it [waits](Self::changed), and its publishers do not look at it: what they pay does
/// not grow with the number of such readers.
///
/// Of several publishers it finds the sample of one that has published since it was asked last; where none has, the same as then. A
/// publisher that has ended is forgotten once its last sample was found.
///
/// Made by [`Topic::latest`](crate::Topic::latest).
pub struct Latest<D: Delivery + ?Sized>(Subscriber<D>);

impl<D: Delivery + ?Sized> Latest<D> {
    /// Returns the topic's name.
    pub fn topic(&self) -> &str {
        self.0.topic()
    }

    /// Identifies this reader, among the topic's subscribers.
    pub fn id(&self) -> TopicEndId {
        self.0.id()
    }

    /// Returns the publishers that it reads.
    pub fn publishers(&self) -> Vec<TopicEndId> {
        self.0.publishers()
    }

    /// Returns the newest sample; `None` when there is none, or all leases are held. The same sample may come again. What it
    /// [missed](Sample::missed_before) are those between this and the last that was found of its publisher.
    ///
    /// Cost: a look at each publisher's lane, and a copy of the sample, or a claim of its block.
    pub fn get(&mut self) -> Option<Sample<D>> {
        self.0.newest(false).ok()
    }

    /// Waits for a sample that was not found before, and returns the newest; `None` when its node has left the bus.
    ///
    /// Cost: one who waits is told once, by each publisher; before the first wait, and after each time that it was told, a publisher of
    /// another node is asked to, on the peering's socket.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses no sample.
    pub async fn changed(&mut self) -> Option<Sample<D>> {
        let reader = &mut self.0;
        poll_fn(|cx| reader.poll_look(cx, |this| this.newest(true))).await
    }

    /// The same, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn wait_changed(&mut self) -> Option<Sample<D>> {
        let shared = Arc::clone(&self.0.shared);
        block_on(Some(shared), self.changed())
    }
}

impl<D: Delivery + ?Sized> Subscriber<D> {
    /// The newest sample, or one that was not found yet.
    fn newest(&mut self, is_new: bool) -> Result<Sample<D>, Took> {
        loop {
            let took = self.end.newest(&mut self.batch, is_new);
            if took != Took::Samples {
                return Err(took);
            }
            if let Some(sample) = self.read_batch().next() {
                return Ok(sample);
            }
            if !is_new {
                return Err(Took::Nothing);
            }
        }
    }
}

impl<D: Delivery + ?Sized> fmt::Debug for Latest<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latest")
            .field("topic", &self.topic())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
