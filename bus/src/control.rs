//! The control thread: it does all of a node's sockets, and nothing of its messages.
//!
//! One thread, named `ringway-control`, waits for the listener, the sockets of strangers and peers, the pidfds of peers
//! and a bell of its own. It accepts and connects, shakes hands, exchanges segments, watches lives, and tells the layer
//! above. It is not on the way of any message; when it is late, only meetings and partings are.
//!
//! It never waits for a peer: every call on a socket returns at once, every queue towards a peer is bounded, and so is
//! what it reads of one socket before it looks at the next. What a peer sends is checked and blamed, never trusted.

mod announce;
mod calls;
mod core;
mod life;
mod meetings;
mod naming;
mod run;
mod timers;
mod traffic;
mod trim;

use std::sync::{Mutex, PoisonError};

use ringway_shm::generation::Key;
use ringway_shm::sys::SysError;
use ringway_shm::sys::eventfd::Eventfd;

pub(crate) use self::core::{Core, ROLE_VARIABLE};
pub(crate) use self::naming::Found;
pub(crate) use crate::peering::Upper;

use crate::peering::{Closure, NodeId};

/// What other threads ask of the control thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// End the traffic with a peer.
    Cut(NodeId, Closure),
    /// Meet a node that stands in the directory and has not come by itself yet, or find out that it cannot be met.
    Meet(NodeId),
    /// A segment of our heap is about to go.
    Retire(Key),
    /// There is memory that nothing is in any more.
    Trim,
    /// Say so when nothing has come for it, and how much had.
    #[cfg(feature = "test")]
    Quiet(crate::actor::reply::Answerer<u64>),
    /// Leave the bus, and end.
    Detach,
}

/// The way to the control thread: a queue and the bell that wakes it.
#[derive(Debug)]
pub(crate) struct Commands {
    queue: Mutex<Vec<Command>>,
    bell: Eventfd,
}

impl Commands {
    fn create() -> Result<Self, SysError> {
        Ok(Self {
            queue: Mutex::default(),
            bell: Eventfd::create()?,
        })
    }

    /// Gives a command. Never waits.
    pub(crate) fn give(&self, command: Command) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command);
        // An eventfd of our own can only fail to be rung when it is not one.
        let _ = self.bell.ring();
    }

    /// Takes all commands: the bell first, so that a command given meanwhile rings again.
    fn take(&self) -> Vec<Command> {
        let _ = self.bell.clear();
        std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
