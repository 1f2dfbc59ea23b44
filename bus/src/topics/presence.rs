//! Who publishes and subscribes: what the cards of the nodes show, this one's own among them.

use std::sync::Mutex;

use ringway_shm::generation::Key;
use ringway_shm::registry::Kind;
use ringway_shm::sync::Ordering::SeqCst;
use ringway_shm::sync::fence;

use super::error::TopicError;
use super::label::{Label, Role, ShownEnd, TopicEndId, detail, parts};
use super::shown::EndsByLabel;
use crate::message::Message;
use crate::number::Number;
use crate::peering::replica::Look;
use crate::peering::{NodeId, PeerState};
use crate::shared::{Shared, lock};

/// The ends of topics that this node's card shows, by label.
#[derive(Debug, Default)]
pub(super) struct Shown(Mutex<EndsByLabel<OwnEnd>>);

/// An end of this node, and its place in the registry.
type OwnEnd = (ShownEnd, Key);

/// Whether all cards were read to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cards {
    Whole,
    /// One is so large that it takes several looks.
    Part,
}

/// Whose an end is.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) id: NodeId,
    pub(super) name: &'a str,
}

impl Shared {
    /// Shows an end of a topic. Who looks at the cards after this returns sees all ends whose owners have not seen this one.
    pub(super) fn show_end(
        &self,
        label: &Label,
        id: TopicEndId,
        role: Role,
    ) -> Result<(), TopicError> {
        let (number, types) = (id.number(), label.types);
        let word = detail(number, role);
        let key = self
            .core()
            .show_with(Kind::TopicEnd, label.text(), word, types)?;
        let shown = ShownEnd {
            number,
            role,
            types,
        };
        lock(&self.topics.shown.0).add(label.text(), (shown, key));
        // SeqCst end-shown: pairs with itself on the other side. Each publishes its entry, fences, and reads the other's card: not
        // both can miss the other.
        fence(SeqCst);
        self.changes.wake_all();
        Ok(())
    }

    /// Shows it no more.
    pub(super) fn hide_end(&self, label: &Label, id: TopicEndId) {
        let is_it = |(end, _): &OwnEnd| end.number == id.number();
        let hidden = lock(&self.topics.shown.0).remove(label.text(), is_it);
        if let Some((_, key)) = hidden {
            self.core().unregister(key);
            self.changes.wake_all();
        }
    }

    /// The ends of a topic with this message in this role, of this node and of those connected, in the order of their ids; among
    /// them those of patterns that match.
    pub(super) fn ends_of(&self, label: &Label, role: Role) -> (Vec<TopicEndId>, Cards) {
        let core = self.core();
        let mut found = Vec::new();
        let wanted = |end: &ShownEnd| end.role == role && end.types == label.types;
        let shown = lock(&self.topics.shown.0);
        let own = shown.of(label.text()).map(|(end, _)| end);
        let own = own.filter(|end| wanted(end));
        found.extend(own.map(|end| TopicEndId::new(core.id(), end.number)));
        drop(shown);
        let mut cards = Cards::Whole;
        for peer in core.peers() {
            if peer.state() != PeerState::Connected {
                continue;
            }
            let mut replica = peer.replica();
            if replica.refresh(peer.card()) == Look::Part {
                cards = Cards::Part;
            }
            let theirs = replica.ends().of(label.text());
            let theirs = theirs.filter(|end| wanted(end));
            found.extend(theirs.map(|end| TopicEndId::new(peer.id(), end.number)));
        }
        found.sort_unstable();
        (found, cards)
    }

    /// The subscribers of this node that want a topic, those of patterns among them, whatever they take its messages for.
    pub(super) fn own_subscribers(&self, label: &Label) -> Vec<Number> {
        let shown = lock(&self.topics.shown.0);
        let own = shown.of(label.text()).map(|(end, _)| end);
        let own = own.filter(|end| end.role == Role::Subscriber);
        own.map(|end| end.number).collect()
    }

    /// Calls `look` for each end of a topic that is shown: with its node, its label, and what is shown. Locks are held.
    pub(super) fn each_end(&self, look: impl FnMut(Of<'_>, &str, &ShownEnd)) -> Cards {
        self.each_end_of(None, look)
    }

    /// The same of one topic, whatever the messages, if one is named.
    fn each_end_of(
        &self,
        topic: Option<&Label>,
        mut look: impl FnMut(Of<'_>, &str, &ShownEnd),
    ) -> Cards {
        let core = self.core();
        let mut cards = Cards::Whole;
        let (id, name) = (core.id(), core.name());
        let shown = lock(&self.topics.shown.0);
        shown.each(topic, |label, (end, _)| look(Of { id, name }, label, end));
        drop(shown);
        for peer in core.peers() {
            if peer.state() != PeerState::Connected {
                continue;
            }
            let mut replica = peer.replica();
            if replica.refresh(peer.card()) == Look::Part {
                cards = Cards::Part;
            }
            let (id, name) = (peer.id(), peer.name());
            let ends = replica.ends();
            ends.each(topic, |label, end| look(Of { id, name }, label, end));
        }
        cards
    }

    /// Looks whether a topic has this message on all nodes.
    pub(super) fn agree_on_topic<M: Message + ?Sized>(
        &self,
        ours: &Label,
    ) -> Result<(), TopicError> {
        let mut found = Ok(());
        self.each_end_of(Some(ours), |node, label, end| {
            let Some((topic, theirs)) = parts(label).filter(|_| found.is_ok()) else {
                return;
            };
            if topic != ours.topic() {
                return;
            }
            let (topic, node) = (topic.to_owned(), node.name.to_owned());
            if theirs != M::NAME {
                found = Err(TopicError::OtherMessage {
                    topic,
                    ours: M::NAME,
                    theirs: theirs.to_owned(),
                    node,
                });
            } else if end.types != ours.types {
                found = Err(TopicError::OtherSchema {
                    topic,
                    message: M::NAME,
                    node,
                });
            }
        });
        found
    }
}
