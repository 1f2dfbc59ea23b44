//! Groups: actors of any nodes under one name, for one type of message.
//!
//! A membership is an entry on the card of the member's node, like a name but not unique: its label is the group's name and the
//! message's, its detail the actor's number. Peers read it as they read names, and it goes as names do: when its actor ends, or
//! the card's process is dead. There is no list of members anywhere else, and nobody is asked.
//!
//! # If a side dies
//! | who | the others find |
//! |---|---|
//! | a member, or its process | one member less, once the card has changed or the death is noticed; until then sends pass over it |
//! | somebody who joins, before the entry is published | nothing: it has not joined |

mod error;
mod group;
mod watch;

use std::collections::HashMap;
use std::sync::Mutex;

use ringway_shm::generation::Key;
use ringway_shm::registry::NAME_MAX;

pub use self::error::GroupError;
pub use self::group::Group;
pub use self::watch::{GroupChange, GroupWatch};
use crate::error::NameError;
use crate::message::Message;
use crate::number::Number;
use crate::shared::{Shared, lock};

/// Stands between the two names of a label; no name of a group has an empty part.
const BETWEEN: &str = "//";

/// What a group is known by on the cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    text: String,
    /// Bytes of the group's name.
    group: usize,
    /// Of the message's id and schema.
    pub(crate) types: u64,
}

impl Label {
    fn of<M: Message + ?Sized>(group: &str) -> Result<Self, NameError> {
        crate::names::check(group)?;
        let text = [group, BETWEEN, M::NAME].concat();
        if text.len() > NAME_MAX {
            return Err(NameError::TooLong {
                len: text.len(),
                max: NAME_MAX,
            });
        }
        Ok(Self {
            text,
            group: group.len(),
            types: M::TYPE_ID.to_bits().rotate_left(1) ^ M::SCHEMA.hash(),
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn group(&self) -> &str {
        &self.text[..self.group]
    }

    fn message(&self) -> &str {
        &self.text[self.group + BETWEEN.len()..]
    }

    /// The message of another label of the same group, if this is one.
    fn message_of<'a>(&self, other: &'a str) -> Option<&'a str> {
        other.strip_prefix(self.group())?.strip_prefix(BETWEEN)
    }
}

/// A membership as a card shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) number: Number,
    pub(crate) types: u64,
}

/// The memberships of this node's own actors.
#[derive(Debug, Default)]
pub(crate) struct OwnGroups(Mutex<HashMap<String, Vec<(Membership, Key)>>>);

impl OwnGroups {
    /// The members under each label for which `wants` it.
    fn each(&self, mut wants: impl FnMut(&str, &[(Membership, Key)])) {
        for (label, members) in &*lock(&self.0) {
            wants(label, members);
        }
    }

    /// Whether an actor is a member already.
    fn has(&self, label: &Label, number: Number) -> bool {
        let groups = lock(&self.0);
        let members = groups.get(label.text());
        members.is_some_and(|members| members.iter().any(|(it, _)| it.number == number))
    }

    /// Enters a member; the key comes back if it is one already.
    fn add(&self, label: &Label, number: Number, key: Key) -> Option<Key> {
        let types = label.types;
        let mut groups = lock(&self.0);
        let members = groups.entry(label.text().to_owned()).or_default();
        if members.iter().any(|(it, _)| it.number == number) {
            return Some(key);
        }
        members.push((Membership { number, types }, key));
        None
    }

    /// Takes an actor out of one group, or of all.
    fn remove(&self, label: Option<&Label>, number: Number) -> Vec<Key> {
        let mut removed = Vec::new();
        lock(&self.0).retain(|text, members| {
            if label.is_none_or(|label| label.text() == text) {
                members.retain(|(it, key)| {
                    let stays = it.number != number;
                    if !stays {
                        removed.push(*key);
                    }
                    stays
                });
            }
            !members.is_empty()
        });
        removed
    }
}

impl Shared {
    /// Takes an actor out of one group, or of all: when it has ended, too. `false` if it was in none.
    pub(crate) fn leave_groups(&self, label: Option<&Label>, number: Number) -> bool {
        let keys = self.groups.remove(label, number);
        for key in &keys {
            self.core().unregister(*key);
        }
        if !keys.is_empty() {
            self.changes.wake_all();
        }
        !keys.is_empty()
    }
}
