//! Limits: how many descriptors the process may open, how large a file it may make, how much memory there is at all.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::system::sysinfo;

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
