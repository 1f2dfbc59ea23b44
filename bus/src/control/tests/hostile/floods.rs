//! More callers, peers and frames than there is room for.

use super::*;

#[test]
fn callers_that_never_speak_keep_nobody_out() {
    // Goal: a thousand silent connections use a bounded number of descriptors, and a node is met all the same.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let bus = File::open(temp.bus()).unwrap();
    let silent: Vec<_> = (0..1000)
        .filter_map(|_| SeqPacket::connect(&bus, &node.id().to_string()).ok())
        .collect();
    assert!(silent.len() > 500);
    let other = TestNode::attach(&temp, "other");
    node.meet(other.id());
    // All but the last are hung up on; a process that is being spawned may hold a copy of a socket for a moment.
    let ended = |socket: &&SeqPacket| matches!(socket.recv(&mut [0; 8]), Err(RecvError::Closed));
    let enough = silent.len() - 128;
    wait_until("the hanging up", || {
        silent.iter().filter(ended).count() >= enough
    });
}

#[test]
fn a_peer_that_never_reads_costs_a_bounded_queue() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let deaf = Impostor::peer(&temp, &node, 1);
    let peer = node.core.peer(deaf.hello.id).unwrap();
    let error = loop {
        if let Err(error) = peer.send(UringFrame::encode(&[7_u8; 16]).unwrap()) {
            break error;
        }
    };
    assert!(matches!(error, LinkError::Backlog { .. }), "{error}");
    // A word that is lost would be waited for: the peering ends instead, and both sides know.
    node.notices
        .wait_for(&Notice::Closed(deaf.hello.id, Closure::HungUp));
    let other = TestNode::attach(&temp, "other");
    node.meet(other.id())
        .send(UringFrame::encode(&1).unwrap())
        .unwrap();
}

#[test]
fn the_peer_beyond_the_last_slot_is_refused_until_one_is_free() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let mut peers: Vec<_> = (1..=256)
        .map(|id| Impostor::peer(&temp, &node, id))
        .collect();
    let slots: HashSet<u16> = node.core.peers().iter().map(|peer| peer.slot()).collect();
    assert_eq!(slots, (0..256).collect::<HashSet<u16>>());
    let late = Impostor::call(&temp, &node, 1000);
    late.introduce();
    assert_eq!(late.refusal(), "this node has 256 peers already");

    let leaving = peers.swap_remove(77);
    leaving.send(&Frame::Goodbye);
    node.notices
        .wait_for(&Notice::Dead(leaving.hello.id, Death::Goodbye));
    drop(Impostor::peer(&temp, &node, 1001));
}

#[test]
fn a_process_whose_nodes_never_settle_leaves_places_for_others() {
    // Goal: nodes that introduce themselves and go no further take a bounded number of places; one more is told so, and
    // another process's node is met. Once one of them is gone the next may come.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let meet = |id| {
        let impostor = Impostor::call(&temp, &node, id);
        impostor.introduce();
        impostor
    };
    let mut unsettled: Vec<_> = (1..=32).map(meet).collect();
    for impostor in &unsettled {
        assert!(matches!(impostor.hear(), Some(Frame::Hello(_))));
    }
    assert_eq!(
        meet(1000).refusal(),
        "this node is meeting 32 nodes of its process already, which have yet to settle"
    );
    let (_scene, child) = Scene::attach(&temp);
    node.meet(child);

    drop(unsettled.pop());
    wait_until("a place", || {
        matches!(meet(1001).hear(), Some(Frame::Hello(_)))
    });
}
