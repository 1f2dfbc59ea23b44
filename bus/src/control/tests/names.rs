use std::collections::HashSet;
use std::sync::Barrier;

use ringway_shm::generation::Key;
use ringway_shm::registry::Kind;
use ringway_shm::sys::process::Signal;

use crate::error::NameError;
use crate::names::Wanted;
use crate::number::Number;
use crate::peering::Death;
use crate::testing::scene::Scene;
use crate::testing::{Notice, TempDir, TestNode};

pub(super) fn claim(node: &TestNode, name: &str) -> Result<Key, NameError> {
    node.core.claim(
        Wanted {
            name,
            kind: Kind::Actor,
            number: Number::FIRST,
            type_hash: 7,
        },
        || {},
    )
}

/// Waits until the control thread has read the name, which only a notice makes it do.
fn wait_to_find(node: &TestNode, name: &str) {
    node.notices
        .wait_until(&format!("finding {name}"), |_| node.knows(name));
    assert!(node.core.find(name).is_some());
}

#[test]
fn a_name_is_claimed_once_on_the_bus() {
    // Goal: the second claim of a name fails: within a node, in another node of the process, in another process; and
    // says who has it.
    let temp = TempDir::new();
    let one = TestNode::attach(&temp, "one");
    let two = TestNode::attach(&temp, "two");
    let (mut scene, child) = Scene::attach(&temp);
    two.meet(one.id());
    one.meet(child);
    scene.ask(&format!("meet {}", one.id()));
    claim(&one, "counter").unwrap();
    wait_to_find(&two, "counter");

    let error = claim(&one, "counter").unwrap_err();
    assert_eq!(error.to_string(), "name \"counter\" is taken by this node");
    let expected = format!("name \"counter\" is taken by node \"one\" ({})", one.id());
    assert_eq!(claim(&two, "counter").unwrap_err().to_string(), expected);
    assert_eq!(scene.ask("claim counter"), expected);
    assert!(scene.ask("claim robot/position").starts_with("claimed"));
    wait_to_find(&two, "robot/position");
    assert!(matches!(
        claim(&two, "robot/position"),
        Err(NameError::Taken { .. })
    ));
}

#[test]
fn of_many_claims_at_once_one_wins() {
    let temp = TempDir::new();
    let nodes: Vec<_> = (0..6)
        .map(|n| TestNode::attach(&temp, &format!("node {n}")))
        .collect();
    for round in 0..50 {
        let name = format!("name/{round}");
        let barrier = Barrier::new(12);
        let wins = std::thread::scope(|scope| {
            let try_it = |node| {
                let (barrier, name) = (&barrier, &name);
                scope.spawn(move || {
                    barrier.wait();
                    claim(node, name).is_ok()
                })
            };
            let threads: Vec<_> = nodes.iter().chain(&nodes).map(try_it).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .filter(|won| *won)
                .count()
        });
        assert_eq!(wins, 1);
    }
}

#[test]
fn names_are_found_and_forgotten() {
    let temp = TempDir::new();
    let (one, two) = (
        TestNode::attach(&temp, "one"),
        TestNode::attach(&temp, "two"),
    );
    two.meet(one.id());
    let key = one
        .core
        .claim(
            Wanted {
                name: "q",
                kind: Kind::Queue,
                number: Number::from_bits(9).unwrap(),
                type_hash: 0xabc,
            },
            || assert!(one.core.find("q").is_none(), "not published yet"),
        )
        .unwrap();
    wait_to_find(&two, "q");
    let found = two.core.find("q").unwrap();
    assert_eq!(
        (found.node, found.key, found.kind, found.type_hash),
        (one.id(), key, Kind::Queue, 0xabc)
    );
    assert_eq!(found.number.to_bits(), 9);
    assert_eq!(one.core.find("q"), Some(found));

    two.core.forget_name("q", found);
    assert_eq!(two.core.find("q"), None, "until the card changes");
    claim(&one, "other").unwrap();
    wait_to_find(&two, "q");

    one.core.unregister(key);
    assert_eq!(one.core.find("q"), None);
    two.notices
        .wait_until("the name's end", |_| two.core.find("q").is_none());
    claim(&two, "q").unwrap();
}

#[test]
fn a_name_claimed_while_two_nodes_meet_is_told() {
    // Goal: one side may have the peering already while the other, which claims, does not: it must tell afterwards.
    // Method: a claim races with the meeting, until the other node has read it.
    let temp = TempDir::new();
    for _ in 0..200 {
        let one = TestNode::attach(&temp, "claims");
        let two = TestNode::attach(&temp, "finds");
        two.meet(one.id());
        claim(&one, "early").unwrap();
        wait_to_find(&two, "early");
    }
}

#[test]
fn anonymous_entries_are_not_found() {
    let temp = TempDir::new();
    let (one, two) = (
        TestNode::attach(&temp, "one"),
        TestNode::attach(&temp, "two"),
    );
    two.meet(one.id());
    let key = one
        .core
        .register(Kind::Actor, Number::FIRST, 7, || {})
        .unwrap();
    assert_eq!(
        one.core
            .card()
            .registry()
            .get(key)
            .map(|entry| entry.type_hash),
        Some(7)
    );
    assert_eq!(two.core.find(""), None);
    one.core.unregister(key);
    one.core.unregister(key); // does nothing
}

#[test]
fn a_killed_holder_is_succeeded_at_its_death() {
    // Goal: when the pidfd says that the holder is dead, its name can be claimed at once; ten times, as the lock and
    // the pidfd are given up at different moments of an exit.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "successor");
    for _ in 0..10 {
        let (mut scene, child) = Scene::attach(&temp);
        assert!(scene.ask("claim leader").starts_with("claimed"));
        node.meet(child);
        assert!(matches!(
            claim(&node, "leader"),
            Err(NameError::Taken { .. })
        ));
        scene.signal(Signal::KILL);
        node.notices.wait_for(&Notice::Dead(child, Death::Process));
        let key = claim(&node, "leader").unwrap();
        node.core.unregister(key);
    }
}

#[test]
fn names_changed_while_a_peer_is_stopped_are_read_when_it_goes_on() {
    // Goal: pokes that a stopped peer's full socket loses do no harm, and delay nobody.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let (mut scene, child) = Scene::attach(&temp);
    node.meet(child);
    scene.ask(&format!("meet {}", node.id()));
    scene.stop();
    let mut last = None;
    for n in 0..2000 {
        let key = claim(&node, &format!("name/{n}")).unwrap();
        if let Some(before) = last.replace(key) {
            node.core.unregister(before);
        }
    }
    scene.signal(Signal::CONT);
    assert_eq!(scene.ask("await-name name/1999"), "found");
    assert_eq!(scene.ask("find name/1998"), "nothing");
}

#[test]
fn bad_names_and_full_registries_are_errors() {
    let temp = TempDir::new();
    let node = TestNode::attach_with(temp.config("node").registry_capacity(3));
    let error = claim(&node, &"x".repeat(121)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a name of 121 bytes, the longest has 120"
    );
    let error = claim(&node, "a//b").unwrap_err();
    assert!(error.to_string().contains("empty part"), "{error}");
    let keys: HashSet<_> = (0..3)
        .map(|n| claim(&node, &format!("n{n}")).unwrap())
        .collect();
    assert_eq!(keys.len(), 3);
    let error = claim(&node, "n3").unwrap_err();
    assert_eq!(
        error.to_string(),
        "all 3 entries of this node's registry are in use"
    );
    node.core.detach();
    assert!(matches!(claim(&node, "late"), Err(NameError::Detached)));
}
