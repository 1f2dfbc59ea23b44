//! Replies that come later and from elsewhere: deferred, forwarded, given up.
//!
//! Method: a desk takes questions, on the asker's node and on another; what it does with each the question says. Deaths of
//! processes are played by the family: see `tests/process.rs`.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "later/cancelled.rs"]
mod cancelled;
#[path = "later/crowd.rs"]
mod crowd;
#[path = "later/deferred.rs"]
mod deferred;
#[path = "later/desk.rs"]
mod desk;
#[path = "later/forwarded.rs"]
mod forwarded;
mod support;
