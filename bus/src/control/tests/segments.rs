use ringway_shm::heap::Block;
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

use crate::peering::Death;
use crate::testing::scene::Scene;
use crate::testing::{Notice, TempDir, TestNode, wait_until};

#[test]
fn ring_segments_are_mapped_by_peers_before_and_after_they_meet() {
    // Goal: a span of a segment that was created before a peer came, and of one created later, can be read by it.
    let temp = TempDir::new();
    let one = TestNode::attach(&temp, "one");
    let before = one.core.ring_span(1 << 20).unwrap();
    let two = TestNode::attach(&temp, "two");
    let (two_of_one, one_of_two) = (one.meet(two.id()), two.meet(one.id()));
    let after = one.core.ring_span(4 << 20).unwrap();
    assert_ne!(before.key(), after.key());
    for (span, word) in [(&before, 11), (&after, 12)] {
        wait_until("the mapping", || two_of_one.has_ring_segment(span.key()));
        span.region()
            .record::<AtomicU64>(0)
            .unwrap()
            .store(word, Relaxed);
        let segment = one_of_two.ring_segment(span.key()).unwrap();
        let seen = segment
            .region()
            .record::<AtomicU64>(span.offset())
            .unwrap()
            .load(|word| word);
        assert_eq!(seen, word);
    }
}

#[test]
fn heap_segments_come_and_go() {
    // Goal: a block's segment is acknowledged and read by the peer; when the heap gives it up, it is unmapped once the
    // peer's last lease of it is gone, and not before. Method: two segments, of which the heap keeps one when both are
    // empty.
    let temp = TempDir::new();
    let (one, two) = (
        TestNode::attach(&temp, "one"),
        TestNode::attach(&temp, "two"),
    );
    let (two_of_one, one_of_two) = (one.meet(two.id()), two.meet(one.id()));
    one.core.heap().reserve(32 << 20).unwrap(); // so much stays, however quiet it is
    let mut blocks = [(); 2].map(|()| one.core.heap().allocate(32 << 20).unwrap());
    let [first, second] = blocks.each_ref().map(Block::key);
    assert_ne!(first, second);
    let mut leases = Vec::new();
    for block in &mut blocks {
        block.bytes_mut()[0] = 7;
        one.notices
            .wait_for(&Notice::HeapAcknowledged(two.id(), block.key()));
        assert!(
            one.core
                .heap()
                .is_acknowledged(block.key(), two_of_one.slot())
        );
        let segment = one_of_two.heap_segment(block.key()).unwrap();
        leases.push((
            block.key(),
            segment.region().span(block.offset(), 64).unwrap(),
        ));
    }
    drop(blocks);

    let is_retired = |key| one_of_two.heap_segment(key).is_none();
    wait_until("the retirement", || is_retired(first) || is_retired(second));
    assert_eq!(one.core.heap().stats().retiring, 1, "the lease keeps it");
    leases.retain(|(key, lease)| {
        let mut byte = [0];
        lease.copy_to(0, &mut byte).unwrap();
        assert_eq!(byte, [7]);
        !is_retired(*key)
    });
    wait_until("the end of the segment", || {
        one.core.heap().stats().retiring == 0
    });
    assert_eq!(leases.len(), 1);
}

// Goal: a ring segment in which nothing has been for a while is unmapped by everybody and counts no more towards the limit; its
// index returns with the next generation, for peers that came before and later. Method: one of two peers reads a region of it
// on for a while, as one does that has closed a uring a moment ago.
#[test]
fn ring_segments_go_when_nothing_is_in_them() {
    const HALF: u64 = 128 << 20; // of the limit
    let temp = TempDir::new();
    let [one, two, three] = ["one", "two", "three"].map(|name| TestNode::attach(&temp, name));
    let seen = [two.meet(one.id()), three.meet(one.id())];
    let first = one.core.ring_span(64).unwrap();
    let large = one.core.ring_span(HALF).unwrap();
    let key = large.key();
    for peer in &seen {
        wait_until("the mapping", || peer.ring_segment(key).is_some());
    }
    let read = seen[0].ring_segment(key).unwrap().region().span(0, 64);
    drop(large);
    for peer in &seen {
        wait_until("the retirement", || peer.ring_segment(key).is_none());
    }
    assert!(one.core.ring_span(HALF).is_err(), "somebody has it mapped");
    drop(read);
    let mut again = None;
    wait_until("room", || {
        again = one.core.ring_span(HALF).ok();
        again.is_some()
    });
    let again = again.unwrap();
    assert_eq!(again.key(), key.next());
    assert_ne!(first.key().index(), key.index(), "the first one stays");
    again
        .region()
        .record::<AtomicU64>(0)
        .unwrap()
        .store(13, Relaxed);
    let late = TestNode::attach(&temp, "late");
    let late_of_one = late.meet(one.id());
    for peer in seen.iter().chain([&late_of_one]) {
        wait_until("the mapping", || peer.ring_segment(again.key()).is_some());
        let segment = peer.ring_segment(again.key()).unwrap();
        let region = segment.region();
        let word = region.record::<AtomicU64>(again.offset()).unwrap();
        assert_eq!(word.load(|word| word), 13);
    }
}

// Goal: who dies with a ring segment mapped does not keep it.
#[test]
fn a_dead_peer_holds_no_ring_segment_back() {
    const HALF: u64 = 128 << 20;
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let (scene, child) = Scene::attach(&temp);
    let peer = node.meet(child);
    let span = node.core.ring_span(HALF).unwrap();
    let key = span.key();
    wait_until("the mapping", || peer.has_ring_segment(key));
    scene.stop();
    drop(span);
    let rings = || node.core.ring_segments();
    wait_until("the retirement", || !rings().contains(&key));
    assert!(
        node.core.ring_span(HALF).is_err(),
        "a stopped peer is not dead"
    );
    drop(scene);
    node.notices.wait_for(&Notice::Dead(child, Death::Process));
    wait_until("room", || node.core.ring_span(HALF).is_ok());
}

#[test]
fn a_segment_that_grows_and_goes_quickly_confuses_nobody() {
    // Goal: segments that are announced and retired faster than the peer answers keep the peering whole.
    let temp = TempDir::new();
    let (one, two) = (
        TestNode::attach(&temp, "one"),
        TestNode::attach(&temp, "two"),
    );
    one.meet(two.id());
    two.meet(one.id());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for n in 0..100_usize {
                    drop(one.core.heap().allocate((4 << 20) + n * 4096));
                }
            });
        }
    });
    wait_until("quiet", || one.core.heap().stats().retiring == 0);
    for node in [&one, &two] {
        let heard = node.notices.all();
        assert!(
            !heard
                .iter()
                .any(|notice| matches!(notice, Notice::Closed(..))),
            "{heard:?}"
        );
    }
}

#[test]
fn a_dead_peer_holds_no_segment_back() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let (scene, child) = Scene::attach(&temp);
    node.meet(child);
    node.core.heap().reserve(32 << 20).unwrap();
    let blocks = [(); 2].map(|()| node.core.heap().allocate(32 << 20).unwrap());
    for block in &blocks {
        node.notices
            .wait_for(&Notice::HeapAcknowledged(child, block.key()));
    }
    scene.stop();
    drop(blocks); // the heap keeps one empty segment
    assert_eq!(
        node.core.heap().stats().retiring,
        1,
        "a stopped peer is not dead"
    );
    drop(scene);
    node.notices.wait_for(&Notice::Dead(child, Death::Process));
    wait_until("the end of the segment", || {
        node.core.heap().stats().retiring == 0
    });
}

#[test]
fn a_peer_without_free_descriptors_is_told_again() {
    // Goal: a process whose table is full loses descriptors and accepts nobody; when it has room again, it maps the
    // segment and meets the node, without anybody starting over.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let (mut scene, child) = Scene::attach(&temp);
    node.meet(child);
    scene.ask(&format!("meet {}", node.id()));
    scene.ask("fill-files");
    let block = node.core.heap().allocate(64).unwrap();
    let late = TestNode::attach(&temp, "late");
    late.meet(node.id());
    assert_eq!(
        late.core.silent_nodes(),
        [format!("node {child} has not answered")]
    );
    let acknowledged = Notice::HeapAcknowledged(child, block.key());
    assert!(!node.notices.all().contains(&acknowledged));
    scene.ask("free-files");
    node.notices.wait_for(&acknowledged);
    late.meet(child);
}
