//! False hellos, and words out of order before there is a peering.

use super::*;

/// A process that is not ours, for as long as it lives.
struct Stranger(Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn false_introductions_are_refused_with_their_reason() {
    // Goal: every false value and every false descriptor of a hello is refused in its own words. Method: one change
    // each to a hello that would be accepted, which the last case shows.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let stranger = Stranger(Command::new("sleep").arg("1000").spawn().unwrap());
    let stranger_pid = Pid::from_raw(i32::try_from(stranger.0.id()).unwrap()).unwrap();
    let other_card = Impostor::call(&temp, &node, 9);
    let own_id = node.id();

    type Change<'a> = &'a dyn Fn(&mut Impostor);
    let cases: &[(&str, Change<'_>)] = &[
        ("passed 3 descriptors, a hello has 4", &|it| {
            drop(it.files.pop())
        }),
        ("passed 0 descriptors, a hello has 4", &|it| {
            it.files.clear()
        }),
        ("passed 5 descriptors, a hello has 4", &|it| {
            it.files.push(memfd(1, false, SealFlags::empty()))
        }),
        (
            "its card is not what it is said to be: the memory file lacks the seals",
            &|it| {
                it.files[0] = memfd(it.hello.card_len, true, SealFlags::SHRINK);
            },
        ),
        (
            "its card is not what it is said to be: the descriptor is not a memory file that is open for reading and writing",
            &|it| {
                it.files[0] = File::open("/").unwrap().into();
            },
        ),
        (
            "its card is not what it is said to be: the memory file has",
            &|it| it.hello.card_len += 4096,
        ),
        (
            "its card is not what it is said to be: a segment of 0 bytes",
            &|it| it.hello.card_len = 0,
        ),
        (
            "its card is not what it is said to be: the peer passed no card",
            &|it| {
                it.files[0] = memfd(it.hello.card_len, true, all_seals());
            },
        ),
        ("it is the card of node 0000000000000009", &|it| {
            it.files[0] = other_card.files[0].try_clone().unwrap();
            it.hello.card_len = other_card.hello.card_len;
        }),
        (
            "its first ring segment is not what it is said to be: the memory file has 0 of 4096 bytes reserved",
            &|it| {
                it.files[1] = memfd(4096, false, all_seals());
            },
        ),
        (
            "its first ring segment is not what it is said to be: the memory file lacks the seals",
            &|it| {
                it.files[1] = memfd(
                    4096,
                    true,
                    SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
                );
            },
        ),
        (
            "its first ring segment is not what it is said to be: segment 4096#1 has an index beyond",
            &|it| it.hello.ring = WireKey(Key::first(4096)),
        ),
        (
            "its doorbell is not what it is said to be: the descriptor is",
            &|it| {
                it.files[2] = File::open("/dev/null").unwrap().into();
            },
        ),
        (
            "its doorbell is not what it is said to be: writes to it could block",
            &|it| {
                let flags = rustix::fs::fcntl_getfl(&it.files[2]).unwrap();
                rustix::fs::fcntl_setfl(&it.files[2], flags - OFlags::NONBLOCK).unwrap();
            },
        ),
        (
            "its process descriptor is not what it is said to be: the descriptor is not a pidfd",
            &|it| {
                it.files[3] = File::open("/dev/null").unwrap().into();
            },
        ),
        ("but passed the descriptor of process", &|it| {
            let pidfd = Pidfd::open(stranger_pid).unwrap();
            it.files[3] = pidfd.as_fd().try_clone_to_owned().unwrap();
        }),
        ("has this node's own id", &|it| it.hello.id = own_id),
        ("has pages of 1 bytes, this node", &|it| {
            it.hello.host.page_size = 1
        }),
        ("has memory layout 0000000000000001, this node", &|it| {
            it.hello.host.layout_hash = 1
        }),
        (
            "was booted as 00000000000000000000000000000001, this node",
            &|it| it.hello.host.boot_id = 1,
        ),
        ("has a node name of 200 bytes", &|it| {
            it.hello.name = "n".repeat(200)
        }),
    ];
    for (reason, change) in cases {
        let mut impostor = Impostor::call(&temp, &node, 1);
        change(&mut impostor);
        impostor.introduce();
        let refusal = impostor.refusal();
        assert!(
            refusal.contains(reason),
            "{refusal:?} should say {reason:?}"
        );
    }
    assert!(node.core.peers().is_empty());
    drop(Impostor::peer(&temp, &node, 1));
}

#[test]
fn another_protocol_is_refused_with_both_versions() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let impostor = Impostor::call(&temp, &node, 1);
    let mut hello = Frame::Hello(Box::new(impostor.hello.clone()))
        .encode()
        .unwrap();
    hello[..16].copy_from_slice(&preamble(Protocols { min: 7, max: 9 }));
    impostor.send_bytes(&hello, &impostor.files);
    let expected = format!("speaks protocol 7 to 9, this node {SPOKEN}");
    assert_eq!(impostor.refusal(), expected);
}

#[test]
fn words_out_of_order_are_refused() {
    // Goal: whatever comes instead of the next step of the handshake ends the connection.
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let impostor = |id| Impostor::call(&temp, &node, id);
    for first in [
        Frame::Agreed,
        Frame::Settled,
        Frame::Goodbye,
        Frame::NamesChanged,
    ] {
        let impostor = impostor(1);
        impostor.send(&first);
        assert!(
            impostor
                .refusal()
                .contains("sent what no node says at this point")
        );
    }
    for bytes in [&b"x"[..], &[0; 16], &[7; FRAME_MAX], &[7; FRAME_MAX + 1000]] {
        let impostor = impostor(1);
        impostor.send_bytes(bytes, &[]);
        assert!(
            impostor
                .refusal()
                .contains("sent what no node says at this point")
        );
    }
    // After the hello: again, or the word of the wrong side.
    let (small, large) = (1, u64::MAX);
    for (id, next) in [(small, Frame::Agreed), (large, Frame::Settled)] {
        let impostor = impostor(id);
        impostor.introduce();
        assert!(matches!(impostor.hear(), Some(Frame::Hello(_))));
        impostor.send(&next);
        assert!(
            impostor
                .refusal()
                .contains("sent what no node says at this point")
        );
    }
    let impostor = impostor(large);
    impostor.introduce();
    impostor.introduce();
    assert!(impostor.refusal().contains("hello"));
    assert!(node.core.peers().is_empty());
}

#[test]
fn the_second_connection_of_a_node_is_a_duplicate() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "node");
    let first = Impostor::peer(&temp, &node, 1);
    let second = Impostor::call(&temp, &node, 1);
    second.introduce();
    assert_eq!(second.refusal(), "is connected already");
    drop(first);
    node.notices.wait_for(&Notice::Closed(
        NodeId::from_bits(1).unwrap(),
        Closure::HungUp,
    ));
    let third = Impostor::call(&temp, &node, 1);
    third.introduce();
    assert_eq!(third.refusal(), "the peering was ended");
}
