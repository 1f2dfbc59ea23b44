//! A lease of an archived value: rkyv's form, read where it lies.
//!
//! The invariants are those of [`Lease`](super::Lease): validated once, when the lease is made (**verified**), at an address
//! that does not change (**in-place**), and written by nobody meanwhile (**lent-frozen**).
#![allow(unsafe_code, reason = "a view into lent memory")]

use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;

use rkyv::rancor::Error;

use super::{Held, Payload, Settled};
use crate::entry::Verified;
use crate::loan::Lines;
use crate::message::{Archivable, Delivery, LINE, Message, Parcel, archive};
use crate::token::DetokenizeError;

/// A message with `codec = "rkyv"` read in place: `Deref` to its archived form.
pub struct ArchivedLease<M: Message + Archivable> {
    /// Points into the bytes of `payload`.
    view: NonNull<M::Archived>,
    payload: Settled,
}

impl<M: Message<Value = M> + Archivable> ArchivedLease<M> {
    fn new(payload: Payload) -> Result<Self, DetokenizeError> {
        let payload = payload.in_place(LINE);
        let view = rkyv::access::<M::Archived, Error>(payload.bytes())
            .map(NonNull::from_ref)
            .map_err(DetokenizeError::decode::<M>)?;
        Ok(Self { view, payload })
    }

    /// The value itself.
    ///
    /// # Errors
    ///
    /// The archive's own types refuse to become values.
    pub fn to_value(&self) -> Result<M, DetokenizeError> {
        rkyv::deserialize::<M, Error>(&**self).map_err(DetokenizeError::decode::<M>)
    }
}

impl<M: Message<Value = M> + Archivable> Delivery for ArchivedLease<M> {
    type Message = M;
    type Arrival = Self;

    fn arrive(parcel: Parcel<M>) -> Result<Self, DetokenizeError> {
        let Parcel::Value(value) = parcel else {
            unreachable!("loans are made of messages that are read in place")
        };
        let bytes = archive(&value).map_err(DetokenizeError::encode::<M>)?;
        Self::new(Payload::whole(Held::Private(Lines::of_bytes(&bytes))))
    }

    fn receive(verified: Verified) -> Result<Self, DetokenizeError> {
        Self::new(verified.expect::<M>()?.into_payload())
    }
}

impl<M: Message + Archivable> Deref for ArchivedLease<M> {
    type Target = M::Archived;

    fn deref(&self) -> &M::Archived {
        // SAFETY: verified: `new` validated the view in bytes of our payload. in-place: they are where they were, and
        // mapped while the payload lives. lent-frozen: nobody writes them until our drop.
        unsafe { self.view.as_ref() }
    }
}

// SAFETY: a lease is the payload, which is Send by itself, and shared access to a view, which is Sync by `ArchivedForm`.
unsafe impl<M: Message + Archivable> Send for ArchivedLease<M> {}

// SAFETY: shared access gives out `&M::Archived`, which is Sync by `ArchivedForm`.
unsafe impl<M: Message + Archivable> Sync for ArchivedLease<M> {}

impl<M: Message + Archivable> fmt::Debug for ArchivedLease<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ArchivedLease({} bytes of {})",
            self.payload.len(),
            M::NAME
        )
    }
}

#[cfg(test)]
mod tests {
    // Goal: an archived message is read in place, here and from a peer's block; what is no archive is refused.
    use ringway_shm::heap::{Heap, HeapConfig};

    use super::*;
    use crate::message::{Rkyv, Semantics};
    use crate::prelude::*;
    use crate::token::Room;

    #[derive(Message, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Debug, PartialEq)]
    #[message(serial, codec = "rkyv")]
    struct Book {
        title: String,
        pages: Vec<u32>,
    }

    fn book() -> Book {
        Book {
            title: "a title of more than eight bytes".into(),
            pages: vec![3, 4, 5],
        }
    }

    #[test]
    fn values_and_archives_arrive() {
        let heap = Heap::new(HeapConfig::default());
        let pack = || Rkyv::pack(Parcel::from_value(book()), &heap, Room::TELL).unwrap();
        assert_eq!(
            <Book as Delivery>::receive(pack().into_verified()).unwrap(),
            book()
        );
        let lease = <ArchivedLease<Book>>::receive(pack().into_verified()).unwrap();
        assert_eq!(
            (lease.title.as_str(), lease.pages[2].to_native()),
            (&*book().title, 5)
        );
        assert_eq!(lease.to_value().unwrap(), book());
        assert_eq!(heap.stats().live(), 1, "the lease reads the block itself");
        drop(lease);
        assert_eq!(heap.stats().live(), 0);
        let lease = <ArchivedLease<Book>>::arrive(Parcel::from_value(book())).unwrap();
        assert_eq!(lease.pages.len(), 3);
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let heap = Heap::new(HeapConfig::default());
        let bytes = archive(&book()).unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] = !bytes[at];
            let payload = Payload::whole(Held::Private(Lines::of_bytes(&bytes)));
            if let Ok(lease) = ArchivedLease::<Book>::new(payload) {
                // What is valid all the same can be read: no byte leads outside.
                let _ = (
                    lease.title.len(),
                    lease.pages.iter().map(|it| it.to_native()).max(),
                );
            }
        }
        let text = Serial::tokenize(&"text".to_owned(), &heap).unwrap();
        let received = crate::token::OwnedToken::from(text).into_received();
        assert!(matches!(
            Rkyv::detokenize::<Book>(&received),
            Err(DetokenizeError::Type { .. })
        ));
        let empty = Payload::whole(Held::Private(Lines::of_bytes(&[])));
        assert!(ArchivedLease::<Book>::new(empty).is_err());
    }
}
