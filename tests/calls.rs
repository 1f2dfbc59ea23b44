//! Killed, stopped or refused at every system call of an act: nobody else waits, hangs, leaks or loses anything.
#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking what went wrong"
)]

mod helper;
#[path = "peer/messages.rs"]
#[allow(dead_code, reason = "the helper's half of it")]
mod messages;
mod support;

mod calls {
    pub(crate) mod acts;
    pub(crate) mod listener;

    mod killed;
    mod refused;
    mod stopped;
}
