//! A topic, as a program holds it; and how its ends wait for each other.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::changes::TopicChanges;
use super::error::TopicError;
use super::label::{Label, Role, TopicEndId};
use super::presence::Cards;
use super::publisher::PublisherBuilder;
use super::raw::TopicKind;
use super::subscriber::{LatestBuilder, SubscriberBuilder};
use crate::message::Message;
use crate::node::lookup::Deadline;
use crate::shared::Shared;

/// How long the ends of a topic wait for each other unless told otherwise.
const WITHIN: Duration = Duration::from_secs(5);
/// The pause between looks at nodes that have not been met yet: no notice tells that one of them is dead.
const LOOK: Duration = Duration::from_millis(20);

/// A topic of a bus: a name under which any nodes publish and subscribe messages of one type; from
/// [`Node::topic`](crate::Node::topic). There is nothing of it but its publishers and subscribers. Cheap to clone.
///
/// A name is chunks joined by single slashes, in none of which is a `*`, `$`, `?` or `#`; together with the message's name it has
/// at most 118 bytes. A topic is of one message: who comes with another is refused.
///
/// Each publisher's samples arrive in its order; those of several publishers in any.
///
/// ```
/// # use ringway::prelude::*;
/// #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// #[message(move)]
/// #[repr(C)]
/// struct Position { x: f64, y: f64, z: f64 }
/// # let directory = std::env::temp_dir().join(format!("ringway-doc-topic-{}", std::process::id()));
/// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
/// # block_on(async {
/// let topic = node.topic::<Position>("robot/arm/position")?;
/// let mut positions = topic.subscriber().depth(64).drop_oldest().await?; // a Stream of samples, here or in another process
/// let publisher = topic.publisher().history(8).await?;
/// publisher.publish(Position { x: 1.0, y: 2.0, z: 3.0 }).await?;
/// let sample = positions.next().await.ok_or("the node has left")?;
/// assert_eq!((sample.sequence(), sample.missed_before(), sample.x), (1, 0, 1.0));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # node.detach();
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Topic<M: Message + ?Sized> {
    shared: Arc<Shared>,
    label: Label,
    message: PhantomData<fn(Box<M>)>,
}

impl<M: Message + ?Sized> Topic<M> {
    pub(crate) fn open(shared: &Arc<Shared>, name: &str) -> Result<Self, TopicError> {
        let label = Label::of::<M>(name)?;
        shared.agree_on_topic::<M>(&label)?;
        Ok(Self {
            shared: Arc::clone(shared),
            label,
            message: PhantomData,
        })
    }

    pub(crate) fn label(&self) -> &Label {
        &self.label
    }

    /// What its samples are, for who has no type for them.
    pub(crate) fn kind(&self) -> Arc<TopicKind> {
        Arc::new(TopicKind::of::<M>())
    }

    /// Returns the topic's name.
    pub fn name(&self) -> &str {
        self.label.topic()
    }

    /// Makes a publisher: `topic.publisher().history(8).await?`.
    pub fn publisher(&self) -> PublisherBuilder<M> {
        PublisherBuilder::new(&self.shared, self.label.clone())
    }

    /// Makes a subscriber: `topic.subscriber().depth(64).drop_oldest().await?`.
    pub fn subscriber(&self) -> SubscriberBuilder<M> {
        SubscriberBuilder::new(&self.shared, self.label.clone())
    }

    /// Makes a reader of the newest sample: `topic.latest().await?.get()`.
    pub fn latest(&self) -> LatestBuilder<M> {
        LatestBuilder::new(self.subscriber())
    }

    /// Returns the publishers on this node and on those that it is connected to, as their cards show them.
    pub fn publishers(&self) -> Vec<TopicEndId> {
        self.shared.ends_of(&self.label, Role::Publisher).0
    }

    /// Returns the subscribers, likewise.
    pub fn subscribers(&self) -> Vec<TopicEndId> {
        self.shared.ends_of(&self.label, Role::Subscriber).0
    }

    /// Returns who is there, and then who comes and goes, as it happens.
    pub fn changes(&self) -> TopicChanges {
        TopicChanges::new(&self.shared, self.label.clone())
    }

    /// Waits until so many publishers, or more, are there; or its node has left the bus.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn wait_for_publishers(&self, count: usize) {
        self.wait_for(Role::Publisher, count).await;
    }

    /// Waits until so many subscribers, or more, are there, which need not read every publisher yet
    /// ([`Publisher::wait_for_subscribers`](crate::Publisher::wait_for_subscribers)); or its node has left the bus.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn wait_for_subscribers(&self, count: usize) {
        self.wait_for(Role::Subscriber, count).await;
    }

    async fn wait_for(&self, role: Role, count: usize) {
        let Self { shared, label, .. } = self;
        let mut look = || loop {
            let (ends, cards) = shared.ends_of(label, role);
            if shared.is_detaching() || ends.len() >= count {
                return Some(());
            }
            if cards == Cards::Whole {
                return None;
            }
        };
        let never = Deadline::never(shared);
        never.until(&shared.changes, &mut look).await;
    }
}

impl<M: Message + ?Sized> Clone for Topic<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            label: self.label.clone(),
            message: PhantomData,
        }
    }
}

impl<M: Message + ?Sized> fmt::Debug for Topic<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("name", &self.name())
            .field("message", &M::NAME)
            .finish_non_exhaustive()
    }
}

/// How a new end waits for those that it is to meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meeting {
    pub(super) within: Duration,
    pub(super) allows_unanswered: bool,
}

impl Default for Meeting {
    fn default() -> Self {
        Self {
            within: WITHIN,
            allows_unanswered: false,
        }
    }
}

impl Meeting {
    /// Waits until all nodes on the bus are met and `look` finds nobody missing, all cards being read.
    pub(super) async fn wait(
        self,
        shared: &Arc<Shared>,
        topic: &str,
        mut look: impl FnMut() -> (Vec<TopicEndId>, bool),
    ) -> Result<(), TopicError> {
        let end = shared.clock.after(self.within);
        let mut silent = Vec::new();
        loop {
            let is_met = || {
                // First: one that becomes a peer after the look at the cards was not met at this one.
                silent = shared.core().unmet_nodes();
                let (missing, is_whole) = look();
                silent.extend(missing.iter().map(|id| describe(shared, *id)));
                (silent.is_empty() && is_whole || shared.is_detaching()).then_some(())
            };
            let pause = Deadline::new(shared, LOOK.min(self.within));
            let met = pause.until(&shared.changes, is_met).await;
            if shared.is_detaching() {
                return Err(TopicError::Detached);
            }
            if met.is_some() {
                return Ok(());
            }
            if shared.clock.has_passed(end) {
                break;
            }
        }
        if self.allows_unanswered {
            return Ok(());
        }
        Err(TopicError::Unanswered {
            topic: topic.to_owned(),
            waited: self.within,
            silent,
        })
    }
}

/// What is known of an end on another node.
fn describe(shared: &Shared, id: TopicEndId) -> String {
    match shared.core().peer(id.node()) {
        Some(peer) => format!("{id:?} on node {:?}", peer.name()),
        None => format!("{id:?}"),
    }
}
