//! What an actor does about messages that nobody else will hear of: they are dead letters of its node.

use ringway_shm::card::Counter;

use super::incoming::Refused;
use super::{Actor, Context};
use crate::dead::{DeadLetter, DeadReason, Types, Whom};
use crate::message::Message;

impl<A: Actor> Context<A> {
    fn whom(&self) -> Whom {
        Whom {
            types: Types::Accepted(A::ACCEPTED),
            ..self.cell().whom()
        }
    }

    /// The message in hand is a dead letter.
    #[cold]
    pub(super) fn dead_letter<M: Message + ?Sized>(&self, reason: DeadReason, begun: Begun) {
        let letter = DeadLetter::of::<M>(&self.whom(), reason);
        self.publish(match begun {
            Begun::Yes => letter.taken(),
            Begun::No => letter,
        });
    }

    fn publish(&self, letter: DeadLetter) {
        let shared = self.cell().shared();
        let sender = self.sender().unwrap_or_else(|| shared.core().id());
        shared.dead.publish(letter.sent_by(sender));
    }

    /// The entry in hand could not be read, which its sender may not hear.
    #[cold]
    pub(super) fn refused(&self, refused: Refused) {
        self.cell().shared().count(Counter::Refused, 1);
        self.cell().shared().count(Counter::EntriesRefused, 1);
        if !refused.is_told {
            let letter = self
                .whom()
                .letter(refused.type_id, DeadReason::Refused(refused.why));
            self.publish(letter);
        }
    }
}

/// Whether the handler of a dead letter had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    Yes,
    No,
}
