//! Meetings: connections on which two nodes introduce themselves, until one becomes a peering or all have ended.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use ringway_shm::card::Counter;
use ringway_shm::sys::epoll::Interest;
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::socket::{Received, RecvError, SeqPacket};

use super::run::{Control, Source, TURN, Watch, is_end};
use crate::access::{Principal, Trust};
use crate::config::PEERS_MAX;
use crate::frame::{Frame, FrameError};
use crate::peering::evidence;
use crate::peering::handshake::{Handshake, Heard, Reply, Side, Stage};
use crate::peering::hello::{Caller, Clock, Hello};
use crate::peering::link::Link;
use crate::peering::refusal::{Party, Refusal};
use crate::peering::{Gathered, Identity, NodeId, Own, Peer, PeerState};
use crate::trace;

/// Accepted connections that have not introduced themselves: beyond this the oldest is closed, and its node, if it is
/// one, calls again.
const UNKNOWN_MAX: usize = 128;

/// Nodes of one process that are introduced and not settled: each keeps a place among the peers for as long as it likes.
/// One more is refused, and calls again; none is dropped, as its node may take it for settled already.
const MEETINGS_OF_PROCESS_MAX: u32 = 32;
/// The same for all processes of one user: half of the places.
const MEETINGS_OF_USER_MAX: u32 = 128;

/// One connection before it is a peering.
#[derive(Debug)]
pub(super) struct Meeting {
    pub(super) link: Link,
    handshake: Handshake,
    /// The node that was called; an accepted connection can be anybody's.
    called: Option<NodeId>,
    caller: Caller,
    /// The bell that the other is to ring.
    bell: Arc<Eventfd>,
    introduced: Option<Introduced>,
}

/// What a meeting has once the other's hello was accepted.
#[derive(Debug)]
struct Introduced {
    gathered: Gathered,
    pidfd_token: u64,
}

impl Meeting {
    fn peer_id(&self) -> Option<NodeId> {
        self.introduced
            .as_ref()
            .map(|it| it.gathered.identity.id)
            .or(self.called)
    }
}

impl Control {
    /// Takes an accepted connection in.
    pub(super) fn receive_caller(&mut self, socket: SeqPacket) {
        if self.unknown.len() >= UNKNOWN_MAX
            && let Some(oldest) = self.unknown.pop_front()
        {
            self.end_meeting(oldest, None);
        }
        self.open_meeting(socket, Side::Acceptor, None);
    }

    /// Starts to meet whoever is at the other end.
    pub(super) fn open_meeting(&mut self, socket: SeqPacket, side: Side, called: Option<NodeId>) {
        let token = self.token();
        match self.begin(socket, side, called, token) {
            Ok(meeting) => {
                self.meetings.insert(token, meeting);
                self.sources.insert(token, Source::Meeting);
                match side {
                    Side::Acceptor => self.unknown.push_back(token),
                    Side::Connector => self.greet(token),
                }
            }
            Err(refusal) => self.after(called, Some(refusal)),
        }
    }

    fn begin(
        &self,
        socket: SeqPacket,
        side: Side,
        called: Option<NodeId>,
        token: u64,
    ) -> Result<Meeting, Refusal> {
        let cred = socket.peer_cred().map_err(|_| Refusal::TooManyFiles)?;
        let principal = Principal {
            uid: cred.uid,
            gid: cred.gid,
        };
        if let Err(refusal) = self.core.expected(called).admit(principal) {
            // The stranger learns why; whether it does is all the same to this node.
            if let Ok(bytes) = Frame::Refuse(refusal.clone()).encode() {
                let _ = socket.send(&bytes, &[]);
            }
            trace::warning!(uid = cred.uid, gid = cred.gid, reason = %refusal, "refused");
            return Err(refusal);
        }
        let pid = cred
            .pid
            .map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
        let bell = Arc::new(Eventfd::create().map_err(|_| Refusal::TooManyFiles)?);
        let link =
            Link::open(socket, &self.core.epoll, token).map_err(|_| Refusal::TooManyFiles)?;
        let handshake = Handshake::new(self.core.id(), side);
        Ok(Meeting {
            link,
            handshake,
            called,
            caller: Caller { principal, pid },
            bell,
            introduced: None,
        })
    }

    /// Sends this node's hello.
    fn greet(&mut self, token: u64) {
        let Some(meeting) = self.meetings.get(&token) else {
            return;
        };
        let (hello, passed) = self.core.hello(&meeting.bell);
        let sent = meeting.link.send(&hello, passed);
        if sent.is_err() {
            self.end_meeting(token, None);
        }
    }

    /// Reads what a stranger says, as far as it is its turn.
    pub(super) fn read_meeting(&mut self, token: u64) {
        for _ in 0..TURN {
            // It may have ended, or become a peering, whose frames are read elsewhere.
            let Some(meeting) = self.meetings.get(&token) else {
                return;
            };
            match meeting.link.receive(&mut self.buffer) {
                Ok(received) => self.hear(token, received),
                Err(RecvError::WouldBlock | RecvError::NoMemory) => return,
                Err(error) if is_end(&error) => return self.end_meeting(token, None),
                Err(_) => {}
            }
        }
    }

    fn hear(&mut self, token: u64, received: Received) {
        let frame = match received.truncated {
            true => Err(FrameError::TooLong { len: received.len }),
            false => Frame::decode(&self.buffer[..received.len]),
        };
        let stage = self
            .meetings
            .get(&token)
            .map(|meeting| meeting.handshake.stage());
        let heard = match frame {
            Ok(Frame::Hello(hello)) if stage == Some(Stage::Hello) => {
                self.unknown.retain(|other| *other != token);
                match self.be_introduced(token, &hello, received.fds, received.fds_lost) {
                    Ok(()) => Heard::Hello(hello.id),
                    Err(refusal) => return self.refuse(token, refusal),
                }
            }
            Ok(Frame::Agreed) => Heard::Agreed,
            Ok(Frame::Settled) => Heard::Settled,
            Ok(Frame::Refuse(refusal)) => return self.end_meeting(token, Some(refusal)),
            Ok(other) => return self.refuse(token, Refusal::unexpected(other.name())),
            Err(error) => return self.refuse(token, error.into()),
        };
        self.answer(token, heard);
    }

    /// Checks a hello and all that came with it, and keeps what it proves.
    fn be_introduced(
        &mut self,
        token: u64,
        hello: &Hello,
        fds: Vec<OwnedFd>,
        fds_lost: bool,
    ) -> Result<(), Refusal> {
        let pidfd_token = self.token();
        let Some(meeting) = self.meetings.get(&token) else {
            return Ok(());
        };
        let caller = meeting.caller;
        if fds_lost {
            return Err(Refusal::TooManyFiles);
        }
        let trust = self
            .core
            .expected(meeting.called)
            .check(hello, meeting.caller)?;
        match self.core.peer(hello.id).map(|peer| peer.state()) {
            None if !self.gone.contains(&hello.id) => {}
            Some(PeerState::Connected) => return Err(Refusal::Duplicate),
            _ => return Err(Refusal::Over),
        }
        may_meet(caller, self.meetings.values())?;
        let Some(meeting) = self.meetings.get_mut(&token) else {
            return Ok(());
        };
        let evidence = evidence::examine(hello, meeting.caller, fds)?;
        let slot = self.core.slots.take().ok_or(Refusal::TooManyPeers {
            limit: PEERS_MAX.into(),
        })?;
        let identity = Identity {
            id: hello.id,
            name: hello.name.clone(),
            pid: if meeting.caller.pid == 0 {
                hello.pid
            } else {
                meeting.caller.pid
            },
            uid: meeting.caller.principal.uid,
            trust,
            clock_offset_ns: Clock::of_process().offset_from(hello.clock),
        };
        // Whoever has a descriptor of a bell can have reads and writes of it wait. An untrusted peer rings by a frame, so
        // this node sleeps on a bell that the peer does not have.
        let bell = match trust {
            Trust::Cooperative => Arc::clone(&meeting.bell),
            Trust::Untrusted => Arc::new(Eventfd::create().map_err(|_| Refusal::TooManyFiles)?),
        };
        let watched = self
            .core
            .epoll
            .add(&evidence.pidfd, pidfd_token, Interest::Read);
        watched.map_err(|_| Refusal::TooManyFiles)?;
        self.sources.insert(pidfd_token, Source::Caller(token));
        let gathered = Gathered {
            identity,
            slot,
            evidence,
            bell,
        };
        meeting.introduced = Some(Introduced {
            gathered,
            pidfd_token,
        });
        Ok(())
    }

    /// Does what the order of the handshake demands after what was heard.
    fn answer(&mut self, token: u64, heard: Heard) {
        let Some(meeting) = self.meetings.get_mut(&token) else {
            return;
        };
        let is_peer = meeting
            .peer_id()
            .is_some_and(|id| self.core.peer(id).is_some());
        match meeting.handshake.hear(heard) {
            Some(Reply::Greet) => self.greet(token),
            Some(Reply::Agree) => self.say_or_end(token, &Frame::Agreed),
            Some(Reply::Settle | Reply::Adopt) if is_peer => self.refuse(token, Refusal::Duplicate),
            Some(Reply::Settle) => {
                self.say_or_end(token, &Frame::Settled);
                self.adopt(token);
            }
            Some(Reply::Adopt) => self.adopt(token),
            None => self.refuse(token, Refusal::unexpected(format_args!("{heard:?}"))),
        }
    }

    fn say_or_end(&mut self, token: u64, frame: &Frame) {
        if let Some(meeting) = self.meetings.get(&token)
            && meeting.link.send(frame, Vec::new()).is_err()
        {
            self.end_meeting(token, None);
        }
    }

    /// Makes a connection the peering.
    fn adopt(&mut self, token: u64) {
        let Some(Meeting {
            link,
            introduced: Some(introduced),
            ..
        }) = self.meetings.remove(&token)
        else {
            return;
        };
        let Introduced {
            gathered,
            pidfd_token,
        } = introduced;
        let id = gathered.identity.id;
        let own = Own {
            card: Arc::clone(&self.core.card),
            commands: Arc::clone(&self.core.commands),
        };
        let peer = Arc::new(Peer::new(gathered, link, own));
        self.sources.insert(token, Source::Peer(Arc::clone(&peer)));
        self.sources
            .insert(pidfd_token, Source::Process(Arc::clone(&peer)));
        let watch = Watch {
            link_token: token,
            pidfd_token,
            version_told: 0,
            is_unmapping: false,
            is_reading: false,
        };
        self.watches.insert(id, watch);
        self.calls.remove(&id);
        self.core.introduced(&peer);
        self.core.roster.add(&peer);
        self.core.announce_all(&peer);
        // Names that changed since the peer read the card, when this node did not have it among its peers yet.
        peer.link().poke(&Frame::NamesChanged);
        self.core.card.add(Counter::Peers, 1);
        trace::debug!(peer = %id, name = peer.name(), pid = peer.identity().pid, "peering");
        self.end_other_meetings(id);
        self.upper.connected(&peer);
        self.look_at_names(&peer);
    }

    /// Of two connections between the same nodes only one is the peering.
    fn end_other_meetings(&mut self, id: NodeId) {
        let others = self
            .meetings
            .iter()
            .filter(|(_, meeting)| meeting.peer_id() == Some(id));
        for token in others.map(|(token, _)| *token).collect::<Vec<_>>() {
            self.refuse(token, Refusal::Duplicate);
        }
    }

    fn refuse(&mut self, token: u64, refusal: Refusal) {
        if let Some(meeting) = self.meetings.get(&token) {
            trace::debug!(node = ?meeting.peer_id(), pid = meeting.caller.pid, reason = %refusal, "refused");
            // It is told why, if its socket has room; the connection ends in any case.
            let _ = meeting
                .link
                .send(&Frame::Refuse(refusal.clone()), Vec::new());
        }
        self.end_meeting(token, Some(refusal));
    }

    /// Ends a meeting, by a refusal of either side or because the connection or the process ended.
    pub(super) fn end_meeting(&mut self, token: u64, refusal: Option<Refusal>) {
        let Some(meeting) = self.meetings.remove(&token) else {
            return;
        };
        self.sources.remove(&token);
        self.unknown.retain(|other| *other != token);
        meeting.link.shut();
        if let Some(Introduced {
            gathered,
            pidfd_token,
        }) = meeting.introduced
        {
            // The pidfd's file is the stranger's as well: closing our descriptor would leave it in the set.
            let _ = self.core.epoll.remove(&gathered.evidence.pidfd);
            self.sources.remove(&pidfd_token);
        }
        self.after(meeting.called, refusal);
    }

    /// Decides whether a node that was called is called again.
    fn after(&mut self, called: Option<NodeId>, refusal: Option<Refusal>) {
        let Some(id) = called else { return };
        match refusal {
            Some(refusal) if !refusal.is_passing() => self.give_up(id, refusal),
            _ => self.call_later(id),
        }
    }
}

/// Whether one more node of the caller's process, and of its user, may keep a place before it has settled.
fn may_meet<'a>(
    caller: Caller,
    meetings: impl Iterator<Item = &'a Meeting> + Clone,
) -> Result<(), Refusal> {
    let introduced = meetings
        .filter(|meeting| meeting.introduced.is_some())
        .map(|meeting| meeting.caller);
    let of_user = introduced.filter(|other| other.principal.uid == caller.principal.uid);
    let of_process = of_user.clone().filter(|other| other.pid == caller.pid);
    if of_process.count() >= MEETINGS_OF_PROCESS_MAX as usize {
        return Err(Refusal::TooManyMeetings {
            limit: MEETINGS_OF_PROCESS_MAX,
            whose: Party::Process,
        });
    }
    if of_user.count() >= MEETINGS_OF_USER_MAX as usize {
        return Err(Refusal::TooManyMeetings {
            limit: MEETINGS_OF_USER_MAX,
            whose: Party::User,
        });
    }
    Ok(())
}
