//! Memory that two processes both write, for the bare ring: what Ringway itself never has.
//!
//! # Invariants
//! - **mapped**: `base..base + len` is mapped, readable and writable while the value lives; only its drop unmaps.
//! - **in-range**: every place handed out was checked against `len`.
#![allow(
    unsafe_code,
    reason = "maps memory, and turns checked offsets into pointers"
)]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{NonNull, null_mut, slice_from_raw_parts_mut};

use ringway_shm::sync::{AtomicU32, AtomicU64};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::Result;

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// A mapping that another process can open by its path.
#[derive(Debug)]
pub(crate) struct Shared {
    base: NonNull<u8>,
    len: usize,
    fd: OwnedFd,
}

impl Shared {
    /// Memory of `len` zeros, all of it touched.
    pub(crate) fn create(len: usize) -> Result<Self> {
        let fd = memfd_create("ringway-bench-ring", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, len as u64)?;
        Self::map(fd, len)
    }

    /// The memory of another process, while that holds it.
    pub(crate) fn open(path: &str, len: usize) -> Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        if file.metadata()?.len() != len as u64 {
            return Err(format!("{path} has not {len} bytes").into());
        }
        Self::map(file.into(), len)
    }

    fn map(fd: OwnedFd, len: usize) -> Result<Self> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a mapping at a new address, of a file that has `len` bytes.
        let base = unsafe { mmap(null_mut(), len, prot, flags, &fd, 0) }?;
        let base = NonNull::new(base.cast()).ok_or("mapped at zero")?;
        Ok(Self { base, len, fd })
    }

    /// Where another process can open it, while this one holds it.
    pub(crate) fn path(&self) -> String {
        crate::path_of(self.fd.as_fd())
    }

    #[inline]
    fn place(&self, at: usize, len: usize) -> *mut u8 {
        assert!(at <= self.len && len <= self.len - at, "in-range");
        // SAFETY: in-range, by the line above.
        unsafe { self.base.as_ptr().add(at) }
    }

    /// The word at `at`, a multiple of eight.
    #[inline]
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8), "aligned");
        // SAFETY: mapped, in-range, aligned; both processes reach it as an atomic only.
        unsafe { AtomicU64::from_ptr(self.place(at, 8).cast()) }
    }

    /// The half word at `at`, a multiple of four.
    #[inline]
    pub(crate) fn half_word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4), "aligned");
        // SAFETY: mapped, in-range, aligned; both processes reach it as an atomic only.
        unsafe { AtomicU32::from_ptr(self.place(at, 4).cast()) }
    }

    /// Bytes to be written or read.
    ///
    /// # Safety
    ///
    /// Nobody else reads or writes them while the reference lives: they were handed to this side.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "exclusive by the caller's duty")]
    pub(crate) unsafe fn bytes(&self, at: usize, len: usize) -> &mut [u8] {
        let bytes = slice_from_raw_parts_mut(self.place(at, len), len);
        // SAFETY: mapped, in-range, and this side's alone by the caller's duty.
        unsafe { &mut *bytes }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped: this very mapping, of which no reference outlives `self`.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can be unmapped");
    }
}
