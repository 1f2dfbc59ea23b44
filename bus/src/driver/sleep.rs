//! How the driver sleeps: on one epoll descriptor that holds its peers' bells and its own.
//!
//! The peers' sides of the bells ring only while `asleep` on this node's card says so, once for each time that it is
//! armed. The epoll descriptor itself can be watched by a foreign event loop.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use ringway_shm::card::Counter;
use ringway_shm::doorbell::Asleep;
use ringway_shm::sys::SysError;
use ringway_shm::sys::epoll::{Epoll, Event, Interest};

use crate::clock::Nanos;
use crate::shared::Shared;
use crate::trace::{debug, warning};
use crate::urings::PeerUrings;

/// The token of the run queue's own bell; a peer's is its slot.
const OWN_BELL: u64 = u64::MAX;

/// What the driver sleeps on.
pub(crate) struct Sleeper {
    shared: Arc<Shared>,
    /// The word on the card that has peers ring.
    asleep: Asleep,
    epoll: Epoll,
    peers: Vec<Arc<PeerUrings>>,
    events: Vec<Event>,
}

impl Sleeper {
    pub(super) fn create(shared: &Arc<Shared>) -> Result<Self, SysError> {
        let epoll = Epoll::create()?;
        epoll.add(shared.queue.driver_bell(), OWN_BELL, Interest::Read)?;
        Ok(Self {
            shared: Arc::clone(shared),
            asleep: shared.core().card().asleep(),
            epoll,
            peers: Vec::new(),
            events: Vec::new(),
        })
    }

    /// Adds a peer's bell.
    pub(super) fn watch(&mut self, peer: &Arc<PeerUrings>) {
        match self
            .epoll
            .add(peer.bell_fd(), peer.slot().into(), Interest::Read)
        {
            Ok(()) => self.peers.push(Arc::clone(peer)),
            Err(error) => warning!(peer = peer.name(), %error, "cannot wait for a peer's bell"),
        }
    }

    pub(super) fn forget(&mut self, peer: &Arc<PeerUrings>) {
        if let Err(error) = self.epoll.remove(peer.bell_fd()) {
            debug!(peer = peer.name(), %error, "a peer's bell was not waited for");
        }
        self.peers.retain(|other| !Arc::ptr_eq(other, peer));
    }

    /// Says on the card and in the run queue that the driver sleeps; each word is followed by a fence.
    pub(super) fn arm(&mut self) {
        self.shared.core().card().add(Counter::Sleeps, 1);
        self.asleep.arm();
        self.shared.queue.fall_asleep();
    }

    /// Blocks until a bell rings or the timer is due.
    pub(super) fn block(&mut self, until: Option<Nanos>) {
        self.listen(until.map(|due| due.since(Nanos::now())));
    }

    /// Waits for rings; with a timeout of zero, only looks.
    fn listen(&mut self, timeout: Option<Duration>) {
        if let Err(error) = self.epoll.wait(&mut self.events, timeout) {
            // Cannot happen with a set of our own; looking at everything is right whatever happened.
            warning!(%error, "waiting for bells failed");
        }
    }

    /// Says that the driver is awake, and clears the bells that rang before anything is looked at.
    pub(crate) fn wake_up(&mut self) {
        self.asleep.disarm();
        self.shared.queue.wake_up();
        for event in self.events.drain(..) {
            if let Some(peer) = self
                .peers
                .iter()
                .find(|peer| u64::from(peer.slot()) == event.token)
            {
                peer.clear_bell();
            }
        }
    }

    /// As `wake_up`, for a driver that did not block here: an executor waited for the descriptor.
    pub(crate) fn wake_up_elsewhere(&mut self) {
        self.listen(Some(Duration::ZERO));
        self.wake_up();
    }

    /// The descriptor that is readable while a bell is rung.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
