//! How subscribers and publishers come together, and part: both sides of the words in [`wire`](super::wire).
//!
//! # Invariants
//! - **no-silent-start**: a subscriber shows itself, then looks for publishers; a publisher shows itself, then looks for
//!   subscribers (see `Shared::show_end`). So one of two sees the other: either the subscriber's builder waits for the answer, or the
//!   publisher's for the request.

use std::sync::Arc;

use ringway_shm::broadcast::Subscriber;
use ringway_shm::error::Violation;
use ringway_shm::layout::{BroadcastLayout, CursorLayout, NotesLayout, Pow2};
use ringway_shm::sys::membarrier;

use super::half::Half;
use super::intake::{Lane, Origin, Place as InList, SubscriberEnd, policy};
use super::label::{Label, Role, TopicEndId};
use super::matching::Match;
use super::outlet::{Request, To};
use super::presence::Cards;
use super::raw;
use super::wire::{Behind, JoinRefusal, JoinWord, JoinedWord, Pairing, TopicWord};
use crate::frame::WireKey;
use crate::peering::NodeId;
use crate::shared::Shared;
use crate::urings::PeerUrings;
use crate::urings::open::{offer_notes, read_notes_at};
use crate::urings::wire::{Place, UringWord};

/// Has a subscriber read all publishers that there are; returns whether all cards were read, and all who stand there can be asked.
pub(super) fn seek(shared: &Arc<Shared>, end: &Arc<SubscriberEnd>) -> Cards {
    let (publishers, mut cards) = shown_to(shared, end);
    for Wanted { publisher, topic } in publishers {
        let is_here = publisher.node() == shared.core().id();
        let urings = shared.peer(publisher.node());
        if !is_here && urings.is_none() {
            // Its card can be read, but it is not known to be connected up here: then all look again.
            cards = Cards::Part;
            continue;
        }
        match (end.add(publisher, topic.as_deref()), &end.matching, topic) {
            (InList::New, matching, _) => {
                matching.iter().for_each(|it| it.has_place(publisher));
                let asked = match urings {
                    Some(urings) => ask(shared, end, publisher, &urings),
                    None => join_here(shared, end, publisher),
                };
                if let Err(why) = asked {
                    end.refused(publisher, why);
                }
            }
            (InList::TooMany, Some(matching), Some(topic)) => {
                let id = publisher;
                matching.decline(shared, end, Match { id, topic });
            }
            _ => {}
        }
    }
    cards
}

/// A publisher that a subscriber is to read.
struct Wanted {
    publisher: TopicEndId,
    /// Of a subscriber to a pattern.
    topic: Option<Box<str>>,
}

/// The publishers that the cards show to a subscriber, which forgets those that are gone.
fn shown_to(shared: &Shared, end: &SubscriberEnd) -> (Vec<Wanted>, Cards) {
    let (wanted, cards): (Vec<_>, _) = match &end.matching {
        None => {
            let (ids, cards) = shared.ends_of(&end.label, Role::Publisher);
            let wanted = ids.into_iter().map(|publisher| Wanted {
                publisher,
                topic: None,
            });
            (wanted.collect(), cards)
        }
        Some(matching) => {
            let (found, cards) = matching.look(shared, end);
            let wanted = found.into_iter().map(|it| Wanted {
                publisher: it.id,
                topic: Some(it.topic),
            });
            (wanted.collect(), cards)
        }
    };
    if cards == Cards::Whole {
        let shown: Vec<_> = wanted.iter().map(|it| it.publisher).collect();
        end.prune(&shown);
    }
    (wanted, cards)
}

/// A publisher of this node was shown: has those of its subscribers look that want that topic.
pub(super) fn seek_for(shared: &Arc<Shared>, label: &Label) {
    for number in shared.own_subscribers(label) {
        if let Some(end) = shared.topics.subscriber(number) {
            seek(shared, &end);
        }
    }
}

/// The cards have changed: has all subscribers look.
pub(crate) fn seek_all(shared: &Arc<Shared>) {
    for end in shared.topics.subscribers() {
        seek(shared, &end);
    }
}

/// Makes a subscriber's half.
fn half(
    shared: &Arc<Shared>,
    end: &SubscriberEnd,
    publisher: TopicEndId,
    origin: Origin,
) -> Result<(Subscriber, Half), JoinRefusal> {
    let claims = end.terms.claims;
    let span = shared
        .ring_span(claims.subscriber_len())
        .map_err(|error| JoinRefusal::NoRoom(error.to_string()))?;
    let part = Subscriber::create(span.region().clone(), claims);
    // Who waits for a publisher of this node makes its lane idle by itself, and more often than the driver sleeps.
    if matches!(origin, Origin::There(_)) && membarrier::is_reached() {
        part.promise_barriers();
    }
    Ok((part, Half::new(shared, end.id, publisher, origin, span)))
}

/// Reads a publisher of this node.
fn join_here(
    shared: &Arc<Shared>,
    end: &Arc<SubscriberEnd>,
    id: TopicEndId,
) -> Result<(), JoinRefusal> {
    let publisher = shared.topics.publisher(id.number());
    let publisher = publisher.ok_or(JoinRefusal::NoSuchPublisher)?;
    let origin = Origin::Here(Arc::clone(&publisher));
    let (part, half) = half(shared, end, id, origin.clone())?;
    let theirs = half.region().read_only();
    let request = Request {
        id: end.id,
        to: To::Here(Arc::downgrade(end)),
        half: &theirs,
        claims: end.terms.claims,
        policy: end.terms.policy(),
        is_onlooker: end.terms.behind == Behind::Newest,
    };
    let after = publisher.join(request)?;
    let unwanted = end.asking(id, part, half);
    drop(unwanted);
    let lane = publisher.region();
    let found = Lane {
        region: &lane,
        layout: publisher.terms.layout,
        is_timed: publisher.terms.is_timed,
        after,
    };
    end.open(id, origin, &found, None);
    shared.changes.wake_all();
    Ok(())
}

/// Asks a publisher of another node.
fn ask(
    shared: &Arc<Shared>,
    end: &Arc<SubscriberEnd>,
    id: TopicEndId,
    urings: &Arc<PeerUrings>,
) -> Result<(), JoinRefusal> {
    let origin = Origin::There(Arc::clone(urings));
    let (part, half) = half(shared, end, id, origin)?;
    let (place, pairing) = (half.place(), half.pairing());
    if end.asking(id, part, half).is_some() {
        return Ok(()); // dropped: the subscriber has ended meanwhile
    }
    urings.say(&UringWord::Topic(TopicWord::Join(Box::new(JoinWord {
        pairing,
        carried: end.carried.clone(),
        half: place,
        claims: end.terms.claims.claims(),
        depth: end.terms.depth,
        behind: end.terms.behind,
    }))));
    // Who ends what a dead peer was asked has seen this, or this look finds no peer.
    if shared.peer(id.node()).is_none() {
        end.node_gone(id.node());
    }
    Ok(())
}

/// Takes in what a peer says about topics.
pub(crate) fn hear(shared: &Arc<Shared>, urings: &Arc<PeerUrings>, word: TopicWord) {
    match word {
        TopicWord::Join(join) => {
            let pairing = join.pairing;
            let answer = match admit(shared, urings, &join) {
                Ok(joined) => TopicWord::Joined(Box::new(joined)),
                Err(why) => TopicWord::Refused { pairing, why },
            };
            urings.say(&UringWord::Topic(answer));
            shared.changes.wake_all();
        }
        TopicWord::Joined(joined) => joined_there(shared, urings, &joined),
        TopicWord::Refused { pairing, why } => {
            if let Some((end, id)) = reader(shared, urings.id(), pairing) {
                end.refused(id, why);
            }
            shared.changes.wake_all();
        }
        TopicWord::Listens { note, head } => {
            let head = urings.find(head, NotesLayout::reader_len());
            let heard = head.and_then(|head| urings.notes_out().answered(note.0, Some(&head)));
            if let Err(violation) = heard {
                urings.violation(violation);
            }
        }
        TopicWord::Awaits { pairing, seen } => {
            if let Some(end) = shared.topics.publisher(pairing.publisher) {
                end.tell_of_newer(TopicEndId::new(urings.id(), pairing.subscriber), seen);
            }
        }
        TopicWord::Leaves { pairing } => {
            let end = shared.topics.publisher(pairing.publisher);
            let id = TopicEndId::new(urings.id(), pairing.subscriber);
            if let Some(note) = end.and_then(|end| end.leave(id)) {
                urings.forget_note(note);
            }
            urings.say(&UringWord::Topic(TopicWord::Left { pairing }));
            shared.changes.wake_all();
        }
        TopicWord::Declines { pairing } => {
            if let Some(publisher) = shared.topics.publisher(pairing.publisher) {
                publisher.declined_by(TopicEndId::new(urings.id(), pairing.subscriber));
                shared.changes.wake_all();
            }
        }
        TopicWord::Describe { publisher } => raw::tell(shared, urings, publisher),
        TopicWord::Described {
            publisher,
            pieces,
            description,
        } => raw::told(shared, urings.id(), publisher, pieces, &description),
        TopicWord::Left { pairing } => {
            if !shared.topics.forget_half(urings.id(), pairing) {
                urings.violation(Violation::Meaningless {
                    name: "half of a subscriber that is not read any more",
                    found: pairing.subscriber.to_bits(),
                });
            }
        }
    }
}

/// Has a peer's subscriber read a publisher of this node.
fn admit(
    shared: &Arc<Shared>,
    urings: &Arc<PeerUrings>,
    join: &JoinWord,
) -> Result<JoinedWord, JoinRefusal> {
    let publisher = shared.topics.publisher(join.pairing.publisher);
    let publisher = publisher.ok_or(JoinRefusal::NoSuchPublisher)?;
    if join.carried != publisher.carried {
        return Err(JoinRefusal::OtherMessage);
    }
    let claims = CursorLayout::new(join.claims).ok_or(JoinRefusal::Malformed)?;
    if urings.peer().awaits_ring_segment(join.half.segment.0) {
        let text = "it lacks the descriptors or mappings to read the request".to_owned();
        return Err(JoinRefusal::NoRoom(text));
    }
    let half = urings.find(join.half, claims.subscriber_len());
    let half = half.map_err(|violation| {
        urings.violation(violation);
        JoinRefusal::Malformed
    })?;
    let no_room = |text: String| JoinRefusal::NoRoom(text);
    let note = urings.name_uring();
    let note = note.ok_or_else(|| no_room("a million urings are open".to_owned()))?;
    let notes = offer_notes(shared, urings, note).map_err(|error| {
        urings.forget_note(note);
        no_room(error.to_string())
    })?;
    let request = Request {
        id: TopicEndId::new(urings.id(), join.pairing.subscriber),
        to: To::There {
            peer: Arc::clone(urings),
            note,
        },
        half: &half,
        claims,
        policy: policy(join.behind, join.depth),
        is_onlooker: join.behind == Behind::Newest,
    };
    let after = publisher.join(request).inspect_err(|_| {
        urings.notes_out().refused(note);
        urings.forget_note(note);
    })?;
    // Who forgets the readers of a dead peer has found it, or this look finds no peer.
    if shared.peer(urings.id()).is_none() {
        publisher.forget_node(urings.id());
    }
    Ok(JoinedWord {
        pairing: join.pairing,
        lane: publisher.place,
        slots: publisher.terms.layout.slots().exponent(),
        is_timed: publisher.terms.is_timed,
        after,
        note: WireKey(note),
        notes,
    })
}

/// A publisher of a peer has answered.
fn joined_there(shared: &Arc<Shared>, urings: &Arc<PeerUrings>, joined: &JoinedWord) {
    let note = joined.note;
    if let Some((place, exponent)) = joined.notes
        && let Ok(head) = read_notes_at(shared, urings, place, exponent)
    {
        urings.say(&UringWord::Topic(TopicWord::Listens { note, head }));
    }
    let Some((end, id)) = reader(shared, urings.id(), joined.pairing) else {
        return; // It has ended meanwhile, and said that it leaves.
    };
    let layout = Pow2::from_exponent(joined.slots).and_then(|slots| {
        BroadcastLayout::new(slots, end.terms.format.slot_words(joined.is_timed))
    });
    let lane = layout.and_then(|layout| Some((layout, lane_at(urings, joined.lane, layout)?)));
    match lane {
        Some((layout, lane)) => {
            let origin = Origin::There(Arc::clone(urings));
            let found = Lane {
                region: &lane,
                layout,
                is_timed: joined.is_timed,
                after: joined.after,
            };
            end.open(id, origin, &found, Some(note.0));
        }
        // Its half says that it leaves.
        None => end.refused(id, JoinRefusal::Malformed),
    }
    shared.changes.wake_all();
}

fn lane_at(
    urings: &PeerUrings,
    place: Place,
    layout: BroadcastLayout,
) -> Option<ringway_shm::region::PeerRegion> {
    if urings.peer().awaits_ring_segment(place.segment.0) {
        return None;
    }
    let found = urings.find(place, layout.publisher_len());
    found.map_err(|violation| urings.violation(violation)).ok()
}

/// The subscriber of this node, and the peer's publisher, that a word is about.
fn reader(
    shared: &Shared,
    node: NodeId,
    pairing: Pairing,
) -> Option<(Arc<SubscriberEnd>, TopicEndId)> {
    let end = shared.topics.subscriber(pairing.subscriber)?;
    Some((end, TopicEndId::new(node, pairing.publisher)))
}
