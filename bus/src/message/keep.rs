//! Copies of messages that may have to be sent again although their sender has not asked for that: where an actor's setting
//! has it.
//!
//! Whether a type is `Clone` is known where it is derived, and there alone: so its message says how it is copied, if it can be.

use core::marker::PhantomData;

use super::{Message, Parcel};

/// How a value of a message is copied.
pub type Keep<V> = fn(&V) -> V;

/// A type of which it is asked how it is copied: `Keeping::<T>::KEEP` is the constant of its own if `T` is [`Clone`], else the
/// one of the trait [`NotKept`], which must be in scope.
#[derive(Debug)]
pub struct Keeping<T>(PhantomData<T>);

impl<T: Clone> Keeping<T> {
    /// By its `Clone`.
    pub const KEEP: Option<Keep<T>> = Some(T::clone);
}

/// What is not known to be [`Clone`].
pub trait NotKept {
    /// What would be copied.
    type Kept;
    /// Not at all.
    const KEEP: Option<Keep<Self::Kept>> = None;
}

impl<T> NotKept for Keeping<T> {
    type Kept = T;
}

impl<M: Message + ?Sized> Parcel<M> {
    /// The same message once more, if it can be copied; of a loan, in private memory.
    pub(crate) fn keep(&self) -> Option<Self> {
        match self {
            Self::Value(value) => M::KEEP.map(|keep| Self::Value(keep(value))),
            Self::Loan(loan) => Some(Self::Loan(loan.keep())),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::message::{Message, Parcel};
    use crate::prelude::{Deserialize, Message as DeriveMessage, Serialize};

    #[derive(Clone, Serialize, Deserialize, DeriveMessage)]
    #[message(serial)]
    struct Text(String);

    #[derive(Serialize, Deserialize, DeriveMessage)]
    #[message(serial)]
    struct Secret(String);

    // Goal: what is `Clone` is copied, what is plain too, and what is neither is not.
    #[test]
    fn what_is_clone_is_kept() {
        let text = Parcel::from_value(Text("one".to_owned()));
        let kept = text.keep().unwrap().into_value().unwrap();
        assert_eq!(kept.0, "one");
        assert!(
            Parcel::from_value(Secret("two".to_owned()))
                .keep()
                .is_none()
        );
        assert_eq!(
            Parcel::from_value(7_u64)
                .keep()
                .unwrap()
                .into_value()
                .unwrap(),
            7
        );
        assert!(String::KEEP.is_some() && <[u8; 4]>::KEEP.is_some());
    }
}
