//! Messages that were drawn from an iterator to be sent together, in the form in which their way takes them.
//!
//! Drawing runs the user's code and encodes, so it comes first; what was drawn is then offered under one lock.

use std::collections::VecDeque;

use super::sending::Load;
use super::way::Way;
use crate::actor::letter::Handed;
use crate::clock::Nanos;
use crate::completion;
use crate::message::{Message, Parcel};
use crate::priority::Priority;
use crate::remote::burst::{BURST_MAX, Burst};
use crate::remote::ops::OpKind;

/// Messages of one way, in their order, none of which was sent.
pub(super) enum Drawn<M: Message + ?Sized> {
    Local(VecDeque<Handed<M>>),
    Remote {
        burst: Burst,
        /// The last, where it could not be encoded.
        raw: Option<Parcel<M>>,
    },
}

impl<M: Message + ?Sized> Drawn<M> {
    /// None yet, with room for so many.
    pub(super) fn new(way: Way<'_, M>, expected: usize) -> Self {
        match way {
            Way::Local(_) => Self::Local(VecDeque::with_capacity(expected.min(BURST_MAX))),
            Way::Remote(_) => Self::Remote {
                burst: Burst::with_capacity(expected),
                raw: None,
            },
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Local(handed) => handed.len(),
            Self::Remote { burst, raw } => burst.len() + usize::from(raw.is_some()),
        }
    }

    /// Draws until it is time to send; `true` when there are no more.
    #[inline]
    pub(super) fn draw(
        &mut self,
        way: Way<'_, M>,
        mut parcels: impl Iterator<Item = Parcel<M>>,
    ) -> bool {
        match (self, way) {
            (Self::Remote { burst, raw }, Way::Remote(end)) => {
                while !burst.is_full() && raw.is_none() {
                    let Some(parcel) = parcels.next() else {
                        return true;
                    };
                    if let Some(entry) = completion::simple_tell(&parcel) {
                        burst.push_plain(*entry.words());
                        continue;
                    }
                    match completion::pack(parcel, OpKind::Tell, Nanos::NONE, end, || ()) {
                        Ok(outgoing) => burst.push(outgoing),
                        Err(error) => *raw = Some(error.into_parts().0),
                    }
                }
                false
            }
            (Self::Local(handed), _) => {
                let room = BURST_MAX.saturating_sub(handed.len());
                handed.extend(parcels.take(room).map(Handed::from));
                handed.len() < BURST_MAX
            }
            (Self::Remote { .. }, Way::Local(_)) => unreachable!("drawn for another way"),
        }
    }

    /// Sends from the first on; what is left met an obstacle, which is found out when it is offered alone.
    #[inline]
    pub(super) fn offer(&mut self, way: Way<'_, M>, priority: Priority) {
        match (self, way) {
            (Self::Local(handed), Way::Local(route)) => {
                let _ = route.push_all(handed, priority);
            }
            (Self::Remote { burst, .. }, Way::Remote(end)) if !burst.is_empty() => {
                let _ = end.submit_burst(burst);
            }
            _ => {}
        }
    }

    /// Takes out the first, to be offered alone.
    pub(super) fn pop(&mut self) -> Option<Load<M>> {
        match self {
            Self::Local(handed) => {
                let handed = handed.pop_front()?;
                Some(Load::Parcel(handed.into()))
            }
            Self::Remote { burst, raw } => {
                let outgoing = burst.pop().map(|it| Load::Packed(Box::new(it)));
                outgoing.or_else(|| raw.take().map(Load::Parcel))
            }
        }
    }
}

impl<M: Message + ?Sized> Load<M> {
    /// The message itself; `None` when it is gone.
    pub(super) fn into_parcel(self, way: Way<'_, M>) -> Option<Parcel<M>> {
        match self {
            Self::Parcel(parcel) => Some(parcel),
            Self::Packed(outgoing) => {
                completion::take_back(|| way.shared(), outgoing.words, outgoing.into_beside())
            }
            Self::Gone => None,
        }
    }
}
