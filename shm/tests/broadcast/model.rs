//! Random calls against a plain model of what a lane is: lists of sequences.

use ringway_shm::broadcast::{Claim, Claims, MemberId, Policy, SubscribeEnd, TakeError};
use ringway_shm::region::Buffer;

use super::random::Random;
use super::{Lane, words};

/// What the publisher's side is, in plain numbers.
#[derive(Default)]
struct Model {
    slots: u64,
    tail: u64,
    gone: u64,
    lent: Vec<u64>,    // sequences of blocks that are in their slots
    retired: Vec<u64>, // and of those that are not
}

/// A subscription, beside what it should be.
struct Subscription {
    end: Option<SubscribeEnd<Buffer>>, // `None` once closed
    claims: Claims<Buffer>,
    id: MemberId,
    policy: Policy,
    taken: u64,
    received: u64,
    after: u64,
    pending: u64,
    leases: Vec<Claim>,
    claims_max: usize,
}

impl Subscription {
    fn depth(&self, slots: u64) -> u64 {
        let (Policy::Wait { depth } | Policy::DropOldest { depth }) = self.policy;
        depth.clamp(1, slots)
    }

    fn is_waited_for(&self) -> bool {
        self.end.is_some() && self.policy.waits()
    }

    /// What the next take should give: a sequence, or nothing.
    fn next(&mut self, model: &Model) -> Option<u64> {
        let mut next = self.taken + 1;
        if !self.policy.waits() {
            let kept = (model.tail + 1).saturating_sub(self.depth(model.slots));
            next = next.max(kept).max(model.gone + 1);
        }
        self.pending += next - 1 - self.taken;
        self.taken = next - 1;
        (next <= model.tail).then_some(next)
    }
}

struct Scene {
    lane: Lane,
    model: Model,
    members: Vec<Subscription>,
    random: Random,
    samples: u64, // received in all
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let slots = 1 << random.below(4);
        let model = Model {
            slots,
            ..Model::default()
        };
        Self {
            lane: Lane::new(slots, 9),
            model,
            members: Vec::new(),
            random,
            samples: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0 if self.members.len() < 5 => self.join(),
            1 => self.close(),
            2 => self.leave(),
            3 => self.retire(),
            4..6 => self.reclaim(),
            6..11 => self.publish(),
            11..13 => self.release(),
            13 => self.latest(),
            _ => self.take(),
        }
    }

    fn pick(&mut self) -> Option<usize> {
        let count = self.members.len();
        (count > 0).then(|| self.random.index(count))
    }

    fn join(&mut self) {
        let depth = self.random.below(self.model.slots + 2);
        let policy = match self.random.below(2) {
            0 => Policy::Wait { depth },
            _ => Policy::DropOldest { depth },
        };
        let claims = u16::try_from(self.random.below(4)).unwrap();
        let history = self.random.below(6);
        let member = self.lane.join(policy, claims, history);
        let after = self.model.tail.saturating_sub(history).max(self.model.gone);
        assert_eq!(member.after, after);
        self.members.push(Subscription {
            claims: member.end.claims(),
            end: Some(member.end),
            id: member.id,
            policy,
            taken: after,
            received: 0,
            after,
            pending: 0,
            leases: Vec::new(),
            claims_max: claims.into(),
        });
    }

    fn close(&mut self) {
        let Some(at) = self.pick() else { return };
        if let Some(end) = self.members[at].end.take() {
            let _claims = end.close();
        }
    }

    /// As one that holds nothing any more, or one that dies with its leases.
    fn leave(&mut self) {
        let Some(at) = self.pick() else { return };
        let member = self.members.swap_remove(at);
        assert!(self.lane.publish.leave(member.id));
        if let Some(end) = member.end {
            let missed = end.missed();
            assert_eq!(member.received + missed, end.taken() - member.after);
        }
    }

    fn publish(&mut self) {
        let model = &mut self.model;
        let next = model.tail + 1;
        let full = self.members.iter().any(|member| {
            member.is_waited_for() && member.taken + member.depth(model.slots) < next
        });
        let block = (self.random.below(2) == 0).then_some(next);
        let len = 1 + self.random.index(9);
        let published = self.lane.publish.publish(&words(next, len), block);
        if full {
            assert_eq!(published.unwrap_err().block, block);
            return;
        }
        assert_eq!(published.unwrap(), next);
        model.tail = next;
        model.lent.extend(block);
        self.gone(next.saturating_sub(self.model.slots));
    }

    /// All up to `gone` have left their slots.
    fn gone(&mut self, gone: u64) {
        let model = &mut self.model;
        model.gone = model.gone.max(gone);
        let retired = model.lent.extract_if(.., |sequence| *sequence <= gone);
        model.retired.extend(retired);
        assert_eq!(self.lane.publish.gone(), self.model.gone);
        assert_eq!(self.lane.publish.retired(), self.model.retired.len());
    }

    fn retire(&mut self) {
        let keep = self.random.below(self.model.slots + 1);
        let spares_all = self.random.below(2) == 0;
        let counts = |member: &&Subscription| {
            let drops = !member.policy.waits() && member.end.is_some();
            member.is_waited_for() || spares_all && drops
        };
        let least = self.members.iter().filter(counts);
        let least = least.map(|member| member.taken).min();
        let until = self.model.tail.saturating_sub(keep);
        let until = until.min(least.unwrap_or(u64::MAX));
        let count = until.saturating_sub(self.model.gone);
        let retired = match spares_all {
            true => self.lane.publish.retire_taken(keep),
            false => self.lane.publish.retire(keep),
        };
        assert_eq!(retired, count);
        self.gone(self.model.gone + count);
    }

    fn reclaim(&mut self) {
        let leases = self.members.iter().flat_map(|member| &member.leases);
        let claimed: Vec<u64> = leases.map(Claim::sequence).collect();
        let is_free = |sequence: &mut u64| !claimed.contains(sequence);
        let expected: Vec<u64> = self.model.retired.extract_if(.., is_free).collect();
        assert_eq!(self.lane.reclaimed(), expected);
    }

    fn take(&mut self) {
        let Some(at) = self.pick() else { return };
        let member = &mut self.members[at];
        let expected = member.next(&self.model);
        let Some(end) = &mut member.end else { return };
        let mut word = [0];
        let taken = match end.take(&mut word) {
            Err(TakeError::Hoarding { claims }) => {
                assert_eq!((claims, member.leases.len()), (member.claims_max, claims));
                assert!(expected.is_some_and(|next| self.model.lent.contains(&next)));
                return;
            }
            taken => taken.unwrap(),
        };
        assert_eq!(taken.as_ref().map(|taken| taken.sequence), expected);
        if let Some(taken) = taken {
            assert_eq!(taken.missed, std::mem::take(&mut member.pending));
            assert_eq!(word[0], taken.sequence * 1000);
            let leased = self.model.lent.contains(&taken.sequence);
            assert_eq!(taken.claim.is_some(), leased);
            member.leases.extend(taken.claim);
            member.taken = taken.sequence;
            member.received += 1;
            self.samples += 1;
        }
        assert_eq!(end.taken(), member.taken);
    }

    fn latest(&mut self) {
        let Some(at) = self.pick() else { return };
        let member = &mut self.members[at];
        let Some(end) = &mut member.end else { return };
        assert_eq!(end.newest(), Ok(self.model.tail));
        let is_there = self.model.tail > self.model.gone;
        match end.latest(&mut []) {
            Err(error) => {
                let claims = member.claims_max;
                assert_eq!(
                    (error, member.leases.len()),
                    (TakeError::Hoarding { claims }, claims)
                );
            }
            Ok(None) => assert!(!is_there),
            Ok(Some(taken)) => {
                assert_eq!((taken.sequence, taken.missed), (self.model.tail, 0));
                member.leases.extend(taken.claim);
            }
        }
    }

    fn release(&mut self) {
        let Some(at) = self.pick() else { return };
        let member = &mut self.members[at];
        assert_eq!(member.claims.held(), member.leases.len());
        if !member.leases.is_empty() {
            let which = self.random.index(member.leases.len());
            assert_eq!(
                member.claims.release(member.leases.swap_remove(which)),
                None
            );
        }
    }
}

// Goal: whatever is called in whatever order, every sample is received or counted as missed, and a block comes back exactly
// when it has left its slot and nobody claims it. Method: members with random policies, depths, claims and histories; after each call its result
// is compared with that of plain lists.
#[test]
fn random_calls_against_a_model() {
    let mut samples = 0;
    for seed in 1..=400 {
        let mut scene = Scene::new(0x9e37_79b9_7f4a_7c15 ^ seed);
        for _ in 0..1_000 {
            scene.step();
        }
        samples += scene.samples;
        while !scene.members.is_empty() {
            scene.leave();
        }
        scene.reclaim();
        assert!(scene.model.retired.is_empty() && scene.lane.publish.is_deserted());
    }
    assert!(samples > 10_000, "{samples} samples are few");
}
