//! The protocols between processes as explicit-state models: every state is visited, with a kill possible at every step, and
//! known-wrong variants must be found out.
//!
//! What each step does is one store to memory that another process sees, or one look at it. Orders of memory within a step
//! are loom's subject (`shm/tests/loom.rs`), sleep and wake that of `shm/tests/ready_notes.rs`; here it is what a death leaves
//! behind. A forward is a new message (`send/forward.rs`), and so two of the first model.

#[path = "models/claim.rs"]
mod claim;
#[path = "models/explore.rs"]
mod explore;
#[path = "models/lend.rs"]
mod lend;
#[path = "models/reply.rs"]
mod reply;
