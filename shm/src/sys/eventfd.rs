//! The doorbell's clapper: a counter in the kernel on which a node sleeps, together with all else that it waits for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, write};

use super::fork::PrivateFd;
use super::{Named, SysError, uninterrupted};

/// An eventfd: readable from the first ring until it is cleared. Non-blocking.
#[derive(Debug)]
pub struct Eventfd {
    fd: PrivateFd,
}

impl Eventfd {
    /// Creates a bell that has not been rung.
    ///
    /// # Errors
    ///
    /// `eventfd2`: too many descriptors.
    pub fn create() -> Result<Self, SysError> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).named("eventfd2")?;
        Ok(Self::from(fd))
    }

    /// Makes it readable. Any number of rings before a clear are one. Cost: one system call.
    ///
    /// With a peer's bell that peer decides what the descriptor is: the owner of an eventfd can have it block writers.
    /// Peers that are not trusted are not rung this way.
    ///
    /// # Errors
    ///
    /// `write`, when the descriptor is not a bell.
    pub fn ring(&self) -> Result<(), SysError> {
        match uninterrupted(|| write(&self.fd, &1_u64.to_ne_bytes())) {
            // The counter is full: it is readable, which is all that a ring wants.
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(errno) => Err(SysError::new("write(eventfd)", errno)),
        }
    }

    /// Takes all rings, and returns whether there was one. Cost: one system call.
    ///
    /// # Errors
    ///
    /// `read`, when the descriptor is not a bell.
    pub fn clear(&self) -> Result<bool, SysError> {
        match uninterrupted(|| read(&self.fd, &mut [0; 8])) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(SysError::new("read(eventfd)", errno)),
        }
    }
}

impl From<OwnedFd> for Eventfd {
    /// Takes a descriptor that another process passed: ring it, and believe nothing.
    fn from(fd: OwnedFd) -> Self {
        Self {
            fd: PrivateFd::new(fd),
        }
    }
}

impl AsFd for Eventfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_until_cleared() {
        let bell = Eventfd::create().unwrap();
        assert!(!bell.clear().unwrap());

        bell.ring().unwrap();
        bell.ring().unwrap();

        assert!(bell.clear().unwrap());
        assert!(!bell.clear().unwrap());
    }

    #[test]
    fn a_full_counter_is_a_rung_bell() {
        let bell = Eventfd::create().unwrap();
        write(&bell, &(u64::MAX - 1).to_ne_bytes()).unwrap();

        bell.ring().unwrap();

        assert!(bell.clear().unwrap());
    }
}
