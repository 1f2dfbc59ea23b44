//! What a subscriber to a pattern knows beside what any subscriber does: which topics it reads, and what was found that it does not.
//!
//! # Invariants
//! - **told**: whatever matches and is not read is told of once, and again only after it was gone. At most [`FAULTS_MAX`] wait to
//!   be taken; what finds no place is told of at a later look at the cards, if it is true by then.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::Relaxed;

use super::error::TopicError;
use super::intake::SubscriberEnd;
use super::label::{Role, TopicEndId, parts};
use super::name::TopicPattern;
use super::presence::Cards;
use super::wire::{JoinRefusal, Pairing, TopicWord};
use crate::shared::{Shared, lock};
use crate::urings::wire::UringWord;

/// Faults that wait to be taken, at most.
const FAULTS_MAX: usize = 1024;

/// A pattern that a subscriber of this node subscribes to.
#[derive(Debug)]
pub(super) struct Matching {
    pub(super) pattern: TopicPattern,
    /// Topics that are read, at most.
    pub(super) topics_max: usize,
    /// The message's name.
    message: &'static str,
    faults: Mutex<Faults>,
    /// Whether there are any to be taken; changed under the lock.
    has_faults: AtomicBool,
    /// Whether a topic found no place.
    has_declined: AtomicBool,
}

#[derive(Debug, Default)]
struct Faults {
    /// What was told, and is true still.
    told: HashSet<Subject>,
    waiting: VecDeque<TopicError>,
    /// Publishers that know that they are not read.
    declined: HashSet<TopicEndId>,
}

/// What a fault is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// A topic and its message.
    Label(Box<str>),
    Publisher(TopicEndId),
}

/// A publisher that a card shows.
pub(super) struct Match {
    pub(super) id: TopicEndId,
    pub(super) topic: Box<str>,
}

impl Matching {
    pub(super) fn new(pattern: TopicPattern, topics_max: usize, message: &'static str) -> Self {
        Self {
            pattern,
            topics_max,
            message,
            faults: Mutex::default(),
            has_faults: AtomicBool::new(false),
            has_declined: AtomicBool::new(false),
        }
    }

    /// The publishers to read, as the cards show them. What matches and is of another message is told of.
    pub(super) fn look(&self, shared: &Shared, end: &SubscriberEnd) -> (Vec<Match>, Cards) {
        let (mut found, mut misfits) = (Vec::new(), Vec::new());
        let mut shown = HashSet::new();
        let cards = shared.each_end(|node, label, it| {
            if it.role != Role::Publisher {
                return;
            }
            let Some((topic, theirs)) = parts(label).filter(|it| self.pattern.matches(it.0)) else {
                return;
            };
            let id = TopicEndId::new(node.id, it.number);
            shown.insert(Subject::Publisher(id));
            shown.insert(Subject::Label(label.into()));
            if it.types == end.label.types && theirs == self.message {
                let topic = topic.into();
                found.push(Match { id, topic });
                return;
            }
            let (topic, node) = (topic.to_owned(), node.name.to_owned());
            let error = match theirs == self.message {
                true => TopicError::OtherSchema {
                    topic,
                    message: self.message,
                    node,
                },
                false => TopicError::OtherMessage {
                    topic,
                    ours: self.message,
                    theirs: theirs.to_owned(),
                    node,
                },
            };
            misfits.push((Subject::Label(label.into()), error));
        });
        found.sort_unstable_by_key(|it| it.id);
        if cards == Cards::Whole {
            let mut faults = lock(&self.faults);
            faults.told.retain(|it| shown.contains(it));
            let declined = &mut faults.declined;
            declined.retain(|id| shown.contains(&Subject::Publisher(*id)));
            // Relaxed: a hint; whoever takes from the last of those that are read looks again.
            self.has_declined.store(!declined.is_empty(), Relaxed);
        }
        self.tell(end, misfits);
        (found, cards)
    }

    /// Keeps faults for who takes, and wakes it.
    fn tell(&self, end: &SubscriberEnd, found: Vec<(Subject, TopicError)>) {
        if found.is_empty() {
            return;
        }
        let mut faults = lock(&self.faults);
        let before = faults.waiting.len();
        for (subject, error) in found {
            if faults.waiting.len() < FAULTS_MAX && faults.told.insert(subject) {
                faults.waiting.push_back(error);
            }
        }
        let has_more = faults.waiting.len() > before;
        // Relaxed: the wake that follows is ordered after it.
        self.has_faults.store(!faults.waiting.is_empty(), Relaxed);
        drop(faults);
        if has_more {
            end.wake();
        }
    }

    /// A publisher's topic finds no place: says so to whoever takes, and to the publisher, which waits for an answer.
    pub(super) fn decline(&self, shared: &Shared, end: &SubscriberEnd, publisher: Match) {
        let Match { id, topic } = publisher;
        let label = [&*topic, "//", self.message].concat();
        let error = TopicError::TooMany {
            topic: topic.into(),
            pattern: self.pattern.to_string(),
            limit: self.topics_max,
        };
        self.tell(end, vec![(Subject::Label(label.into()), error)]);
        let is_new = lock(&self.faults).declined.insert(id);
        self.has_declined.store(true, Relaxed); // Relaxed: as above.
        if !is_new {
            return;
        }
        let pairing = Pairing {
            subscriber: end.id.number(),
            publisher: id.number(),
        };
        if let Some(urings) = shared.peer(id.node()) {
            urings.say(&UringWord::Topic(TopicWord::Declines { pairing }));
        } else if let Some(publisher) = shared.topics.publisher(id.number()) {
            publisher.declined_by(end.id);
            shared.changes.wake_all();
        }
    }

    /// A publisher is read after all.
    pub(super) fn has_place(&self, id: TopicEndId) {
        if self.has_declined() {
            lock(&self.faults).declined.remove(&id);
        }
    }

    /// A publisher would not be read.
    pub(super) fn refused(
        &self,
        end: &SubscriberEnd,
        topic: &str,
        publisher: TopicEndId,
        why: &JoinRefusal,
    ) {
        if *why == JoinRefusal::NoSuchPublisher {
            return; // it has ended meanwhile
        }
        let error = TopicError::Refused {
            topic: topic.to_owned(),
            publisher,
            why: why.to_string(),
        };
        self.tell(end, vec![(Subject::Publisher(publisher), error)]);
    }

    /// The next fault that nobody was told of.
    #[inline]
    pub(super) fn next_fault(&self) -> Option<TopicError> {
        // Relaxed: see `tell`.
        if !self.has_faults.load(Relaxed) {
            return None;
        }
        let mut faults = lock(&self.faults);
        let fault = faults.waiting.pop_front();
        // Relaxed: as in `tell`.
        self.has_faults.store(!faults.waiting.is_empty(), Relaxed);
        fault
    }

    /// Whether a topic found no place, and waits for one.
    pub(super) fn has_declined(&self) -> bool {
        self.has_declined.load(Relaxed) // Relaxed: a hint.
    }
}

/// The names of the topics that match, and are of this message, as the cards show them.
pub(super) fn names_matching(
    shared: &Shared,
    pattern: &TopicPattern,
    message: &str,
    types: u64,
) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    shared.each_end(|_, label, end| {
        let fits = |it: &(&str, &str)| it.1 == message && end.types == types;
        if let Some((topic, _)) = parts(label).filter(fits)
            && pattern.matches(topic)
        {
            names.push(Arc::from(topic));
        }
    });
    names.sort_unstable();
    names.dedup();
    names
}
