//! The names of the bus, as this node claims and finds them.

use ringway_shm::generation::Key;
use ringway_shm::registry::Kind;
use ringway_shm::sys::fork;

use super::Command;
use super::core::Core;
use crate::directory::SocketName;
use crate::error::NameError;
use crate::frame::Frame;
use crate::names::{Wanted, own_table, publish, publish_with};
use crate::number::Number;
use crate::peering::replica::Named;
use crate::peering::{NodeId, PeerState};

/// A name that was found, here or on a peer's card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) node: NodeId,
    pub(crate) key: Key,
    pub(crate) number: Number,
    pub(crate) kind: Kind,
    pub(crate) type_hash: u64,
}

impl Found {
    fn on(node: NodeId, named: Named) -> Self {
        let Named {
            key,
            number,
            kind,
            type_hash,
        } = named;
        Self {
            node,
            key,
            number,
            kind,
            type_hash,
        }
    }
}

impl Core {
    /// Claims a name on the whole bus, and publishes it once `prepare` has been called.
    pub(crate) fn claim(
        &self,
        wanted: Wanted<'_>,
        prepare: impl FnOnce(),
    ) -> Result<Key, NameError> {
        fork::check()?;
        let claimed = self
            .names
            .claim(&self.directory, self.card.registry(), wanted, prepare);
        match claimed {
            Ok(key) => {
                self.poke_names();
                Ok(key)
            }
            Err(NameError::Taken { name, holder: None }) => {
                let holder = self.holder(&name);
                Err(NameError::Taken { name, holder })
            }
            Err(error) => Err(error),
        }
    }

    /// Takes an entry without a name, that peers can open urings to.
    pub(crate) fn register(
        &self,
        kind: Kind,
        number: Number,
        type_hash: u64,
        prepare: impl FnOnce(),
    ) -> Result<Key, NameError> {
        fork::check()?;
        let registry = self.card.registry();
        let key = registry.allocate(kind, "", type_hash).map_err(own_table)?;
        prepare();
        publish(registry, key, number);
        Ok(key)
    }

    /// Takes an entry under a name that others may have too, and shows it.
    pub(crate) fn show(
        &self,
        kind: Kind,
        name: &str,
        number: Number,
        type_hash: u64,
    ) -> Result<Key, NameError> {
        self.show_with(kind, name, number.to_bits(), type_hash)
    }

    /// The same with any word as its detail.
    pub(crate) fn show_with(
        &self,
        kind: Kind,
        name: &str,
        detail: u64,
        type_hash: u64,
    ) -> Result<Key, NameError> {
        fork::check()?;
        let registry = self.card.registry();
        let key = registry
            .allocate(kind, name, type_hash)
            .map_err(own_table)?;
        publish_with(registry, key, detail);
        self.poke_names();
        Ok(key)
    }

    /// Gives an entry back, with its name if it has one.
    pub(crate) fn unregister(&self, key: Key) {
        if fork::check().is_err() {
            return; // The entry is the parent's, and so is the memory that it stands in.
        }
        self.names.release(self.card.registry(), key);
        self.poke_names();
    }

    /// Finds an actor or queue by name: here, or on the card of a connected peer.
    ///
    /// Cost: a load and a table look-up for each peer, and the reading of cards that have changed.
    pub(crate) fn find(&self, name: &str) -> Option<Found> {
        self.find_where(name, |_| true)
    }

    /// The same, passing over what is not wanted: the name of the dead may stand on a card for a while.
    pub(crate) fn find_where(
        &self,
        name: &str,
        is_wanted: impl Fn(&Found) -> bool,
    ) -> Option<Found> {
        fork::check().ok()?;
        if let Some(published) = self
            .card
            .registry()
            .find(name)
            .and_then(|key| self.card.registry().get(key))
        {
            let found = Found::on(self.id, Named::read(&published)?);
            if is_wanted(&found) {
                return Some(found);
            }
        }
        let connected = self
            .peers()
            .into_iter()
            .filter(|peer| peer.state() == PeerState::Connected);
        connected.into_iter().find_map(|peer| {
            let mut replica = peer.replica();
            replica.refresh(peer.card());
            let named = replica.find(name)?;
            Some(Found::on(peer.id(), named)).filter(&is_wanted)
        })
    }

    /// Forgets a name whose node says that it is not there any more, until its card changes again.
    pub(crate) fn forget_name(&self, name: &str, found: Found) {
        if let Some(peer) = self.peer(found.node) {
            peer.replica().forget(name, found.key);
        }
    }

    /// Whether a node that is no peer may become one: its socket is there.
    pub(crate) fn may_come(&self, node: NodeId) -> bool {
        self.directory.has(SocketName::Node(node))
    }

    /// The same, for who waits for it: `Upper::absent` says so if it does not. A socket may be all that is left of a node that died
    /// before it came.
    pub(crate) fn await_node(&self, node: NodeId) -> bool {
        let may_come = self.may_come(node);
        if may_come {
            self.commands.give(Command::Meet(node));
        }
        may_come
    }

    /// The nodes that were found and are not peers, each with the reason: a name that is not found may be theirs.
    pub(crate) fn silent_nodes(&self) -> Vec<String> {
        let strangers = self.roster.strangers().into_iter();
        let present = strangers.filter(|node| self.directory.has(SocketName::Node(node.id())));
        present.map(|node| node.to_string()).collect()
    }

    /// The nodes of the bus that are not met yet, though they would be, each in words: one that this node found, or that stands in
    /// the directory, and which the control thread then meets. Empty, every node is a peer whose socket stood there when this was
    /// called.
    pub(crate) fn unmet_nodes(&self) -> Vec<String> {
        // A directory that cannot be read has nothing new.
        let sockets = self.directory.sockets().unwrap_or_default();
        let nodes = sockets.into_iter().filter_map(|name| match name {
            SocketName::Node(id) if id != self.id => Some(id),
            _ => None,
        });
        let mut unmet = Vec::new();
        for id in nodes.filter(|id| self.peer(*id).is_none()) {
            let known = self.roster.strangers();
            match known.into_iter().find(|node| node.id() == id) {
                Some(node) if node.has_refused() => {}
                Some(node) => unmet.push(node.to_string()),
                None => {
                    self.commands.give(Command::Meet(id));
                    unmet.push(format!("node {id} has not answered"));
                }
            }
        }
        unmet
    }

    /// Who shows a name on its card, for an error's text.
    fn holder(&self, name: &str) -> Option<String> {
        let found = self.find(name)?;
        let peer = self.peer(found.node)?;
        Some(format!("node {:?} ({})", peer.name(), peer.id()))
    }

    /// Tells the peers that names changed. Lost pokes do no harm: see `Control::look_at_names`.
    fn poke_names(&self) {
        for peer in self.peers() {
            peer.link().poke(&Frame::NamesChanged);
        }
    }
}
