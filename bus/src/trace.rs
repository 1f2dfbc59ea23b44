//! Events for those who listen: one macro per level, nothing at all without the `tracing` feature.
//!
//! The arguments are evaluated only when the feature is on; none of them may have an effect.

macro_rules! debug {
    ($($event:tt)*) => {{
        #[cfg(feature = "tracing")]
        ::tracing::debug!(target: "ringway", $($event)*);
    }};
}

macro_rules! warning {
    ($($event:tt)*) => {{
        #[cfg(feature = "tracing")]
        ::tracing::warn!(target: "ringway", $($event)*);
    }};
}

pub(crate) use {debug, warning};
