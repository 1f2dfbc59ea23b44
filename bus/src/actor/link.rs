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

mod entry;
mod peers;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ringway_macros::Message;
use serde::{Deserialize, Serialize};

use self::entry::{Abroad, Link};
pub(super) use self::peers::Asked;
pub(crate) use self::peers::{PeerLife, asked, exited, met, parted, taken_back};
pub(crate) use self::table::Links;
use self::table::lock_both;
use super::monitor::Mortal;
use super::monitor::sealed::Watched;
use crate::addr::ActorId;
use crate::exit::ExitReason;
use crate::number::Number;
use crate::peering::NodeId;
use crate::shared::Living;
use crate::urings::PeerUrings;
use crate::urings::wire::{Order, UringWord};

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
