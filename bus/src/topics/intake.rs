//! A subscriber of this node, whatever it subscribes to: the publishers that it reads, and who waits for their samples.
//!
//! Each publisher is a *source*, with a lane of its own. The one who takes looks at all of them in turn; before it waits it says to
//! those of this node that it does, and leaves the others to the driver, which looks at their lanes while it is awake, and has them
//! write a note when it sleeps.
//!
//! # Invariants
//! - **no-missed-wake**: who waits registers first, then makes each lane of this node idle and has the driver watch the others, and
//!   only then looks once more. A lane that the driver makes idle is looked at after that, too.

mod batch;
mod filter;
mod named;
mod newest;
mod source;
mod wait;

use std::sync::{Arc, Weak};

use ringway_shm::brief::{Brief, Guard};
use ringway_shm::broadcast::{Policy, Subscriber};
use ringway_shm::generation::Key;
use ringway_shm::layout::{BroadcastLayout, CursorLayout};
use ringway_shm::region::PeerRegion;
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sys::membarrier;

pub(super) use self::batch::{Batch, Before};
pub(super) use self::filter::FilterTerms;
pub(super) use self::named::Place;
pub(super) use self::source::Origin;
use self::source::{Look, Open, Owed, Phase, Source};
use super::half::{Half, Hold};
use super::label::{Label, TopicEndId};
use super::matching::Matching;
use super::slot::Format;
use super::wire::{Behind, JoinRefusal};
use crate::clock::Clock;
use crate::peering::NodeId;
use crate::shared::Shared;
use crate::urings::wire::CarriedType;
use crate::wait_list::WaitList;

/// What a subscriber was made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct IntakeTerms {
    pub(super) format: Format,
    pub(super) behind: Behind,
    pub(super) depth: u32,
    pub(super) claims: CursorLayout,
    pub(super) filter: FilterTerms,
}

impl IntakeTerms {
    pub(super) fn policy(&self) -> Policy {
        policy(self.behind, self.depth)
    }
}

/// The lane's word for what a subscriber does when it falls behind.
pub(super) fn policy(behind: Behind, depth: u32) -> Policy {
    let depth = depth.into();
    match behind {
        Behind::Wait => Policy::Wait { depth },
        Behind::DropOldest => Policy::DropOldest { depth },
        // It takes none: no publisher waits for it.
        Behind::Newest => Policy::DropOldest { depth: 1 },
    }
}

/// A subscriber of this node.
pub(crate) struct SubscriberEnd {
    pub(super) id: TopicEndId,
    pub(super) label: Label,
    pub(super) carried: CarriedType,
    pub(super) terms: IntakeTerms,
    /// What it subscribes to, if that is a pattern.
    pub(super) matching: Option<Matching>,
    shared: Weak<Shared>,
    clock: Clock,
    sources: Brief<Sources>,
    /// Who waits for a sample.
    pub(super) arrivals: WaitList,
    /// The driver watches the lanes of other nodes.
    is_listed: AtomicBool,
    /// Who waits has as many leases as it can have: a released one wakes it.
    is_hoarding: AtomicBool,
}

#[derive(Default)]
struct Sources {
    list: Vec<Source>,
    /// Whose turn it is.
    next: usize,
    /// The subscriber was dropped, or its node has left the bus.
    is_over: bool,
}

/// What a look at all sources found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Took {
    Samples,
    Nothing,
    /// Nothing; who wants to wait prepares for that once more.
    Changed,
    /// Nothing, and there will be none.
    Over,
}

/// A lane, as its publisher has answered.
pub(super) struct Lane<'a> {
    pub(super) region: &'a PeerRegion,
    pub(super) layout: BroadcastLayout,
    pub(super) is_timed: bool,
    /// The sequence behind which it begins for this subscriber.
    pub(super) after: u64,
}

impl SubscriberEnd {
    pub(super) fn new(
        shared: &Arc<Shared>,
        id: TopicEndId,
        label: Label,
        carried: CarriedType,
        terms: IntakeTerms,
        matching: Option<Matching>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            label,
            carried,
            terms,
            matching,
            shared: Arc::downgrade(shared),
            clock: shared.clock.clone(),
            sources: Brief::default(),
            arrivals: WaitList::default(),
            is_listed: AtomicBool::new(false),
            is_hoarding: AtomicBool::new(false),
        })
    }

    fn sources(&self) -> Guard<'_, Sources> {
        self.sources.lock()
    }

    /// Has whoever waits for a sample look.
    pub(crate) fn wake(&self) {
        self.arrivals.wake_all();
    }

    /// Makes a place for a publisher, of that topic if a pattern is subscribed to.
    pub(super) fn add(&self, id: TopicEndId, topic: Option<&str>) -> Place {
        let mut sources = self.sources();
        if sources.is_over || sources.list.iter().any(|source| source.id == id) {
            return Place::NotWanted;
        }
        let topic = match (topic, &self.matching) {
            (Some(topic), Some(matching)) => match sources.topic(topic, matching.topics_max) {
                Some(topic) => Some(topic),
                None => return Place::TooMany,
            },
            _ => None,
        };
        let phase = Phase::Asked(None);
        sources.list.push(Source { id, topic, phase });
        Place::New
    }

    /// Keeps what the publisher's answer is to open; what is not wanted any more comes back.
    pub(super) fn asking(&self, id: TopicEndId, part: Subscriber, half: Half) -> Option<Half> {
        let mut sources = self.sources();
        let source = sources.list.iter_mut().find(|source| source.id == id);
        match source.map(|source| &mut source.phase) {
            Some(Phase::Asked(asked @ None)) => {
                *asked = Some((part, half));
                None
            }
            _ => Some(half),
        }
    }

    /// The publisher has answered.
    pub(super) fn open(
        self: &Arc<Self>,
        id: TopicEndId,
        from: Origin,
        found: &Lane<'_>,
        note: Option<Key>,
    ) {
        let mut owed = Owed::default();
        let mut unread = None;
        let mut sources = self.sources();
        let place = sources.list.iter_mut().find(|source| source.id == id);
        let Some(source) = place.filter(|it| matches!(it.phase, Phase::Asked(Some(_)))) else {
            return;
        };
        let Phase::Asked(Some((part, half))) = std::mem::replace(&mut source.phase, Phase::Over)
        else {
            return;
        };
        match part.open(found.region, found.layout, self.terms.policy(), found.after) {
            Ok(mut lane) => {
                // A publisher of this node is asked more often than it sleeps.
                if matches!(from, Origin::There(_)) && membarrier::is_reached() {
                    lane.rely_on_barriers();
                }
                let hold = Hold::new(self, half, lane.claims(), note);
                source.phase = Phase::Open(Box::new(Open::new(lane, hold, found.is_timed)));
            }
            Err(violation) => {
                owed.blame.push((from, violation));
                unread = Some(half);
            }
        }
        drop(sources);
        drop(unread); // which says that nothing is read
        owed.pay();
        self.wake();
    }

    /// The publisher would not.
    pub(super) fn refused(&self, id: TopicEndId, why: JoinRefusal) {
        let mut sources = self.sources();
        let source = sources.list.iter_mut().find(|source| source.id == id);
        let Some(source) = source.filter(|source| matches!(source.phase, Phase::Asked(_))) else {
            return;
        };
        let topic = source.topic.clone();
        let former = std::mem::replace(&mut source.phase, Phase::Refused(why.clone()));
        drop(sources);
        drop(former);
        if let (Some(matching), Some(topic)) = (&self.matching, topic) {
            matching.refused(self, &topic, id, &why);
        }
    }

    /// Forgets publishers that have ended and are not shown any more; the rest of `shown` is to be asked.
    pub(super) fn prune(&self, shown: &[TopicEndId]) {
        let mut sources = self.sources();
        sources.list.retain(|source| {
            let is_over = matches!(source.phase, Phase::Over | Phase::Refused(_));
            !is_over || shown.contains(&source.id)
        });
    }

    /// Publishers that were asked and have not answered.
    pub(super) fn unanswered(&self) -> Vec<TopicEndId> {
        let sources = self.sources();
        let asked = sources.list.iter();
        let asked = asked.filter(|source| matches!(source.phase, Phase::Asked(_)));
        asked.map(|source| source.id).collect()
    }

    /// Why publishers of this topic would not be read.
    pub(super) fn refusals(&self) -> Vec<(TopicEndId, JoinRefusal)> {
        let sources = self.sources();
        let refused = sources.list.iter().filter_map(|it| match &it.phase {
            Phase::Refused(why) if *why != JoinRefusal::NoSuchPublisher => {
                Some((it.id, why.clone()))
            }
            _ => None,
        });
        refused.collect()
    }

    /// The publishers that it reads.
    pub(super) fn read_from(&self) -> Vec<TopicEndId> {
        let sources = self.sources();
        let open = sources.list.iter();
        let open = open.filter(|source| matches!(source.phase, Phase::Open(_)));
        open.map(|source| source.id).collect()
    }

    /// Whether it reads a publisher of that node.
    pub(super) fn reads(&self, node: NodeId) -> bool {
        let sources = self.sources();
        sources.list.iter().any(|source| source.id.node() == node)
    }

    /// A node is dead, or has closed its traffic: what its publishers have published is taken, and then there is no more.
    pub(super) fn node_gone(&self, node: NodeId) {
        let mut gone = Vec::new();
        let mut sources = self.sources();
        for source in sources.list.iter_mut().filter(|it| it.id.node() == node) {
            match &mut source.phase {
                Phase::Open(open) => open.is_dying = true,
                phase => gone.push(std::mem::replace(phase, Phase::Over)),
            }
        }
        drop(sources);
        drop(gone);
        self.wake();
    }

    /// Takes nothing more from anybody: the subscriber is dropped, or its node leaves.
    pub(super) fn close(&self) {
        let mut sources = self.sources();
        sources.is_over = true;
        let mut list = std::mem::take(&mut sources.list);
        drop(sources);
        let holds = list.drain(..).filter_map(|source| source.phase.close());
        let over = holds.collect();
        let owed = Owed {
            over,
            ..Owed::default()
        };
        owed.pay();
        self.wake();
    }

    /// Takes the next samples of any sources: each publisher's in its order, and none of them before all.
    #[inline]
    pub(super) fn take(&self, batch: &mut Batch, max: usize) -> Took {
        let mut owed = Owed::default();
        let filter = self.terms.filter.now(&self.clock);
        batch.clear();
        let mut guard = self.sources();
        let sources = &mut *guard;
        let count = sources.list.len();
        let first = sources.next;
        for step in 0..count {
            let at = (first + step) % count;
            let source = &mut sources.list[at];
            let Phase::Open(open) = &mut source.phase else {
                continue;
            };
            let before = batch.len();
            let whose = (source.id, source.topic.as_ref());
            let look = open.take(whose, batch, max, &filter, &mut owed);
            if let Look::Over = look {
                let phase = std::mem::replace(&mut source.phase, Phase::Over);
                owed.over.extend(phase.close());
            }
            if batch.len() > before {
                sources.next = at + 1;
            }
            if batch.len() >= max {
                break;
            }
        }
        let is_over = sources.is_over;
        drop(guard);
        let has_unwatched = owed.has_unwatched;
        self.settle(owed);
        match batch.len() {
            0 if is_over => Took::Over,
            0 if has_unwatched => Took::Changed,
            0 => Took::Nothing,
            _ => Took::Samples,
        }
    }

    /// Does what is owed, without the lock.
    #[inline]
    fn settle(&self, owed: Owed) {
        if owed.is_hoarding {
            // Relaxed: ordered by the fence in `prepare_to_wait`.
            self.is_hoarding.store(true, Relaxed);
        }
        owed.pay();
    }

    /// Samples that were taken could not be read: they count as missed before the next of that publisher.
    #[cold]
    pub(super) fn lost(&self, from: TopicEndId, before: Before) {
        let mut sources = self.sources();
        let source = sources.list.iter_mut().find(|source| source.id == from);
        if let Some(Phase::Open(open)) = source.map(|source| &mut source.phase) {
            open.before.add(before);
        }
    }
}

impl std::fmt::Debug for SubscriberEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubscriberEnd")
            .field("id", &self.id)
            .field("topic", &self.label.topic())
            .finish_non_exhaustive()
    }
}
