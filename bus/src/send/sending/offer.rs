//! One offer of a message, to a mailbox or to a uring, and what stands in its way.

use std::sync::Arc;

use ringway_shm::generation::Key;
use ringway_shm::sys::fork;

use super::{Load, Patience, Sending, Sent, Wanted};
use crate::actor::Undone;
use crate::actor::cell::LocalRoute;
use crate::actor::port::ReplyPort;
use crate::clock::Nanos;
use crate::completion;
use crate::exit::ExitReason;
use crate::mailbox::{Overflow, Refused};
use crate::message::{Parcel, Sendable};
use crate::priority::Priority;
use crate::remote::ops::OpKind;
use crate::remote::undelivered::Undelivered;
use crate::remote::{Obstacle, Outgoing, RemoteEnd};
use crate::send::SendError;
use crate::send::way::Way;
use crate::token::TokenizeError;

/// Why an offer was not accepted.
pub(super) enum Offered<S> {
    MayWait,
    /// The receiver's policy drops it.
    Dropped,
    Fails(SendError<S>),
}

impl<'a, S: Sendable> Sending<'a, S> {
    /// Tells a receiver that has room: straight, without most of this. Returns what has still to be sent.
    #[inline]
    pub(in crate::send) fn beyond_straight_tell(
        way: Way<'a, S::Message>,
        message: S,
    ) -> Option<Self> {
        if fork::check().is_err() {
            return Some(Self::new(way, message, Wanted::Nothing));
        }
        let route = match way {
            Way::Local(route) => route,
            Way::Remote(end) => {
                let load = Self::beyond_straight_push(end, message.into_parcel())?;
                return Some(Self::of_load(way, load, Wanted::Nothing));
            }
        };
        match route.push(message.into_parcel().into(), ReplyPort::tell()) {
            Ok(()) => None,
            Err((handed, _, _)) => Some(Self::of_load(
                way,
                Load::Parcel(handed.into()),
                Wanted::Nothing,
            )),
        }
    }

    /// The same, to another process. What stands in its way is found out when it is offered again.
    #[inline]
    fn beyond_straight_push(
        end: &Arc<RemoteEnd>,
        parcel: Parcel<S::Message>,
    ) -> Option<Load<S::Message>> {
        match completion::pack(parcel, OpKind::Tell, Nanos::NONE, end, || ()) {
            Ok(mut outgoing) => match end.submit(&mut outgoing) {
                Ok(_) => None,
                Err(_) => Some(Load::Packed(Box::new(outgoing))),
            },
            Err(error) => Some(Load::Parcel(error.into_parts().0)),
        }
    }

    pub(super) fn offer_local(
        &mut self,
        route: &dyn LocalRoute<S::Message>,
    ) -> Result<Option<Key>, Offered<S>> {
        let Load::Parcel(parcel) = std::mem::replace(&mut self.load, Load::Gone) else {
            return Ok(None);
        };
        let port = match &mut self.wanted {
            Wanted::Nothing => ReplyPort::tell(),
            Wanted::Reply(port) => port.take().unwrap_or_else(ReplyPort::tell),
            Wanted::Again(_) => ReplyPort::tell(), // an ask makes its port before it is offered
        };
        let pushed = match self.priority {
            Priority::Normal => route.push(parcel.into(), port),
            Priority::High => route.push_high(parcel.into(), port),
        };
        let (handed, port, refused) = match pushed {
            Ok(()) => return Ok(None),
            Err(refused) => refused,
        };
        self.load = Load::Parcel(handed.into());
        if let Wanted::Reply(kept) = &mut self.wanted {
            *kept = Some(port);
        }
        Err(match refused {
            Refused::Full if route.overflow() == Overflow::Fail => {
                Offered::Fails(SendError::Full {
                    message: self.take_back(),
                })
            }
            Refused::Full => Offered::MayWait,
            Refused::Closed(reason) => Offered::Fails(SendError::Ended {
                message: self.take_back(),
                reason,
            }),
        })
    }

    pub(super) fn offer_remote(&mut self, end: &Arc<RemoteEnd>) -> Result<Option<Key>, Offered<S>> {
        match std::mem::replace(&mut self.load, Load::Gone) {
            Load::Parcel(parcel) => {
                let mut outgoing = self.pack(end, parcel)?;
                end.submit(&mut outgoing).map_err(|obstacle| {
                    self.load = Load::Packed(Box::new(outgoing));
                    self.not_accepted(end, obstacle)
                })
            }
            Load::Packed(mut outgoing) => end.submit(&mut outgoing).map_err(|obstacle| {
                self.load = Load::Packed(outgoing);
                self.not_accepted(end, obstacle)
            }),
            Load::Gone => Ok(None),
        }
    }

    /// What becomes of a message that the uring did not accept.
    fn not_accepted(&mut self, end: &RemoteEnd, obstacle: Obstacle) -> Offered<S> {
        if !matches!(obstacle, Obstacle::Full) {
            return self.stopped_by(obstacle);
        }
        match end.overflow() {
            Overflow::Wait | Overflow::DropOldest => Offered::MayWait,
            Overflow::DropNewest => Offered::Dropped,
            Overflow::Fail => Offered::Fails(SendError::Full {
                message: self.take_back(),
            }),
        }
    }

    /// The receiver's policy drops what meets a full uring; here, as nothing of it can reach the receiver.
    pub(super) fn drop_newest(&mut self) -> Sent<S> {
        if let Some(shared) = self.shared() {
            shared.count_undone(&Undone::Dropped);
        }
        let parcel = self.unload();
        match (&self.wanted, self.way) {
            (Wanted::Nothing, Way::Remote(end)) => {
                end.returns.push(Undelivered {
                    message: Some(parcel),
                    taken: false,
                    why: Undone::Dropped,
                });
                Sent::Away(None)
            }
            _ => Sent::Dropped(S::from_parcel(parcel)),
        }
    }

    /// What stands in the way of the message.
    fn stopped_by(&mut self, obstacle: Obstacle) -> Offered<S> {
        match obstacle {
            Obstacle::Refused(refusal) => Offered::Fails(SendError::Refused {
                message: self.take_back(),
                refusal,
            }),
            Obstacle::Ended(reason) => Offered::Fails(SendError::Ended {
                message: self.take_back(),
                reason,
            }),
            // Nobody is left who could open it, or take completions.
            _ if self.shared().is_none() => Offered::Fails(SendError::Ended {
                message: self.take_back(),
                reason: ExitReason::Shutdown,
            }),
            _ => Offered::MayWait,
        }
    }

    fn pack(
        &mut self,
        end: &RemoteEnd,
        parcel: Parcel<S::Message>,
    ) -> Result<Outgoing, Offered<S>> {
        let kind = if matches!(self.wanted, Wanted::Nothing) {
            OpKind::Tell
        } else {
            OpKind::Ask
        };
        // A tell's deadline is that of its wait for room: what was sent in time is handled.
        let deadline = match kind {
            OpKind::Tell => Nanos::NONE,
            OpKind::Ask => self.deadline,
        };
        let make_room = || {
            if let Some(shared) = end.shared() {
                shared.sweep_replies();
            }
        };
        let packed = match &self.wanted {
            Wanted::Again(about) => {
                completion::pack_again(parcel, (**about).into(), deadline, end, make_room)
            }
            _ => completion::pack(parcel, kind, deadline, end, make_room),
        };
        let error = match packed {
            Ok(outgoing) => return Ok(outgoing),
            Err(error) => error,
        };
        self.not_packed(end, error)
    }

    /// What stands in the way of a message that could not be encoded.
    #[cold]
    fn not_packed(
        &mut self,
        end: &RemoteEnd,
        error: TokenizeError<S::Message>,
    ) -> Result<Outgoing, Offered<S>> {
        let may_wait = completion::is_full(&error) && self.waits_for_blocks();
        let (parcel, cause) = error.into_parts();
        self.load = Load::Parcel(parcel);
        // A receiver that is not there any more says more than a full heap.
        if let Some(Err(obstacle)) = end.open_result() {
            return Err(self.stopped_by(obstacle));
        }
        if may_wait {
            return Err(Offered::MayWait);
        }
        let message = self.take_back();
        Err(Offered::Fails(SendError::Unpacked { message, cause }))
    }

    /// Whether blocks of this node are on their way back, and this may wait for them.
    fn waits_for_blocks(&mut self) -> bool {
        let is_patient = self.patience == Patience::Waits;
        let has_deadline = self.deadline != Nanos::NONE;
        is_patient
            && self
                .shared()
                .is_some_and(|shared| shared.has_lent() || (has_deadline && shared.has_retiring()))
    }
}
