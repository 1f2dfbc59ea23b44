//! Deaths of real processes: what was sent arrives or comes back, exactly once, and nothing of the dead remains.
#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking what went wrong"
)]

mod helper;
#[path = "peer/messages.rs"]
#[allow(dead_code, reason = "the helper's half of it")]
mod messages;
mod support;

mod deaths {
    mod all;
    mod closed;
    mod leaving;
    mod receiver;
    mod replies;
    mod sender;
    mod stopped;
    mod survivor;
}
