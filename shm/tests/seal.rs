//! What the kernel refuses: every way to write, resize or punch a sealed segment, tried through the owner's descriptor and,
//! in another process, through a peer's.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]
#![allow(unsafe_code, reason = "attacks by system calls")]

#[path = "support/scene.rs"]
mod scene;

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use ringway_shm::segment::{OwnSegment, PeerSegment};
use ringway_shm::sync::{AtomicU64, Ordering::Relaxed};
use rustix::fs::{
    FallocateFlags, Mode, OFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, open,
};
use rustix::io::{Errno, pwrite, write};
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mprotect, munmap};

const LEN: usize = 1 << 16;
const SECRET: u64 = 0x5EA1;

#[test]
fn scene() {
    scene::play(&[("attack", attack)]);
}

/// Goal: the owner itself can do nothing through its descriptor. Method: every attack, then a look at the bytes.
#[test]
fn the_owner_is_refused() {
    let segment = segment();

    assert_sealed(segment.fd());

    // SAFETY: the mapping is the segment's own, and the call is refused; were it not, zeroes would come.
    let removed = unsafe {
        madvise(
            segment.region().as_ptr().as_ptr().cast(),
            LEN,
            Advice::LinuxRemove,
        )
    };
    assert_eq!(
        removed,
        Err(Errno::PERM),
        "MADV_REMOVE through the writable mapping"
    );
    assert_eq!(word(&segment).load(Relaxed), SECRET);
}

/// Goal: a peer can do nothing either, not even after reopening the file. Method: the same in a process of its own.
#[test]
fn a_peer_is_refused() {
    let _dog = scene::watch();
    let segment = segment();

    scene::start("attack", [segment.fd().try_clone_to_owned().unwrap()]).applaud();

    assert_eq!(word(&segment).load(Relaxed), SECRET);
}

fn attack() {
    let [fd] = scene::props();
    assert_sealed(fd.as_fd());
    assert_eq!(peer_word(&fd), SECRET);
}

/// Goal: the owner's mapping, made before the seals, still writes, and peers see it.
#[test]
fn the_owner_writes_and_a_peer_reads() {
    let segment = segment();
    let peer = PeerSegment::map(segment.fd().try_clone_to_owned().unwrap(), LEN as u64).unwrap();
    let region = peer.region();
    drop(peer);

    word(&segment).store(77, Relaxed);
    drop(segment);

    assert_eq!(
        region.record::<AtomicU64>(64).unwrap().load(|word| word),
        77
    );
}

fn assert_sealed(fd: BorrowedFd<'_>) {
    assert_unmappable(fd, "the descriptor");
    assert_unwritable(fd, "the descriptor");
    assert_fixed(fd, "the descriptor");
    assert_protected(fd);
    assert_eq!(
        fcntl_add_seals(fd, SealFlags::WRITE),
        Err(Errno::PERM),
        "one more seal"
    );

    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let truncating = OFlags::RDWR | OFlags::TRUNC | OFlags::CLOEXEC;
    assert_eq!(
        open(&path, truncating, Mode::empty()).err(),
        Some(Errno::PERM),
        "reopening with O_TRUNC"
    );
    let again = open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    assert_unmappable(again.as_fd(), "the reopened file");
    assert_unwritable(again.as_fd(), "the reopened file");
    assert_fixed(again.as_fd(), "the reopened file");
}

fn assert_unmappable(fd: BorrowedFd<'_>, through: &str) {
    let both = ProtFlags::READ | ProtFlags::WRITE;
    assert_eq!(
        map(fd, both, MapFlags::SHARED).err(),
        Some(Errno::PERM),
        "mmap, writable, of {through}"
    );
    let write_only = map(fd, ProtFlags::WRITE, MapFlags::SHARED).err();
    assert_eq!(
        write_only,
        Some(Errno::PERM),
        "mmap, write-only, of {through}"
    );
    // A private mapping may be written: the pages are copies.
    let private = map(fd, both, MapFlags::PRIVATE).unwrap();
    // SAFETY: mapped writable above, aligned, and nobody else knows the place.
    unsafe { private.0.cast::<u64>().wrapping_add(8).write(0) };
}

fn assert_unwritable(fd: BorrowedFd<'_>, through: &str) {
    assert_eq!(write(fd, &[1]), Err(Errno::PERM), "write to {through}");
    assert_eq!(
        pwrite(fd, &[1], 64),
        Err(Errno::PERM),
        "pwrite to {through}"
    );
    let source = rustix::fs::memfd_create("source", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    write(&source, &[1; 128]).unwrap();
    let copied = rustix::fs::copy_file_range(&source, Some(&mut 0), fd, Some(&mut 64), 8);
    assert_eq!(copied, Err(Errno::PERM), "copy_file_range to {through}");
    let sent = rustix::fs::sendfile(fd, &source, Some(&mut 0), 8);
    assert_eq!(sent, Err(Errno::PERM), "sendfile to {through}");
}

fn assert_fixed(fd: BorrowedFd<'_>, through: &str) {
    let len = LEN as u64;
    assert_eq!(
        ftruncate(fd, 0),
        Err(Errno::PERM),
        "ftruncate to nothing, {through}"
    );
    assert_eq!(
        ftruncate(fd, len - 1),
        Err(Errno::PERM),
        "ftruncate shorter, {through}"
    );
    assert_eq!(
        ftruncate(fd, len + 1),
        Err(Errno::PERM),
        "ftruncate longer, {through}"
    );
    let grow = fallocate(fd, FallocateFlags::empty(), len, 4096);
    assert_eq!(
        grow,
        Err(Errno::PERM),
        "fallocate beyond the end, {through}"
    );
    let punch = fallocate(
        fd,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        0,
        4096,
    );
    assert_eq!(punch, Err(Errno::PERM), "PUNCH_HOLE, {through}");
    for mode in [
        FallocateFlags::ZERO_RANGE,
        FallocateFlags::COLLAPSE_RANGE,
        FallocateFlags::INSERT_RANGE,
    ] {
        assert_eq!(
            fallocate(fd, mode, 0, 4096),
            Err(Errno::OPNOTSUPP),
            "{mode:?}, {through}"
        );
    }
}

fn assert_protected(fd: BorrowedFd<'_>) {
    let map = map(fd, ProtFlags::READ, MapFlags::SHARED).unwrap();
    // SAFETY: the mapping is ours alone.
    let unprotected = unsafe { mprotect(map.0, LEN, MprotectFlags::READ | MprotectFlags::WRITE) };
    assert_eq!(
        unprotected,
        Err(Errno::ACCESS),
        "mprotect of a read-only mapping"
    );
    // SAFETY: as above.
    let removed = unsafe { madvise(map.0, LEN, Advice::LinuxRemove) };
    assert_eq!(
        removed,
        Err(Errno::ACCESS),
        "MADV_REMOVE of a read-only mapping"
    );
}

struct Map(*mut c_void);

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, unmapped once.
        unsafe { munmap(self.0, LEN) }.unwrap();
    }
}

fn map(fd: BorrowedFd<'_>, protection: ProtFlags, flags: MapFlags) -> Result<Map, Errno> {
    // SAFETY: a new mapping, at a place of the kernel's choice.
    unsafe { mmap(ptr::null_mut(), LEN, protection, flags, fd, 0) }.map(Map)
}

fn segment() -> OwnSegment {
    let segment = OwnSegment::create("seal-test", LEN as u64).unwrap();
    word(&segment).store(SECRET, Relaxed);
    segment
}

fn word(segment: &OwnSegment) -> ringway_shm::region::OwnRecord<AtomicU64> {
    segment.region().hold(64).unwrap()
}

fn peer_word(fd: &OwnedFd) -> u64 {
    let peer = PeerSegment::map(fd.try_clone().unwrap(), LEN as u64).unwrap();
    peer.region()
        .record::<AtomicU64>(64)
        .unwrap()
        .load(|word| word)
}
