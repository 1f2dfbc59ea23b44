//! Peers that break the protocol: each ends its own peering only.

use super::*;

#[test]
fn a_peer_that_breaks_the_protocol_is_closed() {
    // Goal: each breach ends that peering with its reason, and the node goes on. Method: one impostor for each.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let key = Key::first(5);
    let segment = |len| {
        let announcement = Announcement {
            name: SegmentName::heap(key),
            len,
        };
        Frame::Segment(announcement).encode().unwrap()
    };
    type Breach<'a> = &'a dyn Fn(&Impostor);
    let cases: &[(&str, Breach<'_>)] = &[
        ("a frame that means nothing", &|it| {
            let mut bytes = preamble(SPOKEN).to_vec();
            bytes.extend([0xff; 32]);
            it.send_bytes(&bytes, &[]);
        }),
        ("no node of a ringway bus", &|it| {
            it.send_bytes(&[0; 64], &[])
        }),
        ("hello has no place in a peering", &|it| {
            it.send(&Frame::Hello(Box::new(it.hello.clone())))
        }),
        ("settled has no place in a peering", &|it| {
            it.send(&Frame::Settled)
        }),
        ("0 descriptors came with segment, not 1", &|it| {
            it.send_bytes(&segment(4096), &[])
        }),
        ("1 descriptors came with bell, not 0", &|it| {
            it.send_bytes(&Frame::Bell.encode().unwrap(), &it.files[..1]);
        }),
        ("heap segment 5#1: the memory file lacks the seals", &|it| {
            it.send_bytes(&segment(4096), &[memfd(4096, true, SealFlags::empty())]);
        }),
        (
            "heap segment 5#1: the memory file has 4096 bytes, not the 8192 announced",
            &|it| {
                it.send_bytes(&segment(8192), &[memfd(4096, true, all_seals())]);
            },
        ),
        (
            "segment 5#1 was announced before the one in its place was retired",
            &|it| {
                it.send_bytes(&segment(4096), &[memfd(4096, true, all_seals())]);
                it.send_bytes(&segment(4096), &[memfd(4096, true, all_seals())]);
            },
        ),
        (
            "heap segment 5#1 was answered for without having been asked",
            &|it| {
                it.send(&Frame::SegmentAck(SegmentName::heap(key)));
            },
        ),
        (
            "ring segment 0#1 was answered for without having been asked",
            &|it| {
                it.send(&Frame::Retired(SegmentName::ring(Key::first(0))));
            },
        ),
    ];
    for (id, (reason, breach)) in (1_u64..).zip(cases) {
        let impostor = Impostor::peer(&temp, &node, id);
        breach(&impostor);
        node.notices.wait_until(reason, |heard| {
            heard.iter().any(|notice| match notice {
                Notice::Closed(peer, Closure::Broken(why)) => {
                    *peer == impostor.hello.id && why.contains(reason)
                }
                _ => false,
            })
        });
    }
    let other = TestNode::attach(&temp, "other");
    node.meet(other.id());
}

#[test]
fn a_false_goodbye_ends_only_its_own_peering() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let other = TestNode::attach(&temp, "other");
    node.meet(other.id());
    let impostor = Impostor::peer(&temp, &node, 1);
    impostor.send(&Frame::Goodbye);
    node.notices
        .wait_for(&Notice::Dead(impostor.hello.id, Death::Goodbye));
    let again = Impostor::call(&temp, &node, 1);
    again.introduce();
    assert_eq!(again.refusal(), "the peering was ended");
    assert_eq!(node.core.peers().len(), 1);
}

#[test]
fn what_came_along_is_watched_no_longer_than_its_connection() {
    // Goal: descriptors of a stranger or peer that is gone leave the set of the control thread, although their files
    // are open elsewhere; an entry left behind would make it spin when that process ends. Method: the set is counted.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let watched = || {
        let path = format!("/proc/self/fdinfo/{}", node.core.epoll.as_fd().as_raw_fd());
        std::fs::read_to_string(path)
            .unwrap()
            .lines()
            .filter(|line| line.starts_with("tfd:"))
            .count()
    };
    let before = watched();
    let stranger = Impostor::call(&temp, &node, 1);
    stranger.introduce();
    assert!(matches!(stranger.hear(), Some(Frame::Hello(_))));
    assert_eq!(watched(), before + 2);
    let Impostor { socket, files, .. } = stranger;
    drop(socket);
    wait_until("the end of the stranger", || watched() == before);

    let peer = Impostor::peer(&temp, &node, 2);
    peer.send(&Frame::Goodbye);
    wait_until("the end of the peer", || watched() == before);
    drop((peer, files));
}
