//! A doorbell: how a sender learns that the receiver sleeps, so that it makes a system call only then.
//!
//! What rings (an eventfd, a message on the peering) is the caller's; here are the words and fences that say when.
//!
//! # Invariants
//! - **one-writer**: `asleep` is written by the sleeper alone; which epochs a sender rang is its private memory.
//! - **new-epoch**: every sleep has a number that was never used before; 0 means awake.
//! # Edges
//! **bell** is Dekker's pattern. Two locations: the queue's stamp S, written by the sender, and `asleep` A, written by
//! the sleeper. The sender stores S, fences, loads A; the sleeper stores A, fences, loads S. Both fences are SeqCst, so
//! one comes first in their total order, and the load after the second sees the store before the first: the outcome
//! 'the sender saw awake, and the sleeper saw an empty queue' is ruled out. Without either fence it happens (a store
//! waits in a buffer while the load passes it), and the receiver sleeps on a message.
//! # If a side dies
//! | after… | the other finds | repaired by |
//! |---|---|---|
//! | the stamp, before ringing | a message, no bell | the sleeper: a death notice makes it look at all urings of the dead |
//! | arming | a sleeper that never wakes | nobody: it is dead; ringing is harmless |

use crate::mutant::Mutant;
use crate::region::{DefaultKeep, Keep, OwnRecord, PeerRecord, record};
use crate::sync::{AtomicU64, Ordering::Relaxed, dekker_fence};

record! {
    /// The line on which a node says that it sleeps, or is about to.
    pub struct AsleepLine: size 64, align 64 {
        asleep: AtomicU64,
    }
}

/// The sleeper's end.
#[derive(Debug)]
pub struct Asleep<K = DefaultKeep> {
    line: OwnRecord<AsleepLine, K>,
    epoch: u64,
}

impl<K: Keep> Asleep<K> {
    /// Takes over the line; awake at first.
    #[must_use]
    pub fn new(line: OwnRecord<AsleepLine, K>) -> Self {
        // Relaxed: an epoch of a former end, if any, is only passed on.
        let epoch = line.asleep.swap(0, Relaxed);
        Self { line, epoch }
    }

    /// Says 'about to sleep' and returns the sleep's number. Whoever calls this must then look once more at everything
    /// that the bell stands for, and block only if there is nothing.
    ///
    /// Cost: a store and a full fence.
    pub fn arm(&mut self) -> u64 {
        self.epoch += 1;
        // Relaxed: the fence orders it.
        self.line.asleep.store(self.epoch, Relaxed);
        // SeqCst bell: `asleep` before the caller's look at the queues; pairs with the fence in `Bell::should_ring`.
        dekker_fence(Mutant::NoFenceAfterAsleep);
        self.epoch
    }

    /// Says 'awake'. Clear the bell first, look at the queues afterwards.
    pub fn disarm(&mut self) {
        // Relaxed: a sender that still sees the old number rings once in vain.
        self.line.asleep.store(0, Relaxed);
    }
}

/// A sender's end: remembers which sleeps it has rung into. Shared by the threads of one process.
#[derive(Debug)]
pub struct Bell<K = DefaultKeep> {
    line: PeerRecord<AsleepLine, K>,
    rang: AtomicU64, // the last epoch that this process rang
}

impl<K: Keep> Bell<K> {
    /// Looks at a peer's line.
    #[must_use]
    pub fn new(line: PeerRecord<AsleepLine, K>) -> Self {
        Self {
            line,
            rang: AtomicU64::new(0),
        }
    }

    /// Whether to ring now, for what was published before this call; the number of the sleep to end. Once per sleep and
    /// process: the thread that is told so owes the ring.
    ///
    /// Cost: a full fence, and a load of a line that changes only when the peer falls asleep or wakes.
    #[inline]
    #[must_use = "whoever is told to ring owes it"]
    pub fn should_ring(&self) -> Option<u64> {
        // SeqCst bell: what the caller published before the load of `asleep`; pairs with the fence in `Asleep::arm`.
        dekker_fence(Mutant::NoFenceBeforeBell);
        // Relaxed: the fence orders it.
        let epoch = self.line.get().load(|line| &line.asleep);
        if epoch == 0 {
            None
        } else {
            self.claim_slow(epoch)
        }
    }

    #[cold]
    fn claim_slow(&self, epoch: u64) -> Option<u64> {
        // Relaxed: only this process's threads agree on who rings; the system call that follows publishes the rest. The
        // maximum, so that a thread that was late with an old number does not make this one ring again.
        (self.rang.fetch_max(epoch, Relaxed) < epoch).then_some(epoch)
    }
}
