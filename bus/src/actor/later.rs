//! Replies that come later: a handler ends, and whoever it gave its [`ReplyTo`] answers in its stead.
//!
//! ```text
//!               the handler returns Deferred           ReplyTo answers
//!   Early(none) ----------------------------> Due ---------------------> Over
//!        |                                     |  the actor ends: the asker is told how
//!        | ReplyTo answers                     +--------------------------> Over
//!        v          the handler returns Deferred
//!   Early(answer) ------------------------------------------------------> Over
//! ```
//!
//! # Invariants
//! - **once**: who takes the way back out of `Due`, under the lock, is the only one who answers.
//! - **owed-by-the-actor**: the actor whose handler took the ask owes the answer until it is given. When it ends first, its
//!   asker is told so, as if the handler still ran: here because its debts are dropped with it, in another process because
//!   its uring ends. So an asker in this process and one in another see the same.
//! - **no-user-code**: replies are given and dropped outside of the lock.

mod cancelled;
mod debts;
pub(crate) mod relay;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

pub use self::cancelled::Cancelled;
pub(crate) use self::cancelled::Interest;
pub(crate) use self::debts::{Debt, Debts};
use self::relay::Claim;
use self::wire::Abroad;
use super::Undone;
use super::cell::CellCore;
use crate::clock::Nanos;
use crate::message::{Answer, BoxError, HandlerError};
use crate::shared::Shared;

/// The way back to an asker: called once, with the answer or with why there is none. Dropped, it says that the handler did
/// not come to its end.
pub(super) type WayBack<R> = Box<dyn FnOnce(Result<R, Undone>) + Send>;

/// What is still to be answered.
struct Due<R: Answer> {
    back: WayBack<R>,
    debts: Arc<Debts>,
    place: usize,
}

enum State<R: Answer> {
    /// The handler has not ended; the answer may be there already.
    Early(Option<Result<R, Undone>>),
    Due(Due<R>),
    /// The handler answers itself.
    Forgotten,
    Over,
}

/// One answer that is owed.
pub(crate) struct Owed<R: Answer>(Mutex<State<R>>);

impl<R: Answer> Owed<R> {
    fn new(answer: Option<Result<R, Undone>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Early(answer))))
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers, or keeps the answer until the handler has ended. What comes second is dropped.
    pub(super) fn settle(&self, answer: Result<R, Undone>) {
        let mut answer = Some(answer);
        let due = {
            let mut state = self.lock();
            match &mut *state {
                State::Early(early @ None) => {
                    *early = answer.take();
                    None
                }
                State::Due(_) => match std::mem::replace(&mut *state, State::Over) {
                    State::Due(due) => Some(due),
                    _ => None,
                },
                State::Early(Some(_)) | State::Forgotten | State::Over => None,
            }
        };
        if let (Some(Due { back, debts, place }), Some(answer)) = (due, answer) {
            debts.settled(place);
            back(answer);
        }
    }

    /// The handler has ended, and this is the way to its asker.
    fn owe(self: &Arc<Self>, back: WayBack<R>, cell: &CellCore) {
        let debts = cell.debts();
        let place = debts.add(Arc::downgrade(self) as _);
        let mut due = Some(Due { back, debts, place });
        let early = {
            let mut state = self.lock();
            match std::mem::replace(&mut *state, State::Over) {
                State::Early(None) => {
                    *state = due.take().map_or(State::Over, State::Due);
                    None
                }
                State::Early(answer) => answer,
                State::Due(_) | State::Forgotten | State::Over => None,
            }
        };
        if let Some(Due { back, debts, place }) = due {
            debts.settled(place);
            if let Some(answer) = early {
                back(answer);
            }
        }
    }

    /// Nobody waits for an answer.
    fn end_as(&self, end: State<R>) {
        let state = std::mem::replace(&mut *self.lock(), end);
        drop(state);
    }

    /// Whether an answer given now would reach nobody.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.lock(), State::Forgotten | State::Over)
    }
}

impl<R: Answer> Debt for Owed<R> {
    fn end(&self) {
        // Its drop tells the asker, who then waits to hear how the actor ended.
        self.end_as(State::Over);
    }
}

/// Makes both sides of an answer that comes later.
pub(crate) fn defer<R: Answer>(
    shared: &Arc<Shared>,
    interest: Interest,
    deadline: Nanos,
) -> (ReplyTo<R>, Deferred<R>) {
    let owed = Owed::new(None);
    let here = Here {
        claim: Claim {
            owed: Arc::clone(&owed),
            interest,
            deadline,
        },
        shared: Arc::clone(shared),
        hops: 0,
    };
    (ReplyTo::here(here), Deferred(Some(owed)))
}

/// What a handler returns when its reply comes later: the other half of a [`ReplyTo`].
///
/// A handler of a message whose reply is `u64` may return `Deferred<u64>`, or a `Result` of it. Which ask is left unanswered
/// is so for the compiler to see: a handler that returns a `Deferred` has got it from
/// [`Context::defer`](crate::Context::defer), from [`Context::forward`](crate::Context::forward), from
/// [`Context::stash`](crate::Context::stash), or from [`Deferred::now`] for a reply that need not wait.
///
/// Dropped instead of returned, it leaves the answer to the handler: what the [`ReplyTo`] gives is dropped.
#[must_use = "the reply comes later only if the handler returns this"]
pub struct Deferred<R: Answer>(Option<Arc<Owed<R>>>);

impl<R: Answer> Deferred<R> {
    /// Answers at once after all.
    pub fn now(reply: R) -> Self {
        Self(Some(Owed::new(Some(Ok(reply)))))
    }

    /// What a handler returns whose message was put aside: nothing is owed for it now.
    pub(super) fn put_aside() -> Self {
        Self(None)
    }

    pub(super) fn owe(mut self, back: WayBack<R>, cell: &CellCore) {
        match self.0.take() {
            Some(owed) => owed.owe(back, cell),
            // One for a message that was put aside, returned for another.
            None => back(Err(Undone::Unanswered)),
        }
    }
}

impl<R: Answer> Drop for Deferred<R> {
    fn drop(&mut self) {
        if let Some(owed) = self.0.take() {
            owed.end_as(State::Forgotten);
        }
    }
}

impl<R: Answer> fmt::Debug for Deferred<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}

/// An answer that this process owes.
struct Here<R: Answer> {
    claim: Claim<R>,
    shared: Arc<Shared>,
    /// Messages that it has come by.
    hops: u32,
}

enum Place<R: Answer> {
    Here(Here<R>),
    /// It came in a message: the process that owes the answer passes it on.
    Abroad(Abroad),
    Over,
}

/// Where the reply to an ask goes, for whoever is to give it: kept, moved to other threads and tasks, or sent to other actors
/// as a field of a message, in this process or in another.
///
/// It answers once. Dropped without an answer, it tells the asker so:
/// [`AskError::Unanswered`](crate::AskError::Unanswered).
///
/// The actor whose handler took the ask owes the answer until it is given, whoever has the `ReplyTo`: when that actor ends
/// first, its asker gets [`AskError::Died`](crate::AskError::Died), and what comes then is dropped.
///
/// In another process it is no more than a way to the one that owes the answer, whose node passes it on: what is given there
/// is sent here as a message of its own. If the process that has it dies, the asker is told that
/// ([`AskError::Died`](crate::AskError::Died), with how that process ended), once the message that carried it was handled
/// there. One that is lost on the way, with a message that nobody took and nobody read of the returned, is noticed by the
/// ask's deadline alone.
///
/// # Examples
///
/// ```
/// use ringway::prelude::*;
///
/// #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// #[message(move, reply = u64)]
/// #[repr(C)]
/// struct Wait;
///
/// #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// #[message(move)]
/// #[repr(C)]
/// struct Open(u64);
///
/// /// Answers all who wait when it is opened.
/// #[derive(Actor, Default)]
/// #[actor(handles(Wait, Open))]
/// struct Gate(Vec<ReplyTo<u64>>);
///
/// impl Handler<Wait, Deferred<u64>> for Gate {
///     async fn handle(&mut self, _: Wait, cx: &mut Context<Self>) -> Deferred<u64> {
///         let (reply_to, deferred) = cx.defer();
///         self.0.push(reply_to);
///         deferred
///     }
/// }
///
/// impl Handler<Open> for Gate {
///     async fn handle(&mut self, open: Open, _cx: &mut Context<Self>) {
///         self.0.drain(..).for_each(|waiting| waiting.send(open.0));
///     }
/// }
/// # let directory = std::env::temp_dir().join(format!("ringway-doc-later-{}", std::process::id()));
/// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
/// # let gate = node.spawn(Gate::default())?;
/// # block_on(async {
/// let (answer, told) = futures_util::future::join(gate.ask(Wait), gate.tell(Open(7))).await;
/// told?;
/// assert_eq!(answer?, 7);
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # drop(node);
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it tells the asker that there is no answer"]
pub struct ReplyTo<R: Answer> {
    place: Place<R>,
    /// What it was written into a message as, if it was: then that copy answers.
    number: AtomicU64,
}

impl<R: Answer> ReplyTo<R> {
    fn here(here: Here<R>) -> Self {
        Self::new(Place::Here(here))
    }

    fn new(place: Place<R>) -> Self {
        Self {
            place,
            number: AtomicU64::new(0),
        }
    }

    /// Answers. An asker that has given up hears nothing: then the answer is a [dead letter](crate::DeadLetter) of its node, or of
    /// this actor's, if its process is dead.
    pub fn send(self, reply: R) {
        self.settle(Ok(reply));
    }

    /// Answers that there is no reply: the asker gets [`AskError::Handler`](crate::AskError::Handler) with the text of `error`
    /// and its causes.
    pub fn fail(self, error: impl Into<BoxError>) {
        self.settle(Err(Undone::Failed(HandlerError::from_error(error))));
    }

    pub(crate) fn settle(mut self, answer: Result<R, Undone>) {
        match std::mem::replace(&mut self.place, Place::Over) {
            Place::Here(here) => here.claim.owed.settle(answer),
            Place::Abroad(abroad) => abroad.settle::<R>(answer),
            Place::Over => {}
        }
    }

    /// Tells whether nobody waits for the answer any more: the ask was dropped or is overdue, or its process is dead; always
    /// for a message that was told. In a process that does not owe the answer this is not known, and `false`.
    pub fn is_cancelled(&self) -> bool {
        match &self.place {
            Place::Here(Here { claim, shared, .. }) => claim.is_over(&shared.clock),
            Place::Abroad(_) => false,
            Place::Over => true,
        }
    }

    /// Whether the handler has answered itself, and let go of the `Deferred`.
    pub(crate) fn is_forgotten(&self) -> bool {
        match &self.place {
            Place::Here(here) => matches!(*here.claim.owed.lock(), State::Forgotten),
            _ => false,
        }
    }

    /// Is ready when nobody waits for the answer any more; in a process that does not owe the answer, never.
    pub fn cancelled(&self) -> Cancelled {
        match &self.place {
            Place::Here(Here { claim, shared, .. }) => {
                Cancelled::new(shared, claim.interest.clone(), claim.deadline)
            }
            _ => Cancelled::never(),
        }
    }

    /// Returns how long the answer is waited for from now on; `None` where that is not known, or without end.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.place {
            Place::Here(Here { claim, shared, .. }) if claim.deadline != Nanos::NONE => {
                Some(claim.deadline.since(shared.clock.now()))
            }
            _ => None,
        }
    }
}

impl<R: Answer> Drop for ReplyTo<R> {
    fn drop(&mut self) {
        // Relaxed: set by this value's own serialization, which whoever drops it has seen.
        if self.number.load(Relaxed) != 0 {
            return;
        }
        match std::mem::replace(&mut self.place, Place::Over) {
            Place::Here(here) => here.claim.owed.settle(Err(Undone::Unanswered)),
            Place::Abroad(abroad) => abroad.settle::<R>(Err(Undone::Unanswered)),
            Place::Over => {}
        }
    }
}

impl<R: Answer> fmt::Debug for ReplyTo<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Here(_) => "here",
            Place::Abroad(_) => "in another process",
            Place::Over => "over",
        };
        f.debug_struct("ReplyTo")
            .field("owed", &place)
            .finish_non_exhaustive()
    }
}
