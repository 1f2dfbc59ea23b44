//! Starting processes: what they inherit, what they do not, and that they end with their parent.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

#[path = "support/scene.rs"]
mod scene;

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::{env, process, thread};

use ringway_shm::segment::OwnSegment;
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::inherit;
use ringway_shm::sys::launch::{Command, SpawnError, Standard};
use ringway_shm::sys::process::{ParentError, Pid, Pidfd, Signal, die_with_parent};
use ringway_shm::sys::socket::{RecvError, SeqPacket};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Resource, Rlimit, WaitOptions, getpid, getppid, getrlimit, setrlimit};

#[test]
fn scene() {
    scene::play(&[
        ("wait", wait),
        ("leave with seven", leave_with_seven),
        ("look around", look_around),
        ("take a socket", take_a_socket),
        ("be a parent", be_a_parent),
        ("die with the parent", die_with_it),
        ("mistake the parent", mistake_the_parent),
        ("no descriptor left", no_descriptor_left),
    ]);
}

fn leave_with_seven() {
    process::exit(7);
}

fn wait() {
    scene::await_readable(Eventfd::create().unwrap());
}

/// Goal: a child keeps what it was given and nothing else. Method: it compares its table of descriptors, arguments and
/// variables with what the test named, while the test has all kinds of descriptors open.
#[test]
fn a_child_keeps_what_it_was_given() {
    let _dog = scene::watch();
    let _others = (
        Eventfd::create().unwrap(),
        SeqPacket::pair().unwrap(),
        Pidfd::of_self().unwrap(),
    );
    let _segment = OwnSegment::create("not inherited", 4096).unwrap();
    let kept = OwnSegment::create("kept", 4096).unwrap();
    let mut command = scene::command("look around", [kept.fd().try_clone_to_owned().unwrap()]);
    command.env("RINGWAY_GIVEN", "a value").env_remove("PATH");

    scene::Actor(command.spawn().unwrap()).applaud();
}

/// Goal: a child takes the socket that it was left, once, and nothing else by its number.
#[test]
fn a_child_takes_an_inherited_socket_once() {
    let _dog = scene::watch();
    let (ours, theirs) = SeqPacket::pair().unwrap();
    let other = File::open("/dev/null").unwrap();
    let props = [theirs.as_fd().try_clone_to_owned().unwrap(), other.into()];
    drop(theirs);
    let actor = scene::start("take a socket", props);

    scene::await_readable(&ours);

    let mut buffer = [0; 8];
    let received = ours.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..received.len], b"mine");
    actor.applaud();
    assert_eq!(ours.recv(&mut buffer).unwrap_err(), RecvError::Closed);
}

fn take_a_socket() {
    let numbers = env::var("RINGWAY_PROPS").unwrap();
    let mut numbers = numbers.split(',').map(|number| number.parse().unwrap());
    let (socket, file) = (numbers.next().unwrap(), numbers.next().unwrap());
    let refused = |number| inherit::take_socket(number).unwrap_err().errno();
    let own = SeqPacket::pair().unwrap().0;

    let taken = inherit::take_socket(socket).unwrap();

    assert!(fcntl_getfd(&taken).unwrap().contains(FdFlags::CLOEXEC));
    taken.send(b"mine", &[]).unwrap();
    assert_eq!(refused(socket), Errno::BADF, "taken before");
    assert_eq!(refused(own.as_fd().as_raw_fd()), Errno::BADF, "opened here");
    assert_eq!(refused(file), Errno::NOTSOCK);
    for none in [-1, 0, 2, 1 << 20] {
        assert_eq!(refused(none), Errno::BADF);
    }
    // The harness has a thread beside this one.
    assert!(!inherit::remove_variables(&["RINGWAY_PROPS"]));
    assert!(env::var("RINGWAY_PROPS").is_ok());
}

fn look_around() {
    let [kept] = scene::props();
    assert_eq!(link(&kept), "/memfd:kept (deleted)");
    assert!(!fcntl_getfd(&kept).unwrap().contains(FdFlags::CLOEXEC));
    let kinds = ["memfd", "eventfd", "pidfd", "socket"];
    let mut links = links();
    links.retain(|link| kinds.iter().any(|kind| link.contains(kind)));
    assert_eq!(links, ["/memfd:kept (deleted)"]);
    assert_eq!(env::var("RINGWAY_GIVEN").unwrap(), "a value");
    assert_eq!(env::var_os("PATH"), None);
    assert_eq!(env::args().nth(1).unwrap(), "--exact");
    assert!(fs::read_link("/proc/self/fd/1").unwrap().ends_with("null"));
}

/// Goal: a child never inherits what another one was meant to keep. Method: many start at once, each looks around.
#[test]
fn children_started_at_once_keep_only_their_own() {
    let _dog = scene::watch();
    let start = || {
        let kept = OwnSegment::create("kept", 4096).unwrap();
        let mut command = scene::command("look around", [kept.fd().try_clone_to_owned().unwrap()]);
        command.env("RINGWAY_GIVEN", "a value").env_remove("PATH");
        scene::Actor(command.spawn().unwrap()).applaud();
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(start);
        }
    });
}

/// Goal: when `spawn` returns, this process has no copy of what the child keeps. Method: a pipe has one end here then.
/// Several times, as it is a race if not so. (Other children that are just starting hold copies until they have exec'd.)
#[test]
fn a_spawned_command_holds_nothing() {
    let _dog = scene::watch();
    for _ in 0..20 {
        let (input, output) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut command = Command::new("/bin/true");
        command.keep(output).unwrap();

        let child = scene::Actor(command.spawn().unwrap());

        let pipe = link(&input);
        assert_eq!(links().iter().filter(|link| **link == pipe).count(), 1);
        assert_eq!(rustix::io::read(&input, &mut [0; 1]), Ok(0));
        child.applaud();
    }
}

/// Goal: what the launcher does to its own signals is not inherited.
#[test]
fn a_child_starts_with_default_signals() {
    let _dog = scene::watch();
    let (input, output) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut command = Command::new("/bin/grep");
    command
        .arg("-E")
        .arg("^Sig(Blk|Ign)")
        .arg("/proc/self/status");
    command.standard(Standard::Output, output).unwrap();

    scene::Actor(command.spawn().unwrap()).applaud();

    let status = std::io::read_to_string(File::from(input)).unwrap();
    let sets = status
        .lines()
        .map(|line| u64::from_str_radix(&line[8..], 16).unwrap());
    let [blocked, ignored] = sets.collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(blocked, 0);
    assert_eq!(ignored & 1 << (Signal::PIPE.as_raw() - 1), 0, "SIGPIPE");
}

#[test]
fn a_missing_program_is_an_error() {
    let refused = Command::new("/nowhere/at/all").spawn().unwrap_err();

    let SpawnError::System(error) = refused else {
        panic!("{refused}")
    };
    assert_eq!((error.call(), error.errno()), ("posix_spawn", Errno::NOENT));
}

#[test]
fn a_zero_byte_is_an_error() {
    let mut command = Command::own_executable();
    command.arg(OsString::from("a\0b"));

    assert!(matches!(
        command.spawn().unwrap_err(),
        SpawnError::ZeroByte(_)
    ));
}

/// Goal: a child whose pidfd cannot be had does not run on unknown.
#[test]
fn a_child_without_a_pidfd_is_ended() {
    let _dog = scene::watch();
    scene::start("no descriptor left", []).applaud();
}

fn no_descriptor_left() {
    drop(scene::start("wait", [])); // The launcher runs from now on.
    let command = scene::command("leave with seven", []);
    let probe = File::open("/dev/null").unwrap();
    let lowest_free = u64::try_from(probe.as_raw_fd()).unwrap();
    drop(probe);
    let before = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(lowest_free),
            ..before
        },
    )
    .unwrap();

    let refused = command.spawn().map(scene::Actor).err();

    setrlimit(Resource::Nofile, before).unwrap();
    let Some(SpawnError::System(error)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((error.call(), error.errno()), ("pidfd_open", Errno::MFILE));
    let children = rustix::process::wait(WaitOptions::NOHANG);
    assert_eq!(children.unwrap_err(), Errno::CHILD, "there are no children");
}

/// Goal: a child dies with its parent process, and not with the thread that asked for it. Method: a parent has a short
/// thread spawn a child, which binds itself to the parent; then the thread ends, and when the kernel has forgotten it, the
/// child must answer; then the parent is killed.
#[test]
fn a_bound_child_dies_with_the_process_not_the_thread() {
    let _dog = scene::watch();
    let (parents, to_parent) = SeqPacket::pair().unwrap();
    let (childs, to_child) = SeqPacket::pair().unwrap();
    let props = [&to_parent, &to_child].map(|end| end.as_fd().try_clone_to_owned().unwrap());
    let parent = scene::start("be a parent", props);
    drop((to_parent, to_child));
    let child = Pidfd::from_peer(scene::receive(&childs, "me").remove(0)).unwrap();

    parents.send(b"end the thread", &[]).unwrap();
    scene::receive(&parents, "the thread is gone");
    childs.send(b"alive?", &[]).unwrap();
    scene::receive(&childs, "alive");
    assert!(!child.is_dead().unwrap());

    parent.kill().unwrap();
    scene::await_readable(&child);
    assert!(child.is_dead().unwrap());
}

fn be_a_parent() {
    let [to_test, childs] = scene::props();
    let to_test = SeqPacket::from(to_test);
    let spawn_and_wait = || {
        let mut command = scene::command("die with the parent", [childs]);
        command.env("RINGWAY_PARENT", process::id().to_string());
        let child = scene::Actor(command.spawn().unwrap());
        scene::receive(&to_test, "end the thread");
        (child, rustix::thread::gettid())
    };
    let (_child, tid) = thread::scope(|scope| scope.spawn(spawn_and_wait).join().unwrap());
    let task = format!("/proc/self/task/{tid}");
    while fs::exists(&task).unwrap() {
        thread::yield_now();
    }
    to_test.send(b"the thread is gone", &[]).unwrap();
    wait();
}

fn die_with_it() {
    let [to_test] = scene::props();
    let parent = env::var("RINGWAY_PARENT").unwrap().parse().unwrap();
    die_with_parent(Signal::KILL, Pid::from_raw(parent).unwrap()).unwrap();
    let (to_test, own) = (SeqPacket::from(to_test), Pidfd::of_self().unwrap());
    to_test.send(b"me", &[own.as_fd()]).unwrap();
    scene::receive(&to_test, "alive?");
    to_test.send(b"alive", &[]).unwrap();
    wait();
}

/// Goal: a child whose parent died before it could bind itself learns that. Method: it names another process.
#[test]
fn a_gone_parent_is_reported() {
    let _dog = scene::watch();
    scene::start("mistake the parent", []).applaud();
}

fn mistake_the_parent() {
    assert_eq!(
        die_with_parent(Signal::KILL, getpid()).unwrap_err(),
        ParentError::Gone
    );
    die_with_parent(Signal::KILL, getppid().unwrap()).unwrap();
}

fn link(fd: impl AsFd) -> String {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    fs::read_link(path)
        .unwrap()
        .into_os_string()
        .into_string()
        .unwrap()
}

/// What the descriptors of this process are.
fn links() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    let links = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    links
        .map(|link| link.into_os_string().into_string().unwrap())
        .collect()
}
