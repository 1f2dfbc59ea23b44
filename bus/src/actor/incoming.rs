//! An entry that was taken from a uring and is about to be opened as one of its actor's messages.

use super::Undone;
use super::letter::Letter;
use crate::addr;
use crate::entry::{EntryToken, Expected, Verified};
use crate::inbox::Taken;
use crate::inbox::reply::RemotePort;
use crate::message::{Delivery, TypeId};

/// An entry of another process, before it is known to be a message.
pub struct Incoming {
    token: EntryToken,
    port: RemotePort,
    problem: Option<String>,
}

impl Incoming {
    pub(super) fn new(taken: Taken) -> Self {
        let token = EntryToken::from_words(taken.words);
        Self {
            port: RemotePort::of(&token, taken),
            token,
            problem: None,
        }
    }

    /// The type that the entry claims to carry; `None` for a number that is no type.
    pub fn type_id(&self) -> Option<TypeId> {
        self.token.type_id()
    }

    /// Opens the entry as a message of this delivery; `None` when it is no such message, and is to be refused.
    #[inline]
    pub fn open<D: Delivery + ?Sized>(&mut self) -> Option<Letter<D>> {
        let opened = self.verify().and_then(|verified| {
            let receive = || D::receive(verified).map_err(|error| error.to_string());
            addr::wire::decode::<D::Message, _>(|| self.port.lane().shared(), receive)
        });
        match opened {
            Ok(arrival) => Some(Letter::received(arrival)),
            Err(problem) => {
                self.problem = Some(problem);
                None
            }
        }
    }

    /// The way back of an entry that was opened.
    pub(super) fn into_port(self) -> RemotePort {
        self.port
    }

    fn verify(&self) -> Result<Verified, String> {
        let owner = self.port.lend();
        self.token
            .verify(Expected::Any, &self.port.lane().peer.segments(), owner)
            .map_err(|error| {
                self.port.lane().peer.bad_entry(&error);
                error.to_string()
            })
    }

    /// Completes an entry that this actor does not understand.
    pub(super) fn refuse(self) {
        let why = match (self.problem, self.token.type_id()) {
            (Some(problem), _) => problem,
            (None, Some(id)) => format!("no message with type id {id} is handled here"),
            (None, None) => "an entry without type".to_owned(),
        };
        self.port.undone(&Undone::Refused(why));
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("type", &self.type_id())
            .finish_non_exhaustive()
    }
}
