//! Supervision: children that are started in order, started again when they fail, and given up when they fail too often.
//!
//! ```text
//! Tree (any thread)                 overseer (one task)                      children
//!   |                                  | plan: what next?                       |
//!   |-- start_child, stop_child ------>|   start --> kind: begin, ready ------->| an actor, a process, a supervisor
//!   |<- board: who runs, addresses ----|   stop  --> life: stop, later kill --->|
//!   |                                  |<-- life: ended, which is proved -------|
//! ```
//!
//! [`plan`] decides, and does nothing else: the time, chance and every event are handed in, what is to be done comes out. The
//! overseer carries it out, one start or stop at a time. A child is known to it as a [`kind`] that begins lives.
//!
//! # If a side dies
//! | who | what happens |
//! |---|---|
//! | a child | the plan decides; its next life begins when this one is proved dead: its task dropped, its process reaped |
//! | a supervisor, by `kill` or with its parent's failure | its children are killed, and it ends when they have |
//! | this process | child processes die with it, as all do; the rest is its memory |

mod backoff;
mod board;
mod child;
mod copies;
mod error;
mod find;
mod intensity;
mod kind;
mod overseer;
mod plan;
mod request;
mod rules;
mod sight;
mod supervisor;
mod tops;
mod tree;

pub use self::board::{ChildCounts, ChildInfo, ChildState, ChildType};
pub use self::child::{Child, ChildKind, OfActor, OfProcess, OfSupervisor};
pub use self::error::SuperviseError;
pub use self::find::FindChild;
pub use self::request::Change;
pub use self::rules::{Restart, Strategy};
pub use self::supervisor::{StartSupervisor, Supervisor};
pub(crate) use self::tops::Tops;
pub use self::tree::Tree;
