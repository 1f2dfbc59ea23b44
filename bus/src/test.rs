//! What tests of programs with actors need, behind the feature `test`: time that the test sets, nodes on a bus of their
//! own, actors that answer by a script, waiting until nothing is left to be done.
//!
//! ```toml
//! [dev-dependencies]
//! ringway = { version = "0.1", features = ["test"] }
//! ```
//!
//! ```
//! use ringway::prelude::*;
//! use ringway::test::{TestBus, TestClock};
//!
//! #[derive(Message, Clone, Copy, Pod, Zeroable)]
//! #[message(move)]
//! struct Remind;
//!
//! #[derive(Message, Clone, Copy, Pod, Zeroable)]
//! #[message(move, reply = u32)]
//! struct Reminded;
//!
//! #[derive(Actor, Default)]
//! #[actor(handles(Remind, Reminded))]
//! struct Clerk(u32);
//!
//! impl Handler<Remind> for Clerk {
//!     async fn handle(&mut self, remind: Remind, cx: &mut Context<Self>) {
//!         self.0 += 1;
//!         cx.after(secs(3600), remind);
//!     }
//! }
//!
//! impl Handler<Reminded> for Clerk {
//!     async fn handle(&mut self, _: Reminded, _cx: &mut Context<Self>) -> u32 {
//!         self.0
//!     }
//! }
//!
//! let (bus, clock) = (TestBus::new(), TestClock::new());
//! let node = Node::attach(bus.config("office").clock(&clock))?;
//! let clerk = node.spawn(Clerk::default())?;
//! clerk.tell(Remind).wait()?;
//! clock.advance(secs(5 * 3600)).wait(); // takes no time
//! assert_eq!(clerk.ask(Reminded).wait()?, 6);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | there is |
//! | --- | --- |
//! | stand in for an actor, see what it gets, answer as the test says | [`Probe`] |
//! | see what actors under test do, in order | [`Journal`] and its [`Pen`]s |
//! | hold a handler where the test wants it | [`Gate`], [`Probe::hold`] |
//! | have time pass | [`TestClock`] |
//! | wait until nothing is left to be done | [`Node::quiescent`](crate::Node::quiescent), [`quiescent`] |
//! | have actors and processes crash | [`panic_at`], [`kill_processes`] |
//! | have nodes that nobody else meets | [`TestBus`], [`Pair`] |
//! | end a test that hangs | [`Watchdog`] |
//!
//! None of it belongs into a program that is not a test: with the feature a node asks each time which clock it goes by.

mod bus;
pub(crate) mod clock;
mod crash;
mod gate;
mod journal;
mod probe;
pub(crate) mod quiet;
mod watchdog;

pub use self::bus::{Pair, TestBus};
pub use self::clock::{Advance, TestClock};
pub use self::crash::{kill_processes, panic_at};
pub use self::gate::{Gate, Pass};
pub use self::journal::{ExpectEntry, Journal, NextEntry, Pen};
pub use self::probe::{Expect, NextReceived, Probe, ProbeActor, Received};
pub use self::quiet::{Quiescent, quiescent};
pub use self::watchdog::Watchdog;
