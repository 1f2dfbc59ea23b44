//! Processes: how they start, what they inherit, how their end is known, and that they end with their parent.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]
#![allow(unsafe_code, reason = "opens the pidfd of a thread")]

#[path = "support/scene.rs"]
mod scene;

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::{env, process, thread};

use ringway_shm::segment::OwnSegment;
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::launch::{Command, SpawnError, Standard};
use ringway_shm::sys::limit;
use ringway_shm::sys::process::{
    ExitStatus, ParentError, Pid, Pidfd, PidfdError, Signal, Target, die_with_parent,
};
use ringway_shm::sys::socket::SeqPacket;
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Resource, Rlimit, WaitOptions, getpid, getppid, getrlimit, setrlimit};

#[test]
fn scene() {
    scene::play(&[
        ("wait", wait),
        ("leave with seven", leave_with_seven),
        ("look around", look_around),
        ("pass a pidfd", pass_a_pidfd),
        ("be a parent", be_a_parent),
        ("die with the parent", die_with_it),
        ("mistake the parent", mistake_the_parent),
        ("raise the limit", raise_the_limit),
        ("no descriptor left", no_descriptor_left),
    ]);
}

#[test]
fn a_code_is_reported() {
    let _dog = scene::watch();
    let actor = scene::start("leave with seven", []);

    assert_eq!(actor.wait().unwrap(), ExitStatus::Code(7));
    assert!(actor.pidfd().is_dead().unwrap());
    let again = actor.wait().unwrap_err();
    assert_eq!(
        (again.call(), again.errno()),
        ("waitid(P_PIDFD)", Errno::CHILD)
    );
}

fn leave_with_seven() {
    process::exit(7);
}

/// Goal: death is known by the pidfd alone, before anyone waited. Method: an actor that waits for ever is killed.
#[test]
fn a_signal_is_reported() {
    let _dog = scene::watch();
    let actor = scene::start("wait", []);
    assert!(!actor.pidfd().is_dead().unwrap());
    assert_eq!(actor.pidfd().try_wait().unwrap(), None);
    assert_eq!(
        actor.pidfd().target().unwrap(),
        Target::Process(actor.pid())
    );

    actor.kill().unwrap();
    scene::await_readable(actor.pidfd());

    assert!(actor.pidfd().is_dead().unwrap());
    let killed = ExitStatus::Signal {
        signal: Signal::KILL.as_raw(),
        core_dumped: false,
    };
    assert_eq!(actor.pidfd().try_wait().unwrap(), Some(killed));
    assert_eq!(actor.pidfd().target().unwrap(), Target::Gone);
    actor.kill().unwrap();
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

/// Goal: a pidfd that came over a socket is proof for the process that the socket's credentials name.
#[test]
fn a_peers_pidfd_proves_its_death() {
    let _dog = scene::watch();
    let (one, other) = SeqPacket::pair().unwrap();
    let actor = scene::start(
        "pass a pidfd",
        [other.as_fd().try_clone_to_owned().unwrap()],
    );
    let pidfd = Pidfd::from_peer(receive(&one, "me").remove(0)).unwrap();

    assert_eq!(pidfd.target().unwrap(), Target::Process(actor.pid()));
    assert!(!pidfd.is_dead().unwrap());
    actor.kill().unwrap();
    scene::await_readable(&pidfd);
    assert!(pidfd.is_dead().unwrap());
}

fn pass_a_pidfd() {
    let [to_test] = scene::props();
    let own = Pidfd::of_self().unwrap();
    SeqPacket::from(to_test)
        .send(b"me", &[own.as_fd()])
        .unwrap();
    wait();
}

#[test]
fn what_is_no_pidfd_is_refused() {
    let files: [OwnedFd; 3] = [
        File::open("/proc/self/status").unwrap().into(),
        rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap(),
        pipe_with(PipeFlags::CLOEXEC).unwrap().0,
    ];
    for fd in files {
        assert_eq!(Pidfd::from_peer(fd).unwrap_err(), PidfdError::NotPidfd);
    }
}

/// Goal: the end of one thread does not pass for the end of its process.
#[test]
fn a_threads_pidfd_is_refused() {
    const PIDFD_THREAD: libc::c_long = libc::O_EXCL as libc::c_long;
    let tid = rustix::thread::gettid().as_raw_nonzero().get();
    // SAFETY: a system call on plain numbers.
    let number =
        unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(tid), PIDFD_THREAD) };
    let Ok(number @ 0..) = i32::try_from(number) else {
        println!("not run: this kernel has no pidfds of threads");
        return;
    };
    // SAFETY: opened above, for us.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };

    assert_eq!(Pidfd::from_peer(fd).unwrap_err(), PidfdError::Thread);
}

#[test]
fn own_pidfd_means_this_process() {
    let own = Pidfd::of_self().unwrap();

    assert_eq!(own.target().unwrap(), Target::Process(getpid()));
    assert!(!own.is_dead().unwrap());
    assert_eq!(own.wait().unwrap_err().errno(), Errno::CHILD);
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
    let child = Pidfd::from_peer(receive(&childs, "me").remove(0)).unwrap();

    parents.send(b"end the thread", &[]).unwrap();
    receive(&parents, "the thread is gone");
    childs.send(b"alive?", &[]).unwrap();
    receive(&childs, "alive");
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
        receive(&to_test, "end the thread");
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
    receive(&to_test, "alive?");
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

#[test]
fn the_limit_of_descriptors_is_raised() {
    let _dog = scene::watch();
    scene::start("raise the limit", []).applaud();
}

fn raise_the_limit() {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(64),
            maximum: hard,
        },
    )
    .unwrap();

    let limit = limit::raise_nofile_limit().unwrap();

    assert_eq!((limit.before, limit.now), (Some(64), hard));
    assert_eq!(getrlimit(Resource::Nofile).current, hard);
    assert_eq!(limit::raise_nofile_limit().unwrap().before, hard);
}

/// Waits for a message, which must be `text`, and returns the descriptors that came with it.
fn receive(socket: &SeqPacket, text: &str) -> Vec<OwnedFd> {
    scene::await_readable(socket);
    let mut buffer = [0; 64];
    let received = socket.recv(&mut buffer).unwrap();
    assert_eq!(std::str::from_utf8(&buffer[..received.len]).unwrap(), text);
    received.fds
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
