//! What a topic's samples are, for who has no type for them; and how a node asks another for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::message::{Description, Message, SemanticsCode, TypeId};
use crate::number::Number;
use crate::peering::NodeId;
use crate::shared::{Shared, lock};
use crate::token::Signature;
use crate::topics::label::{Label, Role, TopicEndId, parts};
use crate::topics::presence::Cards;
use crate::topics::slot::Format;
use crate::topics::wire::TopicWord;
use crate::urings::PeerUrings;
use crate::urings::wire::{CarriedType, UringWord};

/// What the samples of a topic are.
#[derive(Debug)]
pub(crate) struct TopicKind {
    pub(crate) description: Description,
    pub(crate) format: Format,
    signature: Signature,
}

impl TopicKind {
    pub(in crate::topics) fn of<M: Message + ?Sized>() -> Self {
        Self {
            description: Description::of::<M>(),
            format: Format::of::<M>(),
            signature: Signature::of::<M>(),
        }
    }

    /// What was told, or recorded; `None` for what no message can be.
    pub(crate) fn new(description: Description, pieces: u8) -> Option<Self> {
        let signature = Signature {
            type_id: TypeId::from_bits(description.type_id())?,
            schema_tag: tag(description.hash()),
            semantics: SemanticsCode::from_bits(description.semantics())?,
        };
        let format = Format::of_pieces(pieces)?;
        Some(Self {
            description,
            format,
            signature,
        })
    }

    pub(super) fn signature(&self) -> Signature {
        self.signature
    }

    pub(in crate::topics) fn carried(&self) -> CarriedType {
        CarriedType {
            id: self.description.type_id(),
            schema: self.description.hash(),
            name: self.description.name().to_owned(),
        }
    }

    /// What cards show of it.
    pub(crate) fn types(&self) -> u64 {
        Label::types_of(self.description.type_id(), self.description.hash())
    }
}

/// The low half of a schema's hash.
fn tag(hash: u64) -> u32 {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// What a publisher of this node tells of its samples.
pub(in crate::topics) enum KindOf {
    Type(fn() -> TopicKind),
    Known(Arc<TopicKind>),
}

impl KindOf {
    pub(in crate::topics) fn get(&self) -> Arc<TopicKind> {
        match self {
            Self::Type(of) => Arc::new(of()),
            Self::Known(kind) => Arc::clone(kind),
        }
    }
}

impl fmt::Debug for KindOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KindOf")
    }
}

/// What publishers of other nodes were asked for, and have told.
#[derive(Debug, Default)]
pub(in crate::topics) struct Asked(Mutex<HashMap<TopicEndId, Option<Arc<TopicKind>>>>);

impl Asked {
    pub(in crate::topics) fn forget_node(&self, node: NodeId) {
        lock(&self.0).retain(|id, _| id.node() != node);
    }
}

/// A publisher of some topic, as a card shows it.
#[derive(Clone, Debug)]
pub(crate) struct ShownPublisher {
    pub(crate) label: Label,
    pub(crate) id: TopicEndId,
}

impl Shared {
    /// The publishers of all topics that `wanted` names, and whether all cards were read.
    pub(crate) fn publishers_of_any(
        &self,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> (Vec<ShownPublisher>, bool) {
        let mut found = Vec::new();
        let cards = self.each_end(|node, label, end| {
            let Some((topic, _)) = parts(label).filter(|_| end.role == Role::Publisher) else {
                return;
            };
            if wanted(topic)
                && let Some(label) = Label::shown(label, end.types)
            {
                let id = TopicEndId::new(node.id, end.number);
                found.push(ShownPublisher { label, id });
            }
        });
        (found, cards == Cards::Whole)
    }

    /// What that publisher's samples are, if it has told; it is asked if it was not yet. `changes` is woken when it has.
    pub(crate) fn kind_of(self: &Arc<Self>, publisher: &ShownPublisher) -> Option<Arc<TopicKind>> {
        let (id, label) = (publisher.id, &publisher.label);
        let fits = |kind: &Arc<TopicKind>| {
            kind.types() == label.types && kind.description.name() == label.message()
        };
        if id.node() == self.core().id() {
            let end = self.topics.publisher(id.number())?;
            return Some(end.kind.get()).filter(fits);
        }
        let mut asked = lock(&self.topics.asked.0);
        if let Some(known) = asked.get(&id) {
            return known.clone().filter(fits);
        }
        let urings = self.peer(id.node())?;
        asked.insert(id, None);
        drop(asked);
        let publisher = id.number();
        urings.say(&UringWord::Topic(TopicWord::Describe { publisher }));
        // Who forgets what a dead peer was asked has seen this, or this look finds no peer.
        if self.peer(id.node()).is_none() {
            self.topics.asked.forget_node(id.node());
        }
        None
    }

    /// The message that some node has for a topic, and its node, if it is another than `ours`.
    pub(crate) fn other_message(&self, ours: &Label) -> Option<(String, String)> {
        let mut found = None;
        self.each_end(|node, label, end| {
            let Some((topic, message)) = parts(label) else {
                return;
            };
            let is_same = message == ours.message() && end.types == ours.types;
            if topic == ours.topic() && !is_same {
                found = Some((message.to_owned(), node.name.to_owned()));
            }
        });
        found
    }
}

/// Answers a peer that asks for what a publisher of this node publishes.
pub(in crate::topics) fn tell(shared: &Shared, urings: &PeerUrings, publisher: Number) {
    let kind = shared.topics.publisher(publisher).map(|end| end.kind.get());
    let (pieces, description) = kind.map_or((0, Vec::new()), |kind| {
        (kind.format.pieces(), kind.description.encode())
    });
    urings.say(&UringWord::Topic(TopicWord::Described {
        publisher,
        pieces,
        description,
    }));
}

/// Takes in what a peer's publisher publishes: what was asked, once.
pub(in crate::topics) fn told(
    shared: &Shared,
    from: NodeId,
    publisher: Number,
    pieces: u8,
    description: &[u8],
) {
    let kind = Description::decode(description).ok();
    let kind = kind.and_then(|description| TopicKind::new(description, pieces));
    let id = TopicEndId::new(from, publisher);
    if let (Some(kind), Some(asked @ None)) = (kind, lock(&shared.topics.asked.0).get_mut(&id)) {
        *asked = Some(Arc::new(kind));
    }
    shared.changes.wake_all();
}
