//! Completions: how the completer answers an op, and gives its block back.
//!
//! Two things must happen to an op that lends a block, in either order and on any threads: its handler ends (and, for an
//! ask, replies), and the lease on its block is dropped. Each clears its bit; who finds the other's bit cleared posts
//! the final completion.
//!
//! | | lease dropped first | handler ended first |
//! |---|---|---|
//! | ask | reply, final | reply with `more`; then `Done` by the lease |
//! | tell | `Done` by the handler's end | `Done` by the lease |

use std::sync::{Arc, Mutex, PoisonError};

use ringway_shm::block::Block;
use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::sync::AtomicU32;
use ringway_shm::sync::Ordering::AcqRel;
use ringway_shm::words::EntryWords;

use super::{InboxLane, Taken};
use crate::actor::Undone;
use crate::actor::later::Interest;
use crate::clock::{Clock, Nanos};
use crate::completion;
use crate::entry::{EntryHeader, EntryKind, EntryToken, Sealed};
use crate::exit::ExitReason;
use crate::lease::LeaseOwner;
use crate::message::{HandlerError, Message, Parcel};
use crate::peering::NodeId;
use crate::shared::Shared;
use crate::token::{INLINE_MAX, Tokenized};

const HANDLING: u32 = 1; // the handler has not ended
const LEASED: u32 = 2; // a lease on the block exists
const UNDONE: u32 = 4; // the handler did not end well

/// A block that an op lends, and what has still to end before it goes back.
struct Lent {
    lane: Arc<InboxLane>,
    op: Key,
    pending: AtomicU32,
}

impl LeaseOwner for Lent {
    fn completed(&self) {
        // AcqRel op-pending: whoever clears the last bit has seen all that the other did.
        let before = self.pending.fetch_and(!LEASED, AcqRel);
        if before & HANDLING == 0 {
            let kind = if before & UNDONE == 0 {
                EntryKind::Done
            } else {
                EntryKind::Dropped
            };
            self.lane
                .post(EntryToken::bare(EntryHeader::new(kind, Some(self.op))).words());
        }
    }
}

impl Lent {
    /// The handler has ended, and so; tells whether a lease still exists.
    fn handled(&self, kind: EntryKind) -> bool {
        if !matches!(kind, EntryKind::Done | EntryKind::Reply) {
            // AcqRel op-pending: before the bit that lets the lease's drop look.
            self.pending.fetch_or(UNDONE, AcqRel);
        }
        // AcqRel op-pending: see `completed`.
        let before = self.pending.fetch_and(!HANDLING, AcqRel);
        before & LEASED != 0
    }
}

/// The way back of one entry. Dropped unanswered, it says that the handler did not come to its end.
pub(crate) struct RemotePort {
    lane: Arc<InboxLane>,
    /// Taken when it is completed; `None` from the first for an ask that nobody can be answered for.
    op: Option<Key>,
    is_ask: bool,
    /// The sender had cancelled it when it was taken.
    is_cancelled: bool,
    deadline: Nanos,
    /// What entries without a block need not share.
    lent: Option<Arc<Lent>>,
}

impl RemotePort {
    /// The way back of an entry just taken; `None` for an inline tell, which needs none.
    #[inline]
    pub(crate) fn of(lane: &Arc<InboxLane>, taken: &Taken) -> Option<Self> {
        let token = &taken.token;
        let (op, is_ask) = (token.op(), token.is_ask());
        if op.is_none() && !is_ask {
            return None;
        }
        let lend = |op| {
            Arc::new(Lent {
                lane: Arc::clone(lane),
                op,
                pending: AtomicU32::new(HANDLING),
            })
        };
        let deadline = if is_ask {
            Nanos(token.deadline()).shifted(lane.peer.clock_offset())
        } else {
            Nanos::NONE
        };
        Some(Self {
            op,
            is_ask,
            is_cancelled: taken.is_cancelled,
            deadline,
            lent: op.filter(|_| token.has_block()).map(lend),
            lane: Arc::clone(lane),
        })
    }

    /// The same in its place, where that of the entry before has lain.
    #[inline]
    pub(crate) fn begin(place: &mut Option<Self>, lane: &Arc<InboxLane>, taken: &Taken) {
        let needs_none = taken.token.op().is_none() && !taken.token.is_ask();
        if !needs_none || place.is_some() {
            *place = Self::of(lane, taken);
        }
    }

    /// What hears of the end of the lease on the entry's block, if it has one and an op to return it by.
    #[inline]
    pub(crate) fn lend(&self) -> Option<Arc<dyn LeaseOwner>> {
        let lent = self.lent.as_ref()?;
        // AcqRel op-pending: see `completed`.
        lent.pending.fetch_or(LEASED, AcqRel);
        Some(Arc::clone(lent) as Arc<dyn LeaseOwner>)
    }

    /// Whether an answer is wanted.
    pub(crate) fn is_ask(&self) -> bool {
        self.is_ask
    }

    /// Who waits for the answer, and until when.
    pub(crate) fn interest(&self) -> (Interest, Nanos) {
        match self.op.filter(|_| self.is_ask) {
            Some(op) => {
                let lane = Arc::downgrade(&self.lane);
                (Interest::Remote(lane, op), self.deadline)
            }
            None => (Interest::Nobody, Nanos::NONE),
        }
    }

    /// Why the handler need not begin any more.
    #[inline]
    pub(crate) fn unwanted(&self, clock: &Clock) -> Option<Undone> {
        if clock.has_passed(self.deadline) {
            return Some(Undone::Expired);
        }
        (self.is_ask && self.is_cancelled).then_some(Undone::Cancelled)
    }

    /// Looks once more whether the sender has cancelled it.
    pub(crate) fn look_again(&mut self) {
        if let Some(op) = self.op.filter(|_| self.is_ask) {
            self.is_cancelled |= self.lane.is_cancelled(op);
        }
    }

    /// Whether nobody there will hear what becomes of it.
    pub(crate) fn is_of_the_dead(&self) -> bool {
        self.lane.peer.is_dead()
    }

    /// Whether it was asked by somebody who is dead.
    #[inline]
    pub(crate) fn is_unheard(&self) -> bool {
        self.is_ask && self.lane.is_unheard()
    }

    /// Who had asked it and is dead.
    pub(crate) fn unheard_by(&self) -> Option<NodeId> {
        self.is_unheard().then(|| self.lane.peer.id())
    }

    /// Posts what the handler returned. A failure that nobody waits for comes back.
    #[inline]
    pub(crate) fn answer<M: Message + ?Sized>(
        mut self,
        result: Result<M::Reply, HandlerError>,
        shared: &Arc<Shared>,
    ) -> Result<(), HandlerError> {
        let Some(op) = self.op.take() else {
            return result.map(drop);
        };
        if !self.is_ask {
            // Handled, if with an error: that is the actor's to report, as for a tell without an op.
            self.end(op, EntryKind::Done, None, shared);
            return result.map(drop);
        }
        match result.map(Parcel::<M::Reply>::Value) {
            Ok(reply) => {
                let is_leased = || self.is_leased_after(EntryKind::Reply);
                if let Some(entry) = completion::simple_reply(op, &reply, is_leased) {
                    self.lane.post(entry.words());
                    return Ok(());
                }
                self.reply(op, reply, shared);
            }
            Err(error) => self.fail(op, EntryKind::Failed, error.text().to_owned(), shared),
        }
        Ok(())
    }

    #[inline(never)]
    fn reply<M: Message + ?Sized>(&self, op: Key, reply: Parcel<M>, shared: &Shared) {
        match shared.pack_reply(reply) {
            Ok(tokenized) => self.end(op, EntryKind::Reply, Some(tokenized), shared),
            Err(error) => {
                let text = format!("its reply cannot be sent: {}", error.cause());
                self.fail(op, EntryKind::Failed, text, shared);
            }
        }
    }

    /// Says that a tell was handled, well or not, to a sender who would else send it again.
    #[cold]
    pub(crate) fn acknowledge(mut self, shared: &Arc<Shared>) {
        if let Some(op) = self.op.take() {
            self.end(op, EntryKind::Reply, None, shared);
        }
    }

    /// The entry has reached a queue's owner: what remains is the lease on its block.
    pub(crate) fn received(mut self, shared: &Shared) {
        if let Some(op) = self.op.take() {
            self.end(op, EntryKind::Done, None, shared);
        }
    }

    /// Posts why the message was not handled.
    pub(crate) fn undone(mut self, why: &Undone) {
        let Some(op) = self.op.take() else { return };
        let Some(shared) = self.lane.shared() else {
            return;
        };
        match why {
            Undone::Expired => self.end(op, EntryKind::Expired, None, &shared),
            Undone::Cancelled => self.end(op, EntryKind::Cancelled, None, &shared),
            Undone::Refused(text) => self.fail(op, EntryKind::Refused, text.clone(), &shared),
            Undone::Failed(error) => {
                self.fail(op, EntryKind::Failed, error.text().to_owned(), &shared);
            }
            Undone::Dropped => self.end(op, EntryKind::Displaced, None, &shared),
            Undone::Unanswered => self.end(op, EntryKind::Unanswered, None, &shared),
            Undone::Ended(reason) => {
                let reason = Parcel::Value(reason.clone().shortened());
                let payload = shared.pack_reply::<ExitReason>(reason).ok();
                self.end(op, EntryKind::Unanswered, payload, &shared);
            }
        }
    }

    /// Posts a text beside the verdict, or as much of it as fits the entry when there is no memory for it.
    fn fail(&self, op: Key, kind: EntryKind, text: String, shared: &Shared) {
        let pack = |text| shared.pack_reply(Parcel::<String>::Value(text));
        let text = pack(text).or_else(|full| {
            let mut text = full.into_inner().into_value().unwrap_or_default();
            text.truncate(text.floor_char_boundary(INLINE_MAX - 1)); // a byte for its length
            pack(text)
        });
        self.end(op, kind, text.ok(), shared);
    }

    /// The handler has ended, and so; tells whether a lease on the entry's block still exists.
    #[inline]
    fn is_leased_after(&self, kind: EntryKind) -> bool {
        self.lent.as_ref().is_some_and(|lent| lent.handled(kind))
    }

    /// Posts how the handler has ended.
    #[inline]
    fn end(&self, op: Key, kind: EntryKind, payload: Option<Tokenized>, shared: &Shared) {
        let is_leased = self.is_leased_after(kind);
        if !self.is_ask && is_leased {
            return;
        }
        let heap = shared.core().heap();
        let Sealed { entry, beside } = completion::seal(op, kind, is_leased, payload, heap);
        match beside.into_block() {
            None => self.lane.post(entry.words()),
            Some(block) => self.lane.post_with(op, *entry.words(), block),
        }
    }
}

impl Drop for RemotePort {
    fn drop(&mut self) {
        if let Some(op) = self.op.take()
            && let Some(shared) = self.lane.shared()
        {
            self.end(op, EntryKind::Dropped, None, &shared);
        }
    }
}

/// A completion that waits until the asker has mapped the segment that its reply lies in.
struct Late {
    words: EntryWords,
    op: Key,
    block: Block,
}

#[derive(Default)]
struct Books {
    lent: Vec<(Key, Block)>,
    late: Vec<Late>,
    /// Taken out of `late`, and about to be posted.
    posting: usize,
    /// The lane is closed, which its submitter is told after the last of these.
    closing: Option<ExitReason>,
    /// The node's list of lanes to sweep has this one; changed with `lent`, so that no block is forgotten.
    is_listed: bool,
    /// The asker reads nothing any more: it said so, or is dead.
    is_over: bool,
}

/// The blocks that one lane has lent in replies.
#[derive(Default)]
pub(crate) struct Replies {
    books: Mutex<Books>,
}

impl Replies {
    fn with<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        work(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps a block for as long as the asker reads it; `true` when the lane is to be listed for sweeping. An asker that
    /// is gone gets none.
    #[inline]
    fn lend(&self, op: Key, block: Block) -> Option<bool> {
        let mut block = Some(block);
        self.with(|books| {
            if books.is_over {
                return None;
            }
            books.lent.extend(block.take().map(|block| (op, block)));
            Some(!std::mem::replace(&mut books.is_listed, true))
        })
    }

    /// Blocks that the asker reads, or may.
    pub(super) fn lent(&self) -> u64 {
        self.with(|books| books.lent.len() as u64)
    }

    /// Blocks lent, or about to be.
    pub(super) fn count(&self) -> usize {
        self.with(|books| books.lent.len() + books.late.len() + books.posting)
    }

    /// Whether the submitter can be told now that the lane is closed; else it is told after the last reply that waits.
    pub(super) fn may_close(&self, reason: &ExitReason) -> bool {
        self.with(|books| {
            let is_last = books.late.is_empty() && books.posting == 0;
            if !is_last {
                books.closing = Some(reason.clone());
            }
            is_last
        })
    }

    /// The asker reads nothing any more: frees what it was lent, and what it was to be.
    #[inline]
    pub(crate) fn end(&self) {
        let (lent, late) = self.with(|books| {
            books.is_over = true;
            (
                std::mem::take(&mut books.lent),
                std::mem::take(&mut books.late),
            )
        });
        drop((lent, late)); // outside the lock: freeing takes the heap's
    }

    /// Frees what `is_released` says.
    pub(crate) fn sweep(&self, is_released: impl Fn(Key) -> bool) {
        let freed: Vec<_> = self.with(|books| {
            let released = books.lent.extract_if(.., |(op, _)| is_released(*op));
            released.collect()
        });
        drop(freed); // outside the lock: freeing takes the heap's
    }

    /// Whether some are still read, so that the lane stays listed.
    pub(crate) fn stays_listed(&self) -> bool {
        self.with(|books| {
            books.is_listed = !books.lent.is_empty();
            books.is_listed
        })
    }
}

impl InboxLane {
    /// Posts a reply that lies in a block of ours, once the asker has mapped its segment.
    ///
    /// One whose release the asker could not say, or beyond as many as it may have unread, is not posted: it breaks its own
    /// bound, and would keep our heap for as long as it likes.
    pub(super) fn post_with(self: &Arc<Self>, op: Key, words: EntryWords, block: Block) {
        if let Err(violation) = self.may_lend(op) {
            return self.peer.violation(violation);
        }
        if self.peer.has_acknowledged(&block) {
            self.post_lent(op, &words, block);
        } else {
            let mut late = Some(Late { words, op, block });
            self.replies.with(|books| {
                if !books.is_over {
                    books.late.extend(late.take());
                }
            });
            // It may have been acknowledged meanwhile, before the push.
            self.post_late();
        }
    }

    /// Whether the asker may have one more block. Threads that reply at the same moment may lend one each beyond the bound.
    fn may_lend(&self, op: Key) -> Result<(), Violation> {
        self.knows_op(op)?;
        if self.replies.count() < self.credit {
            return Ok(());
        }
        // A released reply counts until it is swept.
        self.sweep();
        match self.replies.count() {
            count if count < self.credit => Ok(()),
            count => Err(Violation::Meaningless {
                name: "replies in flight",
                found: count as u64 + 1,
            }),
        }
    }

    /// Posts the replies whose segments have been mapped meanwhile.
    pub(crate) fn post_late(self: &Arc<Self>) {
        let ready: Vec<Late> = self.replies.with(|books| {
            let is_ready = |late: &mut Late| self.peer.has_acknowledged(&late.block);
            let ready: Vec<_> = books.late.extract_if(.., is_ready).collect();
            books.posting += ready.len();
            ready
        });
        let posting = ready.len();
        for Late { words, op, block } in ready {
            self.post_lent(op, &words, block);
        }
        let closing = self.replies.with(|books| {
            books.posting -= posting;
            let is_last = books.late.is_empty() && books.posting == 0;
            books.closing.take_if(|_| is_last)
        });
        if let Some(reason) = closing
            && let Some(shared) = self.shared()
        {
            shared.lane_closed(self, &reason);
        }
    }

    /// Posts a reply whose segment is mapped, and frees those that were read meanwhile.
    fn post_lent(self: &Arc<Self>, op: Key, words: &EntryWords, block: Block) {
        let Some(is_first) = self.replies.lend(op, block) else {
            return;
        };
        self.post(words);
        if !is_first {
            self.sweep();
        } else if let Some(shared) = self.shared() {
            shared.lent_reply(self);
        }
    }
}
