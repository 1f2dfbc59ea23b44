//! One publisher that a subscriber reads, or wants to: its lane, and what is on the way from it.

use std::sync::Arc;

use ringway_shm::broadcast::{SubscribeEnd, Subscriber, TakeError, Taken};
use ringway_shm::error::Violation;
use ringway_shm::generation::Key;

use super::batch::{Arrived, Batch, Before};
use super::filter::Filter;
use crate::clock::Nanos;
use crate::topics::half::{Half, Hold};
use crate::topics::label::TopicEndId;
use crate::topics::outlet::PublisherEnd;
use crate::topics::slot::segment;
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
    /// Its samples say when they were published, on a clock that is to be shifted by so many nanoseconds.
    time: Option<i64>,
    /// Samples that were not handed out since the last that was.
    pub(super) before: Before,
    /// The newest sample that was found, for one that takes none.
    pub(super) seen: u64,
    /// Its publisher is to tell of the next, with a note that was not read yet.
    pub(super) is_asked: bool,
    /// Its process is dead, or its node left: what is there is the rest.
    pub(super) is_dying: bool,
    /// Taken, and waits for the segment of its block to be mapped.
    pub(super) held_back: Option<Box<(Taken, Box<[u64]>)>>,
    /// All leases are held that there can be: nothing is taken before one is released.
    pub(super) is_hoarded: bool,
}

/// Samples that are passed over under one lock, at most.
const PASSED_MAX: usize = 1024;

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
    /// What there was is in the batch.
    Taken,
    /// The same, and nothing will follow.
    Over,
}

/// What one step of a look found.
enum Step {
    Sample(Taken),
    Nothing,
    Over,
}

impl Open {
    pub(super) fn new(lane: SubscribeEnd, hold: Arc<Hold>, is_timed: bool) -> Self {
        let offset = match hold.origin() {
            Origin::Here(_) => 0,
            Origin::There(peer) => peer.clock_offset(),
        };
        Self {
            lane,
            hold,
            time: is_timed.then_some(offset),
            before: Before::default(),
            seen: 0,
            is_asked: false,
            is_dying: false,
            held_back: None,
            is_hoarded: false,
        }
    }

    /// Whether a sample is what it waits for, and not something that wakes by itself: a lease's release, a segment.
    pub(super) fn is_awaited(&self) -> bool {
        !self.is_hoarded && self.held_back.is_none()
    }

    /// Whether nothing follows what is there.
    pub(super) fn ends(&self) -> bool {
        self.is_dying || self.lane.publisher_closed()
    }

    /// Takes samples until the batch has `max`, or there are no more.
    #[inline]
    pub(super) fn take(
        &mut self,
        whose: (TopicEndId, Option<&Arc<str>>),
        batch: &mut Batch,
        max: usize,
        filter: &Filter,
        owed: &mut Owed,
    ) -> Look {
        let before = self.lane.taken();
        let mut passed = 0;
        let look = loop {
            let words = batch.place();
            match self.step(words, owed) {
                Step::Sample(taken) => {
                    let published = self.published(words);
                    if filter.admits(taken.sequence, published) {
                        batch.push(self.arrived(whose, taken, published));
                        if batch.len() == max {
                            break Look::Taken;
                        }
                    } else {
                        self.pass_over(taken, owed);
                        passed += 1;
                        // Nobody takes for ever what is not wanted, under the lock.
                        if passed == PASSED_MAX {
                            owed.has_unwatched = true;
                            break Look::Taken;
                        }
                    }
                }
                Step::Nothing => break Look::Taken,
                Step::Over => break Look::Over,
            }
        };
        // A claim that was given up may have kept a block, though nothing was taken; that has made its fence.
        let wants = match self.lane.taken() == before {
            true => self.lane.publisher_wants(),
            false => self.lane.publisher_wants_by_now(),
        };
        if wants.is_some() {
            owed.ring.push(self.hold.origin().clone());
        }
        look
    }

    #[inline]
    fn step(&mut self, words: &mut [u64], owed: &mut Owed) -> Step {
        if let Some(held_back) = self.held_back.take() {
            let (taken, kept) = *held_back;
            words.copy_from_slice(&kept);
            return self.hand_out(taken, words);
        }
        let was_hoarded = std::mem::take(&mut self.is_hoarded);
        let mut ends = false;
        loop {
            match self.lane.take(words) {
                Ok(Some(taken)) => return self.hand_out(taken, words),
                Ok(None) if ends => return Step::Over,
                Ok(None) => {
                    // Only now is it known that nothing follows: what came in between is found by the second look.
                    ends = self.ends();
                    if !ends {
                        owed.has_unwatched |= was_hoarded;
                        return Step::Nothing;
                    }
                }
                Err(TakeError::Hoarding { .. }) => {
                    self.is_hoarded = true;
                    owed.is_hoarding = true;
                    return Step::Nothing;
                }
                Err(TakeError::Peer(violation)) => {
                    owed.blame.push((self.hold.origin().clone(), violation));
                    return Step::Over;
                }
                Err(_) => return Step::Over,
            }
        }
    }

    /// Hands a sample out, unless the segment of its block is not mapped yet: it was announced before, and will be.
    #[inline]
    fn hand_out(&mut self, taken: Taken, words: &[u64]) -> Step {
        if self.is_unmapped(&taken, words) {
            self.held_back = Some(Box::new((taken, words.into())));
            return Step::Nothing;
        }
        Step::Sample(taken)
    }

    /// Whether the segment of a sample's block is not mapped yet.
    #[inline]
    pub(super) fn is_unmapped(&self, taken: &Taken, words: &[u64]) -> bool {
        taken.claim.is_some()
            && !self.is_dying
            && matches!(self.hold.origin(), Origin::There(peer)
                if segment(words).and_then(Key::from_bits)
                    .is_some_and(|key| peer.peer().heap_segment(key).is_none()))
    }

    /// When a sample was published, on this host's clock.
    #[inline]
    pub(super) fn published(&self, words: &[u64]) -> Nanos {
        match (self.time, words.last()) {
            (Some(offset), Some(time)) => Nanos(*time).shifted(offset),
            _ => Nanos::NONE,
        }
    }

    /// Nobody wants it.
    pub(super) fn pass_over(&mut self, taken: Taken, owed: &mut Owed) {
        self.before.add(Before {
            missed: taken.missed,
            filtered: 1,
        });
        if let Some(claim) = taken.claim
            && self.hold.release(claim).is_some()
        {
            owed.ring.push(self.hold.origin().clone());
        }
    }

    #[inline]
    pub(super) fn arrived(
        &mut self,
        (from, topic): (TopicEndId, Option<&Arc<str>>),
        taken: Taken,
        published: Nanos,
    ) -> Arrived {
        let Taken {
            sequence,
            missed,
            claim,
            ..
        } = taken;
        let mut before = std::mem::take(&mut self.before);
        before.missed += missed;
        let lent = claim.map(|claim| (self.hold.origin().clone(), self.hold.lend(claim)));
        Arrived {
            from,
            topic: topic.cloned(),
            sequence,
            before,
            published,
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
