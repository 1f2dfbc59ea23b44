//! Messages that are read where they lie: `Move` and `Copy`.

use bytemuck::Pod;

use super::{Bits, Message, Never, Plain, PlainData};

/// A message whose payload is read in place: a plain value, or a slice of `Pod` items with an optional header.
pub trait InPlace: Message {
    /// What a loan or a lease dereferences to: the value itself, or `[U]`.
    type View: ?Sized + Send + Sync + 'static;
    /// What stands before the items of a slice message; else `()`.
    type Header: PlainData;
    /// How bytes become a view.
    type Access: Access<Self::View, Value = Self::Value>;
}

/// How the bytes of a payload become a view. `None` for wrong length, alignment or content.
pub trait Access<V: ?Sized> {
    /// What is sent by value: the view itself, or nothing.
    type Value;

    /// What the bytes of a view are aligned to, at least.
    const ALIGN: usize;

    /// Bytes of a payload of `items` items; `None` when there is no such number.
    fn size(items: usize) -> Option<usize>;
    /// The view of `bytes`.
    fn view(bytes: &[u8]) -> Option<&V>;
    /// The view of `bytes`, to be changed.
    fn view_mut(bytes: &mut [u8]) -> Option<&mut V>;
    /// The bytes of a view.
    fn bytes(view: &V) -> &[u8];
    /// The view of a value.
    fn of_value(value: &Self::Value) -> &V;
    /// The value that a view shows; `None` where there are no values.
    fn to_value(view: &V) -> Option<Self::Value>;
}

/// A view that any bytes make: such a message can be lent before it is filled.
pub trait Fill<V: ?Sized>: Access<V> {}

impl<T: Plain + Pod> Fill<T> for Whole {}

impl<U: PlainData> Fill<[U]> for Items {}

/// The payload is one value.
#[derive(Debug)]
pub struct Whole;

impl<T: Plain> Access<T> for Whole {
    type Value = T;
    const ALIGN: usize = align_of::<T>();

    fn size(_items: usize) -> Option<usize> {
        Some(size_of::<T>())
    }

    #[inline]
    fn view(bytes: &[u8]) -> Option<&T> {
        const {
            assert!(
                align_of::<T>() <= LINE,
                "messages are aligned to 64 bytes at most"
            )
        };
        T::Bits::view(bytes)
    }

    fn view_mut(bytes: &mut [u8]) -> Option<&mut T> {
        T::Bits::view_mut(bytes)
    }

    #[inline]
    fn bytes(view: &T) -> &[u8] {
        T::Bits::bytes(core::slice::from_ref(view))
    }

    #[inline]
    fn of_value(value: &T) -> &T {
        value
    }

    fn to_value(view: &T) -> Option<T> {
        Some(*view)
    }
}

/// The payload is as many items as fit.
#[derive(Debug)]
pub struct Items;

impl<U: PlainData> Access<[U]> for Items {
    type Value = Never;
    const ALIGN: usize = align_of::<U>();

    fn size(items: usize) -> Option<usize> {
        items.checked_mul(size_of::<U>())
    }

    #[inline]
    fn view(bytes: &[u8]) -> Option<&[U]> {
        const {
            assert!(
                align_of::<U>() <= LINE,
                "items are aligned to 64 bytes at most"
            )
        };
        const { assert!(size_of::<U>() > 0, "items without size cannot be counted") };
        bytemuck::try_cast_slice(bytes).ok()
    }

    fn view_mut(bytes: &mut [u8]) -> Option<&mut [U]> {
        bytemuck::try_cast_slice_mut(bytes).ok()
    }

    #[inline]
    fn bytes(view: &[U]) -> &[u8] {
        bytemuck::cast_slice(view)
    }

    #[inline]
    fn of_value(value: &Never) -> &[U] {
        match *value {}
    }

    fn to_value(_view: &[U]) -> Option<Never> {
        None
    }
}

/// Bytes before the items: the header on lines of its own, so that items start on a line whatever the header is.
pub(crate) const fn header_span<M: InPlace + ?Sized>() -> usize {
    size_of::<M::Header>().next_multiple_of(LINE)
}

/// What the payload of a message is aligned to, at least: its view and its header.
pub(crate) const fn align<M: InPlace + ?Sized>() -> usize {
    let (view, header) = (M::Access::ALIGN, align_of::<M::Header>());
    if view > header { view } else { header }
}

/// One cache line: what blocks and payloads are aligned to.
pub(crate) const LINE: usize = 64;
