//! Which memory files make a segment, and which are refused, with the reason.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]
#![allow(unsafe_code, reason = "signal timers")]

#[path = "support/scene.rs"]
mod scene;

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::{env, fs, process};

use ringway_shm::region::{OwnRegion, PeerRegion};
use ringway_shm::segment::{OwnSegment, PeerSegment, SEGMENT_LEN_MAX, SegmentError};
use ringway_shm::sync::{AtomicU64, Ordering::Relaxed};
use ringway_shm::sys::memfd::{self, CreateError, Facts, SEGMENT_SEALS};
use rustix::fs::{
    FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, fallocate, fcntl_add_seals,
    fcntl_get_seals, fstat, ftruncate, memfd_create, open,
};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const LEN: u64 = 1 << 16;

#[test]
fn scene() {
    scene::play(&[
        ("small files only", small_files_only),
        ("little address space", little_address_space),
        ("under a timer", under_a_timer),
    ]);
}

#[test]
fn smoke() {
    let own = OwnSegment::create("smoke", LEN - 1).unwrap();
    assert_eq!(own.len(), LEN, "whole pages");
    own.region()
        .record::<AtomicU64>(LEN - 8)
        .unwrap()
        .store(7, Relaxed);

    let peer = PeerSegment::map(fd_of(&own), LEN).unwrap();

    assert_eq!(peer.len(), LEN);
    assert_eq!(
        peer.region()
            .record::<AtomicU64>(LEN - 8)
            .unwrap()
            .load(|word| word),
        7
    );
    assert_eq!(
        peer.region()
            .record::<AtomicU64>(0)
            .unwrap()
            .load(|word| word),
        0
    );
}

#[test]
fn a_new_segment_is_sealed_reserved_private_and_close_on_exec() {
    let own = OwnSegment::create("new", LEN).unwrap();

    let facts = memfd::inspect(own.fd()).unwrap();
    assert!(facts.is_memory);
    assert!(facts.seals.contains(SEGMENT_SEALS), "{:?}", facts.seals);
    assert_eq!((facts.len, facts.reserved), (LEN, LEN));
    assert_eq!(fstat(own.fd()).unwrap().st_mode & 0o777, 0o600);
    assert!(fcntl_getfd(own.fd()).unwrap().contains(FdFlags::CLOEXEC));
}

#[test]
fn regions_outlive_their_segment() {
    let own = OwnSegment::create("outlived", LEN).unwrap();
    let peer = PeerSegment::map(fd_of(&own), LEN).unwrap();
    let (own, peer): (OwnRegion, PeerRegion) = (own.region(), peer.region());

    own.record::<AtomicU64>(0).unwrap().store(5, Relaxed);

    assert_eq!(peer.record::<AtomicU64>(0).unwrap().load(|word| word), 5);
}

/// Goal: nothing is left behind. Method: looks for the segment's name among this process's mappings and descriptors.
#[test]
fn dropping_gives_everything_back() {
    let name = format!("dropped-{}", process::id());
    let own = OwnSegment::create(&name, LEN).unwrap();
    let peer = PeerSegment::map(fd_of(&own), LEN).unwrap();
    assert_eq!(
        traces(&name),
        (2, 1),
        "two mappings, and the owner's descriptor alone"
    );

    drop(own);
    assert_eq!(traces(&name), (1, 0));
    drop(peer);
    assert_eq!(traces(&name), (0, 0));
}

#[test]
fn impossible_lengths_are_refused() {
    for len in [0, SEGMENT_LEN_MAX + 1, u64::MAX] {
        assert_eq!(
            OwnSegment::create("never", len).unwrap_err(),
            SegmentError::Length { len }
        );
    }
    let own = OwnSegment::create("lengths", LEN).unwrap();
    for len in [0, 1, LEN - 1, SEGMENT_LEN_MAX + 4096, u64::MAX] {
        assert_eq!(
            PeerSegment::map(fd_of(&own), len).unwrap_err(),
            SegmentError::Length { len }
        );
    }
}

#[test]
fn another_size_than_announced_is_refused() {
    let own = OwnSegment::create("sizes", LEN).unwrap();
    for announced in [LEN / 2, LEN * 2, SEGMENT_LEN_MAX] {
        let refused = PeerSegment::map(fd_of(&own), announced).unwrap_err();
        assert_eq!(
            refused,
            SegmentError::Size {
                announced,
                found: LEN
            }
        );
        assert!(refused.is_violation());
    }
}

#[test]
fn each_missing_seal_is_refused() {
    for missing in [
        SealFlags::SHRINK,
        SealFlags::GROW,
        SealFlags::FUTURE_WRITE,
        SealFlags::SEAL,
    ] {
        let file = memfd::create("unsealed", LEN).unwrap();
        fcntl_add_seals(&file, SEGMENT_SEALS.difference(missing)).unwrap();
        assert_eq!(
            PeerSegment::map(file, LEN).unwrap_err(),
            SegmentError::Unsealed { missing }
        );
    }
}

#[test]
fn holes_are_refused() {
    let file = memfd_create("sparse", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, LEN).unwrap();
    rustix::io::pwrite(&file, &[1], LEN - 1).unwrap();
    memfd::seal(&file).unwrap();

    let refused = PeerSegment::map(file, LEN).unwrap_err();

    assert_eq!(
        refused,
        SegmentError::Holes {
            len: LEN,
            reserved: 4096
        }
    );
}

/// Goal: pages reserved beyond the end do not stand for those that are missing before it, of which each reading would take
/// one at the reader's cost.
#[test]
fn holes_are_refused_whatever_lies_beyond_the_end() {
    let file = memfd_create("hidden", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, LEN).unwrap();
    rustix::io::pwrite(&file, &[1], LEN - 1).unwrap();
    fallocate(&file, FallocateFlags::KEEP_SIZE, LEN, LEN).unwrap();
    memfd::seal(&file).unwrap();
    let blocks = u64::try_from(fstat(&file).unwrap().st_blocks).unwrap();
    assert!(blocks * 512 >= LEN, "as many as a whole file has");

    let refused = PeerSegment::map(file, LEN).unwrap_err();

    assert_eq!(
        refused,
        SegmentError::Holes {
            len: LEN,
            reserved: 4096
        }
    );
}

/// Goal: whoever serves a file in user space cannot have its receiver wait. Method: of a file that has no seals nothing is
/// asked, not even its size.
#[test]
fn a_file_without_seals_is_not_asked_for_more() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let len = fs::metadata(path).unwrap().len();
    assert_ne!(len, 0);

    let facts = memfd::inspect(File::open(path).unwrap()).unwrap();

    assert_eq!(facts, Facts::UNASKED);
}

#[test]
fn what_is_no_memory_file_is_refused() {
    let own = OwnSegment::create("modes", LEN).unwrap();
    let reopened = |flags: OFlags| {
        open(
            format!("/proc/self/fd/{}", own.fd().as_raw_fd()),
            flags | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .unwrap()
    };
    let path = env::temp_dir().join(format!("ringway-segment-{}", process::id()));
    let file = File::create_new(&path).unwrap();
    fs::remove_file(&path).unwrap();
    file.set_len(LEN).unwrap();
    let cases: [(&str, OwnedFd); 8] = [
        ("a file", file.into()),
        ("a directory", File::open("/proc").unwrap().into()),
        ("a pipe", pipe_with(PipeFlags::CLOEXEC).unwrap().0),
        (
            "an eventfd",
            rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap(),
        ),
        ("a device", File::open("/dev/zero").unwrap().into()),
        ("a memory file, for writing only", reopened(OFlags::WRONLY)),
        // Its pages beyond the end could not be let go of.
        ("a memory file, for reading only", reopened(OFlags::RDONLY)),
        ("a memory file's path", reopened(OFlags::PATH)),
    ];
    for (what, fd) in cases {
        assert_eq!(
            PeerSegment::map(fd, LEN).unwrap_err(),
            SegmentError::NotMemory,
            "{what}"
        );
    }
    PeerSegment::map(reopened(OFlags::RDWR), LEN).unwrap();
}

#[test]
fn huge_pages_are_refused() {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    let Ok(file) = memfd_create("huge", flags) else {
        println!("not run: this kernel has no huge pages");
        return;
    };
    ftruncate(&file, 1 << 21).unwrap();
    fcntl_add_seals(&file, SEGMENT_SEALS).unwrap();

    assert_eq!(
        PeerSegment::map(file, 1 << 21).unwrap_err(),
        SegmentError::NotMemory
    );
}

#[test]
fn more_than_the_machine_has_is_an_error() {
    let refused = OwnSegment::create("too much", SEGMENT_LEN_MAX).unwrap_err();

    let SegmentError::Create(CreateError::NoMemory { len, .. }) = refused else {
        panic!("{refused}")
    };
    assert_eq!(len, SEGMENT_LEN_MAX);
    assert!(!refused.is_violation());
}

/// Goal: a limit of file sizes gives an error, not SIGXFSZ. Method: in a process with that limit.
#[test]
fn a_limit_of_file_sizes_is_an_error() {
    let _dog = scene::watch();
    scene::start("small files only", []).applaud();
}

fn small_files_only() {
    let limit = Rlimit {
        current: Some(LEN),
        maximum: Some(LEN),
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    OwnSegment::create("small enough", LEN).unwrap();

    let refused = OwnSegment::create("too large", LEN * 2).unwrap_err();

    let expected = CreateError::AboveLimit {
        len: LEN * 2,
        limit: LEN,
    };
    assert_eq!(refused, SegmentError::Create(expected));
}

/// Goal: a mapping that cannot be had is an error that names the call, and leaves nothing.
#[test]
fn a_full_address_space_is_an_error() {
    let _dog = scene::watch();
    scene::start("little address space", []).applaud();
}

fn little_address_space() {
    const LARGE: u64 = 1 << 27;
    let own = OwnSegment::create("mapped", LARGE).unwrap();
    let before = getrlimit(Resource::As);
    let left = LARGE / 2; // Room for all else that this process needs.
    let limit = Rlimit {
        current: Some(mapped_len() + left),
        ..before
    };
    setrlimit(Resource::As, limit).unwrap();

    let owner = OwnSegment::create("unmapped", LARGE).unwrap_err();
    let peer = PeerSegment::map(fd_of(&own), LARGE).unwrap_err();

    for refused in [owner, peer] {
        let SegmentError::System(error) = refused else {
            panic!("{refused}")
        };
        assert_eq!((error.call(), error.errno()), ("mmap", Errno::NOMEM));
    }
    setrlimit(Resource::As, before).unwrap();
    assert_eq!(traces("unmapped"), (0, 0));
}

/// Bytes of this process's address space that are in use.
fn mapped_len() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

/// Goal: a profiler's timer cannot keep a large segment from being made. Method: one that takes many ticks to reserve.
/// Without the small steps older kernels undo the whole at every tick, for ever; newer ones (6.18) do not.
#[test]
fn a_timer_does_not_starve_a_reservation() {
    let _dog = scene::watch();
    scene::start("under a timer", []).applaud();
}

fn under_a_timer() {
    extern "C" fn tick(_: libc::c_int) {}
    // SAFETY: a handler that does nothing. (Reservations are interrupted whether or not it asks for restarts.)
    unsafe { libc::signal(libc::SIGALRM, tick as *const () as libc::sighandler_t) };
    // SAFETY: all zeroes are a valid record of integers and null pointers.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = libc::SIGALRM;
    event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_nonzero().get();
    let mut timer = std::ptr::null_mut();
    // SAFETY: reads and writes records of ours.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
    assert_eq!(made, 0);
    let often = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    let times = libc::itimerspec {
        it_interval: often,
        it_value: often,
    };
    // SAFETY: the timer was made above; reads a record of ours, and asks for nothing back.
    let set = unsafe { libc::timer_settime(timer, 0, &raw const times, std::ptr::null_mut()) };
    assert_eq!(set, 0);

    OwnSegment::create("ticked", 1 << 27).unwrap();
}

#[test]
fn errors_name_both_numbers() {
    let size = SegmentError::Size {
        announced: 8192,
        found: 4096,
    };
    assert_eq!(
        size.to_string(),
        "the memory file has 4096 bytes, not the 8192 announced"
    );
    let limit = CreateError::AboveLimit { len: 2, limit: 1 };
    let text = "a memory file of 2 bytes is above the process's limit of 1 bytes a file";
    assert_eq!(limit.to_string(), text);
}

#[test]
fn seals_are_those_that_the_kernel_lists() {
    let file = memfd::create("listed", 1).unwrap();
    memfd::seal(&file).unwrap();
    let exec_or_not = fcntl_get_seals(&file).unwrap().difference(SEGMENT_SEALS);
    assert!(
        exec_or_not.is_empty() || exec_or_not.bits() == 0x20,
        "{exec_or_not:?}"
    );
}

fn fd_of(segment: &OwnSegment) -> OwnedFd {
    segment.fd().try_clone_to_owned().unwrap()
}

/// Counts this process's mappings and descriptors of memory files called `name`.
fn traces(name: &str) -> (usize, usize) {
    let file = format!("/memfd:{name} (deleted)");
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let links = fs::read_dir("/proc/self/fd").unwrap();
    let links = links.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    (
        maps.lines().filter(|line| line.ends_with(&file)).count(),
        links.filter(|link| link.to_str() == Some(&file)).count(),
    )
}
