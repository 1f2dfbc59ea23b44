//! Refused by the kernel, at each of its calls.

use rustix::io::Errno;

use super::acts::{Others, Outcome, each_act};
use super::listener::{Blow, DUPLICATE, WATCH, name};

/// What the kernel says to each of those that make something or take something in.
fn refusals(call: i64) -> &'static [Errno] {
    match call {
        libc::SYS_memfd_create
        | libc::SYS_eventfd2
        | libc::SYS_epoll_create1
        | libc::SYS_openat
        | libc::SYS_pidfd_open
        | libc::SYS_socket
        | libc::SYS_accept4
        | DUPLICATE => &[Errno::MFILE, Errno::NFILE, Errno::NOMEM],
        libc::SYS_fallocate => &[Errno::NOSPC, Errno::INTR, Errno::NOMEM],
        libc::SYS_clone3 => &[Errno::AGAIN],
        libc::SYS_bind | libc::SYS_mkdirat | libc::SYS_renameat | libc::SYS_renameat2 => {
            &[Errno::ACCESS, Errno::NOSPC]
        }
        libc::SYS_connect => &[Errno::AGAIN],
        libc::SYS_sendmsg => &[Errno::AGAIN, Errno::TOOMANYREFS, Errno::NOBUFS, Errno::INTR],
        libc::SYS_recvmsg => &[Errno::INTR, Errno::NOMEM],
        WATCH => &[Errno::NOMEM, Errno::NOSPC],
        _ => &[],
    }
}

// Goal: each refusal is an error that says what failed, or is got over; nobody panics, and the others notice nothing.
fn refused_at_every_call(act: &'static str) {
    let others = Others::new(&format!("refused-{act}"));
    let Some(calls) = others.calls_of(act) else {
        return;
    };
    let (mut done, mut refused) = (0, 0);
    for (at, call) in calls.iter().enumerate() {
        for errno in refusals(*call) {
            let mut watched = others
                .begin(act, Some((at, Blow::Fail(*call, *errno))))
                .unwrap();
            let what = format!("{act}, {at}: {} with {errno}", name(*call));
            let outcome = watched.outcome(&others);
            match outcome {
                Outcome::Done => done += 1,
                Outcome::Refused(why) => {
                    // What is refused once succeeds when it is tried again: nobody waits in vain.
                    assert!(!why.contains("within"), "{what}: {why}");
                    refused += 1;
                    println!("{what}: {why}");
                }
                Outcome::Died => panic!("{what}: died"),
            }
            let _ = watched.end();
            others.are_well();
        }
    }
    println!(
        "{act}: {} calls; {done} refusals got over, {refused} told",
        calls.len()
    );
}

// Without `serve`: there a refusal can leave whoever asked waiting, which ARCHITECTURE.md names among the limits.
each_act!(
    refused_at_every_call: attach detach open tell grow claim release publish subscribe
);
