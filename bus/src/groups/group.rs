//! A group, as a program holds it: joining, leaving, and sending to its members.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use ringway_shm::registry::Kind;
use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::Relaxed;

use super::{GroupError, GroupWatch, Label, Membership};
use crate::addr::{ActorId, Recipient};
use crate::message::{Message, Sendable};
use crate::node::{Carried, Reachable};
use crate::peering::{NodeId, PeerState};
use crate::send::{AskError, SendError};
use crate::shared::{Shared, lock};
use crate::urings::wire::{OpenRefusal, TargetKind};

/// The actors of any nodes of the bus that have joined a name, as recipients of `M`; from [`Node::group`](crate::Node::group).
///
/// Members come and go by themselves: one that ends has left, by a SIGKILL of its process too. What a handle knows of other nodes
/// may be some moments old; one that has ended meanwhile is passed over. Cheap to clone.
///
/// ```
/// # use ringway::prelude::*;
/// # #[derive(Actor)]
/// # #[actor(handles(u64))]
/// # struct Worker;
/// # impl Handler<u64> for Worker {
/// #     async fn handle(&mut self, _: u64, _cx: &mut Context<Self>) {}
/// # }
/// # let directory = std::env::temp_dir().join(format!("ringway-doc-group-{}", std::process::id()));
/// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
/// let workers = node.group::<u64>("workers")?;
/// for _ in 0..3 {
///     workers.join(&node.spawn(Worker)?)?;           // or `cx.addr()` in the start hook of an actor anywhere
/// }
/// block_on(async {
///     assert_eq!(workers.tell_all(7).await, 3);      // each
///     workers.ask(8).await?;                         // one after the other
///     assert_eq!(workers.members().len(), 3);
///     # Ok::<_, AskError<u64>>(())
/// })?;
/// # node.detach();
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Group<M: Message + ?Sized>(Arc<Handle<M>>);

struct Handle<M: Message + ?Sized> {
    shared: Arc<Shared>,
    label: Label,
    /// What was listed last.
    listed: Mutex<Listed>,
    members: Mutex<Arc<Reached<M>>>,
    /// Whose turn it is.
    turn: AtomicUsize,
}

/// Which state of the books and cards a list is of: a card is read only when it has changed, and so is the list made anew.
#[derive(Default, PartialEq, Eq)]
struct Stamp {
    own: u64,
    peers: Vec<(NodeId, Option<u64>)>,
}

/// The members that the cards show.
#[derive(Default)]
struct Listed {
    /// `None` before the first time.
    stamp: Option<Stamp>,
    ids: Ids,
}

/// In the order of their ids, each once; the same list while nothing changes.
pub(super) type Ids = Arc<[ActorId]>;

/// The addresses of listed members.
struct Reached<M: Message + ?Sized> {
    of: Ids,
    /// In the order of their ids.
    members: Vec<Recipient<M>>,
}

impl<M: Message + ?Sized> Group<M> {
    pub(crate) fn open(shared: &Arc<Shared>, name: &str) -> Result<Self, GroupError> {
        let group = Self(Arc::new(Handle {
            shared: Arc::clone(shared),
            label: Label::of::<M>(name)?,
            listed: Mutex::default(),
            members: Mutex::new(Arc::new(Reached {
                of: Ids::default(),
                members: Vec::new(),
            })),
            turn: AtomicUsize::new(0),
        }));
        group.look()?;
        Ok(group)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Returns the group's name.
    pub fn name(&self) -> &str {
        self.0.label.group()
    }

    /// Has an actor of this node be a member, until it leaves or ends; `false` if it was one. Of an address that follows, the life
    /// that there is now: an actor that is started again joins in its start hook.
    ///
    /// # Errors
    ///
    /// The group has members for another message; the actor has ended, or runs on another node.
    pub fn join(&self, actor: impl Into<Recipient<M>>) -> Result<bool, GroupError> {
        self.look()?;
        let Some(route) = actor.into().own_route() else {
            return Err(GroupError::Elsewhere);
        };
        let (label, shared) = (&self.0.label, &self.0.shared);
        let core = route.core();
        let number = core.number();
        if core.shared().core().id() != shared.core().id() {
            return Err(GroupError::Elsewhere);
        }
        Arc::clone(&route).make_reachable()?;
        if !core.joins() {
            return Err(GroupError::Ended);
        }
        if shared.groups.has(label, number) {
            return Ok(false);
        }
        let registered = shared
            .core()
            .show(Kind::Member, label.text(), number, label.types);
        let unused = shared.groups.add(label, number, registered?);
        if let Some(key) = unused {
            shared.core().unregister(key);
        }
        if core.has_withdrawn() {
            shared.leave_groups(None, number);
            return Err(GroupError::Ended);
        }
        shared.changes.wake_all();
        Ok(unused.is_none())
    }

    /// Has an actor of this node be a member no more; `false` if it was none.
    pub fn leave(&self, actor: impl Into<Recipient<M>>) -> bool {
        let route = actor.into().own_route();
        route.is_some_and(|route| {
            let number = route.core().number();
            self.0.shared.leave_groups(Some(&self.0.label), number)
        })
    }

    /// Returns the members as this node knows them now, but for those of whose end it has heard: addresses of one life each.
    pub fn members(&self) -> Vec<Recipient<M>> {
        let reached = self.reached();
        let living = reached.members.iter().filter(|it| !it.is_closed());
        living.cloned().collect()
    }

    /// The addresses of all who are listed now, also of those that have ended.
    ///
    /// Cost: a look at each peer's card; more only when one has changed.
    fn reached(&self) -> Arc<Reached<M>> {
        let listed = self.listed();
        let known = Arc::clone(&*lock(&self.0.members));
        if Arc::ptr_eq(&known.of, &listed) {
            return known;
        }
        // Both lists are in the same order. One that has ended stays so, and is not looked for again.
        let mut before = known.members.iter().peekable();
        let reach = |id: &ActorId| {
            while before.next_if(|it| it.id().order() < id.order()).is_some() {}
            let same = before.next_if(|it| it.id() == *id);
            same.cloned().or_else(|| reach::<M>(&self.0.shared, *id))
        };
        let members = listed.iter().filter_map(reach).collect();
        let reached = Arc::new(Reached {
            of: listed,
            members,
        });
        let before = std::mem::replace(&mut *lock(&self.0.members), Arc::clone(&reached));
        drop(before); // outside the lock: they may be the last addresses
        reached
    }

    /// Returns the changes of the members from now on.
    pub fn watch(&self) -> GroupWatch<M> {
        GroupWatch::new(self.clone())
    }

    /// Returns the member whose turn it is, one after the other; nothing if there is none.
    pub fn one(&self) -> Option<Recipient<M>> {
        let reached = self.reached();
        let members = reached.members.as_slice();
        if members.is_empty() {
            return None;
        }
        // Relaxed: it orders nothing.
        let turn = self.0.turn.fetch_add(1, Relaxed) % members.len();
        let (before, from) = members.split_at(turn);
        let mut in_turn = from.iter().chain(before);
        in_turn.find(|it| !it.is_closed()).cloned()
    }

    /// Tells one member, the next in turn; one that has ended is passed over.
    ///
    /// # Errors
    ///
    /// [`SendError::NoMember`] when there is none; any other as of the member that it was for.
    ///
    /// # Cancel safety
    ///
    /// As for [`Addr::tell`](crate::Addr::tell).
    pub async fn tell<S: Sendable<Message = M>>(&self, mut message: S) -> Result<(), SendError<S>> {
        loop {
            let Some(member) = self.one() else {
                return Err(self.nobody(message));
            };
            match member.tell(message).await {
                Err(error) => message = passed_over(error, &member)?,
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Asks one member, the next in turn; one that has ended before the message was sent is passed over.
    ///
    /// # Errors
    ///
    /// [`SendError::NoMember`] when there is none; any other as of the member that it was for.
    ///
    /// # Cancel safety
    ///
    /// As for [`Addr::ask`](crate::Addr::ask).
    pub async fn ask<S: Sendable<Message = M>>(
        &self,
        mut message: S,
    ) -> Result<<M::Reply as Message>::Arrival, AskError<S>> {
        loop {
            let Some(member) = self.one() else {
                return Err(AskError::Unsent(self.nobody(message)));
            };
            match member.ask(message).await {
                Err(AskError::Unsent(error)) => {
                    message = passed_over(error, &member).map_err(AskError::Unsent)?;
                }
                answered => return answered,
            }
        }
    }

    /// Tells every member, all at once; returns how many have the message in their mailboxes. Those that ended meanwhile do not
    /// count. It waits for room in each; see [`try_tell_all`](Self::try_tell_all).
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves those out that had no room yet.
    pub async fn tell_all(&self, message: M) -> usize
    where
        M: Clone + Sendable<Message = M>,
    {
        let members = self.members();
        let tells = members.iter().map(|member| member.tell(message.clone()));
        let told = join_all(tells).await;
        told.iter().filter(|told| told.is_ok()).count()
    }

    /// Tells every member that has room at once; returns how many. One of another node has none while it is being reached for
    /// the first time.
    pub fn try_tell_all(&self, message: &M) -> usize
    where
        M: Clone + Sendable<Message = M>,
    {
        let members = self.members();
        let told = members
            .iter()
            .map(|member| member.try_tell(message.clone()));
        told.filter(Result::is_ok).count()
    }

    fn nobody<S>(&self, message: S) -> SendError<S> {
        let group = self.name().to_owned();
        SendError::NoMember { message, group }
    }

    /// The members that the cards show.
    pub(super) fn listed(&self) -> Ids {
        let (shared, label) = (&self.0.shared, &self.0.label);
        let core = shared.core();
        // Read before the list: what changes meanwhile makes it another one.
        let own = shared.groups.version();
        let connected = core.peers().into_iter();
        let connected: Vec<_> = connected
            .filter(|peer| peer.state() == PeerState::Connected)
            .collect();
        let stamp = Stamp {
            own,
            peers: connected
                .iter()
                .map(|peer| {
                    let mut replica = peer.replica();
                    replica.refresh(peer.card());
                    (peer.id(), replica.version())
                })
                .collect(),
        };
        let mut listed = lock(&self.0.listed);
        if listed.stamp.as_ref() == Some(&stamp) {
            return Arc::clone(&listed.ids);
        }
        let own = shared.groups.members(label).into_iter();
        let mut ids: Vec<_> = own.map(|number| ActorId::new(core.id(), number)).collect();
        for peer in connected {
            let replica = peer.replica();
            let theirs = replica.members(label).iter();
            let of_type = theirs.filter(|it| it.types == label.types);
            ids.extend(of_type.map(|it| ActorId::new(peer.id(), it.number)));
        }
        ids.sort_unstable_by_key(|id| id.order());
        ids.dedup();
        if *ids != *listed.ids {
            listed.ids = ids.into();
        }
        listed.stamp = Some(stamp);
        Arc::clone(&listed.ids)
    }

    /// Looks whether the group is one of the same message everywhere.
    fn look(&self) -> Result<(), GroupError> {
        let ours = &self.0.label;
        let core = self.0.shared.core();
        let mut found = Ok(());
        let mut compare = |node: &str, label: &str, member: Membership| {
            let Some(theirs) = ours.message_of(label).filter(|_| found.is_ok()) else {
                return;
            };
            let (group, node) = (|| ours.group().to_owned(), || node.to_owned());
            if theirs != ours.message() {
                found = Err(GroupError::OtherType {
                    group: group(),
                    ours: M::NAME,
                    theirs: theirs.to_owned(),
                    node: node(),
                });
            } else if member.types != ours.types {
                found = Err(GroupError::OtherSchema {
                    group: group(),
                    message: M::NAME,
                    node: node(),
                });
            }
        };
        self.0.shared.groups.each_of(ours, |label, member| {
            compare(core.name(), label, member);
        });
        for peer in core.peers() {
            if peer.state() != PeerState::Connected {
                continue;
            }
            let mut replica = peer.replica();
            replica.refresh(peer.card());
            for (label, members) in replica.members_of_group(ours) {
                // One that differs, if any does.
                let first = members.iter().find(|it| it.types != ours.types);
                if let Some(member) = first.or_else(|| members.first()) {
                    compare(peer.name(), label, *member);
                }
            }
        }
        found
    }
}

/// Makes an address of what a card shows.
fn reach<M: Message + ?Sized>(shared: &Arc<Shared>, id: ActorId) -> Option<Recipient<M>> {
    if id.node() == shared.core().id() {
        let target = shared.target(id.number())?;
        return Recipient::at_home(&target).ok();
    }
    let carried = [Carried::of::<M>()];
    let end = shared.end_to(id.node(), id.number(), TargetKind::Actor, &carried);
    Some(Recipient::abroad(end))
}

/// Takes the message back from a member that had ended; any other error stays one.
fn passed_over<S: Sendable>(
    error: SendError<S>,
    member: &Recipient<S::Message>,
) -> Result<S, SendError<S>> {
    match error {
        // One that says so is not looked at again.
        SendError::Ended { message, .. } if member.is_closed() => Ok(message),
        SendError::Refused {
            message,
            refusal: OpenRefusal::NoSuchActor,
        } => Ok(message),
        error => Err(error),
    }
}

impl<M: Message + ?Sized> Clone for Group<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Message + ?Sized> std::fmt::Debug for Group<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.name())
            .field("message", &M::NAME)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use crate::testing::{TempDir, wait_until};

    #[derive(Actor)]
    #[actor(handles(u64))]
    struct Worker;

    impl Handler<u64> for Worker {
        async fn handle(&mut self, _: u64, _: &mut crate::Context<Self>) {}
    }

    // Goal: a group is not listed anew for each message, nor its members looked for: only when somebody has come or gone, here or
    // on another node; whatever else becomes of cards.
    #[test]
    fn members_are_listed_when_they_change() {
        let temp = TempDir::new();
        let (home, other) = (
            Node::attach(temp.config("home")).unwrap(),
            Node::attach(temp.config("other")).unwrap(),
        );
        let (group, far) = (
            home.group::<u64>("workers").unwrap(),
            other.group::<u64>("workers").unwrap(),
        );
        let join = |node: &Node, group: &Group<u64>| {
            let worker = node.spawn(Worker).unwrap();
            assert!(group.join(&worker).unwrap());
            worker
        };
        let workers = [join(&home, &group), join(&other, &far)];
        wait_until("two members", || group.listed().len() == 2);
        let (listed, reached) = (group.listed(), group.reached());
        for number in 0..4 {
            crate::node::block_on(None, group.ask(number)).unwrap();
        }
        for node in [&home, &other] {
            let name = format!("name-{}", node.name());
            node.actor(Worker).name(&name).spawn().unwrap();
            let _: Addr<Worker> = home.lookup(&name).wait().unwrap();
        }
        assert!(Arc::ptr_eq(&listed, &group.listed()));
        assert!(Arc::ptr_eq(&reached, &group.reached()));
        let third = join(&other, &far);
        wait_until("three members", || group.listed().len() == 3);
        assert!(group.listed().contains(&third.id()));
        workers[0].kill();
        wait_until("two members", || group.listed().len() == 2);
        let left: Vec<_> = group.members().iter().map(Recipient::id).collect();
        assert!(left.contains(&third.id()) && left.contains(&workers[1].id()));
    }
}
