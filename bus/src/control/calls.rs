//! Calling the nodes that came before: connecting to each, until it is a peer, has refused, or is gone.

use ringway_shm::sys::socket::{ConnectError, SeqPacket};

use super::run::Control;
use super::timers::{Backoff, Due};
use crate::directory::SocketName;
use crate::peering::NodeId;
use crate::peering::handshake::Side;
use crate::peering::refusal::Refusal;
use crate::peering::roster::Stranger;
use crate::trace;

/// A node that is to become a peer.
#[derive(Debug, Default)]
pub(super) struct Call {
    backoff: Backoff,
}

impl Control {
    /// Meets what stands in the bus directory.
    pub(super) fn meet(&mut self, name: SocketName) {
        match name {
            SocketName::Node(id) if id != self.core.id() => {
                self.calls.insert(id, Call::default());
                self.call(id);
            }
            // A node that is starting will find this one; only a dead one's name is to be cleared away.
            SocketName::Starting(_) => drop(self.connect(name)),
            SocketName::Node(_) => {}
        }
    }

    /// Meets a node that was found later than at the start, unless that is under way. It may be about to come by itself: of two
    /// connections one is closed.
    pub(super) fn meet_found(&mut self, id: NodeId) {
        if self.core.peer(id).is_none() && !self.calls.contains_key(&id) {
            self.core.roster.note(id, Stranger::Silent);
            self.meet(SocketName::Node(id));
        }
    }

    /// Connects to a node that was found, unless it is a peer by now.
    pub(super) fn call(&mut self, id: NodeId) {
        if !self.calls.contains_key(&id) || self.core.peer(id).is_some() {
            self.calls.remove(&id);
            return;
        }
        match self.connect(SocketName::Node(id)) {
            Ok(socket) => self.open_meeting(socket, Side::Connector, Some(id)),
            Err(ConnectError::Refused | ConnectError::Missing) => {
                self.calls.remove(&id);
                self.core.roster.forget(id);
                self.upper.absent(id);
            }
            Err(ConnectError::Denied) => self.give_up(id, Refusal::Denied),
            Err(error) => {
                trace::debug!(node = %id, %error, "cannot connect yet");
                self.call_later(id);
            }
        }
    }

    /// Tries again after a pause that grows.
    pub(super) fn call_later(&mut self, id: NodeId) {
        if let Some(call) = self.calls.get_mut(&id) {
            self.timers.after(call.backoff.next(), Due::Call(id));
        }
    }

    /// Ends the calls to a node for a reason that will not pass.
    pub(super) fn give_up(&mut self, id: NodeId, refusal: Refusal) {
        trace::warning!(node = %id, reason = %refusal, "no peering");
        self.calls.remove(&id);
        self.core.roster.note(id, Stranger::Refused(refusal));
        self.upper.absent(id);
    }

    /// Connects, and clears the name of a dead socket away. Only a refusal proves that nobody listens any more; and as
    /// names are never used again, nobody else's can be hit.
    fn connect(&self, name: SocketName) -> Result<SeqPacket, ConnectError> {
        let connected = SeqPacket::connect(&self.core.directory, &name.file_name());
        if let Err(ConnectError::Refused) = connected {
            trace::debug!(socket = name.file_name(), "removing a stale socket");
            if let Err(error) = self.core.directory.unlink(name) {
                trace::warning!(socket = name.file_name(), %error, "cannot remove a stale socket");
            }
        }
        connected
    }
}
