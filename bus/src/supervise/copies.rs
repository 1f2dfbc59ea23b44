//! Several children of one kind: each its own child in the plan, with a number behind its id and its name.

use super::child::{Child, ChildKind, OfActor, OfProcess, Spec};
use crate::actor::Actor;
use crate::process::ArgsOf;

/// How many there are to be, and how one more is made.
pub(super) struct Copies<K> {
    pub(super) count: usize,
    copy: fn(&K, usize) -> K,
}

impl<K: Copied> Copies<K> {
    pub(super) fn new(count: usize) -> Self {
        Self {
            count,
            copy: K::copy,
        }
    }
}

/// The id or name of one of several.
pub(super) fn numbered(name: &str, index: usize) -> String {
    format!("{name}/{index}")
}

/// What there can be several of.
pub(super) trait Copied {
    /// Makes the one with this number.
    fn copy(&self, index: usize) -> Self;
}

impl<A: Actor, F: Clone> Copied for OfActor<A, F> {
    fn copy(&self, index: usize) -> Self {
        let mut copy = self.clone();
        copy.name = copy.name.map(|name| numbered(&name, index));
        copy
    }
}

impl<A: Actor, G: Clone> Copied for OfProcess<A, G> {
    fn copy(&self, index: usize) -> Self {
        let mut copy = self.clone();
        copy.name = copy.name.map(|name| numbered(&name, index));
        copy
    }
}

impl<A: Actor, F: Clone> Child<OfActor<A, F>> {
    /// Makes so many children of it, one after the other, `id/0`, `id/1` and so on, each started, restarted and counted by
    /// itself; a name on the bus gets the number too. `make` is cloned for each. See [`Tree::copy`](crate::Tree::copy).
    pub fn copies(mut self, count: usize) -> Self {
        self.copies = Some(Copies::new(count));
        self
    }
}

impl<A: Actor, G: ArgsOf<A> + Clone> Child<OfProcess<A, G>> {
    /// Makes so many children of it, one after the other, `id/0`, `id/1` and so on, each started, restarted and counted by
    /// itself; a name on the bus gets the number too. See [`Tree::copy`](crate::Tree::copy).
    pub fn copies(mut self, count: usize) -> Self {
        self.copies = Some(Copies::new(count));
        self
    }
}

impl Spec {
    /// The child, or all its copies.
    pub(super) fn all_of<K: ChildKind>(mut child: Child<K>) -> Vec<Self> {
        let Some(Copies { count, copy }) = child.copies.take() else {
            return vec![Self::from(child)];
        };
        let one = |index| {
            Self::from(Child {
                id: numbered(&child.id, index),
                restart: child.restart,
                start_within: child.start_within,
                ladder: child.ladder,
                kind: copy(&child.kind, index),
                copies: None,
            })
        };
        (0..count).map(one).collect()
    }
}
