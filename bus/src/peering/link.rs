//! A node's end of the socket to one other node: frames go out in order, from any thread, without ever waiting.
//!
//! What the socket does not take at once is queued, to a limit, and sent by the control thread when the socket has room
//! again. So a peer that does not read (it is stopped, or hostile) costs a bounded queue and nobody's time.
//!
//! # Invariants
//! - **in-order**: while anything is queued, nothing overtakes it: what arrives is what was sent, in order.
//! - **no-gap**: a frame that finds no place ends the connection for both sides: a word about a uring that is missing
//!   between others would leave somebody waiting for ever.
//! - **armed**: the socket is watched for room exactly while something is queued and no retry is due by the clock.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringway_shm::segment::OwnSegment;
use ringway_shm::sys::SysError;
use ringway_shm::sys::epoll::{Epoll, Interest};
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::fork::{self, UsedAfterFork};
use ringway_shm::sys::process::Pidfd;
use ringway_shm::sys::socket::{Received, RecvError, SendError, SeqPacket};
use thiserror::Error;

use crate::frame::{FRAME_MAX, Frame, FrameError};

/// Frames that wait for a peer to read. A program may have a word for each of its actors, or for each of the answers that it
/// owes, to be said at one moment, faster than any peer reads.
const QUEUE_MAX: usize = 1 << 16;
/// Bytes of them, with what the queue itself takes.
const QUEUE_BYTES_MAX: usize = 16 << 20;

/// A descriptor that goes along with a frame, kept open until it is sent.
#[derive(Debug, Clone)]
pub(crate) enum Passed {
    Segment(OwnSegment),
    Bell(Arc<Eventfd>),
    Process(Arc<Pidfd>),
}

impl AsFd for Passed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Segment(segment) => segment.fd(),
            Self::Bell(bell) => bell.as_fd(),
            Self::Process(process) => process.as_fd(),
        }
    }
}

/// One end of a connection, shared by all who send on it.
#[derive(Debug)]
pub(crate) struct Link {
    epoll: Arc<Epoll>,
    token: u64,
    outbox: Mutex<Outbox>,
}

#[derive(Debug)]
struct Outbox {
    /// `None` once the link is shut.
    socket: Option<Arc<SeqPacket>>,
    queue: VecDeque<Outgoing>,
    bytes: usize,
    is_armed: bool,
    /// Ended for want of room in the queue; the control thread is about to find out.
    is_over: bool,
}

#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    passed: Vec<Passed>,
}

/// What is left to be done after the queue was worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Flushed {
    /// Nothing is queued, or the link is shut.
    Empty,
    /// The socket is full; the control thread hears when it is not.
    Waiting,
    /// Too many descriptors of this user are under way, or the system has no memory for a message, and no event announces the
    /// end of that: try again later.
    TryLater,
}

/// Why a frame was not sent; it will not be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum LinkError {
    #[error("the peering has ended")]
    Closed,
    #[error(
        "{queued} frames waited for a peer that does not read, the limit is {QUEUE_MAX}: the peering ends"
    )]
    Backlog { queued: usize },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Fork(#[from] UsedAfterFork),
}

impl Link {
    /// Takes a connection over; its events will carry `token`.
    pub(crate) fn open(
        socket: SeqPacket,
        epoll: &Arc<Epoll>,
        token: u64,
    ) -> Result<Self, SysError> {
        epoll.add(&socket, token, Interest::Read)?;
        let outbox = Outbox {
            socket: Some(Arc::new(socket)),
            queue: VecDeque::new(),
            bytes: 0,
            is_armed: false,
            is_over: false,
        };
        Ok(Self {
            epoll: Arc::clone(epoll),
            token,
            outbox: Mutex::new(outbox),
        })
    }

    /// Sends or queues a frame. Never waits. One that the queue has no room for ends the connection.
    pub(crate) fn send(&self, frame: &Frame, passed: Vec<Passed>) -> Result<(), LinkError> {
        fork::check()?;
        let bytes = frame.encode()?;
        let mut outbox = self.lock();
        if outbox.socket.is_none() || outbox.is_over {
            return Err(LinkError::Closed);
        }
        if outbox.queue.len() >= QUEUE_MAX || outbox.bytes >= QUEUE_BYTES_MAX {
            let queued = outbox.queue.len();
            outbox.hang_up();
            return Err(LinkError::Backlog { queued });
        }
        let is_first = outbox.queue.is_empty();
        outbox.bytes += cost(&bytes);
        outbox.queue.push_back(Outgoing { bytes, passed });
        // in-order: behind others it waits for its turn.
        if is_first && outbox.work_off() != Flushed::Empty {
            self.arm(&mut outbox, Interest::ReadWrite);
        }
        Ok(())
    }

    /// Sends a frame that any other makes needless, unless others wait already; so never more than one of these waits.
    pub(crate) fn poke(&self, frame: &Frame) {
        let Ok(bytes) = frame.encode() else { return };
        let mut outbox = self.lock();
        if outbox.is_over || !outbox.queue.is_empty() || fork::check().is_err() {
            return;
        }
        let Some(socket) = outbox.socket.as_ref() else {
            return;
        };
        if socket.send(&bytes, &[]).is_err() {
            outbox.bytes += cost(&bytes);
            outbox.queue.push_back(Outgoing {
                bytes,
                passed: Vec::new(),
            });
            self.arm(&mut outbox, Interest::ReadWrite);
        }
    }

    /// Sends what is queued, as far as the socket takes it. For the control thread.
    pub(crate) fn flush(&self) -> Flushed {
        let mut outbox = self.lock();
        let flushed = outbox.work_off();
        let interest = if flushed == Flushed::Waiting {
            Interest::ReadWrite
        } else {
            Interest::Read
        };
        self.arm(&mut outbox, interest);
        flushed
    }

    /// Takes one frame's message in. For the control thread.
    pub(crate) fn receive(&self, buffer: &mut [u8; FRAME_MAX]) -> Result<Received, RecvError> {
        let socket = self.lock().socket.clone().ok_or(RecvError::Closed)?;
        socket.recv(buffer)
    }

    /// Lets nothing more arrive: what has arrived is still received, then the end.
    pub(crate) fn refuse_more(&self) {
        if let Some(socket) = self.lock().socket.as_ref() {
            // It fails only for a connection that has ended.
            let _ = socket.refuse_more();
        }
    }

    /// Closes the connection and drops what is queued. The other end reads what was sent, then the end.
    pub(crate) fn shut(&self) {
        let mut outbox = self.lock();
        outbox.queue.clear();
        if let Some(socket) = outbox.socket.take() {
            // It fails only for a set that does not hold the socket, which is what is wanted.
            let _ = self.epoll.remove(&*socket);
        }
    }

    /// Stops watching the connection, without closing it.
    pub(crate) fn unwatch(&self) {
        if let Some(socket) = self.lock().socket.as_ref() {
            let _ = self.epoll.remove(&**socket);
        }
    }

    fn arm(&self, outbox: &mut Outbox, interest: Interest) {
        let is_wanted = interest == Interest::ReadWrite;
        if outbox.is_armed != is_wanted
            && let Some(socket) = outbox.socket.as_ref()
        {
            // It fails only when the control thread watches the socket no more, and then nobody is to be told.
            let _ = self.epoll.modify(&**socket, self.token, interest);
            outbox.is_armed = is_wanted;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    /// no-gap: what is queued is dropped with all that would follow; reading tells the control thread, and the peer.
    fn hang_up(&mut self) {
        self.is_over = true;
        self.queue.clear();
        self.bytes = 0;
        if let Some(socket) = &self.socket {
            // It fails only for a connection that has ended.
            let _ = socket.hang_up();
        }
    }

    fn work_off(&mut self) -> Flushed {
        while let (Some(first), Some(socket)) = (self.queue.front(), self.socket.as_ref()) {
            let fds: Vec<BorrowedFd<'_>> = first.passed.iter().map(AsFd::as_fd).collect();
            match socket.send(&first.bytes, &fds) {
                Ok(()) => {
                    self.bytes -= cost(&first.bytes);
                    self.queue.pop_front();
                }
                Err(SendError::WouldBlock) => return Flushed::Waiting,
                Err(SendError::TooManyInFlight | SendError::NoMemory) => return Flushed::TryLater,
                // The other end is gone, or nothing can be sent any more. Reading tells the control thread so, after all that
                // was sent before.
                Err(_) => self.hang_up(),
            }
        }
        Flushed::Empty
    }
}

/// What a queued frame counts for.
fn cost(bytes: &[u8]) -> usize {
    bytes.len() + size_of::<Outgoing>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frame::UringFrame;

    fn link() -> (Link, SeqPacket, Arc<Epoll>) {
        let (ours, theirs) = SeqPacket::pair().unwrap();
        let epoll = Arc::new(Epoll::create().unwrap());
        (Link::open(ours, &epoll, 7).unwrap(), theirs, epoll)
    }

    fn numbered(n: usize) -> Frame {
        Frame::Uring(UringFrame::encode(&n).unwrap())
    }

    fn read(socket: &SeqPacket) -> Option<Frame> {
        let mut buffer = [0; FRAME_MAX];
        let received = socket.recv(&mut buffer).ok()?;
        Some(Frame::decode(&buffer[..received.len]).unwrap())
    }

    #[test]
    fn what_waits_for_room_arrives_in_order() {
        // Goal: order is kept through the queue, and room is announced by the kernel. There are as many words as a node of many
        // actors may have for a peer at one moment.
        let (link, peer, epoll) = link();
        let sent = 20_000;
        for n in 0..sent {
            link.send(&numbered(n), Vec::new()).unwrap();
        }
        assert_ne!(link.flush(), Flushed::Empty, "more than a socket takes");
        link.poke(&Frame::NamesChanged); // is lost
        assert_eq!(read(&peer), Some(numbered(0)));
        link.poke(&Frame::NamesChanged); // has room, but does not overtake

        let mut events = Vec::new();
        let mut got = 1;
        loop {
            while let Some(frame) = read(&peer) {
                assert_eq!(frame, numbered(got));
                got += 1;
            }
            if got == sent {
                break;
            }
            epoll
                .wait(&mut events, Some(Duration::from_secs(120)))
                .unwrap();
            assert!(
                events
                    .first()
                    .is_some_and(|event| event.token == 7 && event.writable)
            );
            let _ = link.flush();
        }
        assert_eq!(link.flush(), Flushed::Empty);
        epoll.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "an empty queue waits for no room");
    }

    #[test]
    fn a_frame_without_room_ends_the_connection() {
        // Goal: no gap: the other end reads frames up to some point, in order, and then the end; and so does this one.
        let (link, peer, epoll) = link();
        let error = (0..)
            .find_map(|n| link.send(&numbered(n), Vec::new()).err())
            .unwrap();
        assert_eq!(error, LinkError::Backlog { queued: QUEUE_MAX });
        assert_eq!(
            link.send(&numbered(0), Vec::new()),
            Err(LinkError::Closed),
            "nothing follows a gap"
        );
        let mut got = 0;
        while let Some(frame) = read(&peer) {
            assert_eq!(frame, numbered(got));
            got += 1;
        }
        assert!(got > 0, "what the socket had taken arrives");
        assert!(matches!(peer.recv(&mut [0; 8]), Err(RecvError::Closed)));
        let mut events = Vec::new();
        epoll
            .wait(&mut events, Some(Duration::from_secs(120)))
            .unwrap();
        assert!(events.iter().any(|event| event.readable), "{events:?}");
        assert!(matches!(
            link.receive(&mut [0; FRAME_MAX]),
            Err(RecvError::Closed)
        ));
    }

    #[test]
    fn what_has_arrived_is_received_and_nothing_more() {
        let (link, peer, _epoll) = link();
        peer.send(&numbered(0).encode().unwrap(), &[]).unwrap();
        link.refuse_more();
        let refused = peer.send(&numbered(1).encode().unwrap(), &[]);
        assert!(matches!(refused, Err(SendError::Closed)), "{refused:?}");
        assert!(link.receive(&mut [0; FRAME_MAX]).is_ok());
        assert!(matches!(
            link.receive(&mut [0; FRAME_MAX]),
            Err(RecvError::Closed)
        ));
    }

    #[test]
    fn shut_links_refuse_and_end() {
        let (link, peer, _epoll) = link();
        link.send(&Frame::Agreed, Vec::new()).unwrap();
        link.shut();
        assert_eq!(
            link.send(&Frame::Agreed, Vec::new()),
            Err(LinkError::Closed)
        );
        assert_eq!(read(&peer), Some(Frame::Agreed), "what was sent arrives");
        assert!(matches!(peer.recv(&mut [0; 8]), Err(RecvError::Closed)));
    }
}
