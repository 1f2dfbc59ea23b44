//! Submit, lend, complete: what becomes of messages that lie in blocks when either side is killed at any step, its socket
//! closes, or the actor alone ends while others still read.
//!
//! `Owner` is the submitter with its heap, `Borrower` the completer: an actor that takes and handles, and somebody beside it to
//! whom a handler may give its lease.

use crate::explore::{Model, finds, holds};

const MESSAGES: usize = 3;
const BLOCKS: usize = 2;

/// One way to get it wrong, or none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Variant {
    Right,
    FreedAtTake,
    HeadAfterHandler,
    JudgedByTheSocket,
    JudgedBeforeReaping,
    FreedWhenTheActorEnds,
    DeadSendersNotDrained,
}

/// An entry of the submission queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Entry {
    message: u8,
    block: u8,
}

/// What the owner knows of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    None,
    InFlight {
        block: u8,
    },
    Completed,
    Returned,
    /// Taken by an actor that has ended; the block may still be read.
    DiedReadable {
        block: u8,
    },
    Died,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum OwnerAt {
    Ready,
    Allocated(u8),
    Written(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ActorAt {
    Idle,
    Copied(Entry),
    Begun(Entry),
    Handled(Entry),
    LeaseGone,
    Ended,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    variant: Variant,

    owner_lives: bool,
    owner: OwnerAt,
    sent: u8,
    ops: [Op; MESSAGES],
    free: [bool; BLOCKS],
    reaped: u8,
    /// Judged for good; nothing is sent any more.
    judged: bool,

    // The owner's memory.
    blocks: [u8; BLOCKS],
    submissions: Vec<Entry>,

    // The borrower's memory.
    head: u8,
    closed: bool,
    completions: Vec<u8>,

    borrower_lives: bool,
    socket_open: bool,
    actor: ActorAt,
    kept: Vec<Entry>,

    /// How often each handler began; nobody can read this.
    handled: [u8; MESSAGES],
}

impl State {
    fn first(variant: Variant) -> Self {
        Self {
            variant,
            owner_lives: true,
            owner: OwnerAt::Ready,
            sent: 0,
            ops: [Op::None; MESSAGES],
            free: [true; BLOCKS],
            reaped: 0,
            judged: false,
            blocks: [0; BLOCKS],
            submissions: Vec::new(),
            head: 0,
            closed: false,
            completions: Vec::new(),
            borrower_lives: true,
            socket_open: true,
            actor: ActorAt::Idle,
            kept: Vec::new(),
            handled: [0; MESSAGES],
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    /// Whether the owner may look at the borrower's words as at its last ones.
    fn is_final(&self) -> bool {
        let by_socket = self.variant == Variant::JudgedByTheSocket && !self.socket_open;
        !self.borrower_lives || by_socket || self.closed
    }

    fn owner_steps(&self, next: &mut Vec<(&'static str, Self)>) {
        match self.owner {
            OwnerAt::Ready if (self.sent as usize) < MESSAGES && !self.judged => {
                if let Some(block) = self.free.iter().position(|free| *free) {
                    next.push((
                        "the owner takes a block",
                        self.with(|state| {
                            state.free[block] = false;
                            state.owner = OwnerAt::Allocated(u8::try_from(block).expect("a few"));
                        }),
                    ));
                }
            }
            // Its heap serves others, too.
            OwnerAt::Ready if self.judged => {
                if let Some(block) = self.free.iter().position(|free| *free) {
                    next.push((
                        "the owner fills a block for another",
                        self.with(|state| {
                            state.blocks[block] = u8::MAX;
                        }),
                    ));
                }
            }
            OwnerAt::Ready => {}
            OwnerAt::Allocated(block) => next.push((
                "the owner writes the block",
                self.with(|state| {
                    state.blocks[block as usize] = state.sent + 1;
                    state.owner = OwnerAt::Written(block);
                }),
            )),
            OwnerAt::Written(block) if self.judged => next.push((
                "the owner keeps its message",
                self.with(|state| {
                    state.free[block as usize] = true;
                    state.owner = OwnerAt::Ready;
                }),
            )),
            OwnerAt::Written(block) => next.push((
                "the owner stamps the entry",
                self.with(|state| {
                    let message = state.sent + 1;
                    state.submissions.push(Entry { message, block });
                    state.ops[state.sent as usize] = Op::InFlight { block };
                    state.sent = message;
                    state.owner = OwnerAt::Ready;
                }),
            )),
        }
        if (self.reaped as usize) < self.completions.len() {
            next.push(("the owner reaps", self.with(Self::reap)));
        } else if self.is_final() && !self.judged {
            next.push(("the owner judges", self.with(Self::judge)));
        }
        if self.is_final() && !self.judged && self.variant == Variant::JudgedBeforeReaping {
            next.push(("the owner judges", self.with(Self::judge)));
        }
        if !self.borrower_lives && self.judged && (self.reaped as usize) == self.completions.len() {
            self.give_up_leases(next);
        }
        if self.variant == Variant::FreedAtTake {
            for (place, op) in self.ops.iter().enumerate() {
                if let Op::InFlight { block } = *op
                    && place < self.head as usize
                    && !self.free[block as usize]
                {
                    next.push((
                        "the owner frees at take",
                        self.with(|state| {
                            state.free[block as usize] = true;
                        }),
                    ));
                }
            }
        }
    }

    /// Once the process is dead, nobody reads what its actor had left to others.
    fn give_up_leases(&self, next: &mut Vec<(&'static str, Self)>) {
        for (place, op) in self.ops.iter().enumerate() {
            if let Op::DiedReadable { block } = *op {
                next.push((
                    "the owner frees what the dead read",
                    self.with(|state| {
                        state.ops[place] = Op::Died;
                        state.free[block as usize] = true;
                    }),
                ));
            }
        }
    }

    fn reap(&mut self) {
        let message = self.completions[self.reaped as usize];
        self.reaped += 1;
        let op = &mut self.ops[message as usize - 1];
        match *op {
            Op::InFlight { block } => {
                *op = Op::Completed;
                self.free[block as usize] = true;
            }
            Op::DiedReadable { block } => {
                *op = Op::Died;
                self.free[block as usize] = true;
            }
            Op::None | Op::Completed | Op::Returned | Op::Died => {}
        }
    }

    fn judge(&mut self) {
        self.judged = true;
        for place in 0..self.sent as usize {
            let Op::InFlight { block } = self.ops[place] else {
                continue;
            };
            let taken = place < self.head as usize;
            let may_be_read = self.borrower_lives && self.variant != Variant::FreedWhenTheActorEnds;
            self.ops[place] = match (taken, may_be_read) {
                (false, _) => Op::Returned,
                (true, true) => Op::DiedReadable { block },
                (true, false) => Op::Died,
            };
            if !matches!(self.ops[place], Op::DiedReadable { .. }) {
                self.free[block as usize] = true;
            }
        }
    }

    fn borrower_steps(&self, next: &mut Vec<(&'static str, Self)>) {
        let late = self.variant == Variant::HeadAfterHandler;
        match self.actor {
            ActorAt::Idle => {
                let drains = self.owner_lives || self.variant != Variant::DeadSendersNotDrained;
                if let Some(entry) = self.submissions.get(self.head as usize)
                    && drains
                {
                    next.push((
                        "the actor copies the entry",
                        self.with(|state| {
                            state.actor = ActorAt::Copied(*entry);
                        }),
                    ));
                }
            }
            ActorAt::Copied(entry) => next.push((
                "the actor publishes its head",
                self.with(|state| {
                    state.head += u8::from(!late);
                    state.actor = ActorAt::Begun(entry);
                }),
            )),
            ActorAt::Begun(entry) => next.push((
                "the handler runs",
                self.with(|state| {
                    state.handled[entry.message as usize - 1] += 1;
                    state.actor = ActorAt::Handled(entry);
                }),
            )),
            ActorAt::Handled(entry) => {
                next.push((
                    "the handler drops its lease",
                    self.with(|state| {
                        state.completions.push(entry.message);
                        state.head += u8::from(late);
                        state.actor = ActorAt::LeaseGone;
                    }),
                ));
                next.push((
                    "the handler gives its lease away",
                    self.with(|state| {
                        state.kept.push(entry);
                        state.head += u8::from(late);
                        state.actor = ActorAt::LeaseGone;
                    }),
                ));
            }
            ActorAt::LeaseGone => next.push((
                "the handler ends",
                self.with(|state| {
                    state.actor = ActorAt::Idle;
                }),
            )),
            ActorAt::Ended if !self.closed => next.push((
                "the lane is closed",
                self.with(|state| {
                    state.closed = true;
                }),
            )),
            ActorAt::Ended => {}
        }
        for (place, entry) in self.kept.iter().enumerate() {
            next.push((
                "a lease is dropped",
                self.with(|state| {
                    state.completions.push(entry.message);
                    state.kept.remove(place);
                }),
            ));
        }
    }

    /// Entries that somebody in the borrower reads.
    fn leases(&self) -> impl Iterator<Item = Entry> {
        let in_hand = match self.actor {
            ActorAt::Begun(entry) | ActorAt::Handled(entry) => Some(entry),
            ActorAt::Idle | ActorAt::Copied(_) | ActorAt::LeaseGone | ActorAt::Ended => None,
        };
        in_hand
            .into_iter()
            .chain(self.kept.iter().copied())
            .filter(|_| self.borrower_lives)
    }
}

impl Model for State {
    fn steps(&self) -> Vec<(&'static str, Self)> {
        let mut next = Vec::new();
        if self.owner_lives {
            self.owner_steps(&mut next);
        }
        if self.borrower_lives {
            self.borrower_steps(&mut next);
        }
        next
    }

    fn blows(&self) -> Vec<(&'static str, Self)> {
        let mut next = Vec::new();
        if self.owner_lives {
            next.push((
                "the owner is killed",
                self.with(|state| state.owner_lives = false),
            ));
        }
        if self.borrower_lives {
            next.push((
                "the borrower is killed",
                self.with(|state| state.borrower_lives = false),
            ));
            if self.socket_open {
                next.push((
                    "the socket closes",
                    self.with(|state| state.socket_open = false),
                ));
            }
            // A handler that panics leaves its lease to whom it gave it; one that has it still drops it.
            if matches!(self.actor, ActorAt::Idle | ActorAt::LeaseGone) {
                next.push((
                    "the actor ends",
                    self.with(|state| state.actor = ActorAt::Ended),
                ));
            }
        }
        next
    }

    fn violation(&self) -> Option<&'static str> {
        if self
            .leases()
            .any(|entry| self.blocks[entry.block as usize] != entry.message)
        {
            return Some("a block was reused while it was read");
        }
        for (op, handled) in self.ops.iter().zip(self.handled) {
            match (op, handled) {
                (_, 2..) => return Some("a message was handled twice"),
                (Op::Returned, 1) => return Some("a message came back and was handled"),
                (Op::Completed, 0) => {
                    return Some("a message that nobody handled counts as completed");
                }
                _ => {}
            }
        }
        None
    }

    fn left_over(&self) -> Option<&'static str> {
        if self.owner_lives {
            if self
                .ops
                .iter()
                .any(|op| matches!(op, Op::InFlight { .. } | Op::DiedReadable { .. }))
            {
                return Some("an op never ends");
            }
            if self.free.contains(&false) {
                return Some("a block is never freed");
            }
            let completed = |message: &u8| self.ops[*message as usize - 1] == Op::Completed;
            if !self.borrower_lives && !self.closed && !self.completions.iter().all(completed) {
                return Some("what was completed is not known as completed");
            }
        } else if self.borrower_lives && self.actor != ActorAt::Ended {
            let sent = &self.handled[..self.submissions.len()];
            if sent.contains(&0) {
                return Some("what a dead owner had sent is lost");
            }
        }
        None
    }
}

#[test]
fn every_message_has_one_fate_and_every_block_comes_back() {
    holds("lend", State::first(Variant::Right));
}

#[test]
fn a_block_freed_at_take_is_reused_under_its_reader() {
    finds(
        "a block was reused while it was read",
        State::first(Variant::FreedAtTake),
    );
}

#[test]
fn a_head_published_after_the_handler_returns_what_was_handled() {
    finds(
        "a message came back and was handled",
        State::first(Variant::HeadAfterHandler),
    );
}

#[test]
fn a_closed_socket_proves_nothing() {
    finds(
        "a block was reused while it was read",
        State::first(Variant::JudgedByTheSocket),
    );
}

#[test]
fn who_judges_before_reaping_forgets_what_was_completed() {
    finds(
        "what was completed is not known as completed",
        State::first(Variant::JudgedBeforeReaping),
    );
}

#[test]
fn an_actors_end_frees_nothing_that_was_taken() {
    finds(
        "a block was reused while it was read",
        State::first(Variant::FreedWhenTheActorEnds),
    );
}

#[test]
fn what_the_dead_have_sent_is_drained() {
    finds(
        "what a dead owner had sent is lost",
        State::first(Variant::DeadSendersNotDrained),
    );
}
