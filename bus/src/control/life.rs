//! How peerings end, and how this node leaves.
//!
//! # If a side dies
//! | the peer… | this node | and then |
//! |---|---|---|
//! | is killed | drains its socket when the pidfd is readable | `dead(Process)`: heads are final, its slot may be freed; its socket's name is removed |
//! | closes its socket, or breaks the protocol | ends the traffic: `closed` | waits for the pidfd |
//! | leaves | ends the traffic: `closed` | waits for the goodbye, or the pidfd |

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringway_shm::card::Counter;

use super::run::Control;
use crate::directory::SocketName;
use crate::peering::link::Flushed;
use crate::peering::{Closure, Death, Peer, PeerState};
use crate::trace;

/// Nodes that said goodbye and are remembered: enough for connections that were queued meanwhile.
const GONE_MAX: usize = 256;
/// How long a leaving node waits for peers whose queues are full to read its last frames.
const LINGER: Duration = Duration::from_millis(200);
/// How often it looks whether they did.
const LINGER_LOOK: Duration = Duration::from_millis(5);

impl Control {
    /// Ends the traffic with a peer and hangs up. Its process is watched on: it may still read our memory.
    pub(super) fn close(&mut self, peer: &Arc<Peer>, closure: &Closure) {
        peer.link().shut();
        if let Some(watch) = self.watches.get(&peer.id()) {
            self.sources.remove(&watch.link_token);
        }
        self.close_traffic(peer, closure);
    }

    /// Ends the traffic with a peer; the socket stays for its last words.
    pub(super) fn close_traffic(&mut self, peer: &Arc<Peer>, closure: &Closure) {
        if peer.advance(PeerState::Closed) {
            trace::debug!(peer = %peer.id(), name = peer.name(), reason = %closure, "closed");
            self.upper.closed(peer, closure);
        }
    }

    /// A peer's process has ended: what it had sent is handled first, the death last.
    pub(super) fn bury(&mut self, peer: &Arc<Peer>) {
        // What it has sent is finite once nobody adds to it: a process that it forked may hold its socket, and go on.
        peer.link().refuse_more();
        while self.take_frame(peer) {}
        self.die(peer, Death::Process);
    }

    /// A death is proved.
    pub(super) fn die(&mut self, peer: &Arc<Peer>, how: Death) {
        if !peer.advance(PeerState::Dead) {
            return;
        }
        peer.link().shut();
        // The pidfd's file may be open elsewhere: closing our descriptor would leave it in the set.
        let _ = self.core.epoll.remove(peer.pidfd());
        if let Some(watch) = self.watches.remove(&peer.id()) {
            self.sources.remove(&watch.link_token);
            self.sources.remove(&watch.pidfd_token);
        }
        if how == Death::Process {
            // It did not take its socket's name away. Who cannot either leaves it to the next who meets it.
            let _ = self.core.directory.unlink(SocketName::Node(peer.id()));
        } else {
            if self.gone.len() == GONE_MAX {
                self.gone.pop_front();
            }
            self.gone.push_back(peer.id());
        }
        self.core.heap().forget_peer(peer.slot());
        self.core.rings.forget_peer(peer.id());
        self.core.roster.remove(peer.id());
        self.core.card.counters().sub(Counter::Peers, 1);
        self.core.card.add(Counter::PeersGone, 1);
        trace::debug!(peer = %peer.id(), name = peer.name(), ?how, "dead");
        self.upper.dead(peer, how);
    }

    /// Leaves the bus: no node finds this one any more, strangers are dropped, every peer is told.
    pub(super) fn leave(&mut self) {
        trace::debug!(node = %self.core.id(), "detaching");
        // A name that cannot be removed refuses, and whoever meets it removes it.
        let _ = self.core.directory.unlink(SocketName::Node(self.core.id()));
        self.close_listener();
        for (_, meeting) in self.meetings.drain() {
            meeting.link.shut();
        }
        let peers = self.core.roster.detach();
        peers.iter().for_each(|peer| peer.part());
        let deadline = Instant::now() + LINGER;
        let mut events = Vec::new();
        while peers
            .iter()
            .any(|peer| peer.link().flush() != Flushed::Empty)
            && Instant::now() < deadline
        {
            let _ = self.core.epoll.wait(&mut events, Some(LINGER_LOOK));
        }
        for peer in &peers {
            peer.link().unwatch();
            let _ = self.core.epoll.remove(peer.pidfd());
        }
        // From here on each peer gets its goodbye when the last who holds it lets go.
        self.sources.clear();
        self.watches.clear();
    }
}
