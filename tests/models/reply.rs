//! Replies that are blocks of the completer's heap, and the op words by which their asker gives them back: two indices of ops,
//! each used again and again, by an asker that may lose interest at any time, and one block for all replies.

use crate::explore::{Model, finds, holds};

const OPS: usize = 2;
const ASKS_OF_AN_OP: u8 = 2;

/// One way to get it wrong, or none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Variant {
    Right,
    FreedAtCompletion,
    AnyWordReleases,
    IndexReusedBeforeTheReplyIsRead,
    GivenUpAsksReleaseNothing,
    FreedWhenTheSocketCloses,
}

/// An op: its index, and its generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    index: usize,
    generation: u8,
}

/// An op word: a generation, and whether its reply is released.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Word {
    generation: u8,
    released: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum OpAt {
    Ready,
    Waiting,
    /// The future is gone; the op stays until its completion comes.
    Ignored,
    Replied,
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum CompleterAt {
    Idle,
    Begun(Key),
    Written(Key),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    variant: Variant,

    asker_lives: bool,
    ops: [OpAt; OPS],
    generations: [u8; OPS],
    /// Replies that are being read.
    read: Vec<Key>,
    reaped: usize,

    // The asker's memory.
    submissions: Vec<Key>,
    words: [Word; OPS],

    // The completer's memory: one block, in it the ask that it answers.
    reply: Option<Key>,
    completions: Vec<Key>,

    completer_lives: bool,
    socket_open: bool,
    completer: CompleterAt,
    taken: usize,
    /// In the completer's own books: whose reply holds the block.
    lent: Option<Key>,
}

impl State {
    fn first(variant: Variant) -> Self {
        Self {
            variant,
            asker_lives: true,
            ops: [OpAt::Ready; OPS],
            generations: [0; OPS],
            read: Vec::new(),
            reaped: 0,
            submissions: Vec::new(),
            words: [Word::default(); OPS],
            reply: None,
            completions: Vec::new(),
            completer_lives: true,
            socket_open: true,
            completer: CompleterAt::Idle,
            taken: 0,
            lent: None,
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    fn asker_steps(&self, next: &mut Vec<(&'static str, Self)>) {
        for index in 0..OPS {
            self.op_steps(index, next);
        }
        if self.reaped < self.completions.len() {
            next.push(("the asker reaps", self.with(Self::reap)));
        }
        for (place, key) in self.read.iter().enumerate() {
            next.push((
                "the asker has read",
                self.with(|state| {
                    state.release(*key);
                    state.read.remove(place);
                    if state.ops[key.index] == OpAt::Replied
                        && state.generations[key.index] == key.generation
                    {
                        state.ops[key.index] = OpAt::Ready;
                    }
                }),
            ));
        }
    }

    fn op_steps(&self, index: usize, next: &mut Vec<(&'static str, Self)>) {
        let over = !self.completer_lives && self.reaped == self.completions.len();
        let reused_early = self.variant == Variant::IndexReusedBeforeTheReplyIsRead;
        match self.ops[index] {
            OpAt::Waiting | OpAt::Ignored if over => {
                next.push((
                    "the asker hears of the death",
                    self.with(|state| state.ops[index] = OpAt::Over),
                ));
            }
            OpAt::Waiting => {
                next.push((
                    "the asker loses interest",
                    self.with(|state| state.ops[index] = OpAt::Ignored),
                ));
            }
            OpAt::Replied if !reused_early => {}
            OpAt::Ready | OpAt::Replied if self.generations[index] < ASKS_OF_AN_OP && !over => {
                next.push((
                    "the asker asks",
                    self.with(|state| {
                        state.generations[index] += 1;
                        let generation = state.generations[index];
                        state.submissions.push(Key { index, generation });
                        state.ops[index] = OpAt::Waiting;
                    }),
                ));
            }
            OpAt::Ready | OpAt::Replied | OpAt::Ignored | OpAt::Over => {}
        }
    }

    fn reap(&mut self) {
        let key = self.completions[self.reaped];
        self.reaped += 1;
        match self.ops[key.index] {
            OpAt::Waiting => {
                self.read.push(key);
                self.ops[key.index] = OpAt::Replied;
            }
            OpAt::Ignored => {
                if self.variant != Variant::GivenUpAsksReleaseNothing {
                    self.release(key);
                }
                self.ops[key.index] = OpAt::Ready;
            }
            OpAt::Ready | OpAt::Replied | OpAt::Over => {}
        }
    }

    /// A word never goes back to an older generation.
    fn release(&mut self, key: Key) {
        let word = &mut self.words[key.index];
        if key.generation >= word.generation {
            *word = Word {
                generation: key.generation,
                released: true,
            };
        }
    }

    fn completer_steps(&self, next: &mut Vec<(&'static str, Self)>) {
        match self.completer {
            CompleterAt::Idle => {
                if let Some(key) = self.submissions.get(self.taken) {
                    next.push((
                        "the completer takes",
                        self.with(|state| {
                            state.taken += 1;
                            state.completer = CompleterAt::Begun(*key);
                        }),
                    ));
                }
            }
            CompleterAt::Begun(key) if self.lent.is_none() => {
                next.push((
                    "the completer writes its reply",
                    self.with(|state| {
                        state.lent = Some(key);
                        state.reply = Some(key);
                        state.completer = CompleterAt::Written(key);
                    }),
                ));
            }
            CompleterAt::Begun(_) => {}
            CompleterAt::Written(key) => next.push((
                "the completer completes",
                self.with(|state| {
                    state.completions.push(key);
                    if state.variant == Variant::FreedAtCompletion {
                        state.lent = None;
                    }
                    state.completer = CompleterAt::Idle;
                }),
            )),
        }
        if let Some(key) = self.lent
            && !matches!(self.completer, CompleterAt::Written(_))
            && self.is_released(key)
        {
            next.push((
                "the completer has its block back",
                self.with(|state| state.lent = None),
            ));
        }
    }

    fn is_released(&self, key: Key) -> bool {
        let by_socket = self.variant == Variant::FreedWhenTheSocketCloses && !self.socket_open;
        let word = self.words[key.index];
        let counts = word.generation >= key.generation || self.variant == Variant::AnyWordReleases;
        // An index that comes again says that what it named before is over.
        let again = |other: &Key| other.index == key.index && other.generation > key.generation;
        let comes_again = self.submissions[..self.taken].iter().any(again);
        (word.released && counts) || comes_again || !self.asker_lives || by_socket
    }
}

impl Model for State {
    fn steps(&self) -> Vec<(&'static str, Self)> {
        let mut next = Vec::new();
        if self.asker_lives {
            self.asker_steps(&mut next);
        }
        if self.completer_lives {
            self.completer_steps(&mut next);
        }
        next
    }

    fn blows(&self) -> Vec<(&'static str, Self)> {
        let mut next = Vec::new();
        if self.asker_lives {
            next.push((
                "the asker is killed",
                self.with(|state| state.asker_lives = false),
            ));
            if self.socket_open {
                next.push((
                    "the socket closes",
                    self.with(|state| state.socket_open = false),
                ));
            }
        }
        if self.completer_lives {
            next.push((
                "the completer is killed",
                self.with(|state| state.completer_lives = false),
            ));
        }
        next
    }

    fn violation(&self) -> Option<&'static str> {
        let overwritten = |key: &Key| self.asker_lives && self.reply != Some(*key);
        let is_wrong = self.read.iter().any(overwritten);
        is_wrong.then_some("a reply was overwritten while it was read")
    }

    fn left_over(&self) -> Option<&'static str> {
        if self.completer_lives && self.lent.is_some() {
            return Some("a reply's block never comes back");
        }
        let goes_on = |op: &OpAt| matches!(op, OpAt::Waiting | OpAt::Ignored | OpAt::Replied);
        if self.asker_lives && self.ops.iter().any(goes_on) {
            return Some("an ask never ends");
        }
        None
    }
}

#[test]
fn replies_are_read_whole_and_their_blocks_come_back() {
    holds("reply", State::first(Variant::Right));
}

#[test]
fn a_reply_freed_at_its_completion_is_overwritten() {
    finds(
        "a reply was overwritten while it was read",
        State::first(Variant::FreedAtCompletion),
    );
}

#[test]
fn what_is_said_of_an_older_op_releases_nothing() {
    finds(
        "a reply was overwritten while it was read",
        State::first(Variant::AnyWordReleases),
    );
}

#[test]
fn an_index_waits_until_its_reply_is_read() {
    let variant = Variant::IndexReusedBeforeTheReplyIsRead;
    finds(
        "a reply was overwritten while it was read",
        State::first(variant),
    );
}

#[test]
fn who_gave_up_still_releases() {
    finds(
        "a reply's block never comes back",
        State::first(Variant::GivenUpAsksReleaseNothing),
    );
}

#[test]
fn a_closed_socket_releases_nothing() {
    finds(
        "a reply was overwritten while it was read",
        State::first(Variant::FreedWhenTheSocketCloses),
    );
}
