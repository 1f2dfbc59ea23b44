//! Links: two actors that fail together, in any processes.
//!
//! A link is an entry at each of the two, under the other's id: a waker on the list of those who wait for the other's end, as a
//! monitor is one. While both live there is nothing else. The end of a linked actor is acted upon by who publishes it, whatever
//! its partner is doing: a partner that does not trap exits is killed, one that does finds a [`LinkDown`] when it looks for
//! its next message.
//!
//! An actor of another process has no list here. It is told by a word over the peering that it is linked to, by another word
//! that its partner has ended, and takes the death of the partner's process for its partner's end.
//!
//! # Invariants
//! - **both-or-none**: two actors of one node enter and leave both of their tables at once. Of two nodes, who takes a link back
//!   passes over what the other says of links until that has answered: it was said before.
//! - **said-in-order**: what is said of links goes out under the lock of the table that it tells of, in the order of its changes.
//! - **bounded**: what a peer asks for, and what that leaves behind unread, counts against that peer alone.
//!
//! # If a side dies
//! | after... | the other |
//! |---|---|
//! | `link` has returned, before the word of it has left the process | was never linked, and lives on |
//! | the word has left | hears of the link, and then of the end, or of the process's |
//! | its end, before the word of that | hears of the process's death |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use ringway_macros::Message;
use ringway_shm::sync::Ordering::{Relaxed, SeqCst};
use ringway_shm::sync::{AtomicUsize, fence};
use serde::{Deserialize, Serialize};

use super::cell::CellCore;
use super::monitor::sealed::Watched;
use super::monitor::{Bell, Mortal};
use crate::addr::ActorId;
use crate::exit::ExitReason;
use crate::number::Number;
use crate::peering::NodeId;
use crate::shared::{Living, Shared, lock};
use crate::urings::PeerUrings;
use crate::urings::wire::{Order, UringWord};
use crate::wait_list::{WaitKey, WaitList};

/// Links that one peer may ask for, with the ends of such that were not handled yet.
const ASKED_MAX: usize = 1 << 18;
/// Partners that were said goodbye to before it is looked which of their nodes are gone.
const PARTING_KEPT: usize = 64;

/// An actor that this one was linked to has ended: what arrives instead of this actor's own end, if it
/// [traps exits](crate::Context::trap_exits).
///
/// It is handled after all that the other had sent to this actor itself, as a [`Down`](crate::Down) is. Being a message, it can
/// also be sent by anybody who wants to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(serial, name = "ringway.LinkDown")]
pub struct LinkDown {
    /// Who has ended.
    pub who: ActorId,
    /// Why; an orderly end is told too.
    pub reason: ExitReason,
}

/// The links of one actor.
#[derive(Default)]
pub(crate) struct Links(Mutex<State>);

#[derive(Default)]
struct State {
    links: HashMap<ActorId, Link>,
    /// Rung when an exit is to become a message; nothing if exits end the actor.
    traps: Option<Arc<Bell>>,
    exits: Vec<Exit>,
    /// Partners of other nodes that were told of the end of a link and have not answered yet, and how often.
    parting: HashMap<ActorId, u32>,
    /// The actor has ended.
    is_over: bool,
}

/// One link, at one of its two.
struct Link {
    other: Box<dyn Mortal>,
    key: WaitKey,
    ringer: Waker,
    abroad: Option<Abroad>,
    asked: Option<Asked>,
}

/// A partner of another process.
#[derive(Clone, Copy)]
struct Abroad {
    node: NodeId,
    /// It has been told of the link, or has told of it.
    is_known: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.other.forget(&mut self.key);
    }
}

/// The end of a partner.
pub(super) struct Exit {
    pub(super) down: LinkDown,
    pub(super) abroad: Option<NodeId>,
    pub(super) asked: Option<Asked>,
}

/// One of those that a peer has asked for.
pub(super) struct Asked(Arc<PeerLife>);

impl Asked {
    /// `None` when there are as many as there may be.
    fn count(life: &Arc<PeerLife>) -> Option<Self> {
        // Relaxed: a count; only the control thread adds to it.
        if life.asked.fetch_add(1, Relaxed) >= ASKED_MAX {
            life.asked.fetch_sub(1, Relaxed);
            return None;
        }
        Some(Self(Arc::clone(life)))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // Relaxed: as above.
        self.0.asked.fetch_sub(1, Relaxed);
    }
}

/// Woken when a partner has ended.
struct Ringer {
    own: Weak<dyn Living>,
    who: ActorId,
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(own) = self.own.upgrade()
            && let Some(links) = own.core().links_if_any()
        {
            links.hear(own.core(), self.who);
        }
    }
}

impl Mortal for Arc<dyn Living> {
    fn poll_ended(&self, key: &mut WaitKey, cx: &TaskContext<'_>) -> Poll<ExitReason> {
        self.core().poll_ended(key, cx)
    }

    fn forget(&self, key: &mut WaitKey) {
        self.core().ended_list().remove(key);
    }
}

/// The life of a peer, for those who are linked to its actors.
#[derive(Default)]
pub(crate) struct PeerLife {
    end: OnceLock<ExitReason>,
    ended: WaitList,
    /// Links that it has asked for.
    asked: AtomicUsize,
}

impl PeerLife {
    /// It is proved dead, or has said goodbye.
    pub(crate) fn end(&self, reason: &ExitReason) {
        let _ = self.end.set(reason.clone());
        self.ended.wake_all();
    }
}

impl Mortal for Arc<PeerLife> {
    fn poll_ended(&self, key: &mut WaitKey, cx: &TaskContext<'_>) -> Poll<ExitReason> {
        if self.end.get().is_none() {
            self.ended.register(key, cx);
        }
        match self.end.get() {
            Some(reason) => Poll::Ready(reason.clone()),
            None => Poll::Pending,
        }
    }

    fn forget(&self, key: &mut WaitKey) {
        self.ended.remove(key);
    }
}

/// The actor itself has ended: no link was entered.
struct Over;

impl Link {
    fn new(
        own: &Arc<dyn Living>,
        who: ActorId,
        other: Box<dyn Mortal>,
        abroad: Option<Abroad>,
        asked: Option<Asked>,
    ) -> Self {
        let own = Arc::downgrade(own);
        Self {
            other,
            key: WaitKey::default(),
            ringer: Waker::from(Arc::new(Ringer { own, who })),
            abroad,
            asked,
        }
    }
}

impl State {
    /// Enters a link, unless there is one; what was not used comes back.
    fn enter(&mut self, who: ActorId, link: Link) -> Option<Link> {
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
fn lock_both<'a>(
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
    fn add(
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
    fn asked(&self, own: &Arc<dyn Living>, who: ActorId, link: Link) -> Result<(), Over> {
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
    fn look(&self, own: &Arc<dyn Living>, who: ActorId) -> Result<(), Over> {
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
    fn hear(&self, core: &CellCore, who: ActorId) {
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
    fn exit(&self, core: &CellCore, who: ActorId, reason: ExitReason) {
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
    pub(super) fn trap(&self, bell: Option<Arc<Bell>>) {
        let before = std::mem::replace(&mut lock(&self.0).traps, bell);
        drop(before);
    }

    /// The exits that are to become messages.
    pub(super) fn take_exits(&self) -> Vec<Exit> {
        std::mem::take(&mut lock(&self.0).exits)
    }

    /// Lets go of a link; `false` if there was none.
    fn remove(&self, who: ActorId) -> bool {
        let (link, _exits) = lock(&self.0).leave(who);
        link.is_some()
    }

    /// The same of one to an actor of this node, at both of the two at once.
    fn remove_both(&self, own_id: ActorId, other: &Self, who: ActorId) -> bool {
        let (mut mine, mut theirs) = lock_both(self, other);
        let ours = mine.leave(who);
        let left = theirs.leave(own_id);
        drop((mine, theirs));
        drop(left);
        ours.0.is_some()
    }

    /// The same of one to an actor of another node, which is told: what it has said of links by then is passed over.
    fn remove_abroad(&self, shared: &Shared, who: ActorId, peer: &PeerUrings, by: Number) -> bool {
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
    fn taken_back(&self, who: ActorId, answer: impl FnOnce()) {
        let mut state = lock(&self.0);
        let left = state.leave(who);
        answer();
        drop(state);
        drop(left);
    }

    /// A peer has heard that a link was taken back: what it says from now on is new.
    fn has_parted(&self, who: ActorId) {
        let mut state = lock(&self.0);
        if let Some(times) = state.parting.get_mut(&who) {
            *times -= 1;
            if *times == 0 {
                state.parting.remove(&who);
            }
        }
    }

    /// The actor has ended: its partners elsewhere are told; those here have heard.
    pub(super) fn end(&self, core: &CellCore, reason: &ExitReason) {
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
    fn introduce(&self, core: &CellCore, peer: &PeerUrings) {
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
fn died(who: ActorId, reason: ExitReason) -> ExitReason {
    match reason {
        ExitReason::LinkDied { .. } => reason,
        reason => ExitReason::LinkDied {
            who,
            why: reason.to_string(),
        },
    }
}

fn order(peer: &PeerUrings, target: Number, order: Order) {
    peer.say(&UringWord::Control { target, order });
}

/// Links an actor to another one.
pub(super) fn link(own: &Arc<dyn Living>, watched: Watched) {
    let core = own.core();
    let Watched {
        who,
        abroad,
        target,
    } = watched;
    if who == ActorId::of(core) {
        return;
    }
    match abroad {
        Some(node) => link_abroad(own, who, node, target),
        None => {
            // The address holds it.
            if let Some(other) = target.living().and_then(|it| it.upgrade()) {
                link_both(own, &other, target);
            }
        }
    }
}

/// Links two actors of this node.
fn link_both(own: &Arc<dyn Living>, other: &Arc<dyn Living>, target: Box<dyn Mortal>) {
    let (own_id, who) = (ActorId::of(own.core()), ActorId::of(other.core()));
    let (ours, theirs) = (own.core().links(), other.core().links());
    let to_other = Link::new(own, who, target, None, None);
    let to_own = Link::new(other, own_id, Box::new(Arc::clone(own)), None, None);
    let unused = {
        let (mut mine, mut others) = lock_both(ours, theirs);
        let unused = match (mine.is_over, others.is_over) {
            (true, _) => [Some(to_other), Some(to_own)],
            // How it has ended is heard of below.
            (false, true) => [mine.enter(who, to_other), Some(to_own)],
            (false, false) => [mine.enter(who, to_other), others.enter(own_id, to_own)],
        };
        drop((mine, others));
        unused
    };
    drop(unused);
    let _ = ours.look(own, who);
    let _ = theirs.look(other, own_id);
}

/// Links an actor to one of another node.
fn link_abroad(own: &Arc<dyn Living>, who: ActorId, node: NodeId, target: Box<dyn Mortal>) {
    let core = own.core();
    let (shared, by) = (core.shared(), core.number());
    shared.remember_linked(by, Arc::downgrade(own));
    let peer = shared.peer(node);
    let is_known = peer.is_some();
    let link = Link::new(own, who, target, Some(Abroad { node, is_known }), None);
    let say = || {
        if let Some(peer) = &peer {
            order(peer, who.number(), Order::Link { by });
        }
    };
    if core.links().add(own, who, link, say).is_err() {
        return;
    }
    // It was met in between.
    if !is_known && let Some(peer) = shared.peer(node) {
        core.links().introduce(core, &peer);
    }
}

/// Undoes a link, at both of its two.
pub(super) fn unlink(own: &Arc<dyn Living>, watched: &Watched) -> bool {
    let core = own.core();
    let who = watched.who;
    let Some(node) = watched.abroad else {
        let other = watched.target.living().and_then(|it| it.upgrade());
        // Both have a table, or neither was ever linked to the other.
        return match (core.links_if_any(), other) {
            (Some(links), Some(other)) if who != ActorId::of(core) => {
                links.remove_both(ActorId::of(core), other.core().links(), who)
            }
            _ => false,
        };
    };
    let (shared, links) = (core.shared(), core.links());
    match shared.peer(node) {
        Some(peer) => links.remove_abroad(shared, who, &peer, core.number()),
        None => links.remove(who),
    }
}

/// A peer's actor links itself to one of this node's.
pub(crate) fn asked(shared: &Shared, peer: &PeerUrings, target: Number, by: Number) {
    let own = shared.linkable(target);
    let who = ActorId::new(peer.id(), by);
    let abroad = Abroad {
        node: peer.id(),
        is_known: true,
    };
    let reason = match (&own, Asked::count(peer.life())) {
        (None, _) => ExitReason::NoSuchActor,
        // It has more links than it may ask for, and is told that this one does not hold.
        (Some(_), None) => ExitReason::Unreachable,
        (Some(own), asked) => {
            let life = Box::new(Arc::clone(peer.life()));
            let link = Link::new(own, who, life, Some(abroad), asked);
            match own.core().links().asked(own, who, link) {
                Ok(()) => return,
                // It is about to be known how; who asks has heard it before, or hears it now.
                Err(Over) => match own.core().outcome() {
                    Some(reason) => reason.clone(),
                    None => ExitReason::NoSuchActor,
                },
            }
        }
    };
    peer.say(&UringWord::Exit {
        target: by,
        who: target,
        reason: reason.shortened(),
    });
}

/// A peer's actor takes its link to one of this node's back.
pub(crate) fn taken_back(shared: &Shared, peer: &PeerUrings, target: Number, by: Number) {
    let answer = || order(peer, by, Order::Unlinked { by: target });
    let own = shared.linkable(target);
    match own.as_ref().and_then(|own| own.core().links_if_any()) {
        Some(links) => links.taken_back(ActorId::new(peer.id(), by), answer),
        None => answer(),
    }
}

/// A peer has heard that an actor of this node has taken a link back.
pub(crate) fn parted(shared: &Shared, peer: &PeerUrings, target: Number, by: Number) {
    if let Some(own) = shared.linkable(target)
        && let Some(links) = own.core().links_if_any()
    {
        links.has_parted(ActorId::new(peer.id(), by));
    }
}

/// A peer's actor has ended that one of this node's is linked to.
pub(crate) fn exited(
    shared: &Shared,
    peer: &PeerUrings,
    target: Number,
    who: Number,
    reason: ExitReason,
) {
    if let Some(own) = shared.linkable(target)
        && let Some(links) = own.core().links_if_any()
    {
        let who = ActorId::new(peer.id(), who);
        links.exit(own.core(), who, reason.shortened());
    }
}

/// A node has been met: what its actors are linked to by now is said.
pub(crate) fn met(shared: &Shared, peer: &PeerUrings) {
    for own in shared.linked() {
        if let Some(links) = own.core().links_if_any() {
            links.introduce(own.core(), peer);
        }
    }
}

#[cfg(test)]
mod tests;
