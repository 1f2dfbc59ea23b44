//! A subscriber, as a program holds it.

mod builder;
mod latest;
mod lender;
mod sample;

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt};

pub use self::builder::SubscriberBuilder;
pub use self::latest::{Latest, LatestBuilder};
pub(super) use self::lender::{OfOwn, OfPeer, read_of};
pub use self::sample::Sample;
use super::intake::{Batch, Before, SubscriberEnd, Took};
use super::label::TopicEndId;
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
    /// What was taken last; handed out before anything else is done.
    batch: Batch,
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
        self.look().ok()
    }

    /// Takes up to `max` samples that have come already, together; never waits. They are each publisher's in its order, one
    /// publisher's behind another's.
    ///
    /// Cost: one lock for all, and where publishers wait for this subscriber one fence for each of them.
    pub fn try_batch(&mut self, max: usize) -> Vec<Sample<D>> {
        self.look_for(max).unwrap_or_default()
    }

    /// Waits for a sample, and takes up to `max` that have come by then, as [`try_batch`](Self::try_batch) does. It answers with
    /// none when its node has left the bus, or `max` is 0.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses no sample.
    pub async fn batch(&mut self, max: usize) -> Vec<Sample<D>> {
        if max == 0 {
            return Vec::new();
        }
        let batch = poll_fn(|cx| self.poll_look(cx, |this| this.look_for(max)));
        batch.await.unwrap_or_default()
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
    #[inline]
    pub(super) fn look(&mut self) -> Result<Sample<D>, Took> {
        loop {
            let took = self.end.take(&mut self.batch, 1);
            let Some((mut arrived, words)) = self.batch.only() else {
                return Err(took);
            };
            self.named = arrived.topic.take();
            let (from, sequence, published) = (arrived.from, arrived.sequence, arrived.published);
            let mut before = arrived.before;
            match read_of::<D>(&self.shared, self.end.terms.format, words, arrived.lent) {
                Some(value) => return Ok(Sample::new(value, from, sequence, before, published)),
                // One that cannot be read makes room for the next.
                None => {
                    before.missed += 1;
                    self.end.lost(from, before);
                }
            }
        }
    }

    fn look_for(&mut self, max: usize) -> Result<Vec<Sample<D>>, Took> {
        loop {
            let took = self.end.take(&mut self.batch, max);
            if took != Took::Samples {
                return Err(took);
            }
            let mut samples = Vec::with_capacity(self.batch.len());
            samples.extend(self.read_batch());
            if !samples.is_empty() {
                return Ok(samples);
            }
        }
    }

    /// Makes samples of what was taken; what cannot be read is counted before the next of its publisher.
    #[inline]
    fn read_batch(&mut self) -> impl Iterator<Item = Sample<D>> {
        let Self {
            shared, end, batch, ..
        } = self;
        let mut unread: Vec<(TopicEndId, Before)> = Vec::new();
        let mut arrived = batch.drain();
        std::iter::from_fn(move || {
            for (arrived, words) in arrived.by_ref() {
                let (from, mut before) = (arrived.from, arrived.before);
                if let Some(at) = unread.iter().position(|(of, _)| *of == from) {
                    before.add(unread.swap_remove(at).1);
                }
                let (sequence, published) = (arrived.sequence, arrived.published);
                match read_of::<D>(shared, end.terms.format, words, arrived.lent) {
                    Some(value) => {
                        return Some(Sample::new(value, from, sequence, before, published));
                    }
                    None => {
                        before.missed += 1;
                        unread.push((from, before));
                    }
                }
            }
            for (from, before) in unread.drain(..) {
                end.lost(from, before);
            }
            None
        })
    }

    /// Looks, and prepares to be woken if there is nothing; `None` when nothing more will come.
    fn poll_look<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut Self) -> Result<T, Took>,
    ) -> Poll<Option<T>> {
        for is_prepared in [false, true] {
            match look(self) {
                Ok(found) => return Poll::Ready(Some(found)),
                Err(Took::Over) => return Poll::Ready(None),
                Err(_) if !is_prepared => {
                    self.end.arrivals.register(&mut self.key, cx);
                    self.end.prepare_to_wait();
                }
                // Not all lanes are prepared: that is for the next poll, as somebody may publish faster than this looks.
                Err(Took::Changed) => cx.waker().wake_by_ref(),
                Err(_) => {}
            }
        }
        Poll::Pending
    }
}

impl<D: Delivery + ?Sized> Stream for Subscriber<D> {
    type Item = Sample<D>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Sample<D>>> {
        Poll::Ready(ready!(self.get_mut().poll_look(cx, Self::look)))
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
