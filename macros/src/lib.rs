//! Derive macros of Ringway.
