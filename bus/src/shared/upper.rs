//! What the control thread tells the layers above: peers that come, speak, close and die.

use std::sync::{Arc, Weak};

use ringway_shm::generation::Key;

use super::{Shared, lock};
use crate::actor::link;
use crate::control::Upper;
use crate::driver::Job;
use crate::exit::ExitReason;
use crate::frame::UringFrame;
use crate::peering::{Closure, Death, NodeId, Peer};
use crate::topics;
use crate::urings::PeerUrings;
use crate::urings::open;
use crate::urings::wire::UringWord;

/// The way up from the control thread, which must not keep the node alive.
pub(crate) struct UpperOf(Weak<Shared>);

impl UpperOf {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.0.upgrade()
    }
}

/// What the end of a peering means for its actors.
fn reason_of(why: &Closure) -> ExitReason {
    match why {
        Closure::HungUp => ExitReason::Unreachable,
        Closure::Leaving => ExitReason::Shutdown,
        Closure::Broken(_) | Closure::Violations { .. } => ExitReason::ProtocolViolation,
    }
}

impl Upper for UpperOf {
    fn connected(&self, peer: &Arc<Peer>) {
        let Some(shared) = self.shared() else { return };
        let urings = PeerUrings::new(peer);
        lock(&shared.peers).insert(peer.id(), Arc::clone(&urings));
        shared
            .jobs
            .rouse(Job::Peer(Arc::clone(&urings)), &shared.queue);
        shared.open_waiting(&urings);
        link::met(&shared, &urings);
        // It may be there to read them.
        shared.post_accounts();
        topics::seek_all(&shared);
        shared.changes.wake_all();
    }

    fn frame(&self, peer: &Arc<Peer>, frame: UringFrame) {
        let Some(shared) = self.shared() else { return };
        let Some(urings) = shared.peer(peer.id()) else {
            return;
        };
        match frame.decode::<UringWord>() {
            Ok(word) => open::hear(&shared, &urings, word),
            Err(_) => urings.garbled(),
        }
    }

    fn closed(&self, peer: &Arc<Peer>, why: &Closure) {
        let Some(shared) = self.shared() else { return };
        let Some(urings) = shared.peer(peer.id()) else {
            return;
        };
        let reason = reason_of(why);
        urings.ends().iter().for_each(|end| end.refuse(&reason));
        if reason == ExitReason::ProtocolViolation {
            // It may go on stamping entries: none of them is taken.
            urings.lanes().iter().for_each(|lane| lane.cut(&reason));
        } else {
            // It may have written after its last ring, and an untrusted peer rings over the socket: all is looked at again.
            let lanes = urings.lanes().into_iter().filter(|lane| lane.heat());
            lanes.for_each(|lane| shared.watch(lane));
        }
        shared.topics.peer_closed(peer.id());
        shared.queue.rouse();
        shared.changes.wake_all();
    }

    fn dead(&self, peer: &Arc<Peer>, how: Death) {
        let Some(shared) = self.shared() else { return };
        let reason = match how {
            // Asked while the peer is still one: until then what its parent knows is kept.
            Death::Process => shared
                .wards
                .died(peer.id())
                .unwrap_or(ExitReason::ProcessDied),
            Death::Goodbye => ExitReason::Shutdown,
        };
        let urings = lock(&shared.peers).remove(&peer.id());
        // After that: a child that was over before has found the peer, and left what it knows for this notice.
        shared.wards.forget(peer.id());
        let Some(urings) = urings else {
            // It died before it was connected.
            return shared.refuse_unmet(peer.id(), &reason);
        };
        open::end_all(&urings, &reason);
        urings.life().end(&reason);
        shared.forget_peer(peer.id(), &reason);
        shared.relays.died(peer.id(), &reason);
        shared.topics.peer_dead(peer.id());
        shared.blocks.wake_all();
        // The death notice makes the driver look at everything: a sender may have died before it rang.
        shared.queue.rouse();
        shared.changes.wake_all();
    }

    fn absent(&self, node: NodeId) {
        if let Some(shared) = self.shared() {
            shared.refuse_unmet(node, &ExitReason::Unreachable);
        }
    }

    fn names_changed(&self, _peer: &Arc<Peer>) {
        if let Some(shared) = self.shared() {
            topics::seek_all(&shared);
            shared.changes.wake_all();
        }
    }

    fn heap_mapped(&self, peer: &Arc<Peer>) {
        if let Some(shared) = self.shared() {
            shared.topics.heap_mapped(peer.id());
        }
    }

    fn ring_mapped(&self, peer: &Arc<Peer>) {
        let Some(shared) = self.shared() else { return };
        if let Some(urings) = shared.peer(peer.id()) {
            open::hear_held(&shared, &urings);
        }
    }

    fn heap_retired(&self) {
        if let Some(shared) = self.shared() {
            shared.blocks.wake_all();
        }
    }

    fn heap_acknowledged(&self, peer: &Arc<Peer>, _key: Key) {
        let Some(shared) = self.shared() else { return };
        let Some(urings) = shared.peer(peer.id()) else {
            return;
        };
        urings.ends().iter().for_each(|end| end.room.wake_all());
        urings.lanes().iter().for_each(|lane| lane.post_late());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use crate::directory::SocketName;
    use crate::number::Number;
    use crate::prelude::*;
    use crate::testing::{TempDir, wait_until};
    use crate::urings::wire::TargetKind;

    // Goal: who waits for an actor of a node that dies before it was met is told, and so is who comes with its address later.
    // Method: a socket that cannot be connected to, whose owner goes and leaves its name, as one does that is killed.
    #[test]
    fn a_node_that_dies_before_it_is_met_keeps_nobody_waiting() {
        let temp = TempDir::new();
        let node = Node::attach(temp.config("node")).unwrap();
        let id = NodeId::random().unwrap();
        let name = SocketName::Node(id).file_name();
        let listener = UnixListener::bind(temp.bus().join(name)).unwrap();
        let reach = || {
            let kind = TargetKind::Actor;
            node.shared().end_to(id, Number::FIRST, kind, &[])
        };
        let end = reach();
        assert!(end.open_result().is_none(), "it may come");
        drop(listener);
        wait_until("its end", || matches!(end.open_result(), Some(Err(_))));
        assert!(matches!(reach().open_result(), Some(Err(_))));
    }
}
