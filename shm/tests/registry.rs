//! Registries over plain memory: random calls against a map, grace, and readers that trust nothing.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "registry/reader.rs"]
mod reader;

use std::collections::HashMap;

use ringway_shm::generation::Key;
use ringway_shm::region::Buffer;
use ringway_shm::registry::{
    CAPACITY_MAX, Kind, PeerRegistry, Registry, RegistryError, Released, State,
};

type OverBuffer = Registry<Buffer>;

fn registry(capacity: u32) -> OverBuffer {
    Registry::create(&Buffer::region(OverBuffer::len_of(capacity)), capacity).unwrap()
}

/// An entry, active.
fn publish(registry: &OverBuffer, kind: Kind, name: &str) -> Key {
    let key = registry.allocate(kind, name, 0).unwrap();
    registry.activate(key).unwrap();
    key
}

#[test]
fn smoke() {
    let registry = registry(8);
    let key = registry.allocate(Kind::Actor, "counter", 42).unwrap();
    assert_eq!(registry.find("counter"), None, "not yet active");
    registry.activate(key).unwrap();
    assert_eq!(registry.find("counter"), Some(key));
    registry.set_detail(key, 7).unwrap();

    let seen = registry.view().find("counter").unwrap().unwrap();
    assert_eq!(
        (seen.key, seen.kind, seen.state),
        (key, Kind::Actor, State::Active)
    );
    assert_eq!(
        (seen.name.as_str(), seen.type_hash, seen.detail),
        ("counter", 42, 7)
    );
    assert_eq!(registry.get(key), Some(seen));
    assert_eq!(registry.active_tokens(), [key]);
}

#[test]
fn a_name_is_claimed_once() {
    let registry = registry(8);
    let holder = registry.allocate(Kind::Actor, "sink", 0).unwrap();
    let taken = RegistryError::NameTaken {
        name: "sink".into(),
        holder,
    };
    assert_eq!(
        registry.allocate(Kind::Queue, "sink", 0),
        Err(taken),
        "before it is active, too"
    );

    // A claim that is given up frees the name, and so does an end.
    registry.mark_for_deletion(holder).unwrap();
    let next = publish(&registry, Kind::Queue, "sink");
    registry.mark_for_deletion(next).unwrap();
    let last = publish(&registry, Kind::Actor, "sink");
    assert_eq!(registry.find("sink"), Some(last));
    assert_eq!(registry.view().find("sink").unwrap().unwrap().key, last);
}

#[test]
fn topics_share_their_name() {
    let registry = registry(8);
    let ends = [(); 3].map(|()| publish(&registry, Kind::TopicEnd, "position"));
    assert_eq!(registry.find("position"), None);
    let actor = publish(&registry, Kind::Actor, "position");
    assert_eq!(registry.find("position"), Some(actor));
    registry.mark_for_deletion(ends[0]).unwrap();
    assert_eq!(registry.find("position"), Some(actor));
    assert_eq!(registry.view().names().count(), 3);
}

#[test]
fn nameless_entries_do_not_clash() {
    let registry = registry(8);
    let keys = [(); 3].map(|()| publish(&registry, Kind::Actor, ""));
    assert_eq!(registry.active_tokens(), keys);
    assert_eq!(registry.find(""), None);
    assert_eq!(registry.view().names().count(), 0);
    assert_eq!(registry.view().version(), 0, "no names, no news");
}

#[test]
fn the_version_grows_with_the_names() {
    let registry = registry(8);
    let view = registry.view().clone();
    let key = registry.allocate(Kind::Actor, "a", 0).unwrap();
    assert_eq!(view.version(), 0);
    registry.activate(key).unwrap();
    assert_eq!(view.version(), 1);
    registry.acquire(key).unwrap();
    assert_eq!(view.version(), 1);
    registry.mark_for_deletion(key).unwrap();
    assert_eq!(view.version(), 2);
    let given_up = registry.allocate(Kind::Actor, "b", 0).unwrap();
    registry.mark_for_deletion(given_up).unwrap();
    assert_eq!(view.version(), 2, "it was never shown");
}

// Goal: an entry is used again after its last reference and a whole epoch, not before, and then
// under another token. Method: one entry of one, step by step.
#[test]
fn reuse_waits_for_references_and_grace() {
    let registry = registry(2);
    let _other = publish(&registry, Kind::Actor, "other");
    let key = publish(&registry, Kind::Actor, "a");
    assert_eq!(registry.acquire(key), Ok(1));
    assert_eq!(registry.acquire(key), Ok(2));
    registry.mark_for_deletion(key).unwrap();
    assert_eq!(registry.get(key).unwrap().references, 2);
    assert_eq!(registry.release(key), Ok(Released::InUse));
    for _ in 0..5 {
        assert_eq!(registry.garbage_collect(), 0, "referred to");
    }
    assert_eq!(registry.release(key), Ok(Released::Collectable));
    assert_eq!(registry.garbage_collect(), 1);
    assert_eq!(registry.get(key), None);

    let next = publish(&registry, Kind::Actor, "b");
    assert_eq!(next, key.next());
    registry.mark_for_deletion(next).unwrap();
    let marked_in = registry.view().epoch();
    assert_eq!(registry.garbage_collect(), 0, "its epoch has just ended");
    assert_eq!(registry.view().epoch(), marked_in + 1);
    assert_eq!(registry.garbage_collect(), 1);
    assert_eq!(registry.view().epoch(), marked_in + 2);
}

#[test]
fn steps_out_of_order_are_refused() {
    let registry = registry(2);
    let key = registry.allocate(Kind::Actor, "a", 0).unwrap();
    let wrong = |state| Err(RegistryError::WrongState { key, state });
    assert_eq!(registry.acquire(key), wrong(State::Allocating).map(|()| 0));
    registry.activate(key).unwrap();
    assert_eq!(registry.activate(key), wrong(State::Active));
    registry.mark_for_deletion(key).unwrap();
    assert_eq!(
        registry.mark_for_deletion(key),
        wrong(State::MarkedForDeletion)
    );
    assert_eq!(registry.activate(key), wrong(State::MarkedForDeletion));
    assert_eq!(
        registry.acquire(key),
        wrong(State::MarkedForDeletion).map(|()| 0)
    );

    for key in [
        key.next(),
        Key::first(1),
        Key::first(2),
        Key::first(Key::INDEX_MAX),
    ] {
        assert_eq!(registry.activate(key), Err(RegistryError::Stale { key }));
        assert_eq!(registry.release(key), Err(RegistryError::Stale { key }));
        assert_eq!(
            registry.set_detail(key, 1),
            Err(RegistryError::Stale { key })
        );
        assert_eq!(registry.get(key), None);
    }
}

#[test]
#[should_panic = "released more often than acquired"]
fn one_release_too_many_panics() {
    let registry = registry(1);
    let key = publish(&registry, Kind::Actor, "a");
    let _ = registry.release(key);
}

#[test]
fn full_is_an_error_until_something_is_collectable() {
    let registry = registry(3);
    let keys = ["a", "b", "c"].map(|name| publish(&registry, Kind::Actor, name));
    let full = Err(RegistryError::Full { capacity: 3 });
    assert_eq!(registry.allocate(Kind::Actor, "d", 0), full);
    assert_eq!(registry.view().find("d"), Ok(None));
    registry.mark_for_deletion(keys[1]).unwrap();
    let d = registry.allocate(Kind::Actor, "d", 0).unwrap();
    assert_eq!(d, keys[1].next());
    let long = "x".repeat(121);
    assert!(matches!(
        registry.allocate(Kind::Actor, &long, 0),
        Err(RegistryError::NameTooLong(_))
    ));
}

#[test]
fn capacities_are_checked() {
    let region = Buffer::region(OverBuffer::len_of(4));
    for capacity in [0, 5, CAPACITY_MAX + 1, u32::MAX] {
        let refused = OverBuffer::create(&region, capacity).unwrap_err();
        assert_eq!(
            refused,
            RegistryError::Capacity {
                capacity,
                len: region.len()
            }
        );
    }
    for capacity in [0, 5, 1 << 21, u64::MAX] {
        assert!(PeerRegistry::open(&region.read_only(), capacity).is_err());
    }
    assert!(PeerRegistry::open(&region.read_only(), 4).is_ok());
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

// Goal: names and tokens agree with a plain map. Method: random calls over few names and few
// entries; after each, every name and every token ever given is asked for.
#[test]
fn random_calls_agree_with_a_map() {
    let mut random = Random(0x5eed);
    let registry = registry(6);
    let names = ["a", "b", "c", "d"];
    let mut active: HashMap<&str, (Key, u64)> = HashMap::new();
    let mut leaving: Vec<(Key, u64)> = Vec::new();
    let mut ever: Vec<Key> = Vec::new();
    for _ in 0..5000 {
        let name = names[random.below(names.len())];
        match random.below(5) {
            0 => match registry.allocate(Kind::Actor, name, random.next()) {
                Ok(key) => {
                    assert!(!ever.contains(&key), "a token is never given twice");
                    registry.activate(key).unwrap();
                    assert_eq!(active.insert(name, (key, 0)), None);
                    ever.push(key);
                }
                Err(RegistryError::NameTaken { holder, .. }) => {
                    assert_eq!(active[name].0, holder);
                }
                Err(error) => {
                    assert_eq!(error, RegistryError::Full { capacity: 6 });
                    let kept = leaving.iter().filter(|entry| entry.1 > 0).count();
                    assert_eq!(active.len() + kept, 6, "nothing was collectable");
                }
            },
            1 => {
                if let Some((key, references)) = active.get_mut(name) {
                    *references += 1;
                    assert_eq!(registry.acquire(*key), Ok(*references));
                }
            }
            2 => {
                let entries = active.values_mut().chain(&mut leaving);
                let mut held: Vec<_> = entries.filter(|entry| entry.1 > 0).collect();
                if !held.is_empty() {
                    let at = random.below(held.len());
                    held[at].1 -= 1;
                    registry.release(held[at].0).unwrap();
                }
            }
            3 => {
                if let Some(entry) = active.remove(name) {
                    registry.mark_for_deletion(entry.0).unwrap();
                    leaving.push(entry);
                }
            }
            _ => drop(registry.garbage_collect()),
        }
        for name in names {
            let expected = active.get(name).map(|entry| entry.0);
            assert_eq!(registry.find(name), expected);
            assert_eq!(
                registry.view().find(name).unwrap().map(|entry| entry.key),
                expected
            );
        }
        for &(key, references) in active.values().chain(&leaving) {
            let shown = registry.get(key);
            assert!(shown.is_none_or(|shown| shown.references == references));
            assert!(
                shown.is_some() || references == 0,
                "collected while referred to"
            );
        }
    }
    assert!(ever.len() > 100, "the walk got somewhere");
}
