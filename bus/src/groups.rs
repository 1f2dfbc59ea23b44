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

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use ringway_shm::generation::Key;
use ringway_shm::registry::NAME_MAX;
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::{Acquire, Release};

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

/// Memberships by label, in the order of the labels: those of one group stand side by side.
pub(crate) type ByLabel<L, T> = BTreeMap<L, T>;

/// What stands under the labels of one group, whichever its messages are.
pub(crate) fn of_group<'a, L, T>(
    labels: &'a ByLabel<L, T>,
    label: &Label,
) -> impl Iterator<Item = (&'a str, &'a T)> + use<'a, L, T>
where
    L: Borrow<str> + Ord,
{
    let first = label.text[..label.group + BETWEEN.len()].to_owned();
    let from = (Bound::Included(first.as_str()), Bound::Unbounded);
    let all = labels.range::<str, _>(from);
    let all = all.map(|(label, under)| (label.borrow(), under));
    all.take_while(move |(label, _)| label.starts_with(&first))
}

/// The memberships of this node's own actors.
#[derive(Debug, Default)]
pub(crate) struct OwnGroups {
    books: Mutex<Books>,
    /// Raised at each change, after it.
    version: AtomicU64,
}

#[derive(Debug, Default)]
struct Books {
    by_label: ByLabel<Arc<str>, HashMap<Number, (u64, Key)>>,
    by_actor: HashMap<Number, Vec<Arc<str>>>,
}

impl Books {
    fn remove(&mut self, label: &str, number: Number) -> Option<Key> {
        let members = self.by_label.get_mut(label)?;
        let (_, key) = members.remove(&number)?;
        if members.is_empty() {
            self.by_label.remove(label);
        }
        Some(key)
    }
}

impl OwnGroups {
    /// A number that is another one after each change.
    fn version(&self) -> u64 {
        // Acquire own-groups: pairs with the store in `changed`; what is read of the books after this is as new.
        self.version.load(Acquire)
    }

    fn changed(&self) {
        // Release own-groups: pairs with the load in `version`.
        self.version.fetch_add(1, Release);
    }

    /// Calls `look` for each label of the group, with one of its members: the others have joined beside that one.
    fn each_of(&self, label: &Label, mut look: impl FnMut(&str, Membership)) {
        for (label, members) in of_group(&lock(&self.books).by_label, label) {
            if let Some((&number, &(types, _))) = members.iter().next() {
                look(label, Membership { number, types });
            }
        }
    }

    /// The members under a label.
    fn members(&self, label: &Label) -> Vec<Number> {
        let books = lock(&self.books);
        let members = books.by_label.get(label.text()).into_iter().flatten();
        let of_type = members.filter(|(_, (types, _))| *types == label.types);
        of_type.map(|(number, _)| *number).collect()
    }

    /// Whether an actor is a member already.
    fn has(&self, label: &Label, number: Number) -> bool {
        let books = lock(&self.books);
        let members = books.by_label.get(label.text());
        members.is_some_and(|members| members.contains_key(&number))
    }

    /// Enters a member; the key comes back if it is one already.
    fn add(&self, label: &Label, number: Number, key: Key) -> Option<Key> {
        {
            let mut books = lock(&self.books);
            let text: Arc<str> = match books.by_label.get_key_value(label.text()) {
                Some((text, _)) => Arc::clone(text),
                None => label.text().into(),
            };
            let members = books.by_label.entry(Arc::clone(&text)).or_default();
            if members.contains_key(&number) {
                return Some(key);
            }
            members.insert(number, (label.types, key));
            books.by_actor.entry(number).or_default().push(text);
        }
        self.changed();
        None
    }

    /// Takes an actor out of one group, or of all.
    fn remove(&self, label: Option<&Label>, number: Number) -> Vec<Key> {
        let removed: Vec<Key> = {
            let mut books = lock(&self.books);
            let all = books.by_actor.remove(&number).unwrap_or_default();
            let goes = |text: &Arc<str>| label.is_none_or(|label| label.text() == &**text);
            let (goes, stays): (Vec<_>, Vec<_>) = all.into_iter().partition(goes);
            if !stays.is_empty() {
                books.by_actor.insert(number, stays);
            }
            goes.iter()
                .filter_map(|text| books.remove(text, number))
                .collect()
        };
        if !removed.is_empty() {
            self.changed();
        }
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
