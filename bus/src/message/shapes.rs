//! Shapes of the types of core and std.

use core::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32,
    NonZeroU64, NonZeroU128, Wrapping,
};
use core::ops::{Range, RangeInclusive};
use core::time::Duration;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::{CString, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use super::schema::{Schema, Shape};

macro_rules! leaf {
    ($($type:ident)*) => {
        $(impl Schema for $type {
            const SHAPE: Shape = Shape::leaf(stringify!($type), size_of::<$type>());
        })*
    };
}

leaf!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char String);
leaf!(NonZeroU8 NonZeroU16 NonZeroU32 NonZeroU64 NonZeroU128);
leaf!(NonZeroI8 NonZeroI16 NonZeroI32 NonZeroI64 NonZeroI128);
leaf!(IpAddr Ipv4Addr Ipv6Addr SocketAddr SocketAddrV4 SocketAddrV6);
leaf!(Duration SystemTime PathBuf OsString CString);

/// Types with arguments, by the name that they have on the wire.
macro_rules! generic {
    ($($type:ident<$($argument:ident),+>)*) => {
        $(impl<$($argument: Schema),+> Schema for $type<$($argument),+> {
            const SHAPE: Shape =
                Shape::generic(stringify!($type), size_of::<Self>(), &[$(&$argument::SHAPE),+]);
        })*
    };
}

generic!(Option<T> Result<T, E> Wrapping<T> Range<T> RangeInclusive<T>);

/// Collections, by the size of the items that their length counts. Items without size take no bytes: a peer could claim
/// 2^64 of them in ten, and the decoder would count.
macro_rules! collection {
    ($($type:ident<$first:ident $(, $more:ident)*> $(with $hasher:ident)?;)*) => {
        $(impl<$first: Schema $(, $more: Schema)* $(, $hasher)?> Schema
            for $type<$first $(, $more)* $(, $hasher)?>
        {
            const SHAPE: Shape = {
                assert!(size_of::<$first>() > 0, "a collection of items without size has no end");
                Shape::generic(
                    stringify!($type),
                    size_of::<Self>(),
                    &[&$first::SHAPE $(, &$more::SHAPE)*],
                )
            };
        })*
    };
}

collection! {
    Vec<T>;
    VecDeque<T>;
    BTreeSet<T>;
    BTreeMap<K, V>;
    HashSet<T> with S;
    HashMap<K, V> with S;
}

/// Pointers are encoded as what they point to.
macro_rules! pointer {
    ($($type:ident)*) => {
        $(impl<T: Schema + ?Sized> Schema for $type<T> {
            const SHAPE: Shape = T::SHAPE;
        })*
    };
}

pointer!(Box Rc Arc);

impl<T: Schema + ToOwned + ?Sized> Schema for Cow<'static, T> {
    const SHAPE: Shape = T::SHAPE;
}

impl Schema for str {
    const SHAPE: Shape = String::SHAPE;
}

impl<T: Schema> Schema for [T] {
    const SHAPE: Shape = <Vec<T>>::SHAPE;
}

impl<T: Schema, const N: usize> Schema for [T; N] {
    const SHAPE: Shape = Shape::array(&T::SHAPE, size_of::<Self>(), N);
}

impl Schema for () {
    const SHAPE: Shape = Shape::generic("", 0, &[]);
}

impl<T: ?Sized> Schema for core::marker::PhantomData<T> {
    const SHAPE: Shape = Shape::leaf("PhantomData", 0);
}

macro_rules! tuple {
    ($($argument:ident)+) => {
        impl<$($argument: Schema),+> Schema for ($($argument,)+) {
            const SHAPE: Shape = Shape::generic("", size_of::<Self>(), &[$(&$argument::SHAPE),+]);
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
tuple!(A B C D E F G);
tuple!(A B C D E F G H);
