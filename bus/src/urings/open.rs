//! Opening, closing and releasing urings: both sides of the words in [`wire`](super::wire).

use std::sync::{Arc, Weak};

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::layout::{NotesLayout, Pow2, UringLayout};
use ringway_shm::region::PeerRegion;
use ringway_shm::uring::{Completer, Submitter};

use super::PeerUrings;
use super::agree::{TYPES_MAX, agree};
use super::held::Holding;
use super::notes::RingNeeded;
use super::wire::{CarriedType, OpenRefusal, OpenWord, Order, Place, TargetKind, UringWord};
use crate::actor::link;
use crate::dead::DeadReason;
use crate::driver::Job;
use crate::exit::ExitReason;
use crate::frame::WireKey;
use crate::inbox::InboxLane;
use crate::peering::PeerState;
use crate::priority::Priority;
use crate::remote::ops::Leases;
use crate::remote::{Opening, RemoteEnd};
use crate::rings::{RingSpan, RingsError};
use crate::shared::{Shared, Target};
use crate::topics;

/// Slots of a submission queue, 16 KiB, half of them for what goes on behind entries; and of a completion queue, 8 KiB: what
/// one sender may have in flight.
pub(crate) const URING: UringLayout = UringLayout {
    sq: Pow2::of::<256>(),
    cq: Pow2::of::<128>(),
};

/// Entries that may lie untaken in a queue of this layout: the other slots are for payloads that go on behind theirs.
pub(crate) fn entries_max(layout: UringLayout) -> u64 {
    (layout.sq.get() / 2).max(1)
}

/// Slots of the largest queue that a peer may ask this node to join.
const SLOTS_MAX: u64 = 1 << 16;

/// Why a request is not even kept until this process can map what it names.
const TOO_POOR: &str =
    "it lacks the descriptors or mappings to read the request, and too many others wait for them";

impl Place {
    pub(crate) fn of(span: &RingSpan) -> Self {
        Self {
            segment: WireKey(span.key()),
            offset: span.offset(),
        }
    }
}

impl PeerUrings {
    /// Finds a place in the peer's ring segments.
    pub(crate) fn find(&self, place: Place, len: u64) -> Result<PeerRegion, Violation> {
        let misplaced = Violation::Place {
            name: "uring's place",
            needed: len,
            len: 0,
        };
        let segment = self.peer().ring_segment(place.segment.0).ok_or(misplaced)?;
        segment.region().span(place.offset, len).ok_or(misplaced)
    }
}

/// Asks the peer to open a uring for `end`.
pub(crate) fn request(
    shared: &Arc<Shared>,
    urings: &Arc<PeerUrings>,
    end: &Arc<RemoteEnd>,
) -> Result<(), OpenRefusal> {
    let types = end.carried.len();
    if types > TYPES_MAX {
        let max = TYPES_MAX;
        return Err(OpenRefusal::TooManyTypes { types, max });
    }
    let no_room = |error: &dyn std::fmt::Display| OpenRefusal::NoRoom(error.to_string());
    let span = shared
        .ring_span(URING.submitter_len())
        .map_err(|error| no_room(&error))?;
    let uring = urings
        .name_uring()
        .ok_or_else(|| no_room(&"a million urings are open"))?;
    urings.add_end(uring, end);
    let place = Place::of(&span);
    let submitter = Submitter::create(span.region().clone(), URING);
    let notes = offer_notes(shared, urings, uring).map_err(|error| {
        urings.remove_end(uring);
        no_room(&error)
    })?;
    let types = end.carried.iter().map(CarriedType::of).collect();
    let is_wanted = end.opening(Opening {
        peer: Arc::clone(urings),
        uring,
        layout: URING,
        submitter,
        span,
    });
    if !is_wanted {
        urings.notes_out().refused(uring);
        urings.remove_end(uring);
        return Ok(());
    }
    urings.say(&UringWord::Open(Box::new(OpenWord {
        uring: WireKey(uring),
        target: end.key.target,
        kind: end.kind,
        priority: end.key.priority,
        types,
        sq: URING.sq.exponent(),
        cq: URING.cq.exponent(),
        place,
        notes,
    })));
    // Who ends the ends of a peer that is gone has seen this one, or this look sees that it is gone.
    if urings.peer().state() != PeerState::Connected {
        end.refuse(&ExitReason::Unreachable);
    }
    Ok(())
}

/// Where the peer is to read notes, if its rings have no room for one uring more.
pub(crate) fn offer_notes(
    shared: &Shared,
    urings: &PeerUrings,
    uring: Key,
) -> Result<Option<(Place, u8)>, RingsError> {
    let needed = urings.notes_out().count(uring);
    let (place, layout) = match needed {
        RingNeeded::No => return Ok(None),
        RingNeeded::Again(place, layout) => (place, layout),
        RingNeeded::Yes(layout) => {
            let span = shared
                .ring_span(layout.writer_len())
                .inspect_err(|_| urings.notes_out().not_offered())?;
            let place = Place::of(&span);
            urings.notes_out().offer(uring, layout, span);
            (place, layout)
        }
    };
    Ok(Some((place, layout.capacity.exponent())))
}

/// A ring segment is mapped at last: takes in what was kept back for it. What waits for another goes on waiting.
pub(crate) fn hear_held(shared: &Arc<Shared>, urings: &Arc<PeerUrings>) {
    for word in urings.take_held() {
        hear(shared, urings, word);
    }
}

/// Takes in what the peer says about a uring.
pub(crate) fn hear(shared: &Arc<Shared>, urings: &Arc<PeerUrings>, word: UringWord) {
    if let Some(uring) = word.answers()
        && !urings.knows(uring)
    {
        return urings.violation(Violation::Meaningless {
            name: "answer for a uring",
            found: uring.to_bits(),
        });
    }
    let word = match urings.hold(word) {
        Holding::Now(word) => word,
        Holding::Held => return,
        Holding::NoRoom(uring) => {
            let why = OpenRefusal::NoRoom(TOO_POOR.to_owned());
            return urings.say(&UringWord::Refused { uring, why });
        }
        Holding::TooMany(uring) => {
            return urings.violation(Violation::Meaningless {
                name: "further word about a uring",
                found: uring.0.to_bits(),
            });
        }
    };
    match word {
        UringWord::Open(open) => {
            let uring = open.uring;
            match join(shared, urings, &open) {
                Ok(joined) => joined.admit(shared, urings),
                Err(why) => urings.say(&UringWord::Refused { uring, why }),
            }
        }
        UringWord::Opened {
            uring,
            place,
            notes_head,
            terms,
        } => {
            let head = notes_head
                .map(|at| urings.find(at, NotesLayout::reader_len()))
                .transpose();
            let noted = head.and_then(|head| urings.notes_out().answered(uring.0, head.as_ref()));
            if let Err(violation) = noted {
                urings.violation(violation);
            }
            match urings.end(uring.0) {
                Some(end) => {
                    end.opened(terms, |opening| {
                        urings.find(place, opening.layout.completer_len())
                    });
                }
                // Its addresses went while it was being opened.
                None => urings.say(&UringWord::Close { uring }),
            }
        }
        UringWord::Refused { uring, why } => {
            urings.notes_out().refused(uring.0);
            match urings.end(uring.0) {
                Some(end) => {
                    end.refused(why.compared(&end.carried));
                    urings.remove_end(uring.0);
                }
                None => shared.refused_unheld(urings, uring.0),
            }
        }
        UringWord::Close { uring } => {
            if let Some(lane) = urings.lane(uring.0) {
                lane.end();
            }
        }
        UringWord::Closed { uring, reason } => match urings.end(uring.0) {
            Some(end) => end.finish(&reason, Leases::MayRemain),
            None => shared.closed_unheld(urings, uring.0, &reason),
        },
        UringWord::Released { uring } => {
            if let Some(lane) = urings.remove_lane(uring.0) {
                lane.replies.end();
                if !lane.is_closed() {
                    // Before it was closed it is not the submitter's to release: its target would keep it for good.
                    urings.violation(Violation::Meaningless {
                        name: "release of an open uring",
                        found: uring.0.to_bits(),
                    });
                    lane.cut(&ExitReason::ProtocolViolation);
                }
            }
        }
        UringWord::Look { uring } => {
            if let Some(lane) = urings.lane(uring.0) {
                if lane.heat() {
                    shared.watch(lane);
                }
            } else if let Some(feed) = urings.feed(uring.0) {
                feed.noted(uring.0);
            }
        }
        UringWord::Control {
            target,
            order: Order::Link { by },
        } => link::asked(shared, urings, target, by),
        UringWord::Control {
            target,
            order: Order::Unlink { by },
        } => link::taken_back(shared, urings, target, by),
        UringWord::Control {
            target,
            order: Order::Unlinked { by },
        } => link::parted(shared, urings, target, by),
        UringWord::Exit {
            target,
            who,
            reason,
        } => link::exited(shared, urings, target, who, reason),
        UringWord::Topic(word) => topics::hear(shared, urings, word),
        UringWord::Owed { number, word } => shared.relays.hear(urings.id(), number, word),
        UringWord::Control { target, order } => {
            let cell = shared
                .target(target)
                .and_then(|target| target.living?.upgrade());
            match (cell, order) {
                (Some(actor), Order::Stop) => actor.end(ExitReason::Stopped),
                (Some(actor), Order::ShutDown) => actor.end(ExitReason::Shutdown),
                (Some(actor), Order::Kill) => actor.kill(ExitReason::Killed),
                (Some(actor), Order::Drain) => actor.drain(ExitReason::Stopped),
                (Some(actor), Order::DrainDown) => actor.drain(ExitReason::Shutdown),
                _ => {}
            }
        }
    }
}

/// This node's half of a uring that a peer opens, before the peer knows of it.
struct Joined {
    lane: Arc<InboxLane>,
    target: Target,
    place: Place,
    notes_head: Option<Place>,
}

impl Joined {
    /// Tells the peer, and then the target, which may have ended meanwhile: so the peer hears of the beginning before it
    /// hears of the end.
    fn admit(self, shared: &Shared, urings: &PeerUrings) {
        let Self {
            lane,
            target,
            place,
            notes_head,
        } = self;
        urings.add_lane(&lane);
        urings.say(&UringWord::Opened {
            uring: WireKey(lane.uring),
            place,
            notes_head,
            terms: target.inbox.terms(),
        });
        if lane.priority() == Priority::High
            && let Some(actor) = target.living.as_ref().and_then(Weak::upgrade)
        {
            actor.core().opens_high();
        }
        match target.inbox.add(&lane) {
            Ok(()) => shared.jobs.rouse(Job::Watch(lane), &shared.queue),
            Err(reason) => lane.close(&reason),
        }
    }
}

/// Makes this node's half of a uring that a peer opens.
fn join(
    shared: &Arc<Shared>,
    urings: &Arc<PeerUrings>,
    open: &OpenWord,
) -> Result<Joined, OpenRefusal> {
    let target = shared.target(open.target).ok_or(OpenRefusal::NoSuchActor)?;
    match (open.kind, target.kind) {
        (ours, theirs) if ours == theirs => {}
        (TargetKind::Queue(ours), TargetKind::Queue(theirs)) => {
            return Err(OpenRefusal::WrongEnvelope { ours, theirs });
        }
        _ => return Err(OpenRefusal::WrongKind),
    }
    if open.priority == Priority::High && target.kind != TargetKind::Actor {
        // Who receives at a queue takes one after the other.
        return Err(OpenRefusal::WrongKind);
    }
    agree(&target, &open.types)?;
    let layout = layout(open)?;
    if urings.lane(open.uring.0).is_some() {
        return Err(OpenRefusal::Malformed(
            "the uring is open already".to_owned(),
        ));
    }
    let malformed = |violation: Violation| {
        urings.violation(violation);
        OpenRefusal::Malformed(violation.to_string())
    };
    let no_room = |error: &dyn std::fmt::Display| OpenRefusal::NoRoom(error.to_string());
    let theirs = urings
        .find(open.place, layout.submitter_len())
        .map_err(malformed)?;
    let share = shared.core().ring_share();
    if !urings.has_lane_room(layout.completer_len(), share) {
        return Err(no_room(&format_args!(
            "its share of this node's memory for urings, {share} bytes, is used up"
        )));
    }
    let span = shared
        .ring_span(layout.completer_len())
        .map_err(|error| no_room(&error))?;
    let place = Place::of(&span);
    let ends = Completer::create(span.region().clone(), layout)
        .open(&theirs)
        .map_err(malformed)?;
    let notes_head = match open.notes {
        Some((place, exponent)) => Some(read_notes_at(shared, urings, place, exponent)?),
        None => None,
    };
    let keeps = target.inbox.keeps(layout);
    let room_check_every = target.inbox.room_check_every(layout);
    let lane = InboxLane::new(
        shared,
        urings,
        (open.uring.0, open.priority),
        &target.inbox,
        ends,
        span,
        (keeps, room_check_every),
    );
    Ok(Joined {
        lane,
        target,
        place,
        notes_head,
    })
}

/// Reads a note ring of the peer's; returns where this node keeps its head.
pub(crate) fn read_notes_at(
    shared: &Arc<Shared>,
    urings: &PeerUrings,
    place: Place,
    exponent: u8,
) -> Result<Place, OpenRefusal> {
    let malformed = |violation: Violation| {
        urings.violation(violation);
        OpenRefusal::Malformed(violation.to_string())
    };
    let capacity = Pow2::from_exponent(exponent)
        .ok_or_else(|| OpenRefusal::Malformed(format!("a note ring of 2^{exponent} notes")))?;
    let layout = NotesLayout { capacity };
    let theirs = urings.find(place, layout.writer_len()).map_err(malformed)?;
    let span = shared
        .ring_span(NotesLayout::reader_len())
        .map_err(|error| OpenRefusal::NoRoom(error.to_string()))?;
    let place = Place::of(&span);
    urings
        .add_note_ring(&theirs, layout, span)
        .map_err(malformed)?;
    Ok(place)
}

fn layout(open: &OpenWord) -> Result<UringLayout, OpenRefusal> {
    let sizes = [open.sq, open.cq]
        .map(|exponent| Pow2::from_exponent(exponent).filter(|size| size.get() <= SLOTS_MAX));
    match sizes {
        [Some(sq), Some(cq)] => Ok(UringLayout { sq, cq }),
        _ => Err(OpenRefusal::Malformed(format!(
            "queues of 2^{} and 2^{} entries; the largest has {SLOTS_MAX}",
            open.sq, open.cq
        ))),
    }
}

/// Ends everything that goes through a peer whose heads are final: it died, or said goodbye.
pub(crate) fn end_all(urings: &Arc<PeerUrings>, reason: &ExitReason) {
    for end in urings.ends() {
        end.finish(reason, Leases::Gone);
    }
    for lane in urings.take_lanes() {
        lane.replies.end();
        if lane.is_closed() {
            // Its sender died before it had said what became of them, and whoever it would have told died with it.
            lane.lose_rest(&DeadReason::Ended(ExitReason::NoSuchActor));
        }
        lane.end();
    }
}
