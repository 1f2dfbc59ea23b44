//! Limits: how many descriptors the process may open, how large a file it may make, how much memory there is at all, which
//! processors it may use, and when.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::system::sysinfo;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::{Named, SysError};

/// How many descriptors the process may have open. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NofileLimit {
    /// The soft limit before the call.
    pub before: Option<u64>,
    /// The soft limit now.
    pub now: Option<u64>,
}

/// Raises the soft limit of open descriptors to the hard one, and returns both values of the soft one.
///
/// Programs that still use `select`, which cannot take numbers above 1023, must not attach to a bus with many nodes.
///
/// # Errors
///
/// `setrlimit(RLIMIT_NOFILE)`; the limit is then as before.
pub fn raise_nofile_limit() -> Result<NofileLimit, SysError> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        )
        .named("setrlimit(RLIMIT_NOFILE)")?;
    }
    Ok(NofileLimit {
        before: limit.current,
        now: limit.maximum,
    })
}

/// Returns how many descriptors the process may have open: the soft limit, `None` for no limit.
#[must_use]
pub fn nofile_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Returns the largest file that the process may make, `None` for no limit. Growing one beyond it raises SIGXFSZ, also
/// when the file is memory.
#[must_use]
pub fn file_size_max() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Returns the bytes of memory and swap space that the machine has at all. Asking the kernel for more than that would end
/// some process before it was refused.
#[must_use]
pub fn memory_max() -> u64 {
    let machine = sysinfo();
    let units = machine.totalram.saturating_add(machine.totalswap);
    units.saturating_mul(machine.mem_unit.into())
}

/// Something that a process may have so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounded {
    /// Bytes of address space, used or only reserved.
    AddressSpace,
    /// Open descriptors.
    OpenFiles,
}

/// Bounds what this process may have, for good: the soft and the hard limit.
///
/// # Errors
///
/// `setrlimit`, with EPERM for more than the hard limit was.
pub fn bound(what: Bounded, max: u64) -> Result<(), SysError> {
    let (resource, call) = match what {
        Bounded::AddressSpace => (Resource::As, "setrlimit(RLIMIT_AS)"),
        Bounded::OpenFiles => (Resource::Nofile, "setrlimit(RLIMIT_NOFILE)"),
    };
    let limit = Rlimit {
        current: Some(max),
        maximum: Some(max),
    };
    setrlimit(resource, limit).named(call)
}

/// Has the calling thread, and those that it starts from now on, run on these processors only.
///
/// # Errors
///
/// `sched_setaffinity`, with EINVAL when none of them is there for this process.
pub fn run_on(cpus: &[u32]) -> Result<(), SysError> {
    const CALL: &str = "sched_setaffinity";
    let mut set = CpuSet::new();
    for cpu in cpus {
        let cpu = usize::try_from(*cpu)
            .ok()
            .filter(|cpu| *cpu < CpuSet::MAX_CPU);
        set.set(cpu.ok_or(SysError::new(CALL, Errno::INVAL))?);
    }
    sched_setaffinity(None, &set).named(CALL)
}

/// Gives the calling thread, and those that it starts from now on, that nice value, from -20 to 19.
///
/// # Errors
///
/// `setpriority`: with EINVAL outside of that range, with EACCES for less than the thread has unless it is privileged.
pub fn be_nice(nice: i32) -> Result<(), SysError> {
    const CALL: &str = "setpriority";
    // The kernel would take the nearest that there is.
    if !(-20..20).contains(&nice) {
        return Err(SysError::new(CALL, Errno::INVAL));
    }
    setpriority_process(None, nice).named(CALL)
}
