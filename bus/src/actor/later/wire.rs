//! `ReplyTo`s as fields of messages: written as a number and the address of the relay of the node that owes the answer.

use std::sync::Arc;

use ringway_shm::sync::Ordering::Relaxed;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::relay::{Claim, Relay, Relayed};
use super::{Here, Place, ReplyTo, Undone};
use crate::addr::{self, Addr};
use crate::message::{Answer, Parcel, Schema, Semantics as _, Shape};
use crate::node::lookup::Deadline;
use crate::shared::Shared;
use crate::token::Room;
use crate::urings::wire::{OwedWord, UringWord};

/// An answer that another process owes.
pub(super) struct Abroad {
    shared: Arc<Shared>,
    relay: Addr<Relay>,
    number: u64,
    hops: u32,
}

impl Abroad {
    /// Has the process that owes the answer pass this on.
    pub(super) fn settle<R: Answer>(self, answer: Result<R, Undone>) {
        match answer {
            Ok(reply) => {
                let heap = self.shared.core().heap();
                match R::Semantics::pack(Parcel::Value(reply), heap, Room::REPLY) {
                    Ok(tokenized) => self.pass_on(tokenized.bytes().to_vec()),
                    Err(error) => {
                        let text = format!("its reply cannot be sent: {}", error.cause());
                        self.say(OwedWord::Failed(text));
                    }
                }
            }
            Err(Undone::Failed(error)) => self.say(OwedWord::Failed(error.text().to_owned())),
            Err(_) => self.say(OwedWord::Unanswered),
        }
    }

    /// Sends the bytes of a reply at once if that is possible; otherwise a task of this node does. There is one for each answer
    /// at most, and as many answers as asks.
    fn pass_on(self, bytes: Vec<u8>) {
        let Self {
            shared,
            relay,
            number,
            ..
        } = self;
        if let Err(error) = relay.try_tell(Relayed { number, bytes }) {
            let relayed = error.into_inner();
            let tell = async move {
                // Who owes the answer has ended: so has the ask.
                let _ = relay.tell(relayed).await;
            };
            shared.queue.task(tell).schedule();
        }
    }

    /// Says a word on the socket: it arrives even if this process dies at once.
    fn say(&self, word: OwedWord) {
        let (home, number) = (self.relay.id().node(), self.number);
        let word = UringWord::Owed { number, word };
        if let Some(peer) = self.shared.peer(home) {
            return peer.say(&word);
        }
        // The message came before its node was met.
        let shared = Arc::clone(&self.shared);
        let say = async move {
            let look = || {
                let peer = shared.peer(home);
                peer.iter().for_each(|peer| peer.say(&word));
                (peer.is_some() || !shared.core().may_come(home)).then_some(())
            };
            Deadline::never(&shared).until(&shared.changes, look).await;
        };
        self.shared.queue.task(say).schedule();
    }
}

/// What stands for one.
#[derive(Serialize, Deserialize)]
struct Written {
    relay: Addr<Relay>,
    number: u64,
    /// Messages that it has come by: of two processes that say that they have it, the later one has.
    hops: u32,
}

impl<R: Answer> Schema for ReplyTo<R> {
    const SHAPE: Shape = Shape::generic(
        "ReplyTo",
        size_of::<Self>(),
        const { &[&Shape::leaf(R::NAME, 0)] },
    );
}

impl<R: Answer> Serialize for ReplyTo<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match &self.place {
            Place::Here(here) => {
                let relays = &here.shared.relays;
                let relay = relays.addr(&here.shared).map_err(S::Error::custom)?;
                let mut number = self.number.load(Relaxed); // Relaxed: as in `ReplyTo::drop`
                if number == 0 {
                    number = relays.keep(Arc::new(here.claim.clone()), &here.shared.clock);
                }
                Written {
                    relay,
                    number,
                    hops: here.hops,
                }
            }
            Place::Abroad(abroad) => Written {
                relay: abroad.relay.clone(),
                number: abroad.number,
                hops: abroad.hops,
            },
            Place::Over => return Err(S::Error::custom("a reply that was given")),
        };
        self.number.store(written.number, Relaxed); // Relaxed: as above
        written.serialize(serializer)
    }
}

impl<'de, R: Answer> Deserialize<'de> for ReplyTo<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written {
            relay,
            number,
            hops,
        } = Written::deserialize(deserializer)?;
        let hops = hops.saturating_add(1);
        // There is one: the address was read in its name.
        let shared = addr::wire::node()
            .ok_or_else(|| serde::de::Error::custom("a reply can be read only in a message"))?;
        if relay.id().node() != shared.core().id() {
            let abroad = Abroad {
                shared,
                relay,
                number,
                hops,
            };
            // So that the process that owes the answer hears of this one's death.
            abroad.say(OwedWord::Held { hops });
            return Ok(Self::new(Place::Abroad(abroad)));
        }
        let claim = shared.relays.claim(number, hops);
        let claim = claim.and_then(|claim| claim.into_any().downcast::<Claim<R>>().ok());
        let place = claim.map_or(Place::Over, |claim| {
            let claim = Claim::clone(&claim);
            Place::Here(Here {
                claim,
                shared,
                hops,
            })
        });
        Ok(Self::new(place))
    }
}
