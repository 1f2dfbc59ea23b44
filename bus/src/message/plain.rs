//! Plain types: their bytes are their value, both ways, after at most a check.
//!
//! There is no unsafe code here: bytemuck's traits are the proof, and arrays build on slices of their items.

use bytemuck::{CheckedBitPattern, NoUninit, Pod, checked};

/// A type that crosses to another process as its own bytes.
///
/// Implemented for integers, floats, `bool`, `char`, `()` and arrays, and by `#[derive(Message)]` for `move` and `copy`
/// messages. No padding may leave the process and no bit pattern may arrive unchecked: [`Bits`] has the two rules.
pub trait Plain: Copy + Send + Sync + 'static {
    /// [`AnyBits`], [`CheckedBits`] or [`ArrayBits`].
    type Bits: Bits<Self>;
}

/// Reads and writes a plain type as bytes. Every function that takes bytes answers `None` for wrong length, alignment or content.
pub trait Bits<T> {
    /// The value in `bytes`.
    fn view(bytes: &[u8]) -> Option<&T>;
    /// The value in `bytes`, to be changed.
    fn view_mut(bytes: &mut [u8]) -> Option<&mut T>;
    /// As many values as there are in `bytes`; for types of size 0, `None`.
    fn items(bytes: &[u8]) -> Option<&[T]>;
    /// The same, to be changed.
    fn items_mut(bytes: &mut [u8]) -> Option<&mut [T]>;
    /// The bytes of `items`.
    fn bytes(items: &[T]) -> &[u8];
}

/// Every bit pattern is a value: bytemuck's `Pod`.
#[derive(Debug)]
pub struct AnyBits;

/// What a `move` message, a header and an item of a slice message must be. Implemented for all that is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not plain data",
    label = "not `Pod`",
    note = "`move` messages, headers and the items of slice messages are: derive `Clone, Copy, Pod, Zeroable`",
    note = "types with `bool`, `char` or enums in them travel as `copy`"
)]
pub trait PlainData: Pod + Send + Sync {}

#[diagnostic::do_not_recommend]
impl<T: Pod + Send + Sync> PlainData for T {}

impl<T: PlainData> Bits<T> for AnyBits {
    #[inline]
    fn view(bytes: &[u8]) -> Option<&T> {
        bytemuck::try_from_bytes(bytes).ok()
    }

    fn view_mut(bytes: &mut [u8]) -> Option<&mut T> {
        bytemuck::try_from_bytes_mut(bytes).ok()
    }

    fn items(bytes: &[u8]) -> Option<&[T]> {
        bytemuck::try_cast_slice(bytes).ok()
    }

    fn items_mut(bytes: &mut [u8]) -> Option<&mut [T]> {
        bytemuck::try_cast_slice_mut(bytes).ok()
    }

    #[inline]
    fn bytes(items: &[T]) -> &[u8] {
        bytemuck::cast_slice(items)
    }
}

/// Some bit patterns are values, and each is checked: `bool`, `char`, enums without fields, structs of them.
#[derive(Debug)]
pub struct CheckedBits;

/// What the value of a `copy` message must be. Implemented for all that is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not plain data with checked bit patterns",
    label = "not `NoUninit` and `CheckedBitPattern`",
    note = "`copy` messages are: derive `Clone, Copy, NoUninit, CheckedBitPattern`"
)]
pub trait CheckedData: CheckedBitPattern + NoUninit + Send + Sync {}

#[diagnostic::do_not_recommend]
impl<T: CheckedBitPattern + NoUninit + Send + Sync> CheckedData for T {}

impl<T: CheckedData> Bits<T> for CheckedBits {
    #[inline]
    fn view(bytes: &[u8]) -> Option<&T> {
        checked::try_from_bytes(bytes).ok()
    }

    fn view_mut(bytes: &mut [u8]) -> Option<&mut T> {
        checked::try_from_bytes_mut(bytes).ok()
    }

    fn items(bytes: &[u8]) -> Option<&[T]> {
        checked::try_cast_slice(bytes).ok()
    }

    fn items_mut(bytes: &mut [u8]) -> Option<&mut [T]> {
        checked::try_cast_slice_mut(bytes).ok()
    }

    #[inline]
    fn bytes(items: &[T]) -> &[u8] {
        bytemuck::cast_slice(items)
    }
}

/// An array follows the rule of its items.
#[derive(Debug)]
pub struct ArrayBits;

impl<T: Plain, const N: usize> Bits<[T; N]> for ArrayBits {
    #[inline]
    fn view(bytes: &[u8]) -> Option<&[T; N]> {
        T::Bits::items(bytes)?.try_into().ok()
    }

    fn view_mut(bytes: &mut [u8]) -> Option<&mut [T; N]> {
        T::Bits::items_mut(bytes)?.try_into().ok()
    }

    fn items(bytes: &[u8]) -> Option<&[[T; N]]> {
        const { assert!(N > 0, "arrays of empty arrays carry nothing") };
        let (arrays, rest) = T::Bits::items(bytes)?.as_chunks();
        rest.is_empty().then_some(arrays)
    }

    fn items_mut(bytes: &mut [u8]) -> Option<&mut [[T; N]]> {
        const { assert!(N > 0, "arrays of empty arrays carry nothing") };
        let (arrays, rest) = T::Bits::items_mut(bytes)?.as_chunks_mut();
        rest.is_empty().then_some(arrays)
    }

    #[inline]
    fn bytes(items: &[[T; N]]) -> &[u8] {
        T::Bits::bytes(items.as_flattened())
    }
}

impl<T: Plain, const N: usize> Plain for [T; N] {
    type Bits = ArrayBits;
}

macro_rules! plain {
    ($bits:ty: $($type:ty)*) => {
        $(impl Plain for $type { type Bits = $bits; })*
    };
}

plain!(AnyBits: () u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);
plain!(CheckedBits: bool char);

#[cfg(test)]
mod tests {
    // Goal: values survive the way through bytes; wrong bytes are refused, not read.
    use super::*;

    #[inline]
    fn bytes<T: Plain>(value: &T) -> &[u8] {
        T::Bits::bytes(core::slice::from_ref(value))
    }

    #[track_caller]
    fn returns<T: Plain + PartialEq + core::fmt::Debug>(value: T) {
        assert_eq!(<T::Bits as Bits<T>>::view(bytes(&value)), Some(&value));
    }

    #[test]
    fn values_return() {
        returns(());
        returns(u128::MAX - 1);
        returns(-1.5);
        returns('é');
        returns([true, false, true]);
        returns([[1u16, 2], [3, 4], [5, 6]]);
        returns([0u8; 0]);
    }

    #[test]
    fn wrong_bytes_are_refused() {
        assert_eq!(<CheckedBits as Bits<bool>>::view(&[2]), None);
        assert_eq!(<ArrayBits as Bits<[bool; 2]>>::view(&[1, 2]), None);
        assert_eq!(<ArrayBits as Bits<[bool; 2]>>::view(&[1, 1, 1]), None);
        assert_eq!(<ArrayBits as Bits<[[bool; 2]; 2]>>::view(&[1, 1, 1]), None);
        assert_eq!(<AnyBits as Bits<()>>::view(&[1]), None);
        let aligned = [0u64; 2];
        assert_eq!(<AnyBits as Bits<u64>>::view(&bytes(&aligned)[1..9]), None);
    }
}
