//! Actors through their addresses: the same outcomes in this process and over a uring of another node.
//!
//! Every scene is played twice, with its actors on the sender's node and on another.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "actors/ending.rs"]
mod ending;
#[path = "actors/giving_up.rs"]
mod giving_up;
#[path = "actors/identity.rs"]
mod identity;
#[path = "actors/sending.rs"]
mod sending;
mod support;
