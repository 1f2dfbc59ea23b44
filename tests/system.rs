//! What the operating system refuses, as a program sees it: descriptors, threads, directories, names. Each refusal is an error of
//! its own with both sides' values, leaves nothing behind, and ends when its cause does.
//!
//! Method: the helper `visitor` attaches as poor in descriptors or rights as it is told to be. Root may do anything, so
//! under root it becomes another user where rights matter.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

#[path = "peer/crowd.rs"]
#[allow(dead_code, reason = "the helper's half of it")]
mod crowd;
mod helper;
mod support;

mod system {
    mod descriptors;
    mod directories;
    mod names;
    mod places;
    mod threads;
    mod visitor;
}
