//! Memory files: made whole, sealed, and looked at when they come from a stranger.
//!
//! A file is reserved to the last page before anyone maps it, so that no access can meet a page that cannot be had
//! (SIGBUS), and its size is asked of the process's limit first, so that making it raises no SIGXFSZ.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    FallocateFlags, FileType, MemfdFlags, Mode, OFlags, SealFlags, fallocate, fchmod,
    fcntl_add_seals, fcntl_get_seals, fcntl_getfl, fstat, fstatfs, ftruncate, memfd_create,
};
use rustix::io::Errno;

use super::{Named, SysError, limit, uninterrupted};

/// The seals of a segment: nobody can resize it, map it writable any more, or take a seal away. Mappings made before
/// keep their right to write.
pub const SEGMENT_SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::FUTURE_WRITE)
    .union(SealFlags::SEAL);

/// Bytes reserved per call. In older kernels a signal undoes the whole call, so a large reservation under a profiler's
/// timer would never end; one of this size takes less than 0.1 ms.
const RESERVE_STEP: u64 = 1 << 18;

const TMPFS_MAGIC: i64 = 0x0102_1994;
/// The unit of `st_blocks`, whatever the file system's block size is.
const BLOCK: u64 = 512;

/// Why a memory file could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The length is above the process's limit of file sizes (RLIMIT_FSIZE).
    #[error("a memory file of {len} bytes is above the process's limit of {limit} bytes a file")]
    AboveLimit {
        /// The length asked for.
        len: u64,
        /// The limit.
        limit: u64,
    },
    /// The system has no memory for it; nothing of it is kept. Memory that is there but needed by others too may end
    /// some process instead, as with any memory: the kernel's or a control group's killer decides.
    #[error("no memory for a memory file of {len} bytes")]
    NoMemory {
        /// The length asked for.
        len: u64,
        /// What the kernel said.
        #[source]
        source: SysError,
    },
    /// A system call failed otherwise.
    #[error("cannot create a memory file")]
    System(#[from] SysError),
}

/// Creates a memory file of `len` bytes, all of them reserved and zero, for its owner's user only, and not yet sealed.
///
/// `name` shows in `/proc/*/maps`; it need not be unique.
///
/// # Errors
///
/// [`CreateError::AboveLimit`] and [`CreateError::NoMemory`] as described there, [`CreateError::System`] for the rest:
/// too many descriptors, a name with a zero byte or above 249 bytes, a length of zero.
pub fn create(name: &str, len: u64) -> Result<OwnedFd, CreateError> {
    if let Some(limit) = limit::file_size_max().filter(|&limit| len > limit) {
        return Err(CreateError::AboveLimit { len, limit });
    }
    if len > limit::memory_max() {
        return Err(CreateError::NoMemory {
            len,
            source: SysError::new("sysinfo", Errno::NOMEM),
        });
    }
    let fd = create_empty(name).named("memfd_create")?;
    // By default everyone may open it again through /proc; the seals forbid harm, this forbids reading.
    fchmod(&fd, Mode::RUSR | Mode::WUSR).named("fchmod")?;
    match reserve(fd.as_fd(), len) {
        Ok(()) => Ok(fd),
        Err(errno @ (Errno::NOSPC | Errno::NOMEM)) => Err(CreateError::NoMemory {
            len,
            source: SysError::new("fallocate", errno),
        }),
        Err(errno) => Err(SysError::new("fallocate", errno).into()),
    }
}

fn create_empty(name: &str) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(name, flags), // Before Linux 6.3.
        outcome => outcome,
    }
}

fn reserve(fd: BorrowedFd<'_>, len: u64) -> Result<(), Errno> {
    if len == 0 {
        return Err(Errno::INVAL);
    }
    let mut offset = 0;
    while offset < len {
        let step = RESERVE_STEP.min(len - offset);
        uninterrupted(|| fallocate(fd, FallocateFlags::empty(), offset, step))?;
        offset += step;
    }
    Ok(())
}

/// Adds [`SEGMENT_SEALS`]. The owner maps the file first: afterwards nobody can map it writable, the owner included.
///
/// # Errors
///
/// `fcntl(F_ADD_SEALS)`.
pub fn seal(fd: impl AsFd) -> Result<(), SysError> {
    fcntl_add_seals(fd, SEGMENT_SEALS).named("fcntl(F_ADD_SEALS)")
}

/// What a file that came from a stranger is. Stays true when it says `seals` contains [`SEGMENT_SEALS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// A regular file of the kernel's memory file system, open for reading and writing as its owner made it: not one of huge
    /// pages, on a disk, or of a server in user space.
    pub is_memory: bool,
    /// Its seals; none where the file cannot have any, and then nothing else was asked.
    pub seals: SealFlags,
    /// Its size in bytes.
    pub len: u64,
    /// How many of them are reserved, in whole pages; none of those beyond its end under [`SEGMENT_SEALS`].
    pub reserved: u64,
}

impl Facts {
    /// What is known of a file that cannot have seals.
    pub const UNASKED: Self = Self {
        is_memory: false,
        seals: SealFlags::empty(),
        len: 0,
        reserved: 0,
    };
}

/// Looks at a file that came from a stranger. Never waits for a server of the stranger's: only the kernel's own files can
/// have seals, and of others nothing else is asked. The seals are read first, so that under them the rest cannot change.
///
/// Of a sealed file it lets go of pages beyond the end, which an owner can reserve before sealing: counted among the
/// others, they would hide holes.
///
/// # Errors
///
/// `fcntl(F_GET_SEALS)`, `fstatfs`, `fstat`, `fcntl(F_GETFL)`, `ftruncate`: none of them by the stranger's doing.
pub fn inspect(fd: impl AsFd) -> Result<Facts, SysError> {
    let fd = fd.as_fd();
    let seals = match fcntl_get_seals(fd) {
        // Not a file that has seals, or a descriptor that only stands for a path.
        Err(Errno::INVAL | Errno::BADF) => return Ok(Facts::UNASKED),
        outcome => outcome.named("fcntl(F_GET_SEALS)")?,
    };
    let file_system = fstatfs(fd).named("fstatfs")?;
    let access = fcntl_getfl(fd).named("fcntl(F_GETFL)")?;
    let mut stat = fstat(fd).named("fstat")?;
    let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let is_open = access & OFlags::RWMODE == OFlags::RDWR;
    let is_memory = is_regular && is_open && file_system.f_type == TMPFS_MAGIC;
    let len = u64::try_from(stat.st_size).unwrap_or(0);
    if is_memory && seals.contains(SEGMENT_SEALS) {
        // To the size that it has, which the seals permit, as they forbid to reserve beyond it again.
        uninterrupted(|| ftruncate(fd, len)).named("ftruncate")?;
        stat = fstat(fd).named("fstat")?;
    }
    Ok(Facts {
        is_memory,
        seals,
        len,
        reserved: u64::try_from(stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(BLOCK),
    })
}
