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
//! # If a side dies
//! | after... | the other |
//! |---|---|
//! | `link` has returned, before the word of it has left the process | was never linked, and lives on |
//! | the word has left | hears of the link, and then of the end, or of the process's |
//! | its end, before the word of that | hears of the process's death |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use ringway_macros::Message;
use ringway_shm::sync::Ordering::SeqCst;
use ringway_shm::sync::fence;
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

/// Links of one actor that other processes may ask for.
const LINKS_MAX: usize = 1 << 16;

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
    /// The actor has ended.
    is_over: bool,
}

/// One link, at one of its two.
struct Link {
    other: Box<dyn Mortal>,
    key: WaitKey,
    ringer: Waker,
    abroad: Option<Abroad>,
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

/// Why a link was not entered.
enum NotAdded {
    /// The actor itself has ended.
    Over,
    TooMany,
}

impl Links {
    /// Enters a link, unless there is one; acts at once if the other has ended.
    fn add(
        &self,
        own: &Arc<dyn Living>,
        who: ActorId,
        other: Box<dyn Mortal>,
        abroad: Option<Abroad>,
    ) -> Result<(), NotAdded> {
        let link = Link {
            other,
            key: WaitKey::default(),
            ringer: Waker::from(Arc::new(Ringer {
                own: Arc::downgrade(own),
                who,
            })),
            abroad,
        };
        let mut state = lock(&self.0);
        if state.is_over {
            return Err(NotAdded::Over);
        }
        if state.links.len() >= LINKS_MAX {
            return Err(NotAdded::TooMany);
        }
        let unused = match state.links.get_mut(&who) {
            Some(known) => {
                if let (Some(known), Some(abroad)) = (&mut known.abroad, abroad) {
                    known.is_known |= abroad.is_known;
                }
                Some(link)
            }
            None => state.links.insert(who, link),
        };
        drop(state);
        drop(unused);
        // SeqCst link-entered: pairs with the fence in `WaitList::wake_all`, which the actor calls between storing how it ended
        // and looking for links. Ruled out: an end that sees no link, and a link that sees no end.
        fence(SeqCst);
        if own.core().outcome().is_some() {
            self.remove(who);
            return Err(NotAdded::Over);
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
        let Some(link) = state.links.remove(&who) else {
            return;
        };
        let bell = state.traps.clone();
        if bell.is_some() {
            let abroad = link.abroad.map(|abroad| abroad.node);
            let reason = reason.clone();
            let down = LinkDown { who, reason };
            state.exits.push(Exit { down, abroad });
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
        let mut state = lock(&self.0);
        state.exits.retain(|exit| exit.down.who != who);
        let link = state.links.remove(&who);
        drop(state);
        link.is_some()
    }

    /// The actor has ended: its partners elsewhere are told; those here have heard.
    pub(super) fn end(&self, core: &CellCore, reason: &ExitReason) {
        let links = {
            let mut state = lock(&self.0);
            state.is_over = true;
            state.exits.clear();
            state.traps = None;
            std::mem::take(&mut state.links)
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
        let unknown: Vec<_> = unknown.collect();
        drop(state);
        for target in unknown {
            ask(peer, target, core.number());
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

fn ask(peer: &PeerUrings, target: Number, by: Number) {
    let order = Order::Link { by };
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
    let own_id = ActorId::of(core);
    if who == own_id {
        return;
    }
    let Some(node) = abroad else {
        let other = target.living().and_then(|it| it.upgrade());
        if core.links().add(own, who, target, None).is_ok()
            && let Some(other) = other
        {
            // One that has ended has been heard of.
            let _ = other
                .core()
                .links()
                .add(&other, own_id, Box::new(Arc::clone(own)), None);
        }
        return;
    };
    let shared = core.shared();
    shared.remember_linked(core.number(), Arc::downgrade(own));
    let peer = shared.peer(node);
    let is_known = peer.is_some();
    let abroad = Some(Abroad { node, is_known });
    if core.links().add(own, who, target, abroad).is_err() {
        return;
    }
    match (peer, shared.peer(node)) {
        (Some(peer), _) => ask(&peer, who.number(), core.number()),
        // It was met in between.
        (None, Some(peer)) => core.links().introduce(core, &peer),
        (None, None) => {}
    }
}

/// Undoes a link, at both of its two.
pub(super) fn unlink(own: &Arc<dyn Living>, watched: &Watched) -> bool {
    let core = own.core();
    let own_id = ActorId::of(core);
    let was_linked = core
        .links_if_any()
        .is_some_and(|links| links.remove(watched.who));
    match watched.abroad {
        None => {
            if let Some(other) = watched.target.living().and_then(|it| it.upgrade())
                && let Some(links) = other.core().links_if_any()
            {
                links.remove(own_id);
            }
        }
        Some(node) => {
            if let Some(peer) = core.shared().peer(node) {
                let by = core.number();
                peer.say(&UringWord::Control {
                    target: watched.who.number(),
                    order: Order::Unlink { by },
                });
            }
        }
    }
    was_linked
}

/// A peer's actor links itself to one of this node's.
pub(crate) fn asked(shared: &Shared, peer: &PeerUrings, target: Number, by: Number) {
    let own = shared.linkable(target);
    let who = ActorId::new(peer.id(), by);
    let abroad = Some(Abroad {
        node: peer.id(),
        is_known: true,
    });
    let reason = match &own {
        None => ExitReason::NoSuchActor,
        Some(own) => {
            let life = Box::new(Arc::clone(peer.life()));
            match own.core().links().add(own, who, life, abroad) {
                Ok(()) => return,
                Err(NotAdded::TooMany) => return peer.garbled(),
                // It is about to be known how; who asks has heard it before, or hears it now.
                Err(NotAdded::Over) => match own.core().outcome() {
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
    if let Some(own) = shared.linkable(target)
        && let Some(links) = own.core().links_if_any()
    {
        links.remove(ActorId::new(peer.id(), by));
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
        links.exit(own.core(), ActorId::new(peer.id(), who), reason);
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
