//! What a running supervisor is asked for, and the wait for its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::child::Spec;
use super::error::SuperviseError;
use super::overseer::Overseen;
use crate::actor::cell::Cell;
use crate::actor::reply::{Answerer, Asker, slot};
use crate::clock::Nanos;
use crate::exit::ExitReason;
use crate::mailbox::{Pushed, Refused};
use crate::wait_list::WaitKey;

/// What to do.
pub(super) enum Want {
    Start(Spec),
    Stop(String),
    Remove(String),
    Restart(String),
}

pub(super) type Outcome = Result<(), SuperviseError>;

/// A letter to an overseer.
pub(super) struct Request {
    pub(super) want: Want,
    pub(super) answer: Answerer<Outcome>,
}

/// A change of a supervisor's children: await it, or block on it.
///
/// # Errors
///
/// See [`SuperviseError`].
///
/// # Cancel safety
///
/// Dropped before its first poll, it does nothing; dropped later, the change may be made all the same.
#[must_use = "nothing changes until this is awaited"]
pub struct Change {
    cell: Arc<Cell<Overseen>>,
    want: Option<Want>,
    answer: Option<Asker<Outcome>>,
    /// Why it is not asked for at all.
    refusal: Option<SuperviseError>,
    room: WaitKey,
}

impl Change {
    pub(super) fn new(cell: &Arc<Cell<Overseen>>, want: Want) -> Self {
        Self {
            cell: Arc::clone(cell),
            want: Some(want),
            answer: None,
            refusal: None,
            room: WaitKey::default(),
        }
    }

    /// One that is not made.
    pub(super) fn refused(cell: &Arc<Cell<Overseen>>, refusal: SuperviseError) -> Self {
        Self {
            cell: Arc::clone(cell),
            want: None,
            answer: None,
            refusal: Some(refusal),
            room: WaitKey::default(),
        }
    }

    /// Blocks the calling thread until the change is made.
    ///
    /// # Errors
    ///
    /// As for awaiting it.
    pub fn wait(self) -> Result<(), SuperviseError> {
        let shared = Arc::clone(self.cell.core().shared());
        crate::node::block_on(Some(shared), self)
    }

    /// Sends the request, if there is room.
    fn send(&mut self, cx: &Context<'_>) -> Result<(), Refused> {
        let (answer, asker) = slot(Nanos::NONE, cx.waker());
        let mut offered = Some(answer);
        let want = &mut self.want;
        let pushed = self.cell.mailbox().push(|| Request {
            want: want.take().expect("once: a request is sent once"),
            answer: offered.take().expect("once: as the request"),
        })?;
        if let Pushed::First = pushed {
            self.cell.core().wake();
        }
        self.answer = Some(asker);
        Ok(())
    }

    fn ended(&self) -> SuperviseError {
        let outcome = self.cell.core().outcome();
        // One that is about to end has stopped hearing.
        SuperviseError::Ended(outcome.cloned().unwrap_or(ExitReason::Shutdown))
    }
}

impl Future for Change {
    type Output = Result<(), SuperviseError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(refusal) = &this.refusal {
            return Poll::Ready(Err(refusal.clone()));
        }
        if this.want.is_some() {
            match this.send(cx) {
                Ok(()) => return Poll::Pending, // the slot has the waker
                Err(Refused::Closed(reason)) => {
                    return Poll::Ready(Err(SuperviseError::Ended(reason)));
                }
                Err(Refused::Full) => {}
            }
            this.cell.mailbox().room().register(&mut this.room, cx);
            return match this.send(cx) {
                Ok(()) | Err(Refused::Full) => Poll::Pending,
                Err(Refused::Closed(reason)) => Poll::Ready(Err(SuperviseError::Ended(reason))),
            };
        }
        let Some(answer) = &mut this.answer else {
            return Poll::Ready(Err(this.ended()));
        };
        match answer.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(outcome) => Poll::Ready(outcome.unwrap_or_else(|| Err(this.ended()))),
        }
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        if self.room.is_registered() {
            self.cell.mailbox().room().remove(&mut self.room);
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("is_sent", &self.want.is_none())
            .finish_non_exhaustive()
    }
}
