//! What peers say of links: their actors ask for some, take them back, and end.
//!
//! # Invariants
//! - **bounded**: what a peer asks for, and what that leaves behind unread, counts against that peer alone.

use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};

use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::Relaxed;

use super::entry::{Abroad, Link};
use super::order;
use super::table::Over;
use crate::actor::monitor::Mortal;
use crate::addr::ActorId;
use crate::exit::ExitReason;
use crate::number::Number;
use crate::shared::Shared;
use crate::urings::PeerUrings;
use crate::urings::wire::{Order, UringWord};
use crate::wait_list::{WaitKey, WaitList};

/// Links that one peer may ask for, with the ends of such that were not handled yet.
pub(super) const ASKED_MAX: usize = 1 << 18;

/// The life of a peer, for those who are linked to its actors.
#[derive(Default)]
pub(crate) struct PeerLife {
    end: OnceLock<ExitReason>,
    ended: WaitList,
    /// Links that it has asked for.
    pub(super) asked: AtomicUsize,
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

/// One of those that a peer has asked for.
pub(in crate::actor) struct Asked(Arc<PeerLife>);

impl Asked {
    /// `None` when there are as many as there may be.
    pub(super) fn count(life: &Arc<PeerLife>) -> Option<Self> {
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
