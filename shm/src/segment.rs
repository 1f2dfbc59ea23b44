//! Segments: memory files that one process writes and all others only read, which the kernel enforces.
//!
//! The owner reserves, maps and seals one ([`OwnSegment`]); its descriptor travels over a socket; a peer examines it and
//! maps it read-only ([`PeerSegment`]). Neither ever meets SIGBUS: every page is reserved before the segment is announced,
//! and a sealed file keeps its size and its pages. (A page that is swapped out and cannot be read back, and broken memory,
//! are the hardware's own signals.)
//!
//! ```text
//!   owner:  create ── reserve ── map read-write ── seal ── announce ──┐ descriptor
//!   peer:                             examine seals, size, blocks ◂───┘ ── map read-only
//! ```
//!
//! # Invariants
//! - **whole**: every byte of a mapped segment is backed by a page of its file, for as long as it is mapped: the owner
//!   reserves it all before mapping, a peer refuses files with holes (also behind pages beyond the end), and [`SEGMENT_SEALS`] forbid resizing and punching.
//! - **one-writer**: the only writable mapping is the one that the owner made before sealing.
//! - **mapped**: a mapping ends with the last region cut from it; its address does not change meanwhile.
//! - **no-heirs**: forked children inherit no mapping (MADV_DONTFORK), and unmap nothing: the address may be theirs.
#![allow(unsafe_code, reason = "declares mapped memory to be regions")]

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::fs::SealFlags;
use rustix::param::page_size;

use crate::region::{Mapping, OwnRegion, PeerRegion};
use crate::sys::fork::{self, GuardError, PrivateFd, UsedAfterFork};
use crate::sys::memfd::{self, CreateError, SEGMENT_SEALS};
use crate::sys::{Named, SysError};

/// The largest segment, own or a peer's: 1 TiB. A bound for lengths that peers announce.
pub const SEGMENT_LEN_MAX: u64 = 1 << 40;

/// Why there is no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The length is not one that a segment can have.
    #[error(
        "a segment of {len} bytes: the length must be whole pages of {} bytes, from 1 to {SEGMENT_LEN_MAX} bytes",
        page_size()
    )]
    Length {
        /// The length asked for, or announced by the peer.
        len: u64,
    },
    /// The file could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// A system call failed otherwise.
    #[error("cannot map a segment")]
    System(#[from] SysError),
    /// This process is a forked child: it may not map, nor make.
    #[error(transparent)]
    UsedAfterFork(#[from] UsedAfterFork),
    /// What the peer passed is not a memory file, or not open for reading and writing, as its owner has it.
    #[error("the descriptor is not a memory file that is open for reading and writing")]
    NotMemory,
    /// The peer's file can still be resized, punched or written.
    #[error("the memory file lacks the seals {missing:?}")]
    Unsealed {
        /// The seals that it lacks.
        missing: SealFlags,
    },
    /// The peer's file has another size than announced.
    #[error("the memory file has {found} bytes, not the {announced} announced")]
    Size {
        /// The size announced.
        announced: u64,
        /// The size found.
        found: u64,
    },
    /// The peer's file is not reserved to its end: reading it could fail for want of memory.
    #[error("the memory file has {reserved} of {len} bytes reserved")]
    Holes {
        /// Its size.
        len: u64,
        /// The bytes that are reserved.
        reserved: u64,
    },
}

impl SegmentError {
    /// Returns whether a peer that passed this segment broke the protocol: if not, the system failed.
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        !matches!(
            self,
            Self::Create(_) | Self::System(_) | Self::UsedAfterFork(_)
        )
    }
}

/// A segment that this process owns: it alone writes it. Clones share it; it goes when the last clone, region or token
/// of it is dropped, and the memory when no peer maps it any more.
#[derive(Clone, Debug)]
pub struct OwnSegment {
    fd: Arc<PrivateFd>,
    region: OwnRegion,
}

impl OwnSegment {
    /// Creates one of at least `len` bytes, in whole pages, all zero and all reserved.
    ///
    /// `name` shows in `/proc/*/maps`; it need not be unique.
    ///
    /// # Errors
    ///
    /// [`SegmentError::Length`] for 0 and above [`SEGMENT_LEN_MAX`]; [`SegmentError::Create`] when the memory or the
    /// descriptor cannot be had; [`SegmentError::System`] when it cannot be mapped.
    pub fn create(name: &str, len: u64) -> Result<Self, SegmentError> {
        let whole = len
            .checked_next_multiple_of(page_size() as u64)
            .ok_or(SegmentError::Length { len })?;
        let map_len = check_len(whole).map_err(|_| SegmentError::Length { len })?;
        guard()?;
        let fd = memfd::create(name, whole)?;
        let map = MmapOptions::new().len(map_len).map_raw(&fd).named("mmap")?;
        let (base, keep) = keep(map)?;
        memfd::seal(&fd)?;
        // SAFETY: duty 1: whole: mapped read-write, reserved and zeroed, and `keep` unmaps it with its last clone.
        // Duty 2: the memory is new, so whoever reaches it does so through this region.
        let region = unsafe { OwnRegion::new(base, map_len, keep) };
        Ok(Self {
            fd: Arc::new(PrivateFd::new(fd)),
            region,
        })
    }

    /// Returns the descriptor, to be passed to peers.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Returns its length in bytes: whole pages.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.region.len()
    }

    /// Returns `false`: no segment is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Returns all of it as a region, which keeps the mapping alive by itself.
    #[must_use]
    pub fn region(&self) -> OwnRegion {
        self.region.clone()
    }
}

/// A segment that another process owns: mapped read-only, its bytes an allegation. Clones share the mapping.
#[derive(Clone, Debug)]
pub struct PeerSegment {
    region: PeerRegion,
}

impl PeerSegment {
    /// Examines and maps a file that a peer passed and said to be of `len` bytes. Closes the descriptor: the mapping
    /// needs none.
    ///
    /// # Errors
    ///
    /// [`SegmentError::System`] when this system fails (too many mappings, say); all others blame the peer:
    /// see [`SegmentError::is_violation`].
    pub fn map(fd: OwnedFd, len: u64) -> Result<Self, SegmentError> {
        let map_len = check_len(len)?;
        guard()?;
        examine(fd.as_fd(), len)?;
        let map = MmapOptions::new()
            .len(map_len)
            .map_raw_read_only(&fd)
            .named("mmap")?;
        let (base, keep) = keep(map)?;
        // SAFETY: whole: mapped read-only, of examined size, without holes and sealed so that it stays so; `keep` unmaps
        // it with its last clone.
        let region = unsafe { PeerRegion::new(base, map_len, keep) };
        Ok(Self { region })
    }

    /// Returns its length in bytes, as announced and found.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.region.len()
    }

    /// Returns `false`: no segment is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Returns whether dropping this would unmap it: no clone, region or lease of it is left.
    #[must_use]
    pub fn is_sole(&self) -> bool {
        self.region.keep().is_sole()
    }

    /// Returns all of it as a region, which keeps the mapping alive by itself.
    #[must_use]
    pub fn region(&self) -> PeerRegion {
        self.region.clone()
    }
}

/// Makes sure that this process will be known as the one that mapped.
fn guard() -> Result<(), SegmentError> {
    fork::guard().map_err(|error| match error {
        GuardError::UsedAfterFork(error) => SegmentError::UsedAfterFork(error),
        GuardError::System(error) => SegmentError::System(error),
    })
}

/// Checks a length, and returns it as the machine counts it.
fn check_len(len: u64) -> Result<usize, SegmentError> {
    let fits = len != 0 && len <= SEGMENT_LEN_MAX && len.is_multiple_of(page_size() as u64);
    let len_here = usize::try_from(len).ok().filter(|_| fits);
    len_here.ok_or(SegmentError::Length { len })
}

fn examine(fd: BorrowedFd<'_>, announced: u64) -> Result<(), SegmentError> {
    let facts = memfd::inspect(fd)?;
    let missing = SEGMENT_SEALS.difference(facts.seals);
    if !facts.is_memory {
        return Err(SegmentError::NotMemory);
    }
    if !missing.is_empty() {
        return Err(SegmentError::Unsealed { missing });
    }
    if facts.len != announced {
        return Err(SegmentError::Size {
            announced,
            found: facts.len,
        });
    }
    if facts.reserved < facts.len {
        return Err(SegmentError::Holes {
            len: facts.len,
            reserved: facts.reserved,
        });
    }
    Ok(())
}

/// Hides a mapping from forked children, and shares it between the regions that will be cut from it.
fn keep(map: MmapRaw) -> Result<(NonNull<u8>, Mapping), SysError> {
    map.advise(Advice::DontFork)
        .named("madvise(MADV_DONTFORK)")?;
    let base =
        NonNull::new(map.as_mut_ptr()).ok_or(SysError::new("mmap", rustix::io::Errno::FAULT))?;
    Ok((base, Mapping::new(Arc::new(Unmap(ManuallyDrop::new(map))))))
}

/// Unmaps when dropped, in the process that mapped.
struct Unmap(ManuallyDrop<MmapRaw>);

impl Drop for Unmap {
    fn drop(&mut self) {
        // no-heirs: a forked child has no such mapping, and may have mapped something else there.
        if fork::check().is_ok() {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}
