//! The actors of a node: those that live, those that peers can reach, and those that are linked to some of other nodes.

use std::any::Any;
use std::sync::{Arc, Weak};

use ringway_shm::generation::Key;

use super::{Shared, lock};
use crate::actor::Accepted;
use crate::actor::cell::CellCore;
use crate::exit::ExitReason;
use crate::inbox::Inbox;
use crate::number::Number;
use crate::urings::wire::TargetKind;
use crate::wait_list::WaitList;

/// Something of this node that peers can open urings to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) kind: TargetKind,
    /// The actor's type, for errors.
    pub(crate) called: &'static str,
    pub(crate) inbox: Arc<Inbox>,
    /// What it handles; a queue takes anything.
    pub(crate) accepted: &'static [Accepted],
    /// The actor's cell, for addresses that come home.
    pub(crate) cell: Option<Weak<dyn Any + Send + Sync>>,
    pub(crate) living: Option<Weak<dyn Living>>,
}

/// Something that lives until its node detaches: an actor.
pub(crate) trait Living: Send + Sync {
    /// Ends it, without waiting.
    fn end(&self, reason: ExitReason);
    /// Ends it when it has nothing left to do.
    fn drain(&self, reason: ExitReason);
    /// Ends it in the middle of what it does.
    fn kill(&self, reason: ExitReason);
    /// Tells whether it has ended, and registers for the change.
    fn ended(&self) -> &WaitList;
    fn has_ended(&self) -> bool;
    /// No hook or handler of it has begun and not ended.
    #[cfg(feature = "test")]
    fn is_at_rest(&self) -> bool;
    fn core(&self) -> &CellCore;
    /// Its cell, if it is that actor.
    fn cell_of(self: Arc<Self>, number: Number) -> Option<CellOf>;
}

/// An actor's cell whose type is not known, and the messages that it handles.
pub(crate) type CellOf = (Arc<dyn Any + Send + Sync>, &'static [Accepted]);

impl Shared {
    pub(crate) fn add_target(&self, number: Number, target: Target) {
        lock(&self.targets).insert(number, target);
    }

    pub(crate) fn target(&self, number: Number) -> Option<Target> {
        lock(&self.targets).get(&number).cloned()
    }

    pub(crate) fn remove_target(&self, number: Number) {
        lock(&self.targets).remove(&number);
    }

    /// Has words about links find an actor.
    pub(crate) fn remember_linked(&self, number: Number, living: Weak<dyn Living>) {
        lock(&self.linked).insert(number, living);
    }

    pub(crate) fn forget_linked(&self, number: Number) {
        let living = lock(&self.linked).remove(&number);
        drop(living); // outside the lock
    }

    pub(crate) fn linked(&self) -> Vec<Arc<dyn Living>> {
        lock(&self.linked)
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// An actor that a peer may name in a word about a link.
    pub(crate) fn linkable(&self, number: Number) -> Option<Arc<dyn Living>> {
        let known = lock(&self.linked).get(&number).cloned();
        let living = known.or_else(|| self.target(number)?.living)?;
        living.upgrade()
    }

    /// Remembers an actor; returns its place among those that end with the node.
    pub(crate) fn add_living(&self, living: Weak<dyn Living>) -> u32 {
        let place = lock(&self.living).insert(living);
        u32::try_from(place).expect("in-range: memory ends before four billion actors")
    }

    pub(crate) fn living(&self) -> Vec<Arc<dyn Living>> {
        lock(&self.living)
            .iter()
            .filter_map(|(_, living)| living.upgrade())
            .collect()
    }

    /// The cell of an actor that has not ended.
    pub(crate) fn cell_of(&self, place: u32, number: Number) -> Option<CellOf> {
        let living = lock(&self.living).get(place as usize).cloned();
        living?.upgrade()?.cell_of(number)
    }

    /// An actor has ended: its place and its name are free.
    pub(crate) fn actor_ended(&self, place: u32, number: Number, key: Option<Key>) {
        let living = lock(&self.living).try_remove(place as usize);
        drop(living); // outside the lock
        if let Some(key) = key {
            self.remove_target(number);
            self.core().unregister(key);
        }
    }
}
