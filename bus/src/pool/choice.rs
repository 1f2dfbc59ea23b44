//! Who of a pool's members is next: pure arithmetic.
//!
//! By key it is rendezvous hashing (Thaler and Ravishankar, 1998): each member's weight for a key is the hash of both, and the
//! heaviest gets it. So who joins takes keys from all others alike, and who leaves gives its own keys to all others alike;
//! no other key moves. The hash is the same in every process, and so is the choice wherever the members are the same.

use std::hash::{Hash, Hasher};

/// How the next member is chosen, if not by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    InTurn,
    LeastLoaded,
}

impl Choice {
    /// The member whose turn it is, or the one of least load that comes first from there on.
    pub(super) fn choose<T>(
        self,
        members: &[T],
        turn: u64,
        load: impl Fn(&T) -> usize,
    ) -> Option<&T> {
        let count = u64::try_from(members.len()).ok().filter(|it| *it > 0)?;
        // In range: below the length.
        let first = usize::try_from(turn % count).ok()?;
        let (before, from) = members.split_at(first);
        match self {
            Self::InTurn => from.first(),
            Self::LeastLoaded => from.iter().chain(before).min_by_key(|it| load(it)),
        }
    }
}

/// The member of the greatest weight.
pub(super) fn heaviest<T>(members: &[T], weight: impl Fn(&T) -> u64) -> Option<&T> {
    members.iter().max_by_key(|it| weight(it))
}

/// A hash that is the same in every process: FNV-1a, mixed at the end as its high bits depend too little on the last bytes.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}

pub(super) fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = Fnv(0xCBF2_9CE4_8422_2325);
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: turns go round, and nobody is chosen of nobody.
    #[test]
    fn turns_go_round() {
        let chosen = |turn| Choice::InTurn.choose(&["a", "b", "c"], turn, |_| 0);
        let turns: Vec<_> = (0..4).chain([u64::MAX]).filter_map(chosen).collect();
        assert_eq!(turns, [&"a", &"b", &"c", &"a", &"a"]);
        for choice in [Choice::InTurn, Choice::LeastLoaded] {
            assert_eq!(choice.choose(&[0; 0], 7, |it| *it), None);
        }
        assert_eq!(heaviest(&[0_u64; 0], |it| *it), None);
    }

    // Goal: the least loaded is chosen, and of those the one whose turn it is or comes next.
    #[test]
    fn the_least_loaded_is_chosen() {
        let loads = [2, 1, 3, 1];
        let members = [0, 1, 2, 3];
        let chosen = |turn| Choice::LeastLoaded.choose(&members, turn, |at| loads[*at]);
        let turns: Vec<_> = (0..4).filter_map(chosen).collect();
        assert_eq!(turns, [&1, &1, &3, &3]);
    }

    // Goal: keys are spread evenly, and a member that leaves or joins moves no key but its own.
    #[test]
    fn keys_move_only_with_their_member() {
        let all: Vec<u64> = (1..=8).collect();
        let of = |members: &[u64], key: u64| {
            let weight = |it: &u64| hash_of(&(hash_of(&key), *it));
            heaviest(members, weight).copied()
        };
        let mut counts = [0; 9];
        for key in 0..8_000 {
            let chosen = of(&all, key).unwrap();
            counts[usize::try_from(chosen).unwrap()] += 1;
            let without: Vec<u64> = all.iter().copied().filter(|it| *it != 3).collect();
            if chosen != 3 {
                assert_eq!(of(&without, key), Some(chosen));
            }
        }
        assert!(
            counts[1..].iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
        assert_eq!(hash_of("key"), hash_of("key"), "the same always");
    }
}
