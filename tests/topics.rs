//! Topics: publishers and subscribers of several nodes, and of processes that are killed and stopped.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod helper;
#[path = "peer/topics.rs"]
#[allow(dead_code, reason = "the helper's half of it")]
mod peer;
mod support;

#[path = "topics/actors.rs"]
mod actors;
#[path = "topics/basic.rs"]
mod basic;
#[path = "topics/batches.rs"]
mod batches;
#[path = "topics/changes.rs"]
mod changes;
#[path = "topics/events.rs"]
mod events;
#[path = "topics/full.rs"]
mod full;
#[path = "topics/killed.rs"]
mod killed;
#[path = "topics/kinds.rs"]
mod kinds;
#[path = "topics/latest.rs"]
mod latest;
#[path = "topics/meeting.rs"]
mod meeting;
#[path = "topics/multiplex.rs"]
mod multiplex;
#[path = "topics/patterns.rs"]
mod patterns;
#[path = "topics/stopped.rs"]
mod stopped;
#[path = "topics/table.rs"]
mod table;
