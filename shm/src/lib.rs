//! Shared memory between the processes of one host.
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(all(feature = "std", not(target_os = "linux")))]
compile_error!("ringway runs on Linux only");
#[cfg(not(all(target_pointer_width = "64", target_has_atomic = "64")))]
compile_error!("ringway runs on 64-bit targets only");

pub mod doorbell;
pub mod error;
pub mod generation;
pub mod lane;
pub mod layout;
#[cfg_attr(not(loom), doc(hidden))]
pub mod mutant;
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
