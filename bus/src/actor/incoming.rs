//! An entry that was taken from a uring and is about to be opened as one of its actor's messages.

use std::sync::Arc;

use super::Undone;
use super::letter::Letter;
use crate::addr;
use crate::entry::{EntryToken, Expected, Found, Verified, VerifyError};
use crate::envelope::Received;
use crate::inbox::reply::RemotePort;
use crate::inbox::{InboxLane, Taken};
use crate::message::{Delivery, TypeId};
use crate::send::redeliver::About;
use crate::token::{Long, Signature};

/// An entry of another process, before it is known to be a message.
///
/// It holds nothing but what is wrong with it: what belongs to the entry lies where it is needed later, and is not moved.
pub struct Incoming<'a> {
    lane: &'a Arc<InboxLane>,
    token: &'a EntryToken,
    /// What of its payload was in the slots behind it.
    long: &'a mut Option<Long>,
    /// Its way back, if it needs one.
    port: &'a mut Option<RemotePort>,
    /// What its sender says of a message that it may send more than once.
    about: Option<About>,
    problem: Option<String>,
}

/// An entry that its actor does not understand.
pub(super) struct Refused {
    pub(super) type_id: Option<TypeId>,
    pub(super) why: String,
    /// Its sender hears of it.
    pub(super) is_told: bool,
}

impl<'a> Incoming<'a> {
    /// The entry that was taken; its way back comes to `port`.
    #[inline]
    pub(super) fn new(
        lane: &'a Arc<InboxLane>,
        taken: &'a mut Taken,
        port: &'a mut Option<RemotePort>,
    ) -> Self {
        RemotePort::begin(port, lane, taken);
        Self {
            lane,
            port,
            long: &mut taken.long,
            token: &taken.token,
            about: None,
            problem: None,
        }
    }

    /// The type that the entry claims to carry; `None` for a number that is no type.
    #[inline]
    pub fn type_id(&self) -> Option<TypeId> {
        self.token.type_id()
    }

    /// Opens the entry as a message of this delivery; `None` when it is no such message, and is to be refused.
    #[inline]
    pub fn open<D: Delivery + ?Sized>(&mut self) -> Option<Letter<D>> {
        self.arrive::<D>().map(Letter::received)
    }

    /// The same, as its handler gets it.
    #[inline]
    pub(super) fn arrive<D: Delivery + ?Sized>(&mut self) -> Option<D::Arrival> {
        let signature = const { Signature::of::<D::Message>() };
        if let Some((_, inline)) = self.token.verify_inline(Expected::OneOf(&[signature]))
            && let Some(arrival) = D::of_inline(&inline)
        {
            return Some(arrival);
        }
        // Each way has its own `receive`: what is verified in the simplest form is read from registers.
        let opened = match self.token.verify_simple(Expected::Any) {
            Some(verified) => self.receive::<D>(verified),
            None => match self.find() {
                Some(found) => self.receive_found::<D>(found),
                None => self.verify_slow().and_then(|it| self.receive::<D>(it)),
            },
        };
        match opened {
            Ok(arrival) => Some(arrival),
            Err(problem) => {
                self.problem = Some(problem);
                None
            }
        }
    }

    /// What its sender says of it, if it was opened and may come more than once.
    #[inline]
    pub(super) fn about(&self) -> Option<About> {
        self.about
    }

    #[inline]
    fn receive<D: Delivery + ?Sized>(&self, verified: Verified) -> Result<D::Arrival, String> {
        let receive = || D::receive(verified).map_err(|error| error.to_string());
        addr::wire::decode::<D::Message, _>(|| self.lane.shared(), receive)
    }

    #[inline]
    fn receive_found<D: Delivery + ?Sized>(&self, found: Found) -> Result<D::Arrival, String> {
        let receive = || D::receive_found(found).map_err(|error| error.to_string());
        addr::wire::decode::<D::Message, _>(|| self.lane.shared(), receive)
    }

    #[inline]
    fn find(&mut self) -> Option<Found> {
        let Self {
            lane, token, long, ..
        } = self;
        let lend = || self.port.as_ref().and_then(RemotePort::lend);
        token.find(Expected::Any, long, &lane.peer.segments(), lend)
    }

    #[cold]
    fn bad_entry(&self, error: &VerifyError) -> String {
        self.lane.peer.bad_entry(error);
        error.to_string()
    }

    /// What is not simple, and what is wrong with an entry.
    #[inline(never)]
    fn verify_slow(&mut self) -> Result<Verified, String> {
        let verified = match self.long.take() {
            Some(long) => self.token.verify_long(Expected::Any, long),
            None => {
                let owner = self.port.as_ref().and_then(RemotePort::lend);
                let segments = self.lane.peer.segments();
                self.token.verify_lent(Expected::Any, &segments, owner)
            }
        };
        if let Ok(verified) = &verified
            && let Received::Redelivered(said) = verified.envelope()
        {
            self.about = About::of(said);
        }
        verified.map_err(|error| self.bad_entry(&error))
    }

    /// Completes an entry that this actor does not understand.
    pub(super) fn refuse(self) -> Refused {
        let is_told = self.port.is_some() && !self.lane.peer.is_dead();
        let type_id = self.token.type_id();
        let why = match (self.problem, self.token.type_id()) {
            (Some(problem), _) => problem,
            (None, Some(id)) => format!("no message with type id {id} is handled here"),
            (None, None) => "an entry without type".to_owned(),
        };
        if let Some(port) = self.port.take() {
            port.undone(&Undone::Refused(why.clone()));
        }
        Refused {
            type_id,
            why,
            is_told,
        }
    }
}

impl std::fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("type", &self.type_id())
            .finish_non_exhaustive()
    }
}
