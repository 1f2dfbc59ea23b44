//! What two processes of one host share: sealed segments, lanes of stamped entries, urings, bells, heaps and cards.
//!
//! ```text
//!      submitting process                                  completing process
//!   ┌ its segment, written by it ───┐                   ┌ its segment, written by it ───┐
//!   │ submissions  ▓▓▓▓▓░░░         │ ── SQ entries ──> │ head of submissions           │
//!   │ head of completions           │ <── CQ entries ── │ completions  ▓▓░░░░░░         │
//!   │ blocks of its heap, lent      │                   │ blocks of its heap, lent      │
//!   └───────────────────────────────┘                   └───────────────────────────────┘
//!        mapped read-only there                              mapped read-only here
//! ```
//!
//! Each process writes only what it owns. What a peer's memory says is checked where it is read; what cannot be is a
//! [`Violation`](error::Violation), never a panic or an index. The rings need no system: without the feature `std` a kernel
//! or firmware can be the other end.
//!
//! This crate knows nothing of messages, actors or sockets' protocols: that is `ringway`'s.
//!
//! ```
//! use ringway_shm::layout::{Pow2, UringLayout};
//! use ringway_shm::region::Buffer;
//! use ringway_shm::uring::{Completer, Submitter};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Plain memory here; between processes, regions of segments.
//! let layout = UringLayout { sq: Pow2::of::<64>(), cq: Pow2::of::<16>() };
//! let submitter_part = Buffer::region(layout.submitter_len());
//! let completer_part = Buffer::region(layout.completer_len());
//! let submitter = Submitter::create(submitter_part.clone(), layout);
//! let completer = Completer::create(completer_part.clone(), layout);
//! let mut submitter = submitter.open(&completer_part.read_only())?;
//! let mut completer = completer.open(&submitter_part.read_only())?;
//!
//! submitter.submit.submit(&[1, 2, 3, 4, 5, 6, 7])?;
//! let entry = completer.take.take()?.expect("submitted above");
//! completer.post.complete(&entry)?;
//! assert_eq!(submitter.reap.reap()?, Some([1, 2, 3, 4, 5, 6, 7]));
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(all(feature = "std", not(target_os = "linux")))]
compile_error!("ringway runs on Linux only");
#[cfg(not(all(target_pointer_width = "64", target_has_atomic = "64")))]
compile_error!("ringway runs on 64-bit targets only");

#[cfg(feature = "std")]
pub mod brief;
pub mod broadcast;
pub mod doorbell;
pub mod error;
pub mod generation;
#[cfg(feature = "std")]
pub mod handoff;
pub mod lane;
pub mod layout;
#[cfg_attr(not(loom), doc(hidden))]
pub mod mutant;
#[cfg(feature = "std")]
pub mod once;
#[cfg(feature = "std")]
pub mod oneshot;
pub mod ready;
pub mod region;
#[cfg(feature = "std")]
pub mod registry;
pub mod step;
pub mod sync;
pub mod uring;
pub mod words;

// What needs the system: `#[cfg(all(feature = "std", not(loom)))]`, as the model checker runs the modules above alone.
#[cfg(all(feature = "std", not(loom)))]
pub mod block;
#[cfg(all(feature = "std", not(loom)))]
pub mod card;
#[cfg(all(feature = "std", not(loom)))]
pub mod heap;
#[cfg(all(feature = "std", not(loom)))]
pub mod segment;
#[cfg(all(feature = "std", not(loom)))]
pub mod sys;
