//! The descriptors that come with a hello: examined one by one, and turned into what they were said to be.
//!
//! Nothing is believed: a peer may pass anything. What fails for a fault of the peer is a [`Refusal`]; what fails because
//! this process has no descriptors or address space left is told apart, as the peering can succeed later.

use std::os::fd::{AsRawFd, OwnedFd};

use ringway_shm::card::PeerCard;
use ringway_shm::generation::Key;
use ringway_shm::segment::{PeerSegment, SegmentError};
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::process::{Pidfd, PidfdError, Target};
use rustix::fs::{OFlags, fcntl_getfl, readlink};
use rustix::io::Errno;
use thiserror::Error;

use crate::frame::WireKey;
use crate::peering::hello::{Caller, Hello};
use crate::peering::refusal::{FileRole, Refusal};
use crate::peering::segments::Segments;

/// Descriptors of a hello: card, ring segment, doorbell, process.
pub(crate) const HELLO_FILES: u32 = 4;

/// What a node has shown of itself.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) card: PeerCard,
    pub(crate) ring_key: Key,
    pub(crate) ring: PeerSegment,
    pub(crate) bell: Eventfd,
    pub(crate) pidfd: Pidfd,
}

/// A descriptor is not what it was said to be.
#[derive(Debug, Error)]
enum BellError {
    #[error("the descriptor is {0}")]
    NotEventfd(String),
    #[error("writes to it could block")]
    Blocking,
}

/// Examines the descriptors of a hello whose values were accepted.
pub(crate) fn examine(
    hello: &Hello,
    caller: Caller,
    fds: Vec<OwnedFd>,
) -> Result<Evidence, Refusal> {
    let got = u32::try_from(fds.len()).unwrap_or(u32::MAX);
    let Ok([card, ring, bell, process]) = <[OwnedFd; HELLO_FILES as usize]>::try_from(fds) else {
        return Err(Refusal::Files {
            got,
            expected: HELLO_FILES,
        });
    };
    let pidfd = examine_process(process, caller)?;
    let bell = examine_bell(bell)?;
    let card = map(FileRole::Card, card, hello.card_len)?;
    let card =
        PeerCard::open(card.region()).map_err(|error| Refusal::file(FileRole::Card, &error))?;
    let stated = card.identity().node_id;
    if stated != hello.id.to_bits() {
        let detail = format!("it is the card of node {stated:016x}, not of {}", hello.id);
        return Err(Refusal::File {
            what: FileRole::Card,
            detail,
        });
    }
    let WireKey(ring_key) = hello.ring;
    // What becomes the first of an empty table must have a place in it.
    let placed = Segments::default().check(ring_key);
    placed.map_err(|breach| Refusal::file(FileRole::Ring, &breach))?;
    let ring = map(FileRole::Ring, ring, hello.ring_len)?;
    Ok(Evidence {
        card,
        ring_key,
        ring,
        bell,
        pidfd,
    })
}

fn map(what: FileRole, fd: OwnedFd, len: u64) -> Result<PeerSegment, Refusal> {
    PeerSegment::map(fd, len).map_err(|error| match error {
        blamed if blamed.is_violation() => Refusal::file(what, &blamed),
        failed => own_failure(what, &failed),
    })
}

/// This process could not do its part: out of descriptors, of mappings, of memory.
fn own_failure(what: FileRole, error: &SegmentError) -> Refusal {
    crate::trace::warning!(%what, %error, "cannot map a peer's segment");
    Refusal::TooManyFiles
}

/// Checks that the descriptor is a pidfd of the very process at the other end of the socket, and that this one lives.
fn examine_process(fd: OwnedFd, caller: Caller) -> Result<Pidfd, Refusal> {
    let blame = |error: PidfdError| match error {
        PidfdError::System(error) if is_shortage(error.errno()) => Refusal::TooManyFiles,
        other => Refusal::file(FileRole::Process, &other),
    };
    let pidfd = Pidfd::from_peer(fd).map_err(blame)?;
    let passed = match pidfd.target().map_err(blame)? {
        Target::Process(pid) => pid.as_raw_nonzero().get().unsigned_abs(),
        Target::Foreign => 0, // in another pid namespace, and so must the socket's process be
        Target::Gone => return Err(Refusal::Ended),
    };
    if passed != caller.pid {
        return Err(Refusal::Process {
            socket: caller.pid,
            passed,
        });
    }
    match pidfd.is_dead() {
        Ok(false) => Ok(pidfd),
        Ok(true) => Err(Refusal::Ended),
        Err(error) => Err(blame(error.into())),
    }
}

/// Checks that the descriptor is a bell that can be rung without waiting.
fn examine_bell(fd: OwnedFd) -> Result<Eventfd, Refusal> {
    let blame = |error: BellError| Refusal::file(FileRole::Doorbell, &error);
    let link = readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new());
    let link = link.map_err(|errno| blame(BellError::NotEventfd(errno.to_string())))?;
    if link.as_bytes() != b"anon_inode:[eventfd]" {
        return Err(blame(BellError::NotEventfd(
            link.to_string_lossy().into_owned(),
        )));
    }
    match fcntl_getfl(&fd) {
        Ok(flags) if flags.contains(OFlags::NONBLOCK) => Ok(Eventfd::from(fd)),
        _ => Err(blame(BellError::Blocking)),
    }
}

/// Whether this process lacks something that it may have again.
fn is_shortage(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}
