//! The names on a peer's card, as a private copy: read again when the card's version says that they changed.
//!
//! The copy is advice. A name found here is confirmed by its node when a uring is opened.

use std::collections::HashMap;

use ringway_shm::card::PeerCard;
use ringway_shm::generation::Key;
use ringway_shm::registry::{Kind, Published};

use crate::groups::{ByLabel, Label, Membership, of_group};
use crate::number::Number;
use crate::topics::{EndsByLabel, ShownEnd};

/// What a name on a card stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    /// The entry's place in its node's registry.
    pub(crate) key: Key,
    /// What its node knows it by.
    pub(crate) number: Number,
    pub(crate) kind: Kind,
    /// Of the actor's or queue's type; what it covers is decided above.
    pub(crate) type_hash: u64,
}

impl Named {
    /// Reads a published actor or queue; one without a number names nothing.
    pub(crate) fn read(entry: &Published) -> Option<Self> {
        let &Published {
            key,
            kind,
            type_hash,
            detail,
            ..
        } = entry;
        let number = Number::from_bits(detail)?;
        Some(Self {
            key,
            number,
            kind,
            type_hash,
        })
    }
}

/// Places of a registry read at one look: what a node has by default. A larger one is read in turns, as the peer decides
/// how large it is and how often it changes, and the reader is the control thread.
pub(crate) const READ_MAX: u32 = 4096;

/// Memberships in groups, by label.
type Members = ByLabel<Box<str>, Vec<Membership>>;
/// Ends of topics, by label.
type Ends = EndsByLabel<ShownEnd>;

/// The names of one peer.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    /// Of the card when the last whole reading began; `None` before the first.
    version: Option<u64>,
    names: HashMap<Box<str>, Named>,
    members: Members,
    ends: Ends,
    reading: Option<Reading>,
}

/// A reading that takes more than one look.
#[derive(Debug)]
struct Reading {
    version: u64,
    next: u32,
    names: HashMap<Box<str>, Named>,
    members: Members,
    ends: Ends,
}

/// How far a look has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// All was read that stood there when the card had this version.
    Whole(u64),
    /// There is more to read; until then the names are those of before.
    Part,
}

impl Replica {
    /// Reads the card again, or on, if its version moved; at most [`READ_MAX`] places of it.
    pub(crate) fn refresh(&mut self, card: &PeerCard) -> Look {
        // Read before the names: those that change meanwhile raise it again.
        let version = card.version();
        if self.reading.is_none() && self.version == Some(version) {
            return Look::Whole(version);
        }
        let mut reading = self.reading.take().unwrap_or_else(|| Reading {
            version,
            next: 0,
            names: HashMap::new(),
            members: Members::new(),
            ends: Ends::default(),
        });
        let end = reading.next.saturating_add(READ_MAX);
        // An entry that breaks the rules, or changes for as long as it is read, names nothing.
        for entry in card.names_in(reading.next..end).flatten() {
            if let Some(shown) = ShownEnd::read(&entry) {
                reading.ends.add(entry.name.as_str(), shown);
                continue;
            }
            let Some(named) = Named::read(&entry) else {
                continue;
            };
            if entry.kind.is_unique() {
                reading.names.insert(entry.name.as_str().into(), named);
            } else if entry.kind == Kind::Member {
                let members = reading.members.entry(entry.name.as_str().into());
                members.or_default().push(Membership {
                    number: named.number,
                    types: named.type_hash,
                });
            }
        }
        reading.next = end;
        if card.registry().used().is_ok_and(|used| used > end) {
            self.reading = Some(reading);
            return Look::Part;
        }
        self.names = reading.names;
        self.members = reading.members;
        self.ends = reading.ends;
        self.version = Some(reading.version);
        Look::Whole(reading.version)
    }

    pub(crate) fn find(&self, name: &str) -> Option<Named> {
        self.names.get(name).copied()
    }

    /// The card's version when the names were read; `None` before.
    pub(crate) fn version(&self) -> Option<u64> {
        self.version
    }

    /// The members under a label that the card shows.
    pub(crate) fn members(&self, label: &Label) -> &[Membership] {
        self.members.get(label.text()).map_or(&[], Vec::as_slice)
    }

    /// Those under each label of the same group.
    pub(crate) fn members_of_group(
        &self,
        label: &Label,
    ) -> impl Iterator<Item = (&str, &[Membership])> {
        let labels = of_group(&self.members, label);
        labels.map(|(label, members)| (label, members.as_slice()))
    }

    /// The ends of topics that the card shows.
    pub(crate) fn ends(&self) -> &EndsByLabel<ShownEnd> {
        &self.ends
    }

    /// Forgets a name whose node says that it is not there any more.
    pub(crate) fn forget(&mut self, name: &str, key: Key) {
        let reading = self.reading.as_mut().map(|reading| &mut reading.names);
        for names in [Some(&mut self.names), reading].into_iter().flatten() {
            if names.get(name).is_some_and(|named| named.key == key) {
                names.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ringway_shm::card::{Card, CardConfig};
    use ringway_shm::segment::PeerSegment;

    use super::*;

    // Goal: one look reads so much and no more, however large the peer made its registry, and all is found in the end, also
    // what changed while it was read. Method: three looks' worth of names; one comes between the first and the second look.
    #[test]
    fn a_large_card_is_read_in_turns() {
        let (card, segment) = Card::create(&CardConfig {
            node_id: 7,
            name: "large",
            bus: "test",
            registry_capacity: 3 * READ_MAX,
        })
        .unwrap();
        let fd = segment.fd().try_clone_to_owned().unwrap();
        let theirs = PeerSegment::map(fd, segment.len()).unwrap();
        let theirs = PeerCard::open(theirs.region()).unwrap();
        let publish = |name: &str| {
            let key = card.registry().allocate(Kind::Actor, name, 7).unwrap();
            card.registry().set_detail(key, 1).unwrap();
            card.registry().activate(key).unwrap();
            key
        };
        let keys: Vec<Key> = (0..2 * READ_MAX + 1)
            .map(|number| publish(&format!("name/{number}")))
            .collect();
        let last = format!("name/{}", 2 * READ_MAX);
        let mut replica = Replica::default();

        assert_eq!(replica.refresh(&theirs), Look::Part);
        assert_eq!(replica.find("name/0"), None, "not before all are read");
        card.registry().mark_for_deletion(keys[0]).unwrap();
        publish("late");
        assert_eq!(replica.refresh(&theirs), Look::Part);
        assert!(matches!(replica.refresh(&theirs), Look::Whole(_)));
        assert!(replica.find(&last).is_some());

        // Of the version before the change: it is read anew.
        assert_eq!(replica.refresh(&theirs), Look::Part);
        assert_eq!(replica.refresh(&theirs), Look::Part);
        assert_eq!(replica.refresh(&theirs), Look::Whole(theirs.version()));
        assert!(replica.find("late").is_some());
        assert_eq!(replica.find("name/0"), None);
        assert_eq!(replica.refresh(&theirs), Look::Whole(theirs.version()));
    }
}
