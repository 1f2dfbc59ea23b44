//! Visits all states of a model, breadth first, so that what it finds wrong comes with a shortest way there.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;

/// A state with its ways on.
pub(crate) trait Model: Clone + Eq + Hash {
    /// Every step that somebody can take, by name.
    fn steps(&self) -> Vec<(&'static str, Self)>;

    /// What may happen to the processes from outside at any time: kills, closed sockets. Nothing waits for these.
    fn blows(&self) -> Vec<(&'static str, Self)>;

    /// What must never be, in any state.
    fn violation(&self) -> Option<&'static str>;

    /// What must not be left when nobody can take a step.
    fn left_over(&self) -> Option<&'static str>;
}

/// What is wrong, and the shortest way there.
pub(crate) struct Wrong {
    pub(crate) what: &'static str,
    way: Vec<&'static str>,
}

impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after: {}", self.what, self.way.join("; "))
    }
}

/// How many states there are, if nothing is wrong in any.
pub(crate) fn explore<M: Model>(first: M) -> Result<usize, Wrong> {
    // Where each state was first reached from: an index into `seen`, and the step.
    let mut from: Vec<Option<(usize, &'static str)>> = vec![None];
    let mut index_of = HashMap::from([(first.clone(), 0)]);
    let mut queue = VecDeque::from([(0, first)]);
    while let Some((here, state)) = queue.pop_front() {
        let mut steps = state.steps();
        steps.retain(|(_, next)| *next != state);
        let ends_badly = if steps.is_empty() {
            state.left_over()
        } else {
            None
        };
        if let Some(what) = state.violation().or(ends_badly) {
            return Err(Wrong {
                what,
                way: way_to(here, &from),
            });
        }
        for (step, next) in steps.into_iter().chain(state.blows()) {
            if index_of.contains_key(&next) {
                continue;
            }
            index_of.insert(next.clone(), from.len());
            queue.push_back((from.len(), next));
            from.push(Some((here, step)));
        }
    }
    Ok(from.len())
}

fn way_to(mut state: usize, from: &[Option<(usize, &'static str)>]) -> Vec<&'static str> {
    let mut way = Vec::new();
    while let Some((before, step)) = from[state] {
        way.push(step);
        state = before;
    }
    way.reverse();
    way
}

/// Asserts that the model holds, and says how large it is.
pub(crate) fn holds<M: Model>(name: &str, first: M) {
    match explore(first) {
        Ok(states) => println!("{name}: {states} states"),
        Err(wrong) => panic!("{name}: {wrong:?}"),
    }
}

/// Asserts that the model finds this wrong.
pub(crate) fn finds<M: Model>(what: &str, first: M) {
    match explore(first) {
        Ok(states) => panic!("'{what}' was not found in {states} states"),
        Err(wrong) => assert_eq!(wrong.what, what, "{wrong:?}"),
    }
}
