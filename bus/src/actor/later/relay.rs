//! How an answer comes home that was given in another process: a reply as a message to the relay, an actor that a node has
//! once it has sent a [`ReplyTo`](super::ReplyTo) in a message; everything else as a word on the socket of the two nodes.
//!
//! The node that owes answers knows them by number. Who reads a `ReplyTo` out of a message says so: from then on the end of that
//! node is the end of the answers that it was to give. So what is said last about a number, by whom, is who has it.
//!
//! # If a process dies
//! | who | what the asker hears |
//! |---|---|
//! | the one that owes the answer | as of any ask under way: `Died`, from its uring or its actor |
//! | the one that has the `ReplyTo`, and has said so | `Died`, with how that process ended |
//! | the same, with the message that carries it unread | nothing before the ask's deadline, unless who gets the message back answers |
//! | the asker | nothing: what is answered is dropped |

use std::any;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use ringway_macros::{Actor, Message};
use serde::{Deserialize, Serialize};

use super::{Interest, Owed, Undone};
use crate::actor::run::panic_text;
use crate::actor::{Context, Handler};
use crate::addr::Addr;
use crate::clock::{Clock, Nanos};
use crate::exit::ExitReason;
use crate::message::{Answer, HandlerError, Semantics as _};
use crate::node::{Node, SpawnError};
use crate::peering::NodeId;
use crate::shared::{Shared, lock};
use crate::token::{Room, Tokenized};
use crate::urings::wire::OwedWord;

/// Numbers looked at, whether they are over, for each that is added: so those that nobody ever answers are found.
const SWEPT_PER_NUMBER: usize = 2;

/// The bytes of a reply, to the relay of the node that owes it.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(serial, name = "ringway.Relayed")]
pub(crate) struct Relayed {
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// The right to give one answer.
pub(super) struct Claim<R: Answer> {
    pub(super) owed: Arc<Owed<R>>,
    pub(super) interest: Interest,
    pub(super) deadline: Nanos,
}

impl<R: Answer> Clone for Claim<R> {
    fn clone(&self) -> Self {
        Self {
            owed: Arc::clone(&self.owed),
            interest: self.interest.clone(),
            deadline: self.deadline,
        }
    }
}

impl<R: Answer> Claim<R> {
    pub(super) fn is_over(&self, clock: &Clock) -> bool {
        self.owed.is_over() || self.interest.is_over() || clock.has_passed(self.deadline)
    }
}

/// A claim, whatever the reply is.
pub(super) trait AnyClaim: Send + Sync {
    /// Answers with the bytes of a reply.
    fn reply(&self, bytes: &[u8], shared: &Shared);
    fn undone(&self, why: Undone);
    fn has_ended(&self, clock: &Clock) -> bool;
    fn into_any(self: Arc<Self>) -> Arc<dyn any::Any + Send + Sync>;
}

impl<R: Answer> AnyClaim for Claim<R> {
    fn reply(&self, bytes: &[u8], shared: &Shared) {
        let heap = shared.core().heap();
        let parcel = Tokenized::copy::<R>(bytes, heap, Room::REPLY)
            .map_err(|cause| cause.to_string())
            .and_then(|tokenized| {
                let unpacked = R::Semantics::unpack(tokenized);
                unpacked.map_err(|error| error.to_string())
            });
        let reply = parcel.and_then(|parcel| {
            let value = R::Semantics::value(parcel);
            value.map_err(|_| "it has no value".to_owned())
        });
        self.owed.settle(reply.map_err(|error| {
            Undone::Failed(HandlerError::new(format!(
                "its reply cannot be passed on: {error}"
            )))
        }));
    }

    fn undone(&self, why: Undone) {
        self.owed.settle(Err(why));
    }

    fn has_ended(&self, clock: &Clock) -> bool {
        self.is_over(clock)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn any::Any + Send + Sync> {
        self
    }
}

struct Entry {
    claim: Arc<dyn AnyClaim>,
    /// The node that is to answer, if that is another one.
    held_by: Option<NodeId>,
    /// How far it had come by then.
    hops: u32,
}

impl Entry {
    /// It is somewhere, after so many hops.
    fn hold(&mut self, by: Option<NodeId>, hops: u32) {
        // Two processes say so on two sockets, in whichever order.
        if hops >= self.hops {
            (self.held_by, self.hops) = (by, hops);
        }
    }
}

#[derive(Default)]
struct Table {
    entries: HashMap<u64, Entry>,
    /// The numbers, those that were looked at longest ago first; some may be gone.
    order: VecDeque<u64>,
    last: u64,
}

/// What one node has passed on.
#[derive(Default)]
pub(crate) struct Relays {
    table: Arc<Mutex<Table>>,
    relay: Mutex<Option<Addr<Relay>>>,
    /// So that nobody guesses a number.
    random: RandomState,
}

impl Relays {
    /// This node's relay, started if need be.
    pub(super) fn addr(&self, shared: &Arc<Shared>) -> Result<Addr<Relay>, SpawnError> {
        // One that has ended is not asked again: whoever knows its number may have had it end.
        let kept = lock(&self.relay).clone();
        if let Some(addr) = kept.filter(|addr| !addr.is_closed()) {
            return Ok(addr);
        }
        let relay = Relay {
            table: Arc::clone(&self.table),
        };
        let new = Node::of(shared).actor(relay).mailbox(usize::MAX).spawn()?;
        let mut kept = lock(&self.relay);
        let ended = kept.take_if(|addr| addr.is_closed());
        let addr = kept.get_or_insert(new.clone()).clone();
        drop(kept);
        drop(ended); // outside of the lock
        if addr != new {
            new.stop(); // another thread was faster
        }
        Ok(addr)
    }

    /// The node leaves; nothing is passed on any more.
    pub(crate) fn clear(&self) {
        let relay = lock(&self.relay).take();
        let table = std::mem::take(&mut *lock(&self.table));
        drop((relay, table)); // outside of the locks
    }

    /// Gives a claim its number.
    pub(super) fn keep(&self, claim: Arc<dyn AnyClaim>, clock: &Clock) -> u64 {
        let mut looked_at = Vec::new();
        let number = {
            let mut table = lock(&self.table);
            table.last += 1;
            let number = self.random.hash_one(table.last).max(1);
            let entry = Entry {
                claim,
                held_by: None,
                hops: 0,
            };
            table.entries.insert(number, entry);
            for _ in 0..SWEPT_PER_NUMBER {
                let Some(oldest) = table.order.pop_front() else {
                    break;
                };
                if let Some(entry) = table.entries.get(&oldest) {
                    looked_at.push((oldest, Arc::clone(&entry.claim)));
                    table.order.push_back(oldest);
                }
            }
            table.order.push_back(number);
            number
        };
        for (number, claim) in looked_at {
            if claim.has_ended(clock) {
                drop(take(&self.table, number));
            }
        }
        number
    }

    /// What another node says of a number.
    pub(crate) fn hear(&self, node: NodeId, number: u64, word: OwedWord) {
        let why = match word {
            OwedWord::Held { hops } => {
                if let Some(entry) = lock(&self.table).entries.get_mut(&number) {
                    entry.hold(Some(node), hops);
                }
                return;
            }
            OwedWord::Failed(text) => Undone::Failed(HandlerError::new(text)),
            OwedWord::Unanswered => Undone::Unanswered,
        };
        if let Some(Entry { claim, .. }) = take(&self.table, number) {
            claim.undone(why);
        }
    }

    /// Another node is dead, or has left.
    pub(crate) fn died(&self, node: NodeId, reason: &ExitReason) {
        let ended: Vec<_> = {
            let mut table = lock(&self.table);
            let is_theirs = |_: &u64, entry: &mut Entry| entry.held_by == Some(node);
            table.entries.extract_if(is_theirs).collect()
        };
        for (_, Entry { claim, .. }) in ended {
            claim.undone(Undone::Ended(reason.clone()));
        }
    }

    /// A claim that has come home.
    pub(super) fn claim(&self, number: u64, hops: u32) -> Option<Arc<dyn AnyClaim>> {
        let mut table = lock(&self.table);
        let entry = table.entries.get_mut(&number)?;
        entry.hold(None, hops);
        Some(Arc::clone(&entry.claim))
    }
}

fn take(table: &Mutex<Table>, number: u64) -> Option<Entry> {
    lock(table).entries.remove(&number)
}

/// Passes replies on that other processes give.
#[derive(Actor)]
#[actor(handles(Relayed))]
pub(crate) struct Relay {
    table: Arc<Mutex<Table>>,
}

impl Default for Relay {
    /// Nobody has it started in another process; a relay without a table passes nothing on.
    fn default() -> Self {
        Self {
            table: Arc::default(),
        }
    }
}

impl Handler<Relayed> for Relay {
    async fn handle(&mut self, Relayed { number, bytes }: Relayed, cx: &mut Context<Self>) {
        // There is none when it was answered, or has ended.
        let Some(Entry { claim, .. }) = take(&self.table, number) else {
            return;
        };
        // How a reply is read is the program's own code: a panic there is the end of that answer alone.
        let passed = AssertUnwindSafe(|| claim.reply(&bytes, cx.node().shared()));
        if let Err(panic) = catch_unwind(passed) {
            let text = panic_text(&*panic);
            claim.undone(Undone::Failed(HandlerError::new(format!(
                "its reply cannot be passed on: reading it panicked: {text}"
            ))));
        }
    }
}
