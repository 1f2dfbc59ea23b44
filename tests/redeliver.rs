//! Redelivery: what a receiver that died had not handled to its end goes to its next life, in order, as often as was asked for.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod helper;
mod support;
#[path = "peer/worker.rs"]
#[allow(dead_code, reason = "the helper's half of it")]
mod worker;

mod redeliver {
    mod aside;
    mod crashes;
    mod lives;
    pub(super) mod scene;
    mod settings;
}
