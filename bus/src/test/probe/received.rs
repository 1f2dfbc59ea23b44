//! A message that a probe has received, and may answer later.

use std::fmt;
use std::ops::Deref;

use super::Answer;
use crate::actor::reply::Answerer;
use crate::message::{HandlerError, Message};

/// A message that a [`Probe`](super::Probe) has got; reads as what a handler gets of it.
///
/// Dropped, it lets the handling of a message end that waits for it. An ask that neither the test nor the script has answered is
/// left without a reply: the asker gets an [`AskError::Handler`](crate::AskError::Handler).
pub struct Received<M: Message + ?Sized> {
    pub(super) arrival: M::Arrival,
    pub(super) answerer: Option<Answerer<Answer<M>>>,
}

impl<M: Message + ?Sized> Received<M> {
    /// Answers an ask; of no effect for a tell, and for an ask that was answered by the script. Returns the message.
    pub fn reply(self, reply: M::Reply) -> M::Arrival {
        self.answer(Ok(reply))
    }

    /// Has the handler fail: the asker gets an [`AskError::Handler`](crate::AskError::Handler). Returns the message.
    pub fn fail(self, error: impl Into<String>) -> M::Arrival {
        self.answer(Err(HandlerError::new(error)))
    }

    pub(super) fn answer(self, answer: Answer<M>) -> M::Arrival {
        if let Some(answerer) = self.answerer {
            answerer.answer(answer);
        }
        self.arrival
    }

    /// Whether its handling waits for the test: for the reply to an ask, or as the probe [holds](super::Probe::hold).
    pub fn waits(&self) -> bool {
        self.answerer.as_ref().is_some_and(|it| !it.is_cancelled())
    }

    /// The message; its handling ends, as when this is dropped.
    pub fn into_inner(self) -> M::Arrival {
        self.arrival
    }
}

impl<M: Message + ?Sized> Deref for Received<M> {
    type Target = M::Arrival;

    fn deref(&self) -> &M::Arrival {
        &self.arrival
    }
}

impl<M: Message + ?Sized> fmt::Debug for Received<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("message", &M::NAME)
            .field("waits", &self.waits())
            .finish_non_exhaustive()
    }
}
