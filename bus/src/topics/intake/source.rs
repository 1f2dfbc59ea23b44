//! One publisher that a subscriber reads, or wants to: its lane, and what is on the way from it.

use std::sync::Arc;

use ringway_shm::broadcast::{SubscribeEnd, Subscriber, TakeError, Taken};
use ringway_shm::error::Violation;
use ringway_shm::generation::Key;

use crate::lease::LeaseOwner;
use crate::topics::half::{Half, Hold};
use crate::topics::label::TopicEndId;
use crate::topics::outlet::PublisherEnd;
use crate::topics::slot::{Words, segment};
use crate::topics::wire::JoinRefusal;
use crate::urings::PeerUrings;

pub(super) struct Source {
    pub(super) id: TopicEndId,
    /// Of a subscriber to a pattern.
    pub(super) topic: Option<Arc<str>>,
    pub(super) phase: Phase,
}

pub(super) enum Phase {
    /// The publisher was asked, or is about to be.
    Asked(Option<(Subscriber, Half)>),
    Open(Box<Open>),
    /// It would not; it stays here while its card shows it, and is not asked again.
    Refused(JoinRefusal),
    /// Nothing more will come; likewise.
    Over,
}

pub(super) struct Open {
    pub(super) lane: SubscribeEnd,
    pub(super) hold: Arc<Hold>,
    /// Its process is dead, or its node left: what is there is the rest.
    pub(super) is_dying: bool,
    /// Taken, and waits for the segment of its block to be mapped.
    pub(super) held_back: Option<Box<(Taken, Words)>>,
    /// All leases are held that there can be: nothing is taken before one is released.
    pub(super) is_hoarded: bool,
}

/// Where a publisher is.
#[derive(Clone)]
pub(in crate::topics) enum Origin {
    Here(Arc<PublisherEnd>),
    There(Arc<PeerUrings>),
}

impl Origin {
    /// Tells a publisher that waits for room or blocks that there may be some. The caller holds no lock.
    pub(in crate::topics) fn ring(&self) {
        match self {
            Self::Here(end) => end.wake_all(),
            Self::There(peer) => peer.ring_bell(),
        }
    }
}

/// A sample that was taken; its words are where they were asked for.
pub(in crate::topics) struct Arrived {
    pub(in crate::topics) from: TopicEndId,
    /// Of a subscriber to a pattern.
    pub(in crate::topics) topic: Option<Arc<str>>,
    pub(in crate::topics) sequence: u64,
    pub(in crate::topics) missed: u64,
    /// Whose block it is in, and who is told that it is not read any more; if it is in one.
    pub(in crate::topics) lent: Option<(Origin, Arc<dyn LeaseOwner>)>,
}

/// What is to be done without the lock.
#[derive(Default)]
pub(super) struct Owed {
    pub(super) ring: Vec<Origin>,
    pub(super) blame: Vec<(Origin, Violation)>,
    /// What is left of sources: their publishers may have waited for them; dropped, they say that nothing is read any more.
    pub(super) over: Vec<Arc<Hold>>,
    pub(super) is_hoarding: bool,
    /// A lane that was hoarded has nothing to take after all: it was not made ready to wait for.
    pub(super) has_unwatched: bool,
}

impl Owed {
    #[inline]
    pub(super) fn pay(self) {
        self.ring.iter().for_each(Origin::ring);
        for (origin, violation) in self.blame {
            if let Origin::There(peer) = origin {
                peer.violation(violation);
            }
        }
        self.over.iter().for_each(|hold| hold.origin().ring());
    }
}

impl Source {
    pub(super) fn has_sample(&self) -> bool {
        match &self.phase {
            Phase::Open(open) => open.is_awaited() && (open.lane.peek() || open.is_dying),
            _ => false,
        }
    }

    /// Its publisher, if that waits and was not told yet.
    pub(super) fn wanted(&mut self) -> Option<Origin> {
        match &mut self.phase {
            Phase::Open(open) => open
                .lane
                .publisher_wants()
                .map(|_| open.hold.origin().clone()),
            _ => None,
        }
    }
}

/// What a look at one source found.
pub(super) enum Look {
    Sample(Taken),
    Nothing,
    Over,
}

impl Open {
    /// Whether a sample is what it waits for, and not something that wakes by itself: a lease's release, a segment.
    pub(super) fn is_awaited(&self) -> bool {
        !self.is_hoarded && self.held_back.is_none()
    }

    /// Whether nothing follows what is there.
    pub(super) fn ends(&self) -> bool {
        self.is_dying || self.lane.publisher_closed()
    }

    pub(super) fn take(&mut self, words: &mut Words, owed: &mut Owed) -> Look {
        if let Some(held_back) = self.held_back.take() {
            let (taken, kept) = *held_back;
            *words = kept;
            return self.hand_out(taken, words);
        }
        let was_hoarded = std::mem::take(&mut self.is_hoarded);
        let mut ends = false;
        loop {
            match self.lane.take(words) {
                Ok(Some(taken)) => {
                    if self.lane.publisher_wants_by_now().is_some() {
                        owed.ring.push(self.hold.origin().clone());
                    }
                    return self.hand_out(taken, words);
                }
                Ok(None) if ends => return Look::Over,
                Ok(None) => {
                    // Only now is it known that nothing follows: what came in between is found by the second look.
                    ends = self.ends();
                    if !ends {
                        // A claim that was given up may have kept a block; that has made its fence.
                        if self.lane.publisher_wants().is_some() {
                            owed.ring.push(self.hold.origin().clone());
                        }
                        owed.has_unwatched |= was_hoarded;
                        return Look::Nothing;
                    }
                }
                Err(TakeError::Hoarding { .. }) => {
                    self.is_hoarded = true;
                    owed.is_hoarding = true;
                    return Look::Nothing;
                }
                Err(TakeError::Peer(violation)) => {
                    owed.blame.push((self.hold.origin().clone(), violation));
                    return Look::Over;
                }
                Err(_) => return Look::Over,
            }
        }
    }

    /// Hands a sample out, unless the segment of its block is not mapped yet: it was announced before, and will be.
    fn hand_out(&mut self, taken: Taken, words: &Words) -> Look {
        if taken.claim.is_some()
            && !self.is_dying
            && let Origin::There(peer) = self.hold.origin()
            && let Some(key) = segment(words).and_then(Key::from_bits)
            && peer.peer().heap_segment(key).is_none()
        {
            self.held_back = Some(Box::new((taken, *words)));
            return Look::Nothing;
        }
        Look::Sample(taken)
    }

    pub(super) fn arrived(
        &self,
        from: TopicEndId,
        topic: Option<&Arc<str>>,
        taken: Taken,
    ) -> Arrived {
        let Taken {
            sequence,
            missed,
            claim,
            ..
        } = taken;
        let lent = claim.map(|claim| (self.hold.origin().clone(), self.hold.lend(claim)));
        Arrived {
            from,
            topic: topic.cloned(),
            sequence,
            missed,
            lent,
        }
    }
}

impl Phase {
    /// Takes nothing more; what was taken may still be read. Returns what keeps it, to be let go without the lock.
    pub(super) fn close(self) -> Option<Arc<Hold>> {
        let Self::Open(open) = self else { return None };
        let Open {
            lane,
            hold,
            held_back,
            ..
        } = *open;
        lane.close();
        if let Some(claim) = held_back.and_then(|held_back| held_back.0.claim) {
            // The publisher is rung in any case.
            let _ = hold.release(claim);
        }
        Some(hold)
    }
}
