//! A name that two nodes want, one of them for two actors: at most one living node shows it, and who waits for it gets it when
//! its holder dies at any step.
//!
//! The kernel's part: a byte lock belongs to a node (its open file description), does not exclude that node's own second
//! claim, and is released when the process dies: after its sockets close, before its pidfd says so.

use crate::explore::{Model, finds, holds};

/// Actors that want the name: two of the first node, one of the second.
const NODE_OF: [usize; 3] = [0, 0, 1];

/// One way to get it wrong, or none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Variant {
    Right,
    ShownBeforeLocked,
    UnlockedBeforeHidden,
    OwnTableNotAsked,
    TriedAgainAtTheSocketOnly,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ActorAt {
    Wants,
    /// Its own table has room for it.
    Entered,
    Locked,
    Holds,
    /// Releasing: shown no more, still locked (or the other way round, in a mutant).
    HalfGone,
    /// The name is another's: tries again when something is heard of that.
    Waits,
    Gone,
}

/// How far a process has come with dying.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Life {
    Lives,
    Killed,
    SocketsClosed,
    Unlocked,
    Dead,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    variant: Variant,
    actors: [ActorAt; 3],
    life: [Life; 2],
    /// Which node the kernel has for the lock.
    locked_by: Option<usize>,
    /// Who stands in each node's own table, and who on its card.
    entered: [Option<usize>; 2],
    shown: [bool; 3],
    /// What a waiting actor has heard since it last tried.
    heard: [bool; 3],
}

impl State {
    fn first(variant: Variant) -> Self {
        Self {
            variant,
            actors: [ActorAt::Wants; 3],
            life: [Life::Lives; 2],
            locked_by: None,
            entered: [None; 2],
            shown: [false; 3],
            heard: [false; 3],
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    /// All who wait try again, once.
    fn tell_the_waiting(&mut self) {
        for (actor, at) in self.actors.iter().enumerate() {
            self.heard[actor] |= *at != ActorAt::Holds;
        }
    }

    fn actor_step(&self, actor: usize) -> Option<(&'static str, Self)> {
        let node = NODE_OF[actor];
        let asks_table = self.variant != Variant::OwnTableNotAsked;
        let early = self.variant == Variant::ShownBeforeLocked;
        let unlocks_first = self.variant == Variant::UnlockedBeforeHidden;
        let step = match self.actors[actor] {
            ActorAt::Wants if asks_table && self.entered[node].is_some() => (
                "its node has the name",
                self.with(|state| state.actors[actor] = ActorAt::Waits),
            ),
            ActorAt::Wants => (
                "it enters its node's table",
                self.with(|state| {
                    state.entered[node] = Some(actor);
                    state.shown[actor] = early;
                    state.heard[actor] = false;
                    state.actors[actor] = ActorAt::Entered;
                }),
            ),
            ActorAt::Entered => match self.locked_by {
                Some(other) if other != node => (
                    "the lock is another's",
                    self.with(|state| {
                        state.entered[node] = None;
                        state.shown[actor] = false;
                        state.tell_neighbours_of(actor);
                        state.actors[actor] = ActorAt::Waits;
                    }),
                ),
                _ => (
                    "it locks",
                    self.with(|state| {
                        state.locked_by = Some(node);
                        state.actors[actor] = ActorAt::Locked;
                    }),
                ),
            },
            ActorAt::Locked => (
                "it shows the name",
                self.with(|state| {
                    state.shown[actor] = true;
                    state.actors[actor] = ActorAt::Holds;
                }),
            ),
            ActorAt::Holds => (
                "it begins to release",
                self.with(|state| {
                    if unlocks_first {
                        state.locked_by = None;
                        state.tell_the_waiting();
                    } else {
                        state.shown[actor] = false;
                    }
                    state.actors[actor] = ActorAt::HalfGone;
                }),
            ),
            ActorAt::HalfGone => (
                "it has released",
                self.with(|state| {
                    state.entered[node] = None;
                    if unlocks_first {
                        state.shown[actor] = false;
                    } else {
                        state.locked_by = None;
                    }
                    state.tell_the_waiting();
                    state.actors[actor] = ActorAt::Gone;
                }),
            ),
            ActorAt::Waits if self.heard[actor] => (
                "it tries again",
                self.with(|state| {
                    state.heard[actor] = false;
                    state.actors[actor] = ActorAt::Wants;
                }),
            ),
            ActorAt::Waits | ActorAt::Gone => return None,
        };
        Some(step)
    }

    /// An entry that was given up is heard of in its own node.
    fn tell_neighbours_of(&mut self, actor: usize) {
        for (other, node) in NODE_OF.iter().enumerate() {
            self.heard[other] |= other != actor && *node == NODE_OF[actor];
        }
    }

    fn dying_step(&self, node: usize) -> Option<(&'static str, Self)> {
        let by_socket = self.variant == Variant::TriedAgainAtTheSocketOnly;
        let step = match self.life[node] {
            Life::Killed => (
                "its sockets close",
                self.with(|state| {
                    state.life[node] = Life::SocketsClosed;
                    state.tell_the_waiting();
                }),
            ),
            Life::SocketsClosed => (
                "the kernel unlocks",
                self.with(|state| {
                    state.life[node] = Life::Unlocked;
                    if state.locked_by == Some(node) {
                        state.locked_by = None;
                    }
                }),
            ),
            Life::Unlocked => (
                "its pidfd is readable",
                self.with(|state| {
                    state.life[node] = Life::Dead;
                    if !by_socket {
                        state.tell_the_waiting();
                    }
                }),
            ),
            Life::Lives | Life::Dead => return None,
        };
        Some(step)
    }
}

impl Model for State {
    fn steps(&self) -> Vec<(&'static str, Self)> {
        let living = (0..3).filter(|actor| self.life[NODE_OF[*actor]] == Life::Lives);
        let dying = (0..2).filter_map(|node| self.dying_step(node));
        living
            .filter_map(|actor| self.actor_step(actor))
            .chain(dying)
            .collect()
    }

    fn blows(&self) -> Vec<(&'static str, Self)> {
        let living = (0..2).filter(|node| self.life[*node] == Life::Lives);
        let kill = |node: usize| self.with(|state| state.life[node] = Life::Killed);
        living
            .map(|node| ("a node is killed", kill(node)))
            .collect()
    }

    fn violation(&self) -> Option<&'static str> {
        let living = |actor: &usize| self.life[NODE_OF[*actor]] == Life::Lives;
        let holders = (0..3)
            .filter(|actor| self.shown[*actor])
            .filter(living)
            .count();
        (holders > 1).then_some("a name has two living holders")
    }

    fn left_over(&self) -> Option<&'static str> {
        let waits = |actor: usize| {
            self.life[NODE_OF[actor]] == Life::Lives && self.actors[actor] == ActorAt::Waits
        };
        (0..3)
            .any(waits)
            .then_some("somebody waits for ever for a name that nobody holds")
    }
}

#[test]
fn a_name_has_one_holder_and_who_waits_gets_it() {
    holds("claim", State::first(Variant::Right));
}

#[test]
fn a_name_shown_before_it_is_locked_has_two_holders() {
    finds(
        "a name has two living holders",
        State::first(Variant::ShownBeforeLocked),
    );
}

#[test]
fn a_name_unlocked_before_it_is_hidden_has_two_holders() {
    finds(
        "a name has two living holders",
        State::first(Variant::UnlockedBeforeHidden),
    );
}

#[test]
fn a_nodes_own_claims_do_not_exclude_each_other_in_the_kernel() {
    finds(
        "a name has two living holders",
        State::first(Variant::OwnTableNotAsked),
    );
}

#[test]
fn the_lock_outlives_the_sockets() {
    let found = "somebody waits for ever for a name that nobody holds";
    finds(found, State::first(Variant::TriedAgainAtTheSocketOnly));
}
