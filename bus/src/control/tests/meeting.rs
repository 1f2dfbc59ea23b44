use std::fs::Permissions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Barrier};

use ringway_shm::card::Counter;
use ringway_shm::registry::Kind;
use ringway_shm::sys::process::Signal;

use super::names::claim;
use crate::access::Access;
use crate::control::Core;
use crate::error::{AttachError, NameError};
use crate::frame::UringFrame;
use crate::names::Wanted;
use crate::number::Number;
use crate::peering::link::LinkError;
use crate::peering::{NodeId, PeerState};
use crate::rings::RingsError;
use crate::testing::scene::Scene;
use crate::testing::{Notice, Notices, TempDir, TestNode, wait_until};

#[test]
fn two_nodes_of_one_process_peer() {
    // Goal: both see each other with what their hellos said, and frames arrive both ways.
    let temp = TempDir::new();
    let (one, two) = (
        TestNode::attach(&temp, "one"),
        TestNode::attach(&temp, "two"),
    );
    let (two_of_one, one_of_two) = (one.meet(two.id()), two.meet(one.id()));
    assert_eq!((two_of_one.name(), one_of_two.name()), ("two", "one"));
    assert_eq!(two_of_one.identity().pid, std::process::id());
    assert_eq!(
        (two_of_one.slot(), two_of_one.state()),
        (0, PeerState::Connected)
    );

    let frame = UringFrame::encode(&"hello").unwrap();
    two_of_one.send(frame.clone()).unwrap();
    two.notices
        .wait_for(&Notice::Frame(one.id(), frame.clone()));
    one_of_two.send(frame.clone()).unwrap();
    one.notices.wait_for(&Notice::Frame(two.id(), frame));
}

#[test]
fn two_processes_peer() {
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "parent");
    let (mut scene, child) = Scene::attach(&temp);
    let peer = node.meet(child);
    assert_eq!(scene.ask(&format!("meet {}", node.id())), "met");
    assert_eq!(
        peer.identity().pid,
        scene.pid().as_raw_nonzero().get().unsigned_abs()
    );
    assert_eq!(scene.ask("detach"), "detached");
}

#[test]
fn glare_ends_with_one_peering() {
    // Goal: nodes that start at the same moment end with exactly one peering each way. Method: three threads behind a
    // barrier, two hundred times, in one directory, which must be clean afterwards.
    let temp = TempDir::new();
    for round in 0..200 {
        let barrier = Barrier::new(3);
        let nodes: Vec<TestNode> = std::thread::scope(|scope| {
            let attach = || {
                barrier.wait();
                TestNode::attach(&temp, "node")
            };
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(attach)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let ids: Vec<NodeId> = nodes.iter().map(TestNode::id).collect();
        for node in &nodes {
            let others: Vec<NodeId> = ids.iter().copied().filter(|id| *id != node.id()).collect();
            for &other in &others {
                let peer = node.meet(other);
                // The connection that both took for the peering carries frames.
                peer.send(UringFrame::encode(&round).unwrap()).unwrap();
            }
            assert_eq!(node.core.peers().len(), 2);
        }
        for node in &nodes {
            for &other in ids.iter().filter(|id| **id != node.id()) {
                node.notices
                    .wait_for(&Notice::Frame(other, UringFrame::encode(&round).unwrap()));
            }
            let heard = node.notices.all();
            let connected = heard
                .iter()
                .filter(|notice| matches!(notice, Notice::Connected(_)));
            assert_eq!(connected.count(), 2, "{heard:?}");
            assert!(
                !heard
                    .iter()
                    .any(|notice| matches!(notice, Notice::Closed(..))),
                "{heard:?}"
            );
        }
        drop(nodes);
        assert!(temp.sockets().is_empty(), "{:?}", temp.sockets());
    }
}

#[test]
fn stale_sockets_are_removed_by_whoever_meets_them() {
    // Goal: sockets of the dead go, under their final and temporary names; other files stay.
    let temp = TempDir::new();
    drop(TestNode::attach(&temp, "creates the directory"));
    let stale = [
        temp.bus().join("00000000000000aa"),
        temp.bus().join(".00000000000000bb.new"),
    ];
    for path in &stale {
        drop(UnixListener::bind(path).unwrap());
    }
    std::fs::write(temp.bus().join("notes"), "").unwrap();
    let node = TestNode::attach(&temp, "node");
    let other = TestNode::attach(&temp, "other");
    node.meet(other.id());
    let mut expected = vec![
        node.id().to_string(),
        other.id().to_string(),
        "notes".to_owned(),
    ];
    expected.sort();
    let mut found = temp.sockets();
    found.sort();
    assert_eq!(found, expected);
    assert!(
        node.core.silent_nodes().is_empty(),
        "{:?}",
        node.core.silent_nodes()
    );
}

#[test]
fn killed_nodes_leave_nothing_for_the_next() {
    let temp = TempDir::new();
    let (scene, child) = Scene::attach(&temp);
    drop(scene); // killed: its socket stays
    assert_eq!(temp.sockets(), [child.to_string()]);
    let node = TestNode::attach(&temp, "next");
    let other = TestNode::attach(&temp, "other");
    node.meet(other.id());
    drop((node, other));
    assert!(temp.sockets().is_empty());
}

#[test]
fn a_stopped_node_delays_nobody() {
    // Goal: with a stopped node on the bus, attach returns, others meet, and the stopped one is named as silent; when it
    // goes on, it is met as well. Method: SIGSTOP before the second node starts.
    let temp = TempDir::new();
    let (mut scene, child) = Scene::attach(&temp);
    scene.stop();
    let (one, two) = (
        TestNode::attach(&temp, "one"),
        TestNode::attach(&temp, "two"),
    );
    one.meet(two.id());
    let silent = one.core.silent_nodes();
    assert_eq!(silent, [format!("node {child} has not answered")]);
    scene.signal(Signal::CONT);
    one.meet(child);
    two.meet(child);
    assert!(one.core.silent_nodes().is_empty());
    assert_eq!(scene.ask("detach"), "detached");
}

#[test]
fn a_full_listener_is_tried_again() {
    // Goal: a node whose queue of connections is full is called again later. Method: a listener with no room that
    // nobody accepts from stands for a stopped node; it is closed after a while, and then found to be stale.
    let temp = TempDir::new();
    drop(TestNode::attach(&temp, "creates the directory"));
    let id = NodeId::parse("00000000000000cc").unwrap();
    let directory = std::fs::File::open(temp.bus()).unwrap();
    let listener =
        ringway_shm::sys::socket::Listener::bind(&directory, &id.to_string(), 0).unwrap();
    let held: Vec<_> = std::iter::from_fn(|| {
        ringway_shm::sys::socket::SeqPacket::connect(&directory, &id.to_string()).ok()
    })
    .collect();
    assert!(!held.is_empty());
    let node = TestNode::attach(&temp, "node");
    let other = TestNode::attach(&temp, "other");
    node.meet(other.id());
    assert_eq!(node.core.silent_nodes().len(), 1);
    drop((listener, held));
    wait_until("the removal of the stale socket", || {
        !temp.sockets().contains(&id.to_string())
    });
}

#[test]
fn long_paths_work() {
    let temp = TempDir::new();
    let deep = temp.path().join("d".repeat(120)).join("e".repeat(120));
    let attach = |name: &str| TestNode::attach_with(temp.config(name).directory(&deep));
    let (one, two) = (attach("one"), attach("two"));
    one.meet(two.id());
    drop(one);
    two.notices.wait_until("a death", |heard| {
        heard.iter().any(|it| matches!(it, Notice::Dead(..)))
    });
}

#[test]
fn two_users_meet_where_the_policy_lets_them() {
    // Goal: a bus of two users, with the directory opened to a group; without the policy each is refused. Only root can
    // try it: it needs a process of another user.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let nobody = 65534;
    let temp = TempDir::new();
    std::fs::set_permissions(temp.path(), Permissions::from_mode(0o711)).unwrap();
    std::fs::create_dir(temp.path().join("root")).unwrap();
    let access = Access::same_user().group(nobody);
    let node = TestNode::attach_with(temp.config("root").access(access));
    let mut scene = Scene::start(&temp, |command| {
        command.uid(nobody).gid(nobody);
    });
    // Its own policy admits nobody else: the directory is a stranger's.
    let answer = scene.ask("try-attach");
    assert!(
        answer.contains("belongs to uid 0, this node runs as uid 65534"),
        "{answer}"
    );
    let answer = scene.ask("try-attach-trusting 0");
    let child = NodeId::parse(&answer).unwrap_or_else(|| panic!("{answer}"));
    let peer = node.meet(child);
    assert_eq!(
        (peer.identity().uid, peer.identity().trust),
        (nobody, crate::access::Trust::Untrusted)
    );
    peer.ring_bell(); // goes over the socket
    // What this node sleeps on is no descriptor of the other's, which could have reads and writes of it wait.
    let own = eventfd_id("self", &peer.bell_fd().as_raw_fd().to_string());
    let theirs = std::fs::read_dir(format!("/proc/{}/fd", scene.pid().as_raw_nonzero())).unwrap();
    let theirs = theirs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pid = scene.pid().as_raw_nonzero().to_string();
    let theirs: Vec<_> = theirs.filter_map(|fd| eventfd_id(&pid, &fd)).collect();
    assert!(own.is_some() && !theirs.is_empty());
    assert!(!theirs.contains(&own.unwrap()));
}

/// What the kernel calls an eventfd; none for other descriptors.
fn eventfd_id(process: &str, fd: &str) -> Option<String> {
    let info = std::fs::read_to_string(format!("/proc/{process}/fdinfo/{fd}")).ok()?;
    let id = info
        .lines()
        .find_map(|line| line.strip_prefix("eventfd-id:"))?;
    Some(id.trim().to_owned())
}

#[test]
fn foreign_users_are_refused_with_both_values() {
    // Goal: SO_PEERCRED decides, whatever the permissions of the files say. Method: the files are opened to all once the
    // node has attached, and another user connects.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let temp = TempDir::new();
    let node = TestNode::attach(&temp, "root");
    for (path, mode) in [
        (temp.path().to_owned(), 0o711),
        (temp.path().join("root"), 0o711),
        (temp.bus(), 0o711),
        (temp.bus().join(node.id().to_string()), 0o666),
    ] {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let mut scene = Scene::start(&temp, |command| {
        command.uid(65534).gid(65533);
    });
    let answer = scene.ask(&format!("connect {}", node.id()));
    assert_eq!(
        answer,
        "uid 65534 gid 65533 is not admitted by a node of uid 0 (admits this user)"
    );
    assert!(node.core.peers().is_empty());
}

#[test]
fn a_role_that_nobody_took_is_an_error() {
    let temp = TempDir::new();
    let mut scene = Scene::start(&temp, |command| {
        command.env("RINGWAY_ROLE", "worker");
    });
    let answer = scene.ask("try-attach");
    assert!(answer.contains("started as \"worker\""), "{answer}");
}

#[test]
fn bad_configurations_are_refused() {
    let temp = TempDir::new();
    let attach = |config| Core::attach(config, Arc::new(Notices::default()), |_| {});
    let error = attach(temp.config(&"n".repeat(121))).unwrap_err();
    assert!(matches!(error, AttachError::Config(_)), "{error}");
    symlink(temp.path(), temp.path().join("root")).unwrap();
    let error = attach(temp.config("node")).unwrap_err();
    assert!(matches!(error, AttachError::Directory(_)), "{error}");
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error() {
    // Goal: the error names the call, the directory and the reason. Root may write everywhere, so another user tries.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let temp = TempDir::new();
    std::fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
    let mut scene = Scene::start(&temp, |command| {
        command.uid(65534).gid(65534);
    });
    let root = temp.path().join("root");
    let expected = format!(
        "mkdir on bus directory {} failed: Permission denied",
        root.display()
    );
    assert!(scene.ask("try-attach").starts_with(&expected));
}

#[test]
fn a_forked_child_can_do_nothing() {
    // Goal: between fork and exec every call of the node is an error or does nothing, and the parent's node goes on.
    // Method: each step of the child has a number, which the failing one returns; none is left for the last.
    const DONE: i32 = 100;
    let temp = TempDir::new();
    let (node, other) = (
        TestNode::attach(&temp, "node"),
        TestNode::attach(&temp, "other"),
    );
    let peer = node.meet(other.id());
    let key = claim(&node, "before").unwrap();
    let (core, config, span) = (
        Arc::clone(&node.core),
        temp.config("child"),
        node.core.ring_span(64),
    );
    let mut span = Some(span.unwrap());
    let frame = UringFrame::encode(&1).unwrap();
    let in_child = move || {
        let wanted = Wanted {
            name: "after",
            kind: Kind::Actor,
            number: Number::FIRST,
            type_hash: 7,
        };
        let refused = [
            matches!(core.claim(wanted, || {}), Err(NameError::Fork(_))),
            matches!(
                core.register(Kind::Actor, Number::FIRST, 7, || {}),
                Err(NameError::Fork(_))
            ),
            matches!(core.ring_span(64), Err(RingsError::Fork(_))),
            matches!(peer.send(frame.clone()), Err(LinkError::Fork(_))),
            core.find("before").is_none(),
            matches!(
                Core::attach(config.clone(), Arc::new(Notices::default()), |_| {}),
                Err(AttachError::Fork(_))
            ),
        ];
        drop(span.take());
        core.unregister(key);
        core.count(Counter::Restarts, 1);
        core.detach();
        let wrong = refused.iter().position(|is_refused| !is_refused);
        let code = wrong.map_or(DONE, |at| i32::try_from(at).unwrap() + 1);
        Err(std::io::Error::from_raw_os_error(code))
    };
    let mut command = Command::new("/bin/true");
    #[allow(unsafe_code, reason = "runs in the forked child")]
    // SAFETY: the closure allocates, which glibc allows in a forked child, and calls what is to be tried.
    unsafe {
        command.pre_exec(in_child)
    };
    let error = command.spawn().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(DONE));
    assert!(node.core.find("before").is_some());
    node.core.peers()[0]
        .send(UringFrame::encode(&2).unwrap())
        .unwrap();
    other
        .notices
        .wait_for(&Notice::Frame(node.id(), UringFrame::encode(&2).unwrap()));
}
