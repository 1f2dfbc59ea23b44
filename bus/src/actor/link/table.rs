//! The links of one actor: a table under a lock, which the ends of its partners are told to.
//!
//! # Invariants
//! - **both-or-none**: two actors of one node enter and leave both of their tables at once. Of two nodes, who takes a link back
//!   passes over what the other says of links until that has answered: it was said before.
//! - **said-in-order**: what is said of links goes out under the lock of the table that it tells of, in the order of its changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context as TaskContext, Poll};

use ringway_shm::sync::Ordering::SeqCst;
use ringway_shm::sync::fence;

use super::entry::{Exit, Link};
use super::{LinkDown, order};
use crate::actor::cell::CellCore;
use crate::actor::monitor::Bell;
use crate::addr::ActorId;
use crate::exit::ExitReason;
use crate::number::Number;
use crate::shared::{Living, Shared, lock};
use crate::urings::PeerUrings;
use crate::urings::wire::{Order, UringWord};

/// Partners that were said goodbye to before it is looked which of their nodes are gone.
const PARTING_KEPT: usize = 64;

/// The links of one actor.
#[derive(Default)]
pub(crate) struct Links(pub(super) Mutex<State>);

#[derive(Default)]
pub(super) struct State {
    pub(super) links: HashMap<ActorId, Link>,
    /// Rung when an exit is to become a message; nothing if exits end the actor.
    traps: Option<Arc<Bell>>,
    exits: Vec<Exit>,
    /// Partners of other nodes that were told of the end of a link and have not answered yet, and how often.
    pub(super) parting: HashMap<ActorId, u32>,
    /// The actor has ended.
    pub(super) is_over: bool,
}

/// The actor itself has ended: no link was entered.
pub(super) struct Over;

impl State {
    /// Enters a link, unless there is one; what was not used comes back.
    pub(super) fn enter(&mut self, who: ActorId, link: Link) -> Option<Link> {
        match self.links.get_mut(&who) {
            Some(known) => {
                if let (Some(known), Some(abroad)) = (&mut known.abroad, link.abroad) {
                    known.is_known |= abroad.is_known;
                }
                Some(link)
            }
            None => self.links.insert(who, link),
        }
    }

    /// Lets go of a link; what comes back is to be dropped outside of the lock.
    fn leave(&mut self, who: ActorId) -> (Option<Link>, Vec<Exit>) {
        let is_of = |exit: &mut Exit| exit.down.who == who;
        let exits = self.exits.extract_if(.., is_of).collect();
        (self.links.remove(&who), exits)
    }
}

/// Both tables, locked in the order of their addresses, whoever asks.
pub(super) fn lock_both<'a>(
    one: &'a Links,
    other: &'a Links,
) -> (MutexGuard<'a, State>, MutexGuard<'a, State>) {
    if std::ptr::from_ref(one) < std::ptr::from_ref(other) {
        let one = lock(&one.0);
        (one, lock(&other.0))
    } else {
        let other = lock(&other.0);
        (lock(&one.0), other)
    }
}

impl Links {
    /// Enters a link to an actor of another node, and says so under the lock; acts at once if the other has ended.
    pub(super) fn add(
        &self,
        own: &Arc<dyn Living>,
        who: ActorId,
        link: Link,
        say: impl FnOnce(),
    ) -> Result<(), Over> {
        let mut state = lock(&self.0);
        if state.is_over {
            return Err(Over);
        }
        let unused = state.enter(who, link);
        say();
        drop(state);
        drop(unused);
        self.look(own, who)
    }

    /// A peer's actor asks for a link. Passed over is what it said before it could hear that the last one was taken back.
    pub(super) fn asked(
        &self,
        own: &Arc<dyn Living>,
        who: ActorId,
        link: Link,
    ) -> Result<(), Over> {
        let mut state = lock(&self.0);
        if state.is_over {
            return Err(Over);
        }
        if state.parting.contains_key(&who) {
            drop(state);
            return Ok(());
        }
        let unused = state.enter(who, link);
        drop(state);
        drop(unused);
        self.look(own, who)
    }

    /// Acts on what has ended before it was entered.
    pub(super) fn look(&self, own: &Arc<dyn Living>, who: ActorId) -> Result<(), Over> {
        // SeqCst link-entered: pairs with the fence in `WaitList::wake_all`, which the actor calls between storing how it ended
        // and looking for links. Ruled out: an end that sees no link, and a link that sees no end.
        fence(SeqCst);
        if own.core().outcome().is_some() {
            self.remove(who);
            return Err(Over);
        }
        self.hear(own.core(), who);
        Ok(())
    }

    /// Looks whether a partner has ended.
    pub(super) fn hear(&self, core: &CellCore, who: ActorId) {
        let mut state = lock(&self.0);
        let Some(link) = state.links.get_mut(&who) else {
            return;
        };
        // The lists' own locks are taken under this one, and never the other way round: wakers are woken outside of them.
        let cx = TaskContext::from_waker(&link.ringer);
        let Poll::Ready(reason) = link.other.poll_ended(&mut link.key, &cx) else {
            return;
        };
        drop(state);
        self.exit(core, who, reason);
    }

    /// A partner has ended. Who is no partner, or not any more, is none of this actor's business.
    pub(super) fn exit(&self, core: &CellCore, who: ActorId, reason: ExitReason) {
        let mut state = lock(&self.0);
        let Some(mut link) = state.links.remove(&who) else {
            return;
        };
        let bell = state.traps.clone();
        if bell.is_some() {
            let reason = reason.clone();
            state.exits.push(Exit {
                down: LinkDown { who, reason },
                abroad: link.abroad.map(|abroad| abroad.node),
                asked: link.asked.take(),
            });
        }
        drop(state);
        drop(link);
        match bell {
            Some(bell) => bell.ring(),
            None if reason.is_normal() => {}
            None => core.kill(died(who, reason)),
        }
    }

    /// Has exits become messages, announced by this bell, or end the actor.
    pub(in crate::actor) fn trap(&self, bell: Option<Arc<Bell>>) {
        let before = std::mem::replace(&mut lock(&self.0).traps, bell);
        drop(before);
    }

    /// The exits that are to become messages.
    pub(in crate::actor) fn take_exits(&self) -> Vec<Exit> {
        std::mem::take(&mut lock(&self.0).exits)
    }

    /// Lets go of a link; `false` if there was none.
    pub(super) fn remove(&self, who: ActorId) -> bool {
        let (link, _exits) = lock(&self.0).leave(who);
        link.is_some()
    }

    /// The same of one to an actor of this node, at both of the two at once.
    pub(super) fn remove_both(&self, own_id: ActorId, other: &Self, who: ActorId) -> bool {
        let (mut mine, mut theirs) = lock_both(self, other);
        let ours = mine.leave(who);
        let left = theirs.leave(own_id);
        drop((mine, theirs));
        drop(left);
        ours.0.is_some()
    }

    /// The same of one to an actor of another node, which is told: what it has said of links by then is passed over.
    pub(super) fn remove_abroad(
        &self,
        shared: &Shared,
        who: ActorId,
        peer: &PeerUrings,
        by: Number,
    ) -> bool {
        let mut state = lock(&self.0);
        let (link, exits) = state.leave(who);
        if !state.is_over {
            if state.parting.len() >= PARTING_KEPT {
                let parting = &mut state.parting;
                parting.retain(|who, _| shared.peer(who.node()).is_some());
            }
            *state.parting.entry(who).or_default() += 1;
        }
        order(peer, who.number(), Order::Unlink { by });
        drop(state);
        drop(exits);
        link.is_some()
    }

    /// A peer's actor takes its link back, and is answered.
    pub(super) fn taken_back(&self, who: ActorId, answer: impl FnOnce()) {
        let mut state = lock(&self.0);
        let left = state.leave(who);
        answer();
        drop(state);
        drop(left);
    }

    /// A peer has heard that a link was taken back: what it says from now on is new.
    pub(super) fn has_parted(&self, who: ActorId) {
        let mut state = lock(&self.0);
        if let Some(times) = state.parting.get_mut(&who) {
            *times -= 1;
            if *times == 0 {
                state.parting.remove(&who);
            }
        }
    }

    /// The actor has ended: its partners elsewhere are told; those here have heard.
    pub(in crate::actor) fn end(&self, core: &CellCore, reason: &ExitReason) {
        let (links, _exits) = {
            let mut state = lock(&self.0);
            state.is_over = true;
            state.traps = None;
            state.parting = HashMap::new();
            let exits = std::mem::take(&mut state.exits);
            (std::mem::take(&mut state.links), exits)
        };
        let shared = core.shared();
        shared.forget_linked(core.number());
        for (who, link) in links {
            if let Some(abroad) = link.abroad
                && let Some(peer) = shared.peer(abroad.node)
            {
                peer.say(&UringWord::Exit {
                    target: who.number(),
                    who: core.number(),
                    reason: reason.clone().shortened(),
                });
            }
        }
    }

    /// Tells a node that has been met of the links that it does not know of.
    pub(super) fn introduce(&self, core: &CellCore, peer: &PeerUrings) {
        let mut state = lock(&self.0);
        let links = state.links.iter_mut();
        let unknown = links.filter_map(|(who, link)| {
            let abroad = link.abroad.as_mut()?;
            let is_new = abroad.node == peer.id() && !abroad.is_known;
            abroad.is_known |= is_new;
            is_new.then_some(who.number())
        });
        for target in unknown {
            let by = core.number();
            order(peer, target, Order::Link { by });
        }
    }
}

/// How an actor ends whose partner has failed: the first that failed is named, however many links lie between.
pub(super) fn died(who: ActorId, reason: ExitReason) -> ExitReason {
    match reason {
        ExitReason::LinkDied { .. } => reason,
        reason => ExitReason::LinkDied {
            who,
            why: reason.to_string(),
        },
    }
}
