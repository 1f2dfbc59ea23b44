//! Waiting for many descriptors at once.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::fork::PrivateFd;
use super::{Named, SysError};

/// Events taken from the kernel per call; what is left comes with the next one.
const EVENTS_MAX: usize = 64;

/// What is waited for. A hang-up and an error are always reported. Level-triggered: reported as long as it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something can be read, or accepted; a pidfd's process has ended.
    Read,
    /// As `Read`, and something can be written.
    ReadWrite,
}

impl Interest {
    const fn flags(self) -> EventFlags {
        match self {
            Self::Read => EventFlags::IN,
            Self::ReadWrite => EventFlags::IN.union(EventFlags::OUT),
        }
    }
}

/// What happened to one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number that it was added with.
    pub token: u64,
    /// Reading would not wait. Also set by a hang-up: the reading finds out.
    pub readable: bool,
    /// Writing would not wait.
    pub writable: bool,
    /// The other end is gone, or there is an error to fetch. What was queued can still be read.
    pub hung_up: bool,
}

impl From<epoll::Event> for Event {
    fn from(event: epoll::Event) -> Self {
        let (flags, data) = (event.flags, event.data);
        let hung_up = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        Self {
            token: data.u64(),
            readable: hung_up || flags.contains(EventFlags::IN),
            writable: flags.contains(EventFlags::OUT),
            hung_up,
        }
    }
}

/// A set of descriptors to wait for.
///
/// A descriptor is removed before it is closed: the kernel watches the open file, which a copy of the descriptor in
/// another process would keep in the set.
#[derive(Debug)]
pub struct Epoll {
    fd: PrivateFd,
}

impl Epoll {
    /// Creates an empty set.
    ///
    /// # Errors
    ///
    /// `epoll_create1`: too many descriptors.
    pub fn create() -> Result<Self, SysError> {
        let fd = epoll::create(CreateFlags::CLOEXEC).named("epoll_create1")?;
        Ok(Self {
            fd: PrivateFd::new(fd),
        })
    }

    /// Adds a descriptor; its events carry `token`.
    ///
    /// # Errors
    ///
    /// `epoll_ctl(EPOLL_CTL_ADD)`: it is there already, or the user watches too many.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<(), SysError> {
        epoll::add(&self.fd, fd, EventData::new_u64(token), interest.flags())
            .named("epoll_ctl(EPOLL_CTL_ADD)")
    }

    /// Changes what is waited for.
    ///
    /// # Errors
    ///
    /// `epoll_ctl(EPOLL_CTL_MOD)`: it is not in the set.
    pub fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<(), SysError> {
        epoll::modify(&self.fd, fd, EventData::new_u64(token), interest.flags())
            .named("epoll_ctl(EPOLL_CTL_MOD)")
    }

    /// Removes a descriptor.
    ///
    /// # Errors
    ///
    /// `epoll_ctl(EPOLL_CTL_DEL)`: it is not in the set.
    pub fn remove(&self, fd: impl AsFd) -> Result<(), SysError> {
        epoll::delete(&self.fd, fd).named("epoll_ctl(EPOLL_CTL_DEL)")
    }

    /// Waits until something happens or `timeout` is over, and replaces `events` by what happened. `None` waits for ever.
    ///
    /// # Errors
    ///
    /// `epoll_wait`.
    pub fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), SysError> {
        events.clear();
        // A timeout beyond the clock's range is for ever.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut room = [const { MaybeUninit::uninit() }; EVENTS_MAX];
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match epoll::wait(&self.fd, &mut room, left.as_ref()) {
                Ok((happened, _)) => {
                    events.extend(happened.iter().copied().map(Event::from));
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SysError::new("epoll_wait", errno)),
            }
        }
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::eventfd::Eventfd;
    use super::*;

    #[test]
    fn tells_which_one_is_ready() {
        let (set, quiet, rung) = (
            Epoll::create().unwrap(),
            Eventfd::create().unwrap(),
            Eventfd::create().unwrap(),
        );
        set.add(&quiet, 1, Interest::Read).unwrap();
        set.add(&rung, 2, Interest::Read).unwrap();
        rung.ring().unwrap();
        let mut events = Vec::new();

        set.wait(&mut events, None).unwrap();

        assert_eq!(
            events,
            [Event {
                token: 2,
                readable: true,
                writable: false,
                hung_up: false
            }]
        );
    }

    #[test]
    fn a_timeout_ends_the_wait_with_nothing() {
        let set = Epoll::create().unwrap();
        let mut events = vec![Event {
            token: 9,
            readable: true,
            writable: true,
            hung_up: true,
        }];

        set.wait(&mut events, Some(Duration::from_millis(1)))
            .unwrap();

        assert!(events.is_empty());
    }

    #[test]
    fn a_removed_one_is_silent() {
        let (set, bell) = (Epoll::create().unwrap(), Eventfd::create().unwrap());
        set.add(&bell, 1, Interest::ReadWrite).unwrap();
        set.modify(&bell, 1, Interest::Read).unwrap();
        bell.ring().unwrap();
        set.remove(&bell).unwrap();
        let mut events = Vec::new();

        set.wait(&mut events, Some(Duration::ZERO)).unwrap();

        assert!(events.is_empty());
    }
}
