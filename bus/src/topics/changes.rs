//! Who comes to a topic and who goes, as it happens.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::label::{Label, Role, TopicEndId};
use super::presence::Cards;
use crate::shared::Shared;
use crate::wait_list::WaitKey;

/// A publisher or a subscriber came to a topic, or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopicChange {
    /// A publisher is there.
    PublisherCame(TopicEndId),
    /// It has ended, or its node is gone.
    PublisherWent(TopicEndId),
    /// A subscriber is there.
    SubscriberCame(TopicEndId),
    /// It has ended, or its node is gone.
    SubscriberWent(TopicEndId),
}

/// Who comes to a topic and who goes: a [`Stream`] of [`TopicChange`]s, as this node sees them on its own card and on those of the nodes
/// that it is connected to. It begins with those who are there, and ends when the node leaves its bus.
///
/// Who comes and goes between two looks is not seen; who is there in the end, and is not any more, is. From
/// [`Topic::changes`](crate::Topic::changes).
///
/// # Cancel safety
///
/// Dropping a future of `next` loses no change.
pub struct TopicChanges {
    shared: Arc<Shared>,
    label: Label,
    /// Publishers and subscribers that were told of, in the order of their ids.
    known: [Vec<TopicEndId>; 2],
    pending: VecDeque<TopicChange>,
    key: WaitKey,
}

const ROLES: [Role; 2] = [Role::Publisher, Role::Subscriber];

impl TopicChanges {
    pub(super) fn new(shared: &Arc<Shared>, label: Label) -> Self {
        Self {
            shared: Arc::clone(shared),
            label,
            known: [Vec::new(), Vec::new()],
            pending: VecDeque::new(),
            key: WaitKey::default(),
        }
    }

    /// Returns the next change that was not told yet; never waits.
    pub fn try_next(&mut self) -> Option<TopicChange> {
        if self.pending.is_empty() {
            self.look();
        }
        self.pending.pop_front()
    }

    /// Compares the cards with what was told.
    fn look(&mut self) -> Cards {
        let mut cards = Cards::Whole;
        for (role, known) in ROLES.into_iter().zip(&mut self.known) {
            let (mut there, look) = self.shared.ends_of(&self.label, role);
            if look == Cards::Part {
                // Who is not seen may stand on what was not read.
                cards = Cards::Part;
                there.extend(known.iter());
                there.sort_unstable();
                there.dedup();
            }
            let came = there.iter().filter(|id| known.binary_search(id).is_err());
            let went = known.iter().filter(|id| there.binary_search(id).is_err());
            self.pending.extend(went.map(|id| change(role, *id, false)));
            self.pending.extend(came.map(|id| change(role, *id, true)));
            *known = there;
        }
        cards
    }
}

fn change(role: Role, id: TopicEndId, is_there: bool) -> TopicChange {
    match (role, is_there) {
        (Role::Publisher, true) => TopicChange::PublisherCame(id),
        (Role::Publisher, false) => TopicChange::PublisherWent(id),
        (Role::Subscriber, true) => TopicChange::SubscriberCame(id),
        (Role::Subscriber, false) => TopicChange::SubscriberWent(id),
    }
}

impl Stream for TopicChanges {
    type Item = TopicChange;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TopicChange>> {
        let this = self.get_mut();
        if let Some(change) = this.try_next() {
            return Poll::Ready(Some(change));
        }
        let shared = Arc::clone(&this.shared);
        shared.changes.register(&mut this.key, cx);
        let cards = this.look();
        if let Some(change) = this.pending.pop_front() {
            return Poll::Ready(Some(change));
        }
        if shared.is_detaching() {
            return Poll::Ready(None);
        }
        if cards == Cards::Part {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for TopicChanges {
    fn drop(&mut self) {
        self.shared.changes.remove(&mut self.key);
    }
}

impl fmt::Debug for TopicChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicChanges")
            .field("topic", &self.label.topic())
            .finish_non_exhaustive()
    }
}
