//! Who joins and leaves a group, as it becomes known.

use super::Group;
use super::group::Ids;
use crate::addr::ActorId;
use crate::message::Message;
use crate::node::lookup::Deadline;

/// A change of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupChange {
    /// An actor is a member.
    Joined(ActorId),
    /// It is not any more: it left, has ended, or its node cannot be reached.
    Left(ActorId),
}

/// Tells the changes of a group's members, from those that it had when the watch was made.
#[derive(Debug)]
pub struct GroupWatch<M: Message + ?Sized> {
    group: Group<M>,
    known: Ids,
}

impl<M: Message + ?Sized> GroupWatch<M> {
    pub(super) fn new(group: Group<M>) -> Self {
        let known = group.listed();
        Self { group, known }
    }

    /// Waits until there are changes, and returns them; none when the node has left the bus. Who joins and leaves between two
    /// calls may not be told of.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn next(&mut self) -> Vec<GroupChange> {
        let shared = self.group.shared();
        let look = || {
            let now = self.group.listed();
            let is_over = shared.is_detaching();
            (is_over || now != self.known).then_some(now)
        };
        let now = Deadline::never(shared).until(&shared.changes, look).await;
        let Some(now) = now.filter(|_| !shared.is_detaching()) else {
            return Vec::new();
        };
        let left = self.known.iter().filter(|id| !has(&now, id));
        let joined = now.iter().filter(|id| !has(&self.known, id));
        let left = left.copied().map(GroupChange::Left);
        let changes = left.chain(joined.copied().map(GroupChange::Joined));
        let changes = changes.collect();
        self.known = now;
        changes
    }
}

fn has(ids: &Ids, id: &ActorId) -> bool {
    ids.binary_search_by_key(&id.order(), |id| id.order())
        .is_ok()
}
