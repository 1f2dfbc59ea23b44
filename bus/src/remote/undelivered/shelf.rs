//! A message that came back, until somebody takes it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use ringway_shm::words::EntryWords;

use super::Undelivered;
use crate::actor::Undone;
use crate::completion;
use crate::entry::{Beside, EntryToken};
use crate::message::{Message, TypeId};
use crate::queue::UndeliveredToken;
use crate::shared::{Shared, lock};
use crate::token::OwnedToken;

/// An entry of a uring that came back as it was sent.
pub(crate) struct Raw {
    pub(crate) words: EntryWords,
    pub(crate) beside: Beside,
    pub(crate) taken: bool,
    pub(crate) why: Undone,
}

/// A message of this process that came back, whatever its type.
pub(super) trait Returned: Any + Send {
    fn message_type(&self) -> TypeId;
    fn type_name(&self) -> &'static str;
    fn taken(&self) -> bool;
    fn why(&self) -> &Undone;
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl<M: Message + ?Sized> Returned for Undelivered<M> {
    fn message_type(&self) -> TypeId {
        M::TYPE_ID
    }

    fn type_name(&self) -> &'static str {
        M::NAME
    }

    fn taken(&self) -> bool {
        self.taken
    }

    fn why(&self) -> &Undone {
        &self.why
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// One message that came back.
pub(super) enum Item {
    Typed(Box<dyn Returned>),
    Raw(Raw),
    /// It was taken, and its bytes are gone.
    Gone(TypeId, Undone),
}

impl Item {
    pub(super) fn typed<M: Message + ?Sized>(returned: Undelivered<M>) -> Self {
        Self::Typed(Box::new(returned))
    }

    pub(super) fn message_type(&self) -> Option<TypeId> {
        match self {
            Self::Typed(returned) => Some(returned.message_type()),
            Self::Raw(raw) => TypeId::from_bits(raw.words[1]),
            Self::Gone(type_id, _) => Some(*type_id),
        }
    }

    /// The name of its type, where that is known without a table.
    pub(super) fn type_name(&self) -> Option<&'static str> {
        match self {
            Self::Typed(returned) => Some(returned.type_name()),
            Self::Raw(_) | Self::Gone(..) => None,
        }
    }

    pub(super) fn taken(&self) -> bool {
        match self {
            Self::Typed(returned) => returned.taken(),
            Self::Raw(raw) => raw.taken,
            Self::Gone(..) => true,
        }
    }

    pub(super) fn why(&self) -> &Undone {
        match self {
            Self::Typed(returned) => returned.why(),
            Self::Raw(raw) => &raw.why,
            Self::Gone(_, why) => why,
        }
    }

    /// What came back, if it is of type `M`.
    pub(super) fn open<M: Message + ?Sized>(self, shared: &Weak<Shared>) -> Option<Undelivered<M>> {
        match self {
            Self::Typed(returned) => {
                let returned = returned.into_any().downcast::<Undelivered<M>>();
                returned.ok().map(|returned| *returned)
            }
            Self::Raw(raw) => Some(Undelivered {
                message: completion::take_back(|| shared.upgrade(), raw.words, raw.beside),
                taken: raw.taken,
                why: raw.why,
            }),
            Self::Gone(_, why) => Some(Undelivered {
                message: None,
                taken: true,
                why,
            }),
        }
    }

    /// The same, as a token; `None` for what never was an entry.
    pub(super) fn into_token(self) -> Option<UndeliveredToken> {
        let Self::Raw(raw) = self else { return None };
        Some(UndeliveredToken {
            token: EntryToken::unseal(raw.words, raw.beside).map(OwnedToken::new),
            taken: raw.taken,
            why: raw.why,
        })
    }
}

/// Where a message lies that several may take: the first has it.
#[derive(Clone)]
pub(crate) struct Shelf {
    item: Arc<Mutex<Option<Item>>>,
    shared: Weak<Shared>,
}

impl Shelf {
    pub(super) fn new(item: Item, shared: &Weak<Shared>) -> Self {
        Self {
            item: Arc::new(Mutex::new(Some(item))),
            shared: Weak::clone(shared),
        }
    }

    /// A shelf of its own for what its sender has kept.
    pub(crate) fn of<M: Message + ?Sized>(kept: Undelivered<M>, shared: &Arc<Shared>) -> Self {
        Self::new(Item::typed(kept), &Arc::downgrade(shared))
    }

    /// Takes the message, if it is still there and of type `M`.
    pub(crate) fn take<M: Message + ?Sized>(&self) -> Option<Undelivered<M>> {
        let item = lock(&self.item).take_if(|item| item.message_type() == Some(M::TYPE_ID))?;
        item.open(&self.shared)
    }

    /// Takes it, whatever it is.
    pub(super) fn take_item(&self) -> Option<Item> {
        lock(&self.item).take()
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}
