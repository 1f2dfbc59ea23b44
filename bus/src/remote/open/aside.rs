//! Messages without ops that the receiver had put aside when it ended: `done` has passed them, and their handlers were to run once
//! more.

use ringway_shm::uring::AsideClaim;

use super::Open;
use super::judge::long_at;
use crate::actor::Undone;
use crate::entry::Beside;
use crate::message::TypeId;
use crate::remote::undelivered::{Queued, Raw, Returns};

/// What the receiver says it has put aside, as far as it can be true.
pub(super) struct Aside {
    claims: Vec<AsideClaim>,
    /// How many more there are.
    beyond: u64,
}

impl Aside {
    /// How many they are.
    pub(super) fn count(&self) -> u64 {
        self.claims.len() as u64 + self.beyond
    }
}

impl Open {
    /// What the receiver says it has put aside, of so many messages without ops that were handled before position `done`.
    pub(super) fn aside(&self, done: u64, handled: u64) -> Aside {
        let (claims, beyond) = self.submit.put_aside();
        // What `done` has not passed comes back by that alone; what has an op, by its op. In the midst of an entry there is none.
        let kept = self
            .submit
            .tail()
            .saturating_sub(self.submit.capacity().get());
        let is_opless = |position| match self.submit.entry_at(position) {
            Some(words) => words[0] == 0,
            None => position < kept,
        };
        let mut claims: Vec<_> = claims
            .filter(|claim| claim.position < done && is_opless(claim.position))
            .collect();
        claims.sort_unstable_by_key(|claim| claim.position);
        claims.dedup_by_key(|claim| claim.position);
        claims.truncate(usize::try_from(handled).unwrap_or(usize::MAX));
        let beyond = beyond.min(handled - claims.len() as u64);
        Aside { claims, beyond }
    }

    /// Has each of them come back as taken, with the message where its slots were not used again; returns how many cannot be told
    /// of.
    pub(super) fn return_aside(
        &self,
        aside: Aside,
        why: &Undone,
        returns: &Returns,
    ) -> (Vec<Queued>, u64) {
        let mut untold = aside.beyond;
        let mut queued = Vec::new();
        for AsideClaim { position, type_id } in aside.claims {
            if let Some(words) = self.submit.entry_at(position) {
                let long = long_at(&self.submit, position);
                queued.push(returns.queue_raw(Raw {
                    words,
                    beside: long.map_or(Beside::Nothing, Beside::Long),
                    taken: true,
                    why: why.clone(),
                }));
            } else if let Some(type_id) = TypeId::from_bits(type_id) {
                queued.push(returns.queue_gone(type_id, why.clone()));
            } else {
                untold += 1;
            }
        }
        (queued, untold)
    }
}
