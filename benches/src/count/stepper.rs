//! Steps a thread of another process from mark to mark, one instruction at a time.
//!
//! Only that thread is traced: the process's other threads run as ever. What the kernel does in a system call is one
//! instruction; an instruction that repeats itself counts as often as it does.
#![allow(unsafe_code, reason = "ptrace")]

use std::io::Error;
use std::mem::MaybeUninit;
use std::ptr::{null_mut, without_provenance_mut};

use libc::{c_int, c_void, pid_t};

use super::marks::MARK;
use crate::Result;

/// Steps of one stretch, at the most: what takes longer has lost its end.
const STEPS_MAX: u64 = 2_000_000;
/// What `PTRACE_O_TRACESYSGOOD` makes of the stop at a system call.
const SYSCALL_STOP: c_int = libc::SIGTRAP | 0x80;

/// A seized thread; it is let go when this is dropped.
#[derive(Debug)]
pub(super) struct Stepper {
    thread: pid_t,
}

impl Stepper {
    /// Takes the first thread of a process, wherever it is; `Err` says why that is not permitted.
    pub(super) fn seize(process: u32) -> std::result::Result<Self, String> {
        let thread = pid_t::try_from(process).map_err(|error| error.to_string())?;
        let stepper = Self { thread };
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
        let options = without_provenance_mut(usize::try_from(options).unwrap_or(0));
        let seized = stepper
            .request(libc::PTRACE_SEIZE, options)
            .and_then(|()| stepper.request(libc::PTRACE_INTERRUPT, null_mut()));
        seized.map_err(|error| format!("ptrace: {error}"))?;
        stepper.stopped().map_err(|error| error.to_string())?;
        Ok(stepper)
    }

    /// Runs the thread until it says that there are no more stretches; returns the steps of each.
    pub(super) fn run(self) -> Result<Vec<u64>> {
        let mut stretches = Vec::new();
        loop {
            self.request(libc::PTRACE_SYSCALL, null_mut())?;
            if self.stopped()? != SYSCALL_STOP {
                continue;
            }
            let registers = self.registers()?;
            // At the call's entry the kernel has put this for a result; at its exit it is the refusal.
            let enters = registers.rax.cast_signed() == -i64::from(libc::ENOSYS);
            let is_mark =
                registers.orig_rax.cast_signed() == libc::SYS_prctl && registers.rdi == MARK;
            match registers.rsi {
                _ if !enters || !is_mark => {}
                0 => return Ok(stretches),
                end => stretches.push(self.step_to(end)?),
            }
        }
    }

    fn step_to(&self, end: u64) -> Result<u64> {
        for steps in 0..STEPS_MAX {
            if self.registers()?.rip == end {
                return Ok(steps);
            }
            self.request(libc::PTRACE_SINGLESTEP, null_mut())?;
            self.stopped()?;
        }
        Err(format!("a stretch did not end in {STEPS_MAX} instructions").into())
    }

    /// Waits for the thread's next stop and returns its signal.
    fn stopped(&self) -> Result<c_int> {
        let mut status = 0;
        // SAFETY: writes one integer of ours.
        let waited = unsafe { libc::waitpid(self.thread, &raw mut status, libc::__WALL) };
        if waited != self.thread {
            return Err(Error::last_os_error().into());
        }
        if !libc::WIFSTOPPED(status) {
            return Err(format!("the stepped process ended, status {status:#x}").into());
        }
        Ok(libc::WSTOPSIG(status))
    }

    fn registers(&self) -> Result<libc::user_regs_struct> {
        let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
        self.request(libc::PTRACE_GETREGS, registers.as_mut_ptr().cast())?;
        // SAFETY: integers, zeroed, and then written by the kernel.
        Ok(unsafe { registers.assume_init() })
    }

    fn request(&self, what: libc::c_uint, data: *mut c_void) -> std::io::Result<()> {
        // SAFETY: `data` is null, a number, or the address of a record that this request fills.
        match unsafe { libc::ptrace(what, self.thread, null_mut::<c_void>(), data) } {
            -1 => Err(Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        // An error means that the thread has ended, or was never ours.
        let _ = self.request(libc::PTRACE_DETACH, null_mut());
    }
}
