//! What is kept of a message that came back, and of one whose handler began until its actor has ended.

use std::collections::VecDeque;

use ringway_shm::block::Block;
use ringway_shm::words::EntryWords;

use crate::actor::Undone;
use crate::dead::DeadLetter;
use crate::entry::Beside;
use crate::exit::ExitReason;
use crate::message::{HandlerError, TypeId};
use crate::remote::undelivered::shelf::{Item, Raw, Shelf};

/// Messages kept for readers of one address's stream, and as many again whose handlers began until their actor ends; the
/// oldest beyond it are dead letters.
pub(super) const RETURNS_MAX: usize = 4096;

/// Something was queued for the readers, who are still to be told; with it goes what gave way to it.
#[must_use = "readers are woken, and what gave way is dropped, outside of the lock"]
pub(in crate::remote) struct Queued {
    /// Nobody listened for it.
    pub(super) letter: Option<DeadLetter>,
    pub(super) gave_way: Option<Kept>,
    pub(super) begun: Option<Begun>,
}

/// A message that came back.
pub(super) struct Kept {
    pub(super) type_id: Option<TypeId>,
    pub(super) place: Place,
    /// It was shown as a dead letter.
    pub(super) is_shown: bool,
}

impl Kept {
    pub(super) fn new(item: Item) -> Self {
        Self {
            type_id: item.message_type(),
            place: Place::Own(item),
            is_shown: false,
        }
    }
}

pub(super) enum Place {
    Own(Item),
    Shared(Shelf),
}

impl Place {
    pub(super) fn take(self) -> Option<Item> {
        match self {
            Self::Own(item) => Some(item),
            Self::Shared(shelf) => shelf.take_item(),
        }
    }
}

/// A message whose handler began and did not come to its end: why is known when its actor has ended.
pub(super) enum Begun {
    Typed(fn(Undone) -> Item),
    /// With the message.
    Whole(Box<dyn FnOnce(Undone) -> Item + Send>),
    Raw(EntryWords, Option<Block>),
}

impl Begun {
    /// What is told of it when how its actor ends is not waited for.
    pub(super) fn unknown(self) -> Kept {
        let error = HandlerError::new("it did not come to its end");
        Kept::new(self.because(Undone::Failed(error)))
    }

    pub(super) fn because(self, why: Undone) -> Item {
        match self {
            Self::Typed(item) => item(why),
            Self::Whole(item) => item(why),
            Self::Raw(words, block) => Item::Raw(Raw {
                words,
                beside: block.map_or(Beside::Nothing, Beside::Block),
                taken: true,
                why,
            }),
        }
    }
}

/// Takes the oldest out of a full queue.
pub(super) fn make_room<T>(queue: &mut VecDeque<T>) -> Option<T> {
    (queue.len() >= RETURNS_MAX)
        .then(|| queue.pop_front())
        .flatten()
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) items: VecDeque<Kept>,
    pub(super) begun: VecDeque<Begun>,
    /// What is sent with normal priority comes back no more, and why.
    pub(super) ending: Option<ExitReason>,
    /// What is sent with high priority may come back by a way of its own.
    pub(super) has_high: bool,
    /// Nothing comes back any more.
    pub(super) ended: Option<ExitReason>,
    /// Streams by the type that they read.
    pub(super) listeners: Vec<(TypeId, usize)>,
}

impl Queue {
    pub(super) fn is_listened(&self, type_id: Option<TypeId>) -> bool {
        let mut listeners = self.listeners.iter();
        listeners.any(|(listened, _)| Some(*listened) == type_id)
    }
}
