//! Acts whose system calls a test looks at before the kernel does, to kill, stop or refuse at any of them.
//!
//! The filter (seccomp, user notification) is set before the process has other threads, so all of them have it. The test
//! knows by marks which calls belong to the act.
#![allow(unsafe_code, reason = "seccomp has no safe wrapper")]

use std::io::Error;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::Path;

use ringway::prelude::*;
use ringway_shm::sys::socket::SeqPacket;
use rustix::fs::{Mode, OFlags, open};

use super::deaths::{attach, look_up, say_line, until_told_to_end};
use super::messages::{Bulk, Record, Sink, Small};

/// An option that `prctl` does not know: the mark. Its second argument says whether the act begins or ends.
pub(crate) const MARK: u64 = 0x52_49_4e_47;

/// Bytes of a message that needs a heap of more than one segment.
const LARGE: usize = 3 << 20;

/// Plays one act: what it needs first, then, between the marks, the act itself.
pub(crate) fn play(act: &str, directory: &Path) {
    hand_over_calls(directory);
    let outcome = perform(act);
    mark(false);
    match outcome {
        Ok(node) => {
            say_line("done");
            until_told_to_end();
            if let Some(node) = node {
                node.detach();
            }
        }
        Err(error) => {
            // What went wrong and why, in one line.
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            say_line(&format!("refused: {}", text.replace('\n', " ")));
            until_told_to_end();
        }
    }
}

type Outcome = Result<Option<Node>, Box<dyn std::error::Error>>;

fn perform(act: &str) -> Outcome {
    if act == "attach" {
        mark(true);
        let node = Node::attach("test")?;
        let _sink: Addr<Sink> = node.lookup("sink").within(secs(100)).wait()?; // so they have met
        return Ok(Some(node));
    }
    let node = attach();
    match act {
        "detach" => {
            mark(true);
            node.detach();
            return Ok(None);
        }
        "open" => {
            mark(true);
            let sink: Addr<Sink> = node.lookup("sink").within(secs(100)).wait()?;
            sink.tell(Small { number: 0 }).wait()?;
        }
        "tell" => {
            let sink = look_up(&node, "sink");
            sink.tell(Small { number: 0 }).wait()?;
            mark(true);
            for number in 1..4 {
                sink.tell(Small { number }).wait()?;
            }
        }
        "grow" => {
            let sink = look_up(&node, "sink");
            mark(true);
            let mut large = sink.loan::<Bulk>(LARGE)?;
            large.fill(0);
            sink.ask(large).deadline(secs(100)).wait()?;
        }
        "serve" => {
            let (log, records) = std::sync::mpsc::channel();
            let served = Sink::new(move |record: Record| log.send(record).unwrap_or_default());
            let _served = node.actor(served).name("served").spawn()?;
            mark(true);
            say_line("serves");
            for _ in 0..6 {
                records.recv()?; // the beginning and the end of three handlers
            }
        }
        "claim" => {
            mark(true);
            let _named = node.actor(Sink::new(|_| {})).name("claimed").spawn()?;
        }
        "release" => {
            let named = node.actor(Sink::new(|_| {})).name("claimed").spawn()?;
            mark(true);
            let _ = futures::executor::block_on(named.stop_by(StopLadder::default()));
        }
        "publish" => {
            let topic = node.topic::<Small>("watched")?;
            mark(true);
            let publisher = topic.publisher().wait()?;
            publisher.publish(Small { number: 0 }).wait()?;
        }
        "subscribe" => {
            let topic = node.topic::<Small>("heard")?;
            mark(true);
            let _subscriber = topic.subscriber().wait()?;
        }
        other => panic!("no act {other:?}"),
    }
    Ok(Some(node))
}

fn mark(begins: bool) {
    // SAFETY: an unknown option: refused, whatever the arguments.
    unsafe { libc::syscall(libc::SYS_prctl, MARK, u64::from(begins), 0, 0, 0) };
}

/// From here on the test decides about each call of this thread, and of those that it starts.
fn hand_over_calls(directory: &Path) {
    let directory = open(directory, OFlags::PATH, Mode::empty()).expect("the bus's parent");
    let socket = SeqPacket::connect(&directory, "calls").expect("the test listens");
    let (hand, over) = std::sync::mpsc::channel::<Result<OwnedFd, Error>>();
    // This one's calls nobody looks at: it was there before.
    let sender = std::thread::spawn(move || {
        let sent = match over.recv().expect("a filter") {
            Ok(listener) => socket.send(b"calls", &[listener.as_fd()]),
            Err(error) => socket.send(error.to_string().as_bytes(), &[]),
        };
        sent.expect("the test receives");
    });
    hand.send(filter()).expect("it waits");
    sender.join().expect("sent");
}

/// All calls go to the listener, but those that belong to the process itself rather than to what it does with the kernel.
fn filter() -> Result<OwnedFd, Error> {
    const LEFT_ALONE: [libc::c_long; 23] = [
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigaction,
        libc::SYS_sigaltstack,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_restart_syscall,
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_sched_getaffinity,
        libc::SYS_getrandom,
    ];
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("a code"),
        jt: 0,
        jf: 0,
        k,
    };
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)]; // the call's number
    for (place, call) in LEFT_ALONE.iter().enumerate() {
        program.push(libc::sock_filter {
            code: u16::try_from(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K).expect("a code"),
            jt: u8::try_from(LEFT_ALONE.len() - place).expect("a short program"),
            jf: 0,
            k: u32::try_from(*call).expect("a number"),
        });
    }
    program.push(statement(
        libc::BPF_RET | libc::BPF_K,
        libc::SECCOMP_RET_USER_NOTIF,
    ));
    program.push(statement(
        libc::BPF_RET | libc::BPF_K,
        libc::SECCOMP_RET_ALLOW,
    ));
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).expect("a short program"),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: an option without pointers.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: a program that outlives the call, which copies it.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    if fd < 0 {
        return Err(Error::last_os_error());
    }
    let fd = i32::try_from(fd).expect("a descriptor");
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
