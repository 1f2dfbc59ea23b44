//! What a subscriber owns of a lane that it reads: its half of the memory, and the leases of samples.
//!
//! ```text
//!   SubscriberEnd ── source ──┐
//!                             ├──> Hold ──> Half      dropped last: 'nothing is read any more'
//!   Sample ── lease ──────────┘
//! ```
//!
//! # If a side dies
//! | who | what happens |
//! |---|---|
//! | the publisher | the half is given back at once; leases read on, as its memory stays mapped |
//! | the subscriber | the publisher forgets the member, and with it the claims |

use std::sync::{Arc, Mutex, Weak};

use ringway_shm::broadcast::{Claim, Claims};
use ringway_shm::generation::Key;
use ringway_shm::region::OwnRegion;

use super::intake::{Origin, SubscriberEnd};
use super::label::TopicEndId;
use super::wire::{Pairing, TopicWord};
use crate::lease::LeaseOwner;
use crate::rings::RingSpan;
use crate::shared::{Shared, lock};
use crate::urings::wire::{Place, UringWord};

/// A subscriber's half of a lane: cursor and claims. Dropped, it says that nothing is read any more, and its place is used again
/// when the publisher has answered.
pub(super) struct Half {
    shared: Weak<Shared>,
    subscriber: TopicEndId,
    publisher: TopicEndId,
    origin: Origin,
    span: Option<RingSpan>, // taken by drop alone
}

impl Half {
    pub(super) fn new(
        shared: &Arc<Shared>,
        subscriber: TopicEndId,
        publisher: TopicEndId,
        origin: Origin,
        span: RingSpan,
    ) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            subscriber,
            publisher,
            origin,
            span: Some(span),
        }
    }

    fn span(&self) -> &RingSpan {
        self.span.as_ref().expect("in-range: taken by drop alone")
    }

    pub(super) fn region(&self) -> &OwnRegion {
        self.span().region()
    }

    pub(super) fn place(&self) -> Place {
        Place::of(self.span())
    }

    pub(super) fn pairing(&self) -> Pairing {
        Pairing {
            subscriber: self.subscriber.number(),
            publisher: self.publisher.number(),
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let Some(span) = self.span.take() else { return };
        let pairing = self.pairing();
        let node = self.publisher.node();
        match &self.origin {
            Origin::Here(end) => _ = end.leave(self.subscriber),
            Origin::There(peer) => {
                let Some(shared) = self.shared.upgrade() else {
                    return;
                };
                shared.topics.keep_half(node, pairing, span);
                peer.say(&UringWord::Topic(TopicWord::Leaves { pairing }));
                // Whoever forgets a dead peer has found it, or this look finds no peer.
                if shared.peer(node).is_none() {
                    shared.topics.forget_halves(node);
                }
            }
        }
    }
}

/// An open half: what its leases share with the one who takes.
pub(super) struct Hold {
    claims: Claims,
    end: Weak<SubscriberEnd>,
    /// By what notes call it.
    note: Option<Key>,
    half: Half,
}

impl Hold {
    pub(super) fn new(
        end: &Arc<SubscriberEnd>,
        half: Half,
        claims: Claims,
        note: Option<Key>,
    ) -> Arc<Self> {
        if let (Origin::There(peer), Some(note)) = (&half.origin, note) {
            peer.add_feed(note, end);
        }
        Arc::new(Self {
            claims,
            end: Arc::downgrade(end),
            note,
            half,
        })
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.half.origin
    }

    pub(super) fn note(&self) -> Option<Key> {
        self.note
    }

    /// Releases a claim; the number of a wait of the publisher's that is to be answered.
    pub(super) fn release(&self, claim: Claim) -> Option<u64> {
        self.claims.release(claim)
    }

    /// Who is told when the sample of this claim is not read any more.
    pub(super) fn lend(self: &Arc<Self>, claim: Claim) -> Arc<dyn LeaseOwner> {
        Arc::new(Lent {
            hold: Arc::clone(self),
            claim: Mutex::new(Some(claim)),
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let (Origin::There(peer), Some(note)) = (&self.half.origin, self.note) {
            peer.remove_feed(note);
        }
    }
}

/// A sample that is read in place.
struct Lent {
    hold: Arc<Hold>,
    claim: Mutex<Option<Claim>>,
}

/// Whoever could not read it need not say so.
impl Drop for Lent {
    fn drop(&mut self) {
        self.completed();
    }
}

impl LeaseOwner for Lent {
    fn completed(&self) {
        let claim = lock(&self.claim).take();
        let Some(claim) = claim else { return };
        if self.hold.release(claim).is_some() {
            self.hold.origin().ring();
        }
        if let Some(end) = self.hold.end.upgrade() {
            end.released();
        }
    }
}
