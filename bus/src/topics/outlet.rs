//! A publisher of this node, whatever it publishes: its lane, who reads it, who waits for room in it.
//!
//! # Invariants
//! - **one-at-a-time**: the lane is used under `sending` alone, for one publish or one join; so a join comes between two publishes.
//!   Under that lock nothing waits, wakes, or drops a block: what is owed is paid after it.
//! - **kept**: the lane's place and its blocks stay until each reader has said that it reads nothing any more, or is dead.

mod readers;
mod room;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use ringway_shm::block::Block;
use ringway_shm::brief::{Brief, Guard};
use ringway_shm::broadcast::{PublishEnd, Unpublished};
use ringway_shm::layout::BroadcastLayout;
use ringway_shm::region::PeerRegion;
use ringway_shm::sync::AtomicBool;
use ringway_shm::sys::membarrier;

use self::readers::Reader;
pub(super) use self::readers::{Request, To};
use self::room::Growth;
pub(crate) use self::room::RoomLook;
use super::label::{Label, TopicEndId};
use super::raw::KindOf;
use super::slot::{Format, WORDS_MAX, Words, take_back, write};
use crate::clock::Clock;
use crate::entry::Sealed;
use crate::rings::RingSpan;
use crate::shared::Shared;
use crate::urings::wire::{CarriedType, Place};
use crate::wait_list::WaitList;

/// Blocks that wait on the list of overwritten samples before the claims are looked at.
const RETIRED_MAX: usize = 32;
/// Bytes of a block from which on a sample is given up as soon as all have taken it: what was read just now is in a cache still,
/// and what is used again only after many others is not. A look at all cursors and claims is little beside so many bytes.
const LARGE: u64 = 32 << 10;

/// What a publisher was made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutletTerms {
    pub(super) layout: BroadcastLayout,
    pub(super) format: Format,
    /// Samples that a late joiner gets.
    pub(super) history: u64,
    /// Bytes of blocks beyond which samples that nobody waits for are given up early.
    pub(super) bytes: u64,
    /// Each sample says when it was published.
    pub(super) is_timed: bool,
}

/// A publisher of this node.
pub(crate) struct PublisherEnd {
    pub(super) id: TopicEndId,
    pub(super) label: Label,
    pub(super) carried: CarriedType,
    pub(super) terms: OutletTerms,
    /// What its samples are, for those who ask.
    pub(super) kind: KindOf,
    pub(super) place: Place,
    /// The lane, as a subscriber of this node reads it.
    region: PeerRegion,
    shared: Weak<Shared>,
    clock: Clock,
    sending: Brief<Sending>,
    /// Publishes that wait for room in the lane.
    pub(super) room: WaitList,
    /// Those that wait for blocks.
    pub(super) blocks: WaitList,
    /// The driver looks for room.
    is_watched: AtomicBool,
    /// Subscribers to patterns that will not read it.
    declined: Mutex<Vec<TopicEndId>>,
}

struct Sending {
    /// `None` once it was let go.
    lane: Option<PublishEnd<Block>>,
    readers: Vec<Reader>,
    /// Of these, who is to be told of the next sample, though it does not take them.
    awaiting: Vec<TopicEndId>,
    /// Bytes of the blocks that it keeps.
    held: u64,
    /// Bytes beyond which samples are given up early, and retired blocks beyond which claims are looked at: raised while
    /// subscribers hold what there is.
    trim_at: u64,
    reclaim_at: usize,
    growth: Growth,
    is_over: bool,
    /// The lane's place.
    _span: RingSpan,
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Only after the node has left its bus are there members still. Its heap goes with it, and is not written any more.
        if let Some(lane) = &mut self.lane {
            let members: Vec<_> = lane.members().collect();
            members.into_iter().for_each(|member| {
                lane.leave(member);
            });
        }
    }
}

/// Why a sample was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// A subscriber that is waited for has no room.
    Full,
    /// The publisher has ended, or its node has left the bus.
    Over,
}

/// What is to be done without the lock.
#[derive(Default)]
struct Owed {
    wake: Vec<To>,
    freed: Vec<Block>,
    blamed: Vec<(To, ringway_shm::error::Violation)>,
}

impl Owed {
    #[inline]
    fn pay(self) {
        if !self.wake.is_empty() {
            self.wake.iter().for_each(To::wake);
        }
        for (to, violation) in self.blamed {
            if let To::There { peer, .. } = to {
                peer.violation(violation);
            }
        }
    }
}

impl Sending {
    /// Takes the blocks that nobody reads off the list; `true` if there were any.
    fn reclaim(&mut self, owed: &mut Owed) -> bool {
        let Some(lane) = &mut self.lane else {
            return false;
        };
        let before = owed.freed.len();
        let held = &mut self.held;
        let left = lane.reclaim(|_, block| {
            *held = held.saturating_sub(block.capacity() as u64);
            owed.freed.push(block);
        });
        self.reclaim_at = RETIRED_MAX.max(2 * left);
        owed.freed.len() > before
    }

    /// Gives up all but the newest `keep` samples, as far as nobody waits for them; `true` if a block came free.
    fn trim(&mut self, keep: u64, owed: &mut Owed) -> bool {
        if let Some(lane) = &mut self.lane {
            lane.retire(keep);
        }
        self.reclaim(owed)
    }

    /// Collects those who do not look at the lane, once for each time that they stop to.
    #[inline]
    fn name_idle(&mut self, owed: &mut Owed) {
        let Self { lane, readers, .. } = self;
        if let Some(lane) = lane {
            lane.idle_members(|member, _| {
                let reader = readers.iter().find(|reader| reader.member == member);
                owed.wake.extend(reader.map(|reader| reader.to.clone()));
            });
        }
        if !self.awaiting.is_empty() {
            self.name_awaiting(owed);
        }
    }

    /// Collects what a lane has found its readers to do wrong.
    fn blame(&mut self, owed: &mut Owed) {
        let Some(lane) = &mut self.lane else { return };
        while let Some((member, violation)) = lane.next_blame() {
            if let Some(reader) = self.readers.iter().find(|it| it.member == member) {
                owed.blamed.push((reader.to.clone(), violation));
            }
        }
    }
}

impl PublisherEnd {
    pub(super) fn new(
        shared: &Arc<Shared>,
        id: TopicEndId,
        label: Label,
        carried: CarriedType,
        terms: OutletTerms,
        span: RingSpan,
        kind: KindOf,
    ) -> Arc<Self> {
        let mut lane = PublishEnd::create(span.region(), terms.layout);
        if membarrier::is_reached() {
            lane.promise_barriers();
            lane.rely_on_barriers();
        }
        Arc::new(Self {
            id,
            label,
            carried,
            terms,
            kind,
            place: Place::of(&span),
            region: span.region().read_only(),
            shared: Arc::downgrade(shared),
            clock: shared.clock.clone(),
            sending: Brief::new(Sending {
                lane: Some(lane),
                readers: Vec::new(),
                awaiting: Vec::new(),
                held: 0,
                trim_at: terms.bytes,
                reclaim_at: RETIRED_MAX,
                growth: Growth::default(),
                is_over: false,
                _span: span,
            }),
            room: WaitList::default(),
            blocks: WaitList::default(),
            is_watched: AtomicBool::new(false),
            declined: Mutex::default(),
        })
    }

    /// The lane, as a subscriber of this node reads it.
    pub(super) fn region(&self) -> PeerRegion {
        self.region.clone()
    }

    fn sending(&self) -> Guard<'_, Sending> {
        self.sending.lock()
    }

    /// Publishes a sample; returns its sequence. What is not published comes back.
    #[inline]
    pub(super) fn publish(&self, sealed: Sealed) -> Result<u64, (Sealed, Obstacle)> {
        self.publishing(|sending, owed| self.put(sending, sealed, owed))
    }

    /// The same of what stands in a slot of this format without a block: the first `count` of these words.
    #[inline]
    pub(super) fn publish_words(&self, words: &mut Words, count: usize) -> Result<u64, Obstacle> {
        let count = self.say_time(words, count);
        self.publishing(|sending, owed| self.put_words(sending, &words[..count], None, owed))
            .map_err(|(_, obstacle)| obstacle)
    }

    /// Publishes under the lock, and has those look who do not.
    #[inline]
    fn publishing<E>(
        &self,
        put: impl FnOnce(&mut Sending, &mut Owed) -> Result<u64, E>,
    ) -> Result<u64, E> {
        let mut owed = Owed::default();
        let mut sending = self.sending();
        let published = put(&mut sending, &mut owed);
        if published.is_ok() {
            sending.name_idle(&mut owed);
        }
        drop(sending);
        owed.pay();
        published
    }

    /// Publishes samples from the first on, as one burst; returns how many. What is left was not, and the first of that met the
    /// obstacle.
    pub(super) fn publish_burst(&self, burst: &mut VecDeque<Sealed>) -> (u64, Option<Obstacle>) {
        let mut owed = Owed::default();
        let mut sending = self.sending();
        let (mut count, mut met) = (0, None);
        while let Some(sealed) = burst.pop_front() {
            match self.put(&mut sending, sealed, &mut owed) {
                Ok(_) => count += 1,
                Err((sealed, obstacle)) => {
                    burst.push_front(sealed);
                    met = Some(obstacle);
                    break;
                }
            }
        }
        if count > 0 {
            sending.name_idle(&mut owed);
        }
        drop(sending);
        owed.pay();
        (count, met)
    }

    /// Puts a sample into the lane. Who sleeps is not woken yet.
    #[inline]
    fn put(
        &self,
        sending: &mut Sending,
        sealed: Sealed,
        owed: &mut Owed,
    ) -> Result<u64, (Sealed, Obstacle)> {
        let mut words: Words = [0; WORDS_MAX];
        let (count, block) = write(sealed, &mut words);
        let count = self.say_time(&mut words, count);
        self.put_words(sending, &words[..count], block, owed)
            .map_err(|(block, obstacle)| (take_back(&words, self.terms.format, block), obstacle))
    }

    #[inline]
    fn put_words(
        &self,
        sending: &mut Sending,
        words: &[u64],
        block: Option<Block>,
        owed: &mut Owed,
    ) -> Result<u64, (Option<Block>, Obstacle)> {
        let bytes = block.as_ref().map_or(0, |block| block.capacity() as u64);
        let Some(lane) = sending.lane.as_mut().filter(|_| !sending.is_over) else {
            return Err((block, Obstacle::Over));
        };
        match lane.publish(words, block) {
            Ok(sequence) => {
                sending.held += bytes;
                if bytes > 0 {
                    self.keep_within(sending, bytes, owed);
                }
                Ok(sequence)
            }
            Err(Unpublished { block, .. }) => {
                sending.blame(owed);
                Err((block, Obstacle::Full))
            }
        }
    }

    /// Writes the time behind a sample's words, if it is to say it; returns how many words there are.
    #[inline]
    fn say_time(&self, words: &mut Words, count: usize) -> usize {
        let terms = &self.terms;
        if !terms.is_timed {
            return count;
        }
        words[terms.format.words()] = self.clock.now().0;
        terms.format.slot_words(true)
    }

    /// Keeps the blocks of old samples from growing beyond what they may take.
    fn keep_within(&self, sending: &mut Sending, newest: u64, owed: &mut Owed) {
        let retired = sending.lane.as_ref().map_or(0, PublishEnd::retired);
        if sending.held > sending.trim_at {
            sending.trim(self.terms.history.max(1), owed);
            // Where subscribers hold what there is, the next look is not at the next sample.
            sending.trim_at = self.terms.bytes.max(sending.held + self.terms.bytes / 8);
        } else if newest >= LARGE
            && let Some(lane) = &mut sending.lane
        {
            lane.retire_taken(self.terms.history.max(1));
            sending.reclaim(owed);
        } else if retired >= sending.reclaim_at {
            sending.reclaim(owed);
        }
    }

    /// Frees what blocks it can, for want of memory; `true` if there were any.
    pub(super) fn make_room(&self) -> bool {
        let mut owed = Owed::default();
        let mut sending = self.sending();
        let has_freed = sending.trim(self.terms.history, &mut owed);
        drop(sending);
        owed.pay();
        has_freed
    }

    /// Whether blocks are left that a subscriber may give back.
    pub(super) fn has_lent(&self) -> bool {
        self.sending()
            .lane
            .as_ref()
            .is_some_and(|it| it.retired() > 0)
    }

    /// Publishes nothing more. What readers may read stays until they have left.
    pub(super) fn end(&self) {
        let mut owed = Owed::default();
        let mut sending = self.sending();
        sending.is_over = true;
        if let Some(lane) = &mut sending.lane {
            lane.close();
        }
        owed.wake = sending.readers.iter().map(|it| it.to.clone()).collect();
        let rest = sending.take_rest();
        drop(sending);
        owed.pay();
        self.wake_all();
        self.let_go(rest);
    }

    /// The node leaves its bus. What others may still read stays until this is dropped.
    pub(super) fn abandon(&self) {
        let mut sending = self.sending();
        sending.is_over = true;
        if let Some(lane) = &mut sending.lane {
            lane.close();
        }
        let readers = std::mem::take(&mut sending.readers);
        drop(sending);
        self.wake_all();
        for reader in &readers {
            if matches!(reader.to, To::Here(_)) {
                reader.to.wake();
            }
        }
    }

    fn let_go(&self, rest: Option<PublishEnd<Block>>) {
        if let Some(lane) = rest {
            drop(lane); // with its blocks
            if let Some(shared) = self.shared.upgrade() {
                shared.topics.remove_publisher(self.id.number());
            }
        }
    }

    /// Wakes all publishes that wait.
    pub(super) fn wake_all(&self) {
        self.room.wake_all();
        self.blocks.wake_all();
    }
}

impl Sending {
    /// What is to be let go: the lane has ended, and nobody reads it.
    fn take_rest(&mut self) -> Option<PublishEnd<Block>> {
        (self.is_over && self.readers.is_empty()).then(|| self.lane.take())?
    }
}

impl std::fmt::Debug for PublisherEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublisherEnd")
            .field("id", &self.id)
            .field("topic", &self.label.topic())
            .finish_non_exhaustive()
    }
}
