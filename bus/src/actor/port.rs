//! The port of a letter: where its reply goes, or the news that there will be none.

use futures_channel::oneshot;
use ringway_shm::card::Counter;

use super::Undone;
use super::cell::CellCore;
use crate::clock::Nanos;
use crate::inbox::reply::RemotePort;
use crate::message::{HandlerError, Message, Parcel};
use crate::remote::undelivered::{Returns, Undelivered};

/// What an asker of this process gets instead of a reply.
#[derive(Debug)]
pub(crate) struct Failure<M: Message + ?Sized> {
    pub(crate) why: Undone,
    /// The message, when its handler never began.
    pub(crate) message: Option<Parcel<M>>,
}

/// What an asker of this process gets.
pub(crate) type Answer<M> = Result<<M as Message>::Reply, Failure<M>>;

/// Where the reply to one message goes.
///
/// A port that is dropped unanswered says that the handler did not come to its end: its asker then waits for the news
/// of how the actor ended.
pub struct ReplyPort<M: Message + ?Sized>(Port<M>);

enum Port<M: Message + ?Sized> {
    /// Nobody waits.
    Tell,
    /// An asker of this process.
    Ask {
        answer: oneshot::Sender<Answer<M>>,
        deadline: Nanos,
    },
    /// An entry of another process: an ask, or a tell whose block must go back.
    Remote(RemotePort),
}

impl<M: Message + ?Sized> ReplyPort<M> {
    pub(crate) fn tell() -> Self {
        Self(Port::Tell)
    }

    pub(crate) fn ask(deadline: Nanos) -> (Self, oneshot::Receiver<Answer<M>>) {
        let (answer, receiver) = oneshot::channel();
        (Self(Port::Ask { answer, deadline }), receiver)
    }

    pub(crate) fn remote(port: RemotePort) -> Self {
        Self(Port::Remote(port))
    }

    /// What reports a tell of this process whose handler does not come to its end; all others have a way of their own.
    pub(super) fn report(&self) -> Option<fn(&Returns)> {
        matches!(self.0, Port::Tell).then_some(Returns::begun::<M>)
    }

    /// Gives the port back if the sender still waits; tells the sender and the counters otherwise.
    pub(super) fn still_wanted(self, cell: &CellCore) -> Result<Self, ()> {
        let why = match &self.0 {
            Port::Tell => return Ok(self),
            Port::Ask { answer, deadline } => {
                if deadline.has_passed() {
                    Undone::Expired
                } else if answer.is_canceled() {
                    Undone::Cancelled
                } else {
                    return Ok(self);
                }
            }
            Port::Remote(port) => match port.unwanted() {
                None => return Ok(self),
                Some(why) => why,
            },
        };
        cell.shared().count_undone(&why);
        match self.0 {
            Port::Tell => {}
            Port::Ask { answer, .. } => {
                // Who gave up hears nothing: that is no failure.
                let _ = answer.send(Err(Failure { why, message: None }));
            }
            Port::Remote(port) => port.undone(&why),
        }
        Err(())
    }

    /// Sends what the handler returned; a failure that nobody waits for comes back.
    pub(super) fn answer(
        self,
        result: Result<M::Reply, HandlerError>,
        cell: &CellCore,
    ) -> Result<(), HandlerError> {
        cell.shared().count(Counter::Handled, 1);
        match (self.0, result) {
            (Port::Tell, Ok(_)) => Ok(()),
            (Port::Tell, Err(error)) => Err(error),
            (Port::Ask { answer, .. }, result) => {
                let failed = |error| Failure {
                    why: Undone::Failed(error),
                    message: None,
                };
                // An asker that gave up meanwhile hears nothing.
                let _ = answer.send(result.map_err(failed));
                Ok(())
            }
            (Port::Remote(port), result) => port.answer::<M>(result, cell.shared()),
        }
    }

    /// Says that the message cannot be read.
    pub(super) fn refuse(self, text: &str, cell: &CellCore) {
        let why = Undone::Refused(text.to_owned());
        cell.shared().count_undone(&why);
        match self.0 {
            Port::Tell => {}
            Port::Ask { answer, .. } => {
                let _ = answer.send(Err(Failure { why, message: None }));
            }
            Port::Remote(port) => port.undone(&why),
        }
    }

    /// Says why an entry of another process was not handled.
    pub(super) fn undone(self, why: &Undone) {
        if let Port::Remote(port) = self.0 {
            port.undone(why);
        }
    }

    /// Returns a message whose handler never began.
    pub(super) fn give_back(self, parcel: Parcel<M>, why: &Undone, returns: &Returns) {
        match self.0 {
            Port::Tell => {
                returns.push(Undelivered {
                    message: Some(parcel),
                    taken: false,
                    why: why.clone(),
                });
            }
            Port::Ask { answer, .. } => {
                let _ = answer.send(Err(Failure {
                    why: why.clone(),
                    message: Some(parcel),
                }));
            }
            Port::Remote(port) => port.undone(why),
        }
    }
}

impl<M: Message + ?Sized> std::fmt::Debug for ReplyPort<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Port::Tell => "ReplyPort::Tell",
            Port::Ask { .. } => "ReplyPort::Ask",
            Port::Remote(_) => "ReplyPort::Remote",
        })
    }
}
