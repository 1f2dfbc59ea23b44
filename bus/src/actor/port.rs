//! The port of a letter: where its reply goes, or the news that there will be none.

use std::sync::Arc;
use std::task::Waker;

use super::cell::CellCore;
use super::dead_letter::Begun;
use super::later::{Deferred, Interest};
use super::reply::{self, Answerer, Asker};
use super::{Actor, Context, Undone};
use crate::clock::{Clock, Nanos};
use crate::dead::{DeadLetter, DeadReason};
use crate::message::{HandlerError, Message, Parcel};
use crate::peering::NodeId;
use crate::remote::undelivered::{Returns, Shelf, Undelivered};
use crate::send::redeliver::About;

/// What an asker of this process gets instead of a reply.
#[derive(Debug)]
pub(crate) struct Failure<M: Message + ?Sized> {
    pub(crate) why: Undone,
    /// The message, when its handler never began.
    pub(crate) message: Option<Parcel<M>>,
}

/// What an asker of this process gets.
pub(crate) type Answer<M> = Result<<M as Message>::Reply, Box<Failure<M>>>;

/// Where the reply to one message goes.
///
/// A port that is dropped unanswered says that the handler did not come to its end: its asker then waits for the news
/// of how the actor ended.
pub struct ReplyPort<M: Message + ?Sized>(Port<M>);

enum Port<M: Message + ?Sized> {
    /// Nobody waits.
    Tell,
    /// An asker of this process.
    Ask(Answerer<Answer<M>>),
    /// A sender of this process that sends the message again if it is not handled.
    Again(Box<Again<M>>),
    /// An entry of another process, whose way back its actor's [`Context`] keeps: there is one in hand at a time, and a
    /// letter that waits is never one.
    Remote,
}

struct Again<M: Message + ?Sized> {
    answerer: Answerer<Answer<M>>,
    about: About,
}

/// Why a letter goes back to its sender, and by what.
#[derive(Debug)]
pub enum Back<'a> {
    /// Its handler has not begun.
    Untaken {
        /// Why it will not.
        why: &'a Undone,
        /// What came back to the actor's addresses.
        returns: &'a Returns,
    },
    /// A handler had put it aside, and the actor ends.
    Stashed(Stashed<'a>),
}

/// Who hears of a message that a handler had put aside.
#[derive(Debug)]
pub struct Stashed<'a> {
    pub(super) core: &'a CellCore,
    pub(super) returns: &'a Returns,
    /// Its sender, if that is on another node and is not told otherwise.
    pub(super) sender: Option<NodeId>,
}

impl Stashed<'_> {
    /// It is a dead letter, when it is known how the actor has ended.
    fn bury<M: Message + ?Sized>(&self, parcel: Parcel<M>, sender: NodeId) {
        let (whom, shared) = (self.core.whom(), Arc::clone(self.core.shared()));
        self.core.lose(Box::new(move |reason| {
            let kept = Undelivered {
                message: Some(parcel),
                taken: true,
                why: Undone::Ended(reason.clone()),
            };
            let letter = DeadLetter::of::<M>(&whom, DeadReason::Ended(reason.clone()));
            let letter = letter.taken().with(Shelf::of(kept, &shared));
            letter.sent_by(sender)
        }));
    }
}

/// The place of the port of the message in hand: an enum with one variant for each message, made by the derive.
pub trait Ports: Default + Send + 'static {
    /// The port, if a handler runs.
    fn in_hand(&self) -> Option<&dyn PortInHand>;
}

/// An actor that handles nothing.
impl Ports for () {
    fn in_hand(&self) -> Option<&dyn PortInHand> {
        None
    }
}

/// An actor that handles one message.
impl<M: Message + ?Sized> Ports for Option<ReplyPort<M>> {
    fn in_hand(&self) -> Option<&dyn PortInHand> {
        Some(self.as_ref()?)
    }
}

/// A port, whatever its message is.
#[expect(
    private_interfaces,
    reason = "derived code passes it on; what it is asked is the bus's business"
)]
pub trait PortInHand {
    /// What reports a tell of this process whose handler does not come to its end; all others have a way of their own.
    fn report(&self) -> Option<fn(&Returns)>;

    /// Who of this process waits for the answer, and until when; `None` for a message of another process.
    fn interest(&self) -> Option<(Interest, Nanos)>;
}

#[expect(private_interfaces, reason = "as above")]
impl<M: Message + ?Sized> PortInHand for ReplyPort<M> {
    fn report(&self) -> Option<fn(&Returns)> {
        matches!(self.0, Port::Tell).then_some(Returns::begun::<M>)
    }

    fn interest(&self) -> Option<(Interest, Nanos)> {
        match &self.0 {
            Port::Tell => Some((Interest::Nobody, Nanos::NONE)),
            Port::Ask(answerer) => {
                let interest = answerer.awaited().map_or(Interest::Nobody, Interest::Local);
                Some((interest, answerer.deadline()))
            }
            Port::Again(again) => {
                let awaited = again.answerer.awaited();
                let interest = awaited.map_or(Interest::Nobody, Interest::Local);
                Some((interest, again.answerer.deadline()))
            }
            Port::Remote => None,
        }
    }
}

impl<M: Message + ?Sized> ReplyPort<M> {
    pub(crate) fn tell() -> Self {
        Self(Port::Tell)
    }

    /// The port of an ask, whose reply wakes `waker`.
    pub(crate) fn ask(deadline: Nanos, waker: &Waker) -> (Self, Asker<Answer<M>>) {
        let (answerer, asker) = reply::slot(deadline, waker);
        (Self(Port::Ask(answerer)), asker)
    }

    /// The port of a message that may be sent more than once.
    pub(crate) fn again(deadline: Nanos, waker: &Waker, about: About) -> (Self, Asker<Answer<M>>) {
        let (answerer, asker) = reply::slot(deadline, waker);
        (
            Self(Port::Again(Box::new(Again { answerer, about }))),
            asker,
        )
    }

    pub(super) fn remote() -> Self {
        Self(Port::Remote)
    }

    /// Takes it out of its place, where a port stays that nobody waits at.
    ///
    /// By its tag first: moved as a whole, it would be read in wider pieces than it has just been written in.
    #[inline]
    pub fn take(&mut self) -> Self {
        match self.0 {
            Port::Tell => Self(Port::Tell),
            Port::Remote => {
                self.0 = Port::Tell;
                Self(Port::Remote)
            }
            Port::Ask(_) | Port::Again(_) => std::mem::replace(self, Self(Port::Tell)),
        }
    }

    /// Gives the port back if the sender still waits; tells the sender and the counters otherwise.
    #[inline]
    pub(super) fn still_wanted<A: Actor>(self, cx: &mut Context<A>) -> Result<Self, ()> {
        let why = match &self.0 {
            Port::Tell => return Ok(self),
            Port::Again(again) => match unwanted(&again.answerer, &cx.cell().shared().clock) {
                Some(why) => why,
                None => {
                    cx.begin_again(again.about);
                    return Ok(self);
                }
            },
            Port::Ask(answerer) => {
                if cx.cell().shared().clock.has_passed(answerer.deadline()) {
                    Undone::Expired
                } else if answerer.is_cancelled() {
                    Undone::Cancelled
                } else {
                    return Ok(self);
                }
            }
            Port::Remote => match cx.unwanted() {
                None => return Ok(self),
                Some(why) => why,
            },
        };
        self.end(why, cx);
        Err(())
    }

    /// Says why the handler does not begin.
    #[cold]
    fn end<A: Actor>(self, why: Undone, cx: &mut Context<A>) {
        cx.cell().shared().count_undone(&why);
        match self.0 {
            Port::Tell => cx.dead_letter::<M>(why.into(), Begun::No),
            // Who gave up hears nothing: that is no failure.
            Port::Ask(answerer) => {
                answerer.answer(Err(Box::new(Failure { why, message: None })));
            }
            Port::Again(again) => {
                let failure = Failure { why, message: None };
                again.answerer.answer(Err(Box::new(failure)));
            }
            Port::Remote => {
                // Of one that had been put aside the entry is over.
                if cx.has_entry() {
                    cx.cell().shared().count_undone_entry(&why);
                }
                cx.take_remote().into_iter().for_each(|it| it.undone(&why));
            }
        }
    }

    /// Sends what the handler returned; a failure that nobody waits for comes back.
    #[inline]
    pub(crate) fn answer<A: Actor>(
        self,
        result: Result<M::Reply, HandlerError>,
        cx: &mut Context<A>,
    ) -> Result<(), HandlerError> {
        // One name for the result, which may be large: where nothing is optimized each has its place on the stack.
        match self.0 {
            Port::Tell => result.map(drop),
            Port::Ask(answerer) => {
                let failed = |error| {
                    Box::new(Failure {
                        why: Undone::Failed(error),
                        message: None,
                    })
                };
                let is_reply = result.is_ok();
                if !answerer.answer(result.map_err(failed)) && is_reply {
                    cx.dead_letter::<M>(DeadReason::ReplyUnread, Begun::Yes);
                }
                Ok(())
            }
            Port::Again(again) => {
                cx.end_again();
                again.answer(result)
            }
            Port::Remote => match cx.take_remote() {
                Some(port) if cx.end_again().is_some_and(|about| about.is_tell) => {
                    port.acknowledge(cx.cell().shared());
                    result.map(drop)
                }
                Some(port) => {
                    if port.is_unheard() && result.is_ok() {
                        cx.dead_letter::<M>(DeadReason::ReplyUnread, Begun::Yes);
                    }
                    port.answer::<M>(result, cx.cell().shared())
                }
                None => result.map(drop),
            },
        }
    }

    /// The handler has ended, and leaves the answer to whoever has the `ReplyTo`.
    pub(super) fn defer<A: Actor>(self, deferred: Deferred<M::Reply>, cx: &mut Context<A>) {
        match self.0 {
            // Nobody ever waited: what comes is dropped.
            Port::Tell => drop(deferred),
            Port::Ask(answerer) => {
                let cell = cx.own_cell();
                let back = move |answer: Result<M::Reply, Undone>| {
                    let is_reply = answer.is_ok();
                    let failure = |why| Box::new(Failure { why, message: None });
                    if !answerer.answer(answer.map_err(failure)) && is_reply {
                        cell.core().unread_reply::<M>();
                    }
                };
                deferred.owe(Box::new(back), cx.cell());
            }
            Port::Again(again) => {
                cx.end_again();
                let back = move |answer: Result<M::Reply, Undone>| {
                    let failure = |why| Box::new(Failure { why, message: None });
                    again.answerer.answer(answer.map_err(failure));
                };
                deferred.owe(Box::new(back), cx.cell());
            }
            Port::Remote => match cx.take_remote() {
                // It is handled; nobody reads what would be answered.
                Some(port) if cx.end_again().is_some_and(|about| about.is_tell) => {
                    port.acknowledge(cx.cell().shared());
                }
                Some(port) if port.is_ask() => {
                    let cell = cx.own_cell();
                    let back = move |answer: Result<M::Reply, Undone>| match answer {
                        Ok(reply) => {
                            if let Some(sender) = port.unheard_by() {
                                cell.core().unheard_reply::<M>(sender);
                            }
                            // Of an ask nothing comes back.
                            drop(port.answer::<M>(Ok(reply), cell.core().shared()));
                        }
                        Err(why) => port.undone(&why),
                    };
                    deferred.owe(Box::new(back), cx.cell());
                }
                Some(port) => port.received(cx.cell().shared()),
                None => drop(deferred),
            },
        }
    }

    /// Says that the message cannot be read.
    pub(super) fn refuse<A: Actor>(self, text: &str, cx: &mut Context<A>) {
        self.end(Undone::Refused(text.to_owned()), cx);
    }

    /// Returns a message that is not handled, or not to its end.
    pub(super) fn give_back(self, parcel: Parcel<M>, back: &Back<'_>) {
        match back {
            Back::Untaken { why, returns } => self.return_untaken(parcel, why, returns),
            Back::Stashed(stashed) => match (self.0, stashed.sender) {
                (Port::Tell, _) => stashed.returns.begun_with(parcel),
                (Port::Remote, Some(sender)) => stashed.bury(parcel, sender),
                // Its drop tells an asker of this process, that of the way back one of another.
                (Port::Ask(_) | Port::Again(_) | Port::Remote, _) => {}
            },
        }
    }

    /// Returns a message whose handler never began.
    fn return_untaken(self, parcel: Parcel<M>, why: &Undone, returns: &Returns) {
        match self.0 {
            Port::Tell => {
                returns.push(Undelivered {
                    message: Some(parcel),
                    taken: false,
                    why: why.clone(),
                });
            }
            Port::Ask(answerer) => {
                let failure = Box::new(Failure {
                    why: why.clone(),
                    message: Some(parcel),
                });
                if !answerer.answer(Err(failure)) {
                    returns.count_cancelled();
                }
            }
            Port::Again(again) => {
                again.answerer.answer(Err(Box::new(Failure {
                    why: why.clone(),
                    message: Some(parcel),
                })));
            }
            Port::Remote => {}
        }
    }
}

/// Why a handler need not begin.
fn unwanted<T>(answerer: &Answerer<T>, clock: &Clock) -> Option<Undone> {
    if clock.has_passed(answerer.deadline()) {
        return Some(Undone::Expired);
    }
    answerer.is_cancelled().then_some(Undone::Cancelled)
}

impl<M: Message + ?Sized> Again<M> {
    /// Sends what the handler returned. The failure of a tell comes back as well: that is the actor's to report.
    fn answer(self, result: Result<M::Reply, HandlerError>) -> Result<(), HandlerError> {
        let failed = |error| {
            Box::new(Failure {
                why: Undone::Failed(error),
                message: None,
            })
        };
        let error = result
            .as_ref()
            .err()
            .filter(|_| self.about.is_tell)
            .cloned();
        self.answerer.answer(result.map_err(failed));
        error.map_or(Ok(()), Err)
    }
}

impl<M: Message + ?Sized> std::fmt::Debug for ReplyPort<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Port::Tell => "ReplyPort::Tell",
            Port::Ask(_) => "ReplyPort::Ask",
            Port::Again(_) => "ReplyPort::Again",
            Port::Remote => "ReplyPort::Remote",
        })
    }
}
