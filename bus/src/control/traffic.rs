//! What peers say: segments that come and go, names that changed, urings that open and close.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use ringway_shm::generation::Key;
use ringway_shm::segment::PeerSegment;
use ringway_shm::sys::socket::{Received, RecvError};

use super::run::{Control, TURN, is_end};
use super::timers::Due;
use crate::frame::{Announcement, Frame, FrameError, SegmentKind, SegmentName};
use crate::peering::ledger::{Answer, Parting};
use crate::peering::replica::Look;
use crate::peering::segments::SegmentBreach;
use crate::peering::{Closure, Death, Peer, PeerState};
use crate::trace;

/// The pause before a segment is announced again to a peer that could not map it.
const ANNOUNCE_PAUSE: Duration = Duration::from_millis(100);
/// The pause between looks at a retired segment that a lease still reads.
const UNMAP_PAUSE: Duration = Duration::from_millis(20);

/// The pause between two looks at names of which there are more than one look reads: others have their turn.
const NAMES_PAUSE: Duration = Duration::from_millis(1);

/// Why a frame breaks the protocol.
#[derive(Debug, thiserror::Error)]
enum Breach {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Segment(#[from] SegmentBreach),
    #[error("{name}: {why}")]
    Unsound { name: SegmentName, why: String },
    #[error("{got} descriptors came with {frame}, not {expected}")]
    Descriptors {
        frame: &'static str,
        got: usize,
        expected: usize,
    },
    #[error("{name} was answered for without having been asked")]
    Unasked { name: SegmentName },
    #[error("{frame} has no place in a peering")]
    Unexpected { frame: &'static str },
}

impl Control {
    /// Reads what a peer says, as far as it is its turn.
    pub(super) fn listen_to(&mut self, peer: &Arc<Peer>) {
        for _ in 0..TURN {
            if !self.take_frame(peer) {
                return;
            }
        }
    }

    /// Reads and handles one frame; `false` when there is no more to read, now or ever.
    pub(super) fn take_frame(&mut self, peer: &Arc<Peer>) -> bool {
        match peer.link().receive(&mut self.buffer) {
            Ok(received) => {
                if let Err(breach) = self.handle_frame(peer, received) {
                    trace::warning!(peer = %peer.id(), %breach, "protocol broken");
                    self.close(peer, &Closure::Broken(breach.to_string()));
                    return false;
                }
                self.look_at_names(peer);
                !peer.is_dead()
            }
            Err(RecvError::Reset) => true,
            Err(error) => {
                if is_end(&error) {
                    self.close(peer, &Closure::HungUp);
                }
                false
            }
        }
    }

    fn handle_frame(&mut self, peer: &Arc<Peer>, received: Received) -> Result<(), Breach> {
        if received.truncated {
            return Err(FrameError::TooLong { len: received.len }.into());
        }
        let frame = Frame::decode(&self.buffer[..received.len])?;
        let expected = usize::from(matches!(frame, Frame::Segment(_)));
        if received.fds.len() != expected && !received.fds_lost {
            return Err(Breach::Descriptors {
                frame: frame.name(),
                got: received.fds.len(),
                expected,
            });
        }
        match frame {
            Frame::Segment(announced) => {
                self.map(peer, announced, received.fds.into_iter().next())?
            }
            Frame::SegmentAck(name) => self.acknowledged(peer, name)?,
            Frame::SegmentLater(name) => self.postpone(peer, name)?,
            Frame::Retire(name) => self.retire_mapped(peer, name),
            Frame::Retired(name) => self.retired(peer, name)?,
            Frame::NamesChanged => {} // after every frame the names are looked at
            Frame::Bell => drop(peer.bell().own().ring()),
            Frame::Uring(frame) if peer.state() == PeerState::Connected => {
                self.upper.frame(peer, frame)
            }
            Frame::Uring(_) => {}
            Frame::Leaving => self.close_traffic(peer, &Closure::Leaving),
            Frame::Goodbye => self.die(peer, Death::Goodbye),
            Frame::Hello(_) | Frame::Agreed | Frame::Settled | Frame::Refuse(_) => {
                return Err(Breach::Unexpected {
                    frame: frame.name(),
                });
            }
        }
        Ok(())
    }

    /// Maps an announced segment and says so, or asks for it again when this process cannot now.
    fn map(
        &self,
        peer: &Arc<Peer>,
        announced: Announcement,
        fd: Option<OwnedFd>,
    ) -> Result<(), Breach> {
        let Announcement { name, len } = announced;
        let segments = peer.segments(name.kind);
        segments.check(name.key())?;
        // Without a descriptor: it was lost for want of room in this process's table.
        let mapped = fd.map(|fd| PeerSegment::map(fd, len));
        let answer = match mapped {
            Some(Ok(segment)) => {
                segments.insert(name.key(), segment)?;
                if segments.end_wait(name.key()) && name.kind == SegmentKind::Ring {
                    self.upper.ring_mapped(peer);
                }
                if name.kind == SegmentKind::Heap {
                    self.upper.heap_mapped(peer);
                }
                Frame::SegmentAck(name)
            }
            Some(Err(error)) if error.is_violation() => {
                return Err(Breach::Unsound {
                    name,
                    why: error.to_string(),
                });
            }
            failed => {
                let error = failed.and_then(Result::err);
                trace::warning!(peer = %peer.id(), segment = %name, ?error, "a segment cannot be mapped yet");
                let _ = error;
                segments.await_later(name.key());
                Frame::SegmentLater(name)
            }
        };
        // A peer that is gone needs no answer.
        let _ = peer.link().send(&answer, Vec::new());
        Ok(())
    }

    fn acknowledged(&self, peer: &Arc<Peer>, name: SegmentName) -> Result<(), Breach> {
        let answer = peer.ledger().acknowledge(name);
        match answer {
            Answer::Now if name.kind == SegmentKind::Heap => {
                if self.core.heap().acknowledge(name.key(), peer.slot()) {
                    self.upper.heap_acknowledged(peer, name.key());
                }
            }
            Answer::Now | Answer::Late => {}
            Answer::Bogus => return Err(Breach::Unasked { name }),
        }
        Ok(())
    }

    /// Announces a segment again, in a while.
    fn postpone(&mut self, peer: &Peer, name: SegmentName) -> Result<(), Breach> {
        let answer = peer.ledger().postpone(name);
        match answer {
            Answer::Now => self
                .timers
                .after(ANNOUNCE_PAUSE, Due::Announce(peer.id(), name)),
            Answer::Late => {}
            Answer::Bogus => return Err(Breach::Unasked { name }),
        }
        Ok(())
    }

    /// Takes a segment of the peer's out of use. One that was never mapped needs nothing but the answer.
    fn retire_mapped(&mut self, peer: &Arc<Peer>, name: SegmentName) {
        peer.segments(name.kind).end_wait(name.key());
        match peer.segments(name.kind).retire(name.key()) {
            Ok(()) => self.unmap(peer),
            Err(_) => drop(peer.link().send(&Frame::Retired(name), Vec::new())),
        }
    }

    /// Unmaps retired segments that no lease reads any more, and tells their owner; looks again later for the others.
    pub(super) fn unmap(&mut self, peer: &Arc<Peer>) {
        for kind in [SegmentKind::Ring, SegmentKind::Heap] {
            for key in peer.segments(kind).unmapped() {
                let name = match kind {
                    SegmentKind::Ring => SegmentName::ring(key),
                    SegmentKind::Heap => SegmentName::heap(key),
                };
                let _ = peer.link().send(&Frame::Retired(name), Vec::new());
            }
        }
        let has_more = [SegmentKind::Ring, SegmentKind::Heap]
            .into_iter()
            .any(|kind| peer.segments(kind).has_leaving());
        if has_more
            && let Some(watch) = self.watches.get_mut(&peer.id())
            && !watch.is_unmapping
        {
            watch.is_unmapping = true;
            self.timers.after(UNMAP_PAUSE, Due::Unmap(peer.id()));
        }
    }

    fn retired(&self, peer: &Peer, name: SegmentName) -> Result<(), Breach> {
        let answer = peer.ledger().retired(name);
        match answer {
            Answer::Now if name.kind == SegmentKind::Ring => {
                self.core.rings.unmapped_by(name.key(), peer.id());
            }
            Answer::Now => {
                let heap = self.core.heap();
                heap.retire_acknowledged(name.key(), peer.slot());
                self.upper.heap_retired();
            }
            Answer::Late => {}
            Answer::Bogus => return Err(Breach::Unasked { name }),
        }
        Ok(())
    }

    /// Tells all peers that a segment of our heap goes.
    pub(super) fn retire(&self, key: Key) {
        let name = SegmentName::heap(key);
        for peer in self.core.peers() {
            // Under the ledger's lock: see `announce`.
            let mut ledger = peer.ledger();
            if ledger.retire(name) == Parting::Tell {
                // A peer that is closed unmaps nothing more: its death ends the wait.
                let _ = peer.link().send(&Frame::Retire(name), Vec::new());
            }
        }
    }

    /// Reads a peer's names again if its card says that they changed. Done after every frame of the peer, whatever it
    /// was: a poke that is lost found the socket full, so frames were queued that are handled after the change.
    pub(super) fn look_at_names(&mut self, peer: &Arc<Peer>) {
        let Some(watch) = self.watches.get_mut(&peer.id()) else {
            return;
        };
        let version = peer.card().version();
        if watch.version_told == version || peer.state() != PeerState::Connected {
            return;
        }
        let look = peer.replica().refresh(peer.card());
        let is_more = match look {
            Look::Part => true,
            // Changed since that reading began, and the poke may have come before its end.
            Look::Whole(read) => read != version,
        };
        if is_more && !watch.is_reading {
            self.timers.after(NAMES_PAUSE, Due::Names(peer.id()));
        }
        watch.is_reading |= is_more;
        if let Look::Whole(read) = look {
            watch.version_told = read;
            self.upper.names_changed(peer);
        }
    }
}
