//! Who subscribes to a lane, as its publisher knows it: cursors, claims, and what they allow.

use std::collections::VecDeque;
use std::vec::Vec;

use super::{CursorLine, Policy, TakenLine, check};
use crate::error::Violation;
use crate::layout::{CursorLayout, Pow2};
use crate::mutant::Mutant;
use crate::region::{Keep, PeerRecord, PeerRecords, PeerRegion};
use crate::sync::Ordering::Acquire;
use crate::sync::{AtomicU64, dekker_fence, fence, light_fence};

/// Names a member of one lane; never used again there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(u64);

/// What a publisher sees of a member. What the member says of itself is not checked here: it is for show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberState {
    /// What it asked for when it joined.
    pub policy: Policy,
    /// Whether the publisher waits for it still: it is open, and has kept to the protocol.
    pub is_waited_for: bool,
    /// Whether it has said that it takes no more.
    pub is_closed: bool,
    /// The last sequence that it took or passed over; 0 for none.
    pub taken: u64,
    /// Claims that it holds: blocks that it may read.
    pub claims: usize,
    /// Blocks that it can claim at most.
    pub claims_max: usize,
}

/// One subscriber.
#[derive(Debug)]
struct Member<K> {
    id: MemberId,
    line: PeerRecord<CursorLine, K>,
    taken: PeerRecord<TakenLine, K>,
    claims: PeerRecords<AtomicU64, K>,
    policy: Policy,
    waited_for: Option<u64>, // the depth, while its cursor counts
    seen: u64,               // its cursor, as last seen: at least what it joined behind
    gone: u64,               // the sequence up to which all samples were gone when it joined
    noted: u64,              // the last `idle` epoch in which it was named
    is_blamed: bool,
    makes_barriers: bool, // when it goes idle
}

/// All of them. In a list without holes, as the publisher goes through the first of it after every burst.
#[derive(Debug)]
pub(super) struct Members<K> {
    list: Vec<Member<K>>,
    named: usize, // of these, the first so many are named when they are idle
    next: u64,
    limit: u64, // the last sequence that may be published
    least: u64, // what all that are waited for have taken, as last seen
    slowest: Option<MemberId>,
    blames: VecDeque<(MemberId, Violation)>,
    is_reached: bool, // barriers of members reach this process
    fenced: usize,    // of those that are named, so many make none
}

/// A join as the publisher has decided it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) policy: Policy,
    pub(super) slots: Pow2,
    pub(super) after: u64,
    pub(super) gone: u64,
}

impl<K: Keep> Members<K> {
    pub(super) fn new() -> Self {
        Self {
            list: Vec::new(),
            named: 0,
            next: 0,
            limit: u64::MAX,
            least: u64::MAX,
            slowest: None,
            blames: VecDeque::new(),
            is_reached: false,
            fenced: 0,
        }
    }

    /// Members' barriers reach this process.
    pub(super) fn rely_on_barriers(&mut self) {
        self.is_reached = true;
    }

    /// Adds a member, and lowers the limit to what it allows.
    pub(super) fn join(
        &mut self,
        peer: &PeerRegion<K>,
        layout: CursorLayout,
        place: Place,
    ) -> Result<MemberId, Violation> {
        let misplaced = Violation::Place {
            name: "a subscriber's cursor and claims",
            needed: layout.subscriber_len(),
            len: peer.len(),
        };
        let line: PeerRecord<CursorLine, K> = peer.hold(CursorLayout::LINE_AT).ok_or(misplaced)?;
        let taken = peer.hold(CursorLayout::TAKEN_AT).ok_or(misplaced)?;
        let claims = peer.hold_all(CursorLayout::CLAIMS_AT, layout.claims().into());
        let claims = claims.ok_or(misplaced)?;
        check(
            line.get(),
            |line| &line.magic,
            |line| &line.sizes,
            layout.to_bits(),
        )?;

        let id = MemberId(self.next);
        self.next += 1;
        let depth = place.policy.depth_in(place.slots);
        let waited_for = place.policy.waits().then_some(depth);
        if waited_for.is_some() {
            self.allow(id, place.after, depth);
        }
        let makes_barriers = line.get().load(|line| &line.makes_barriers) != 0;
        self.fenced += usize::from(!makes_barriers);
        self.list.push(Member {
            id,
            line,
            taken,
            claims,
            policy: place.policy,
            waited_for,
            seen: place.after,
            gone: place.gone,
            noted: 0,
            is_blamed: false,
            makes_barriers,
        });
        let last = self.list.len() - 1;
        self.list.swap(self.named, last);
        self.named += 1;
        Ok(id)
    }

    /// Names a member no more.
    pub(super) fn overlook(&mut self, id: MemberId) {
        let named = &self.list[..self.named];
        if let Some(at) = named.iter().position(|member| member.id == id) {
            self.named -= 1;
            self.list.swap(at, self.named);
            self.fenced -= usize::from(!self.list[self.named].makes_barriers);
        }
    }

    /// Waits for a member no more, which may read still. The limit rises when it is looked at next.
    pub(super) fn disregard(&mut self, id: MemberId) {
        let found = self.list.iter_mut().find(|member| member.id == id);
        if let Some(member) = found {
            member.waited_for = None;
        }
    }

    /// Forgets a member; whether there was one.
    pub(super) fn leave(&mut self, id: MemberId) -> bool {
        self.overlook(id);
        let found = self.list.iter().position(|member| member.id == id);
        if let Some(at) = found {
            self.list.swap_remove(at); // behind those that are named
        }
        if self.slowest == Some(id) {
            self.slowest = None;
        }
        found.is_some()
    }

    /// Takes into account what a member that is waited for has taken.
    fn allow(&mut self, id: MemberId, taken: u64, depth: u64) {
        self.least = self.least.min(taken);
        if taken + depth < self.limit {
            self.limit = taken + depth;
            self.slowest = Some(id);
        }
    }

    /// Looks at the cursors of all that are waited for, `newest` being the last sequence published.
    pub(super) fn look(&mut self, newest: u64) {
        (self.limit, self.least, self.slowest) = (u64::MAX, u64::MAX, None);
        for at in 0..self.list.len() {
            let member = &mut self.list[at];
            let Some(depth) = member.waited_for else {
                continue;
            };
            // Acquire closed: pairs with the store in `SubscribeEnd::close`.
            if member.line.get().load_acquire(|line| &line.closed) != 0 {
                member.waited_for = None;
                continue;
            }
            // Acquire taken: pairs with the store in `SubscribeEnd::publish_cursor`.
            let found = member.taken.get().load_acquire(|line| &line.taken);
            let floor = member.seen;
            if found != 0 && found < floor || found > newest {
                self.blame(
                    at,
                    Violation::Cursor {
                        found,
                        floor,
                        newest,
                    },
                );
                continue;
            }
            // 0 stands for nothing yet: it takes from where it joined.
            member.seen = found.max(floor);
            let (id, taken) = (member.id, member.seen);
            self.allow(id, taken, depth);
        }
    }

    /// Cuts a member off: its cursor does not count any more. Its claims do, as it may read still.
    fn blame(&mut self, at: usize, violation: Violation) {
        let member = &mut self.list[at];
        member.waited_for = None;
        if !member.is_blamed {
            member.is_blamed = true;
            self.blames.push_back((member.id, violation));
        }
    }

    pub(super) fn next_blame(&mut self) -> Option<(MemberId, Violation)> {
        self.blames.pop_front()
    }

    /// Adds all that is claimed to `claimed`. To be called after a fence behind the stores of all stamps of samples that are not
    /// to be found claimed any more.
    pub(super) fn claimed(&mut self, newest: u64, claimed: &mut Vec<u64>) {
        for at in 0..self.list.len() {
            for index in 0..self.list[at].claims.len() {
                let member = &self.list[at];
                let Some(word) = member.claims.get(index) else {
                    break;
                };
                // Relaxed: the fence below acquires.
                let found = word.load(|word| word);
                let after = member.gone;
                if found > after && found <= newest {
                    claimed.push(found);
                } else if found != 0 {
                    self.blame(
                        at,
                        Violation::Claim {
                            found,
                            after,
                            newest,
                        },
                    );
                }
            }
        }
        // Acquire released: pairs with the stores in `Claims::clear` and `Claims::claim`, whose values were loaded above.
        fence(Acquire);
    }

    /// Calls `found` with each member that is idle, and its epoch, once per epoch.
    #[inline]
    pub(super) fn idle(&mut self, mut found: impl FnMut(MemberId, u64)) {
        if self.named == 0 {
            return;
        }
        // Idle: the stamps before the loads of `idle`.
        if self.is_reached && self.fenced == 0 {
            // SeqCst: pairs with the barriers behind `SubscribeEnd::go_idle_before_barrier`.
            light_fence(Mutant::NoFenceAfterStamp);
        } else {
            // SeqCst: pairs with the fence in `SubscribeEnd::go_idle`, or with such a barrier.
            dekker_fence(Mutant::NoFenceAfterStamp);
        }
        for member in &mut self.list[..self.named] {
            // Relaxed: the fence orders it.
            let idle = member.line.get().load(|line| &line.idle);
            if idle != 0 && idle != member.noted {
                member.noted = idle;
                found(member.id, idle);
            }
        }
    }

    pub(super) fn state(&self, id: MemberId) -> Option<MemberState> {
        let member = self.list.iter().find(|member| member.id == id)?;
        let claims = (0..member.claims.len()).filter_map(|at| member.claims.get(at));
        let held = claims.filter(|claim| claim.load(|word| word) != 0);
        Some(MemberState {
            policy: member.policy,
            is_waited_for: member.waited_for.is_some(),
            is_closed: member.line.get().load(|line| &line.closed) != 0,
            taken: member.taken.get().load(|line| &line.taken),
            claims: held.count(),
            claims_max: member.claims.len(),
        })
    }

    /// The last sequence that may be published, as last seen.
    #[inline]
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// The last sequence that all that are waited for have taken, as last seen; all of them without one.
    pub(super) fn least(&self) -> u64 {
        self.least
    }

    /// What all members have taken, as they say: also those that nobody waits for, whose word costs nobody but themselves; but not
    /// those that are overlooked, and take none.
    pub(super) fn taken_by_all(&mut self, newest: u64) -> u64 {
        self.look(newest);
        let others = self.list[..self.named].iter();
        let others = others.filter(|it| !it.policy.waits());
        // Relaxed, these and those below: who drops the oldest makes sure of each sample that it takes.
        let others = others.filter(|it| it.line.get().load(|line| &line.closed) == 0);
        let taken = others.map(|it| {
            let taken = it.taken.get().load(|line| &line.taken);
            taken.max(it.seen)
        });
        taken
            .min()
            .map_or(self.least, |taken| taken.min(self.least))
    }

    /// The limit can be no higher than this: by what that member says that lowered it last. Not checked, for a hint.
    pub(super) fn limit_at_most(&self) -> u64 {
        let slowest = self.list.iter().find(|it| Some(it.id) == self.slowest);
        let Some((member, depth)) = slowest.and_then(|it| Some((it, it.waited_for?))) else {
            return u64::MAX;
        };
        // Relaxed, both: who finds enough looks again.
        if member.line.get().load(|line| &line.closed) != 0 {
            return u64::MAX;
        }
        let taken = member.taken.get().load(|line| &line.taken);
        taken.max(member.seen).saturating_add(depth)
    }

    pub(super) fn slowest(&self) -> Option<MemberId> {
        self.slowest
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = MemberId> {
        self.list.iter().map(|member| member.id)
    }
}

impl<K> Members<K> {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}
