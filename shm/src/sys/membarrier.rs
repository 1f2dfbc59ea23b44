//! A barrier in the threads of other processes: what lets the one who seldom waits pay for the fences of those who seldom meet him.
//!
//! `membarrier(2)` with GLOBAL_EXPEDITED: between its call and its return each thread that runs, of every process that has
//! registered, passes a full fence somewhere in its own order; one that does not run has passed one when it was stopped. So where
//! two sides store their own word and then look at the other's, one side may do without a fence of its own if the other makes this
//! barrier between its store and its look: the first side's store is ahead of the barrier, and found by that look, or its look is
//! behind it, and finds that store. The compiler, too, must leave the first side's two in their order (`sync::light_fence`).
//!
//! It costs half a microsecond where no such thread runs elsewhere, and an interrupt of each processor where one does: 10 us in
//! a virtual machine. So it belongs in front of sleeping.
#![expect(unsafe_code, reason = "a system call that takes numbers alone")]

use std::sync::OnceLock;

use rustix::io::Errno;

use super::SysError;

/// Has barriers of others reach this process, now and for as long as it runs; `false` if the kernel, or who filters its calls,
/// would not. Asks once.
#[must_use]
pub fn is_reached() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    *ASKED.get_or_init(|| {
        let registered = call(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
        // Whether it works is tried, too: a filter may let the one through and not the other.
        registered.and_then(|()| barrier()).is_ok()
    })
}

/// A full fence here, and in each thread that is [reached](is_reached): see the [module](self).
///
/// # Errors
///
/// The kernel has no such call, or a filter forbids it. Then there was no barrier.
pub fn barrier() -> Result<(), SysError> {
    call(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

fn call(command: libc::c_int) -> Result<(), SysError> {
    // SAFETY: takes two numbers, and touches no memory of this process.
    let code = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    match code {
        0 => Ok(()),
        _ => {
            let errno = Errno::from_io_error(&std::io::Error::last_os_error());
            let errno = errno.unwrap_or(Errno::INVAL);
            Err(SysError::new("membarrier(GLOBAL_EXPEDITED)", errno))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::sync::{AtomicU64, light_fence};

    // Goal: of one that makes the barrier and one that makes none, one at least sees the other. Method: both at once, some thousand
    // times; without the barrier, some rounds in which neither does are seen on any machine with two processors.
    #[test]
    fn one_of_two_sees_the_other() {
        if !is_reached() {
            return; // nothing is relied on then
        }
        const ROUNDS: u64 = 2_000;
        let (light, heavy) = (AtomicU64::new(0), AtomicU64::new(0));
        let start = Barrier::new(2);
        let seen: Vec<u64> = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let look = |round| {
                    start.wait();
                    light.store(round, Relaxed);
                    light_fence(crate::mutant::Mutant::NoFenceBeforeWants);
                    heavy.load(Relaxed)
                };
                (1..=ROUNDS).map(look).collect::<Vec<_>>()
            });
            let mine: Vec<u64> = (1..=ROUNDS)
                .map(|round| {
                    start.wait();
                    heavy.store(round, Relaxed);
                    barrier().unwrap();
                    light.load(Relaxed)
                })
                .collect();
            let theirs = other.join().unwrap();
            mine.iter().zip(&theirs).map(|(a, b)| *a.max(b)).collect()
        });
        for (round, seen) in (1..).zip(seen) {
            assert!(seen >= round, "round {round}: neither saw the other");
        }
    }
}
