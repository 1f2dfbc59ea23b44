//! What the end of a topic is known by on the cards: its topic and its message in one name, and what identifies it.

use ringway_shm::registry::{Kind, NAME_MAX, Published};
use serde::{Deserialize, Serialize};

use super::name::{TopicNameError, TopicPattern, check};
use crate::message::Message;
use crate::number::Number;
use crate::peering::NodeId;

/// Stands between the two names of a label; no topic's name has an empty chunk.
const BETWEEN: &str = "//";

/// A topic, or a pattern of topics, and its message, as a card shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    text: Box<str>,
    /// Bytes of the topic's name.
    topic: usize,
    /// Of the message's id and schema.
    pub(crate) types: u64,
}

impl Label {
    pub(crate) fn of<M: Message + ?Sized>(topic: &str) -> Result<Self, TopicNameError> {
        check(topic)?;
        Self::made::<M>(topic)
    }

    /// That of subscribers to a pattern.
    pub(crate) fn of_pattern<M: Message + ?Sized>(
        pattern: &TopicPattern,
    ) -> Result<Self, TopicNameError> {
        Self::made::<M>(pattern.as_str())
    }

    fn made<M: Message + ?Sized>(topic: &str) -> Result<Self, TopicNameError> {
        let types = Self::types_of(M::TYPE_ID.to_bits(), M::SCHEMA.hash());
        Self::join(topic, M::NAME, types)
    }

    /// That of a topic whose message is known by its name and `types` alone.
    pub(crate) fn named(topic: &str, message: &str, types: u64) -> Result<Self, TopicNameError> {
        check(topic)?;
        Self::join(topic, message, types)
    }

    fn join(topic: &str, message: &str, types: u64) -> Result<Self, TopicNameError> {
        let text = [topic, BETWEEN, message].concat();
        if text.len() > NAME_MAX {
            return Err(TopicNameError::TooLong {
                topic: topic.to_owned(),
                message: message.to_owned(),
                len: text.len() - BETWEEN.len(),
                max: NAME_MAX - BETWEEN.len(),
            });
        }
        Ok(Self {
            text: text.into(),
            topic: topic.len(),
            types,
        })
    }

    /// One that a card shows, if it can be one.
    pub(crate) fn shown(label: &str, types: u64) -> Option<Self> {
        let (topic, message) = parts(label)?;
        Self::named(topic, message, types).ok()
    }

    /// What identifies a message of this id and schema.
    pub(crate) fn types_of(id: u64, schema: u64) -> u64 {
        id.rotate_left(1) ^ schema
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn topic(&self) -> &str {
        &self.text[..self.topic]
    }

    /// What the labels of all messages of this topic begin with, and no others.
    pub(crate) fn text_before_message(&self) -> &str {
        &self.text[..self.topic + BETWEEN.len()]
    }

    pub(crate) fn message(&self) -> &str {
        &self.text[self.topic + BETWEEN.len()..]
    }
}

/// The topic and the message of a label, if it is one.
pub(crate) fn parts(label: &str) -> Option<(&str, &str)> {
    label.split_once(BETWEEN)
}

/// What an end of a topic is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Role {
    Subscriber,
    Publisher,
}

/// An end of a topic, as its node's card shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShownEnd {
    pub(crate) number: Number,
    pub(crate) role: Role,
    pub(crate) types: u64,
}

/// The word beside an end's name: its number, and in the lowest bit its role.
pub(crate) fn detail(number: Number, role: Role) -> u64 {
    number.to_bits() << 1 | u64::from(role == Role::Publisher)
}

impl ShownEnd {
    /// Reads a published entry; `None` if it is no end of a topic.
    pub(crate) fn read(entry: &Published) -> Option<Self> {
        if entry.kind != Kind::TopicEnd {
            return None;
        }
        let number = Number::from_bits(entry.detail >> 1)?;
        let role = match entry.detail & 1 {
            0 => Role::Subscriber,
            _ => Role::Publisher,
        };
        let types = entry.type_hash;
        Some(Self {
            number,
            role,
            types,
        })
    }
}

/// A publisher or a subscriber of a topic: its node, and its number there. Never another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicEndId {
    node: NodeId,
    number: u64,
}

impl TopicEndId {
    pub(crate) fn new(node: NodeId, number: Number) -> Self {
        let number = number.to_bits();
        Self { node, number }
    }

    /// The node that it is of.
    pub fn node(self) -> NodeId {
        self.node
    }

    pub(crate) fn number(self) -> Number {
        Number::from_bits(self.number).expect("in-range: made of a number")
    }
}

impl std::fmt::Debug for TopicEndId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.node, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MoveMessage;

    #[test]
    fn labels_name_topic_and_message() {
        let label = Label::of::<u64>("robot/arm").unwrap();
        assert_eq!(
            (label.text(), label.topic()),
            ("robot/arm//u64", "robot/arm")
        );
        assert_eq!(parts(label.text()), Some(("robot/arm", "u64")));
        assert_eq!(parts("robot"), None);
        let other = Label::of::<MoveMessage<u64>>("robot/arm").unwrap();
        assert_ne!(label.types, other.types);
        let longest = "x".repeat(NAME_MAX - "//u64".len());
        assert!(Label::of::<u64>(&longest).is_ok());
        let error = Label::of::<u64>(&(longest.clone() + "y")).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(r#"the topic "{longest}y" of "u64": together 119 bytes, at most 118"#)
        );
    }
}
