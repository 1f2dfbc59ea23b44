//! A client that speaks the protocol by hand, and wrongly: each lie is refused with its own words, and harms nobody.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use ringway_shm::card::{Card, CardConfig};
use ringway_shm::generation::Key;
use ringway_shm::segment::OwnSegment;
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::process::{Pid, Pidfd, Signal};
use ringway_shm::sys::socket::{RecvError, SeqPacket};
use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};

use crate::control::{Core, Upper};
use crate::frame::{
    Announcement, FRAME_MAX, Frame, Protocols, SegmentName, UringFrame, WireKey, preamble,
};
use crate::peering::hello::{Clock, Hello, Host};
use crate::peering::link::LinkError;
use crate::peering::{Closure, Death, NodeId, Peer};
use crate::testing::scene::Scene;
use crate::testing::{Notice, Notices, TempDir, TestNode, wait_until};

/// A node that exists only as far as its hello needs it.
struct Impostor {
    socket: SeqPacket,
    hello: Hello,
    files: Vec<OwnedFd>,
}

impl Impostor {
    /// Connects to `node` with everything in order.
    fn call(temp: &TempDir, node: &TestNode, id: u64) -> Self {
        let socket =
            SeqPacket::connect(File::open(temp.bus()).unwrap(), &node.id().to_string()).unwrap();
        let (_card, card) = Card::create(&CardConfig {
            node_id: id,
            registry_capacity: 8,
            ..CardConfig::default()
        })
        .unwrap();
        let ring = OwnSegment::create("test", 4096).unwrap();
        let (bell, process) = (Eventfd::create().unwrap(), Pidfd::of_self().unwrap());
        let hello = Hello {
            id: NodeId::from_bits(id).unwrap(),
            name: "impostor".to_owned(),
            pid: std::process::id(),
            host: Host::of_process(),
            clock: Clock::of_process(),
            card_len: card.len(),
            ring: WireKey(Key::first(0)),
            ring_len: ring.len(),
        };
        let files = [card.fd(), ring.fd(), bell.as_fd(), process.as_fd()];
        let files = files.map(|fd| fd.try_clone_to_owned().unwrap()).into();
        Self {
            socket,
            hello,
            files,
        }
    }

    fn send(&self, frame: &Frame) {
        self.send_bytes(&frame.encode().unwrap(), &[]);
    }

    fn send_bytes(&self, bytes: &[u8], files: &[OwnedFd]) {
        let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        self.socket.send(bytes, &files).unwrap();
    }

    fn introduce(&self) {
        self.send_bytes(
            &Frame::Hello(Box::new(self.hello.clone())).encode().unwrap(),
            &self.files,
        );
    }

    /// The next frame, or `None` at the end.
    fn hear(&self) -> Option<Frame> {
        let mut buffer = [0; FRAME_MAX];
        let mut heard = None;
        wait_until("an answer", || {
            match self.socket.recv(&mut buffer) {
                Ok(received) => heard = Some(Frame::decode(&buffer[..received.len]).unwrap()),
                Err(RecvError::WouldBlock | RecvError::Reset) => return false,
                Err(_) => {}
            }
            true
        });
        heard
    }

    /// What the node says when it hangs up.
    fn refusal(&self) -> String {
        loop {
            match self.hear() {
                Some(Frame::Refuse(refusal)) => return refusal.to_string(),
                Some(_) => {}
                None => return "the end".to_owned(),
            }
        }
    }

    /// Goes through with it: a peering with an impostor of the smallest id, which settles.
    fn peer(temp: &TempDir, node: &TestNode, id: u64) -> Self {
        let impostor = Self::call(temp, node, id);
        impostor.introduce();
        assert!(matches!(impostor.hear(), Some(Frame::Hello(_))));
        impostor.send(&Frame::Settled);
        node.meet(impostor.hello.id);
        impostor
    }
}

fn memfd(len: u64, is_reserved: bool, seals: SealFlags) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create("test", flags).unwrap();
    rustix::fs::ftruncate(&fd, len).unwrap();
    if is_reserved {
        rustix::fs::fallocate(&fd, rustix::fs::FallocateFlags::empty(), 0, len).unwrap();
    }
    rustix::fs::fcntl_add_seals(&fd, seals).unwrap();
    fd
}

fn all_seals() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL
}

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
            "its card is not what it is said to be: the descriptor is not a readable memory file",
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
    assert_eq!(impostor.refusal(), "speaks protocol 7 to 9, this node 1");
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
            let mut bytes = preamble(Protocols { min: 1, max: 1 }).to_vec();
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

/// A layer above that has a peer say everything once more, by a copy of its socket.
#[derive(Default)]
struct Parrot {
    notices: Notices,
    sockets: Mutex<Vec<SeqPacket>>,
}

impl Upper for Parrot {
    fn connected(&self, peer: &Arc<Peer>) {
        self.notices.connected(peer);
    }

    fn frame(&self, _peer: &Arc<Peer>, frame: UringFrame) {
        let bytes = Frame::Uring(frame).encode().unwrap();
        for socket in &*self.sockets.lock().unwrap() {
            let _ = socket.send(&bytes, &[]); // fails at the last
        }
    }

    fn closed(&self, _peer: &Arc<Peer>, _reason: &Closure) {}

    fn dead(&self, peer: &Arc<Peer>, how: Death) {
        self.notices.dead(peer, how);
    }

    fn names_changed(&self, _peer: &Arc<Peer>) {}

    fn heap_acknowledged(&self, _peer: &Arc<Peer>, _segment: Key) {}
}

#[test]
fn a_dead_peer_says_nothing_more_though_its_socket_is_held() {
    // Goal: what a dead process has said is read, and no more: else one that holds its socket could speak for ever, and
    // its death would not be told. Method: this process takes the socket of a child, kills it, and adds a frame for each
    // that is read.
    let temp = TempDir::new();
    let upper = Arc::new(Parrot::default());
    let core = Core::attach(temp.config("node"), upper.clone(), |_| {}).unwrap();
    let (mut scene, id) = Scene::attach(&temp);
    upper.notices.wait_for(&Notice::Connected(id));
    let _hush = Hush(&upper, &core);
    let frame = Frame::Uring(UringFrame::encode(&0).unwrap());
    let frame = frame.encode().unwrap();
    {
        let mut sockets = upper.sockets.lock().unwrap();
        *sockets = sockets_of(&scene);
        assert!(sockets.iter().any(|it| it.send(&frame, &[]).is_ok()));
    }
    scene.signal(Signal::KILL);
    scene.wait();
    upper.notices.wait_for(&Notice::Dead(id, Death::Process));
}

/// Ends the talk, also when the test fails, and with it the node.
struct Hush<'a>(&'a Parrot, &'a Core);

impl Drop for Hush<'_> {
    fn drop(&mut self) {
        self.0.sockets.lock().unwrap().clear();
        self.1.detach();
    }
}

/// Copies of a child's connections.
fn sockets_of(scene: &Scene) -> Vec<SeqPacket> {
    let pid = scene.pid();
    let process = Pidfd::open(pid).unwrap();
    let listing = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let is_socket = |path: &std::path::Path| {
        std::fs::read_link(path).is_ok_and(|link| link.to_string_lossy().starts_with("socket:"))
    };
    let paths = std::fs::read_dir(listing).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    let sockets: Vec<_> = paths
        .filter(|path| is_socket(path))
        .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .map(|fd| pidfd_getfd(&process, fd, PidfdGetfdFlags::empty()).unwrap())
        .map(SeqPacket::from)
        .collect();
    assert!(!sockets.is_empty());
    sockets
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
