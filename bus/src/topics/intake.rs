//! A subscriber of this node, whatever it subscribes to: the publishers that it reads, and who waits for their samples.
//!
//! Each publisher is a *source*, with a lane of its own. The one who takes looks at all of them in turn; before it waits it says to
//! those of this node that it does, and leaves the others to the driver, which looks at their lanes while it is awake, and has them
//! write a note when it sleeps.
//!
//! # Invariants
//! - **no-missed-wake**: who waits registers first, then makes each lane of this node idle and has the driver watch the others, and
//!   only then looks once more. A lane that the driver makes idle is looked at after that, too.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use ringway_shm::broadcast::{Policy, SubscribeEnd, Subscriber, TakeError, Taken};
use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::layout::{BroadcastLayout, CursorLayout};
use ringway_shm::region::PeerRegion;
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::{AcqRel, Relaxed, SeqCst};
use ringway_shm::sync::fence;

use super::half::{Half, Hold};
use super::label::{Label, TopicEndId};
use super::outlet::PublisherEnd;
use super::slot::{Format, Words, segment};
use super::wire::{Behind, JoinRefusal};
use crate::driver::Job;
use crate::lease::LeaseOwner;
use crate::peering::NodeId;
use crate::shared::{Shared, lock};
use crate::urings::PeerUrings;
use crate::urings::wire::CarriedType;
use crate::wait_list::WaitList;

/// What a subscriber was made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct IntakeTerms {
    pub(super) format: Format,
    pub(super) behind: Behind,
    pub(super) depth: u32,
    pub(super) claims: CursorLayout,
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
    }
}

/// A subscriber of this node.
pub(crate) struct SubscriberEnd {
    pub(super) id: TopicEndId,
    pub(super) label: Label,
    pub(super) carried: CarriedType,
    pub(super) terms: IntakeTerms,
    shared: Weak<Shared>,
    sources: Mutex<Sources>,
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

struct Source {
    id: TopicEndId,
    phase: Phase,
}

enum Phase {
    /// The publisher was asked, or is about to be.
    Asked(Option<(Subscriber, Half)>),
    Open(Box<Open>),
    /// It would not; it stays here while its card shows it, and is not asked again.
    Refused(JoinRefusal),
    /// Nothing more will come; likewise.
    Over,
}

struct Open {
    lane: SubscribeEnd,
    hold: Arc<Hold>,
    /// Its process is dead, or its node left: what is there is the rest.
    is_dying: bool,
    /// Taken, and waits for the segment of its block to be mapped.
    held_back: Option<Box<(Taken, Words)>>,
    /// All leases are held that there can be: nothing is taken before one is released.
    is_hoarded: bool,
}

/// Where a publisher is.
#[derive(Clone)]
pub(super) enum Origin {
    Here(Arc<PublisherEnd>),
    There(Arc<PeerUrings>),
}

impl Origin {
    /// Tells a publisher that waits for room or blocks that there may be some. The caller holds no lock.
    pub(super) fn ring(&self) {
        match self {
            Self::Here(end) => end.wake_all(),
            Self::There(peer) => peer.ring_bell(),
        }
    }
}

/// A sample that was taken; its words are where they were asked for.
pub(super) struct Arrived {
    pub(super) from: TopicEndId,
    pub(super) sequence: u64,
    pub(super) missed: u64,
    /// Whose block it is in, and who is told that it is not read any more; if it is in one.
    pub(super) lent: Option<(Origin, Arc<dyn LeaseOwner>)>,
}

/// What a look at all sources found.
pub(super) enum Took {
    Sample(Arrived),
    Nothing,
    /// Nothing; who wants to wait prepares for that once more.
    Changed,
    /// Nothing, and there will be none.
    Over,
}

/// What is to be done without the lock.
#[derive(Default)]
struct Owed {
    ring: Vec<Origin>,
    blame: Vec<(Origin, Violation)>,
    /// What is left of sources: their publishers may have waited for them; dropped, they say that nothing is read any more.
    over: Vec<Arc<Hold>>,
    is_hoarding: bool,
    /// A lane that was hoarded has nothing to take after all: it was not made ready to wait for.
    has_unwatched: bool,
}

impl Owed {
    #[inline]
    fn pay(self) {
        self.ring.iter().for_each(Origin::ring);
        for (origin, violation) in self.blame {
            if let Origin::There(peer) = origin {
                peer.violation(violation);
            }
        }
        self.over.iter().for_each(|hold| hold.origin().ring());
    }
}

impl SubscriberEnd {
    pub(super) fn new(
        shared: &Arc<Shared>,
        id: TopicEndId,
        label: Label,
        carried: CarriedType,
        terms: IntakeTerms,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            label,
            carried,
            terms,
            shared: Arc::downgrade(shared),
            sources: Mutex::default(),
            arrivals: WaitList::default(),
            is_listed: AtomicBool::new(false),
            is_hoarding: AtomicBool::new(false),
        })
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        lock(&self.sources)
    }

    /// Has whoever waits for a sample look.
    pub(crate) fn wake(&self) {
        self.arrivals.wake_all();
    }

    /// Makes a place for a publisher; `false` if it has one, or nothing is subscribed to any more.
    pub(super) fn add(&self, id: TopicEndId) -> bool {
        let mut sources = self.sources();
        if sources.is_over || sources.list.iter().any(|source| source.id == id) {
            return false;
        }
        let phase = Phase::Asked(None);
        sources.list.push(Source { id, phase });
        true
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

    /// The publisher has answered: its lane is at `lane`, and begins behind `after` for this one.
    pub(super) fn open(
        self: &Arc<Self>,
        id: TopicEndId,
        from: Origin,
        lane: &PeerRegion,
        layout: BroadcastLayout,
        after: u64,
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
        match part.open(lane, layout, self.terms.policy(), after) {
            Ok(lane) => {
                let hold = Hold::new(self, half, lane.claims(), note);
                source.phase = Phase::Open(Box::new(Open {
                    lane,
                    hold,
                    is_dying: false,
                    held_back: None,
                    is_hoarded: false,
                }));
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
        let former = source
            .filter(|source| matches!(source.phase, Phase::Asked(_)))
            .map(|source| std::mem::replace(&mut source.phase, Phase::Refused(why)));
        drop(sources);
        drop(former);
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

    /// Takes the next sample of any source.
    pub(super) fn take(&self, words: &mut Words) -> Took {
        let mut owed = Owed::default();
        let mut guard = self.sources();
        let sources = &mut *guard;
        let mut found = None;
        let count = sources.list.len();
        for step in 0..count {
            let at = (sources.next + step) % count;
            let source = &mut sources.list[at];
            let Phase::Open(open) = &mut source.phase else {
                continue;
            };
            match open.take(words, &mut owed) {
                Look::Sample(taken) => {
                    sources.next = at + 1;
                    found = Some(open.arrived(source.id, taken));
                    break;
                }
                Look::Nothing => {}
                Look::Over => {
                    let phase = std::mem::replace(&mut source.phase, Phase::Over);
                    owed.over.extend(phase.close());
                }
            }
        }
        let is_over = sources.is_over;
        drop(guard);
        // Relaxed: ordered by the fence in `prepare_to_wait`.
        if owed.is_hoarding {
            self.is_hoarding.store(true, Relaxed);
        }
        let has_unwatched = owed.has_unwatched;
        owed.pay();
        match found {
            Some(arrived) => Took::Sample(arrived),
            None if is_over => Took::Over,
            None if has_unwatched => Took::Changed,
            None => Took::Nothing,
        }
    }

    /// Has every lane wake who waits, who has registered; look once more afterwards.
    pub(super) fn prepare_to_wait(self: &Arc<Self>) {
        let mut watches = false;
        let mut sources = self.sources();
        for source in &mut sources.list {
            if let Phase::Open(open) = &mut source.phase {
                match open.hold.origin() {
                    // Whether it is idle or not: the caller looks at it next.
                    Origin::Here(_) => _ = open.lane.go_idle(),
                    Origin::There(_) => watches |= open.is_awaited(),
                }
            }
        }
        drop(sources);
        // SeqCst hoarding: `is_hoarding` before the look that follows; pairs with the fence in `Claims::release`, which is before
        // the load in `released`.
        fence(SeqCst);
        // AcqRel intake-listed: pairs with the swap in `unlist`.
        if watches
            && !self.is_listed.swap(true, AcqRel)
            && let Some(shared) = self.shared.upgrade()
        {
            let job = Job::Intake(Arc::clone(self));
            shared.jobs.rouse(job, &shared.queue);
        }
    }

    /// A lease was released.
    pub(super) fn released(&self) {
        // Relaxed: ordered by the fence in `Claims::release`.
        if self.is_hoarding.load(Relaxed) && self.is_hoarding.swap(false, AcqRel) {
            self.wake();
        }
    }

    /// The driver watches it no more.
    fn unlist(&self) {
        // AcqRel intake-listed: pairs with the swap in `prepare_to_wait`. Before the wake: who is woken may wait again.
        self.is_listed.swap(false, AcqRel);
    }

    /// The driver's look at the lanes of other nodes: `true` if who waits was woken, and the driver looks no more.
    pub(crate) fn watch(&self) -> bool {
        let sources = self.sources();
        let has_sample = sources.is_over || sources.list.iter().any(Source::has_sample);
        drop(sources);
        if has_sample {
            self.unlist();
            self.wake();
        }
        has_sample
    }

    /// The driver's last look before it sleeps: from here on a note wakes who waits.
    pub(crate) fn cool(&self) {
        // Before the look: a lane that is left out of it, and that somebody comes to wait for meanwhile, is listed anew.
        self.unlist();
        let mut is_idle = true;
        let mut sources = self.sources();
        for source in &mut sources.list {
            if let Phase::Open(open) = &mut source.phase
                && matches!(open.hold.origin(), Origin::There(_))
                && open.is_awaited()
            {
                is_idle &= open.lane.go_idle() && !open.ends();
            }
        }
        let rings: Vec<_> = sources.list.iter_mut().filter_map(Source::wanted).collect();
        drop(sources);
        rings.iter().for_each(Origin::ring);
        if !is_idle {
            self.wake();
        }
    }
}

impl Source {
    fn has_sample(&self) -> bool {
        match &self.phase {
            Phase::Open(open) => open.is_awaited() && (open.lane.peek() || open.is_dying),
            _ => false,
        }
    }

    /// Its publisher, if that waits and was not told yet.
    fn wanted(&mut self) -> Option<Origin> {
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
enum Look {
    Sample(Taken),
    Nothing,
    Over,
}

impl Open {
    /// Whether a sample is what it waits for, and not something that wakes by itself: a lease's release, a segment.
    fn is_awaited(&self) -> bool {
        !self.is_hoarded && self.held_back.is_none()
    }

    /// Whether nothing follows what is there.
    fn ends(&self) -> bool {
        self.is_dying || self.lane.publisher_closed()
    }

    fn take(&mut self, words: &mut Words, owed: &mut Owed) -> Look {
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

    fn arrived(&self, from: TopicEndId, taken: Taken) -> Arrived {
        let Taken {
            sequence,
            missed,
            claim,
            ..
        } = taken;
        let lent = claim.map(|claim| (self.hold.origin().clone(), self.hold.lend(claim)));
        Arrived {
            from,
            sequence,
            missed,
            lent,
        }
    }
}

impl Phase {
    /// Takes nothing more; what was taken may still be read. Returns what keeps it, to be let go without the lock.
    fn close(self) -> Option<Arc<Hold>> {
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

impl std::fmt::Debug for SubscriberEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubscriberEnd")
            .field("id", &self.id)
            .field("topic", &self.label.topic())
            .finish_non_exhaustive()
    }
}
