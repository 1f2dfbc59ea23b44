//! One uring seen from its completer: who watches it, taking entries, posting completions.
//!
//! ```text
//!          note               peek finds an entry            drained
//!   Idle --------> Hot  -----------------------> Scheduled ----------> Hot ...
//!     ^             |     (the driver watches)    (the owner's turn)
//!     +-------------+
//!       go_idle, checked after its fence
//! ```
//!
//! # Invariants
//! - **one-watcher**: a lane is in the driver's hot list only while Hot, in its inbox's ready queue only while
//!   Scheduled, and in neither while Idle; the swap that changes the state decides who moves it.
//! - **taken-means-begun**: an entry is taken only by the owner, when its handler is about to begin.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ringway_shm::generation::Key;
use ringway_shm::sync::AtomicU32;
use ringway_shm::sync::Ordering::{AcqRel, Acquire, Relaxed};
use ringway_shm::uring::{CompleterEnds, OpWord, PostEnd, TakeEnd};
use ringway_shm::words::EntryWords;

use super::Inbox;
use super::reply::Replies;
use crate::exit::ExitReason;
use crate::rings::RingSpan;
use crate::shared::Shared;
use crate::urings::PeerUrings;

/// Entries taken between two looks at whether the submitter waits for room.
const ROOM_CHECK_EVERY: u32 = 32;

const IDLE: u32 = 0;
const HOT: u32 = 1;
const SCHEDULED: u32 = 2;
const CLOSED: u32 = 3;

struct Taking {
    end: TakeEnd,
    since_room_check: u32,
    /// The submitter will send nothing more: it closed the lane, or is dead.
    is_ending: bool,
}

/// The completer's side of a uring.
pub(crate) struct InboxLane {
    pub(crate) peer: Arc<PeerUrings>,
    /// The uring's name, given by its submitter.
    pub(crate) uring: Key,
    shared: Weak<Shared>,
    inbox: Arc<Inbox>,
    state: AtomicU32,
    taking: Mutex<Taking>,
    posting: Mutex<PostEnd>,
    pub(crate) replies: Replies,
    /// Our half of the uring's memory; returned when the lane is dropped.
    span: RingSpan,
}

/// An entry that was taken: its handler begins now, and `finish` says that it has ended.
pub(crate) struct Taken {
    pub(crate) words: EntryWords,
    pub(crate) lane: Arc<InboxLane>,
}

/// What the driver does with a lane that it watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Keep,
    Leave,
}

impl InboxLane {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        peer: &Arc<PeerUrings>,
        uring: Key,
        inbox: &Arc<Inbox>,
        ends: CompleterEnds,
        span: RingSpan,
    ) -> Arc<Self> {
        Arc::new(Self {
            peer: Arc::clone(peer),
            uring,
            shared: Arc::downgrade(shared),
            inbox: Arc::clone(inbox),
            state: AtomicU32::new(HOT),
            taking: Mutex::new(Taking {
                end: ends.take,
                since_room_check: 0,
                is_ending: false,
            }),
            posting: Mutex::new(ends.post),
            replies: Replies::default(),
            span,
        })
    }

    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    /// Bytes of our half.
    pub(crate) fn span_len(&self) -> u64 {
        self.span.region().len()
    }

    fn taking(&self) -> MutexGuard<'_, Taking> {
        self.taking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A note names this lane: the driver watches it from now on, if this returns `true`.
    pub(crate) fn heat(&self) -> bool {
        // AcqRel lane-state: pairs with itself; who changes the state owns the lane's place in a list.
        let is_heated = self
            .state
            .compare_exchange(IDLE, HOT, AcqRel, Relaxed)
            .is_ok();
        if is_heated {
            self.taking().end.go_hot();
        }
        is_heated
    }

    /// The driver's look at a hot lane.
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        // Acquire lane-state: pairs with the swap that closed or scheduled it.
        if self.state.load(Acquire) != HOT {
            return Watch::Leave;
        }
        let has_entry = {
            let taking = self.taking();
            taking.end.peek() || taking.is_ending
        };
        if !has_entry {
            return Watch::Keep;
        }
        self.schedule();
        Watch::Leave
    }

    /// The driver's last look before it stops watching: from here on only a note brings the lane back.
    pub(crate) fn cool(self: &Arc<Self>) {
        let (is_idle, rings) = {
            let mut taking = self.taking();
            let is_idle = taking.end.go_idle() && !taking.is_ending;
            // After the fence in `go_idle`: a submitter that waits for room is seen here, or sees our head.
            (is_idle, taking.submitter_waits())
        };
        if rings {
            self.peer.ring_bell();
        }
        // AcqRel lane-state: see `heat`. Whoever changed it meanwhile has moved the lane.
        if !is_idle
            || self
                .state
                .compare_exchange(HOT, IDLE, AcqRel, Relaxed)
                .is_err()
        {
            self.schedule();
        }
    }

    /// Gives the lane to its inbox, whatever it holds.
    fn schedule(self: &Arc<Self>) {
        // AcqRel lane-state: see `heat`. Only one of two schedulers wins.
        let from_hot = self
            .state
            .compare_exchange(HOT, SCHEDULED, AcqRel, Relaxed)
            .is_ok();
        if from_hot
            || self
                .state
                .compare_exchange(IDLE, SCHEDULED, AcqRel, Relaxed)
                .is_ok()
        {
            self.inbox.schedule(Arc::clone(self));
        }
    }

    /// The submitter closed the lane or died: the owner takes what is still there, then lets go.
    pub(crate) fn end(self: &Arc<Self>) {
        self.taking().is_ending = true;
        self.schedule();
    }

    /// Takes an entry for the owner.
    pub(super) fn take(self: &Arc<Self>) -> Option<Taken> {
        let mut taking = self.taking();
        match taking.end.take() {
            Ok(Some(words)) => {
                taking.since_room_check += 1;
                let looks = taking.since_room_check >= ROOM_CHECK_EVERY;
                let rings = looks && taking.submitter_waits();
                drop(taking);
                if rings {
                    self.peer.ring_bell();
                }
                Some(Taken {
                    words,
                    lane: Arc::clone(self),
                })
            }
            Ok(None) => None,
            Err(violation) => {
                taking.is_ending = true;
                taking.end.close();
                drop(taking);
                self.peer.violation(violation);
                None
            }
        }
    }

    /// The owner found the lane empty: the driver watches it again. `true` when the lane has come to its end.
    pub(super) fn drained(self: &Arc<Self>) -> bool {
        let mut taking = self.taking();
        let rings = taking.submitter_waits();
        if taking.is_ending || taking.end.submitter_closed() {
            taking.end.close();
            drop(taking);
            // AcqRel lane-state: see `heat`.
            self.state.swap(CLOSED, AcqRel);
            if let Some(shared) = self.shared() {
                shared.lane_ended(self);
            }
            return true;
        }
        drop(taking);
        if rings {
            self.peer.ring_bell();
        }
        // AcqRel lane-state: see `heat`.
        if self
            .state
            .compare_exchange(SCHEDULED, HOT, AcqRel, Relaxed)
            .is_ok()
            && let Some(shared) = self.shared()
        {
            shared.watch(Arc::clone(self));
        }
        false
    }

    /// The owner has ended: nothing more is taken, and the submitter is told why.
    pub(crate) fn close(self: &Arc<Self>, reason: &ExitReason) {
        self.taking().end.close();
        // AcqRel lane-state: see `heat`. Who closed it first has told the submitter.
        if self.state.swap(CLOSED, AcqRel) == CLOSED {
            return;
        }
        if let Some(shared) = self.shared() {
            shared.lane_closed(self, reason);
        }
    }

    /// Says that the handler of the entry taken last has ended.
    pub(crate) fn finish(&self) {
        self.taking().end.finish();
    }

    /// Posts a completion and wakes the submitter if it sleeps.
    ///
    /// A full completion queue is the submitter's fault: it broke its own bound.
    pub(crate) fn post(&self, words: &EntryWords) {
        let posted = self
            .posting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .complete(words);
        match posted {
            Ok(()) => self.peer.ring_bell(),
            Err(refused) => self.peer.post_refused(refused),
        }
    }

    /// Looks at an op word: whether the submitter has cancelled the ask.
    pub(crate) fn is_cancelled(&self, op: Key) -> bool {
        self.taking()
            .end
            .op_word(op)
            .is_ok_and(OpWord::is_cancelled)
    }

    /// Frees the replies that their askers have released.
    pub(crate) fn sweep(&self) {
        let taking = self.taking();
        self.replies
            .sweep(|op| taking.end.op_word(op).is_ok_and(OpWord::is_reply_released));
    }
}

impl Taking {
    /// Looks whether the submitter waits for room and has not been told for this wait.
    fn submitter_waits(&mut self) -> bool {
        self.since_room_check = 0;
        self.end.submitter_wants().is_some()
    }
}

impl std::fmt::Debug for InboxLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxLane")
            .field("uring", &self.uring)
            .finish_non_exhaustive()
    }
}
