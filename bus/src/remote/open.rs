//! An open uring at its submitter: the sending end, the completions, and the ops in flight.
//!
//! Used under its end's lock alone; nothing here waits, wakes or calls the user's code.

mod aside;
mod burst;
mod closed;
mod judge;
mod opening;
mod push;
mod reap;
mod room;

use std::sync::Arc;

use ringway_shm::block::Block;
use ringway_shm::generation::Key;
use ringway_shm::uring::{OpWords, ReapEnd, SubmitEnd};

pub(crate) use self::closed::Closed;
pub(crate) use self::opening::Opening;
pub(super) use self::reap::TookIn;
pub(crate) use self::reap::{Linger, Reaped};
pub(crate) use self::room::RoomLook;
use super::account::Decided;
use super::ops::OpTable;
use super::owed::Owed;
use crate::clock::Nanos;
use crate::exit::ExitReason;
use crate::mailbox::Overflow;
use crate::rings::RingSpan;
use crate::urings::PeerUrings;

/// A uring that both sides have joined.
pub(crate) struct Open {
    pub(super) peer: Arc<PeerUrings>,
    uring: Key,
    pub(super) submit: SubmitEnd,
    reap: ReapEnd,
    words: OpWords,
    pub(super) ops: OpTable<Block>,
    /// What the receiver wants done with a message that meets a full queue.
    pub(super) overflow: Overflow,
    /// The driver watches the completions.
    is_watched: bool,
    /// The driver watches for room, which was looked for last when so many entries had been taken.
    room_watched: Option<u64>,
    /// Half of what may lie untaken, in entries.
    half: u64,
    /// No payload goes on behind its entry before so many slots were submitted: there was no room for one.
    crowded_until: u64,
    /// Looks since there was an op in flight.
    looks_without_ops: u32,
    /// No op is overdue before this; `None` when none has a deadline. It may be that of an op that is over.
    pub(super) due: Option<Nanos>,
    /// Why nothing more is submitted; leases may still come back.
    pub(super) ended: Option<ExitReason>,
    /// What the final heads told has been told: each entry comes back once.
    pub(super) is_judged: bool,
    /// What became of messages without ops, once that is so.
    pub(super) opless_decided: Decided,
    /// What became of its messages stands on the card.
    pub(super) has_left_sums: bool,
    /// A peer that is cut off broke the completions: they are not looked at any more.
    is_broken: bool,
    /// What is to be done when the lock is let go.
    pub(super) owed: Owed,
    /// Our half of the uring's memory.
    _span: RingSpan,
}
