//! Events for those who listen: one macro per level, nothing at all without the `tracing` feature.
//!
//! The arguments are evaluated only when the feature is on and somebody listens; none of them may have an effect.

macro_rules! debug {
    ($($event:tt)*) => {{
        #[cfg(feature = "tracing")]
        ::tracing::debug!(target: "ringway", $($event)*);
        #[cfg(not(feature = "tracing"))]
        $crate::trace::unheard!($($event)*);
    }};
}

macro_rules! warning {
    ($($event:tt)*) => {{
        #[cfg(feature = "tracing")]
        ::tracing::warn!(target: "ringway", $($event)*);
        #[cfg(not(feature = "tracing"))]
        $crate::trace::unheard!($($event)*);
    }};
}

/// Names an event's fields without evaluating them, so that they are not unused where nobody can listen.
#[cfg(not(feature = "tracing"))]
macro_rules! unheard {
    ($text:literal) => {};
    ($(%)? $(?)? $field:ident, $($rest:tt)*) => {
        let _ = || { let _ = &$field; };
        $crate::trace::unheard!($($rest)*);
    };
    ($name:ident = $(%)? $(?)? $value:expr, $($rest:tt)*) => {
        let _ = || { let _ = &$value; };
        $crate::trace::unheard!($($rest)*);
    };
}

#[cfg(not(feature = "tracing"))]
pub(crate) use unheard;
pub(crate) use {debug, warning};
