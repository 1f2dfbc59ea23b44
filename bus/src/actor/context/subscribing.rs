//! An actor as a subscriber: samples of a topic come as messages.

use futures_util::StreamExt;

use super::super::pipe::PipeId;
use super::Context;
use crate::actor::{Accepts, Actor};
use crate::message::{Delivery, Sendable};
use crate::topics::{Sample, SubscriberBuilder, TopicError};

impl<A: Actor> Context<A> {
    /// Subscribes this actor to a topic: what is published from now on comes as messages, what lies in a block as a lease, read where
    /// it lies. Call it in the start hook, so that an actor that is started again subscribes again.
    ///
    /// The subscription ends with the actor, at the latest; [`drop_pipe`](Self::drop_pipe) ends it before. It keeps nothing
    /// alive.
    ///
    /// Samples take no room in the mailbox, and turns with what is queued there: one at a time is in the actor's hands, and the next is
    /// taken from the topic when that is about to be handled. All others wait in the subscription. So what happens when the actor
    /// falls behind is what the builder says: publishers wait once its depth is used up, or, with
    /// [`drop_oldest`](SubscriberBuilder::drop_oldest), it misses the oldest samples and nobody waits.
    ///
    /// An actor that waits in a handler for room in a topic that it subscribes to without dropping waits for itself: give that
    /// [`publish`](crate::Publisher::publish) a deadline, or use [`try_publish`](crate::Publisher::try_publish).
    ///
    /// # Errors
    ///
    /// See [`TopicError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future subscribes to nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use ringway::prelude::*;
    ///
    /// #[derive(Actor, Default)]
    /// #[actor(handles(u64), hooks)]
    /// struct Doubler { doubled: Option<Publisher<u64>> }
    ///
    /// impl Hooks for Doubler {
    ///     async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
    ///         self.doubled = Some(cx.node().topic::<u64>("doubled")?.publisher().await?);
    ///         let numbers = cx.node().topic::<u64>("numbers")?;
    ///         cx.subscribe(numbers.subscriber().depth(16)).await?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// impl Handler<u64> for Doubler {
    ///     async fn handle(&mut self, number: u64, _cx: &mut Context<Self>) {
    ///         if let Some(doubled) = &self.doubled {
    ///             doubled.publish(2 * number).await.ok();
    ///         }
    ///     }
    /// }
    /// # let directory = std::env::temp_dir().join(format!("ringway-doc-subscribe-{}", std::process::id()));
    /// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
    /// # let mut doubled = node.topic::<u64>("doubled")?.subscriber().wait()?;
    /// # let numbers = node.topic::<u64>("numbers")?.publisher().wait()?;
    /// # node.spawn(Doubler::default())?;
    /// # block_on(numbers.wait_for_subscribers(1));
    /// # numbers.publish(4).wait()?;
    /// # assert_eq!(*doubled.blocking().next().ok_or("left")?, 8);
    /// # node.detach();
    /// # std::fs::remove_dir_all(directory)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub async fn subscribe<D>(
        &mut self,
        subscriber: SubscriberBuilder<D>,
    ) -> Result<PipeId, TopicError>
    where
        D: Delivery + ?Sized,
        D::Arrival: Sendable<Message = D::Message>,
        A: Accepts<D::Message>,
    {
        self.subscribe_as(subscriber, Sample::into_inner).await
    }

    /// The same, of each sample the message that `message` makes of it: for an actor that wants to know
    /// [who](Sample::publisher) published it, its [number](Sample::sequence), or how many were [missed](Sample::missed_before) before
    /// it. It runs beside the actor, when the sample is taken.
    ///
    /// # Errors
    ///
    /// See [`TopicError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future subscribes to nothing.
    pub async fn subscribe_as<D, S>(
        &mut self,
        subscriber: SubscriberBuilder<D>,
        message: impl FnMut(Sample<D>) -> S + Send + 'static,
    ) -> Result<PipeId, TopicError>
    where
        D: Delivery + ?Sized,
        S: Sendable,
        A: Accepts<S::Message>,
    {
        let samples = subscriber.await?;
        Ok(self.attach(samples.map(message)))
    }
}
