use ringway_shm::error::Violation;
use ringway_shm::heap::Block;
use ringway_shm::sys::process::Signal;

use crate::frame::UringFrame;
use crate::peering::link::LinkError;
use crate::peering::{Closure, Death, NodeId, PeerState};
use crate::testing::scene::Scene;
use crate::testing::{Notice, TempDir, TestNode};

#[test]
fn a_killed_peer_is_drained_and_then_dead() {
    // Goal: what a peer had sent before it was killed arrives, and its death comes last, once. Method: the control
    // thread is held while the peer fills the socket, more than is read at a time, and dies.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "parent");
    let (mut scene, child) = Scene::attach(&temp);
    node.meet(child);
    scene.ask(&format!("meet {}", node.id()));
    let held = node.notices.hold();
    let sent: u64 = scene.ask("send-and-die").parse().unwrap();
    scene.wait();
    drop(held);
    node.notices.wait_for(&Notice::Dead(child, Death::Process));
    let heard = node.notices.all();
    let frame = |n: u64| Notice::Frame(child, UringFrame::encode(&n).unwrap());
    let is_frame = |notice: &&Notice| matches!(notice, Notice::Frame(..));
    let frames: Vec<_> = heard.iter().filter(is_frame).cloned().collect();
    assert_eq!(frames, (0..sent).map(frame).collect::<Vec<_>>());
    assert_eq!(heard.last(), Some(&Notice::Dead(child, Death::Process)));
    assert!(node.core.peers().is_empty());
}

#[test]
fn a_process_that_becomes_another_program_is_closed_not_dead() {
    // Goal: exec closes the socket, but is no death; only the end of the process is.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "parent");
    let (mut scene, child) = Scene::attach(&temp);
    let peer = node.meet(child);
    scene.tell("become sleep");
    node.notices
        .wait_for(&Notice::Closed(child, Closure::HungUp));
    assert_eq!(peer.state(), PeerState::Closed);
    assert_eq!(
        peer.send(UringFrame::encode(&1).unwrap()),
        Err(LinkError::Closed)
    );
    assert!(
        !node
            .notices
            .all()
            .contains(&Notice::Dead(child, Death::Process))
    );
    scene.signal(Signal::KILL);
    node.notices.wait_for(&Notice::Dead(child, Death::Process));
    assert_eq!(peer.state(), PeerState::Dead);
}

#[test]
fn a_peer_that_closed_all_its_files_still_reads() {
    // Goal: closing every descriptor ends the traffic, but what the peer has mapped stays lent until its process ends.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "parent");
    let mut block: Block = node.core.heap().allocate(64).unwrap();
    block.bytes_mut()[..8].copy_from_slice(&4711_u64.to_ne_bytes());
    let (mut scene, child) = Scene::attach(&temp);
    let peer = node.meet(child);
    node.notices
        .wait_for(&Notice::HeapAcknowledged(child, block.key()));
    peer.send(UringFrame::encode(&block.key().to_bits()).unwrap())
        .unwrap();
    scene.ask("await-frame");

    assert_eq!(
        scene.ask(&format!("close-and-read {}", block.offset())),
        "closed"
    );
    // Its control thread may have seen its own descriptors go, and have said that it leaves while it could.
    let is_closed = |notice: &Notice| matches!(notice, Notice::Closed(id, _) if *id == child);
    node.notices.wait_until("the end of the traffic", |heard| {
        heard.iter().any(is_closed)
    });
    assert_eq!(scene.hear(), "4711");
    assert!(
        node.core.heap().is_acknowledged(block.key(), peer.slot()),
        "still lent"
    );
    assert!(
        !node
            .notices
            .all()
            .contains(&Notice::Dead(child, Death::Process))
    );

    drop(scene);
    node.notices.wait_for(&Notice::Dead(child, Death::Process));
    assert!(!node.core.heap().is_acknowledged(block.key(), peer.slot()));
}

#[test]
fn detaching_says_goodbye() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "stays");
    let leaving = TestNode::attach(&temp, "leaves");
    let (id, peer) = (leaving.id(), node.meet(leaving.id()));
    leaving.meet(node.id());
    leaving.core.detach();
    leaving.core.detach(); // does nothing
    node.notices.wait_for(&Notice::Dead(id, Death::Goodbye));
    let endings = |notice: &&Notice| matches!(notice, Notice::Closed(..) | Notice::Dead(..));
    let heard = node.notices.all();
    let heard: Vec<_> = heard.iter().filter(endings).collect();
    assert_eq!(
        heard,
        [
            &Notice::Closed(id, Closure::Leaving),
            &Notice::Dead(id, Death::Goodbye)
        ]
    );
    assert_eq!(peer.state(), PeerState::Dead);
    assert!(node.core.peer(id).is_none());
    assert!(leaving.core.peers().is_empty());
    assert_eq!(temp.sockets(), [node.id().to_string()]);
}

#[test]
fn the_goodbye_waits_for_the_last_who_holds_the_peer() {
    // Goal: a node that leaves while it still holds memory of a peer is closed, and dead only when it lets go.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "owner");
    let leaving = TestNode::attach(&temp, "holds a lease");
    node.meet(leaving.id());
    let held = leaving.meet(node.id());
    let id = leaving.id();
    drop(leaving);
    node.notices.wait_for(&Notice::Closed(id, Closure::Leaving));
    let other = TestNode::attach(&temp, "takes the control thread round once more");
    node.meet(other.id());
    assert_eq!(
        node.core.peer(id).map(|peer| peer.state()),
        Some(PeerState::Closed)
    );
    drop(held);
    node.notices.wait_for(&Notice::Dead(id, Death::Goodbye));
}

#[test]
fn a_slot_is_used_again_only_when_nobody_holds_its_peer() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let meet = || {
        let other = TestNode::attach(&temp, "other");
        let peer = node.meet(other.id());
        other.meet(node.id());
        let id = other.id();
        drop(other);
        node.notices.wait_for(&Notice::Dead(id, Death::Goodbye));
        peer
    };
    let first = meet();
    let second = meet();
    assert_eq!((first.slot(), second.slot()), (0, 1));
    drop(first);
    let third = meet();
    assert_eq!(third.slot(), 0);
}

#[test]
fn violations_cut_a_peer_off() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let other = TestNode::attach(&temp, "other");
    let (peer, id) = (node.meet(other.id()), other.id());
    other.meet(node.id());
    let violation = Violation::Note { found: 7 };
    for _ in 0..64 {
        peer.violation(violation);
    }
    node.notices.wait_for(&Notice::Closed(
        id,
        Closure::Violations {
            count: 64,
            last: violation,
        },
    ));
    other
        .notices
        .wait_for(&Notice::Closed(node.id(), Closure::HungUp));
    assert_eq!(
        node.core
            .card()
            .counters()
            .get(ringway_shm::card::Counter::Violations),
        64
    );
}

#[test]
fn leaving_does_not_wait_for_a_stopped_peer() {
    // Goal: with a peer that reads nothing and a full queue towards it, detaching ends all the same.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let (scene, child) = Scene::attach(&temp);
    let peer = node.meet(child);
    scene.stop();
    while peer
        .send(UringFrame::encode(&[0_u8; 64][..].to_vec()).unwrap())
        .is_ok()
    {}
    node.core.detach();
    assert!(
        temp.sockets()
            .iter()
            .all(|name| NodeId::parse(name) == Some(child))
    );
}
