//! What a child writes to its standard streams, read by its parent without waiting; and the parent's own stream, written
//! without waiting.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_setfl, fstat, openat};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PIPE_BUF, PipeFlags, pipe_with};
use rustix::time::Timespec;

use super::fork::PrivateFd;
use super::{Named, SysError, uninterrupted};

/// The end of a pipe that is read, without waiting.
#[derive(Debug)]
pub struct ReadEnd {
    fd: PrivateFd,
}

/// What a look into a pipe brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes, at the start of the buffer.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// Nothing, and there will be nothing: nobody has the other end any more.
    Closed,
}

/// Makes a pipe: the end that is read here, and the other one, which waits while the pipe is full, for a child.
///
/// # Errors
///
/// `pipe2`: too many descriptors.
pub fn create() -> Result<(ReadEnd, OwnedFd), SysError> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).named("pipe2")?;
    fcntl_setfl(&ours, OFlags::NONBLOCK).named("fcntl(F_SETFL)")?;
    let fd = PrivateFd::new(ours);
    Ok((ReadEnd { fd }, theirs))
}

impl ReadEnd {
    /// Takes out what is there, as much as `buffer` holds.
    ///
    /// # Errors
    ///
    /// `read`.
    pub fn read(&self, buffer: &mut [u8]) -> Result<Read, SysError> {
        match uninterrupted(|| read(&self.fd, &mut *buffer)) {
            Ok(0) => Ok(Read::Closed),
            Ok(len) => Ok(Read::Bytes(len)),
            Err(Errno::AGAIN) => Ok(Read::Nothing),
            Err(errno) => Err(SysError::new("read", errno)),
        }
    }
}

impl AsFd for ReadEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens what takes everything and keeps nothing, to be a child's stream.
///
/// # Errors
///
/// `open(/dev/null)`.
pub fn open_null() -> Result<OwnedFd, SysError> {
    let file = File::options().write(true).open("/dev/null");
    file.map(OwnedFd::from).named("open(/dev/null)")
}

/// This process's standard error, written without waiting for whoever reads it.
#[derive(Debug)]
pub struct OwnError {
    /// The same pipe or terminal, opened anew: the flag for not waiting belongs to an opening, and the one that is number 2 is
    /// also that of other processes.
    own: Option<PrivateFd>,
}

impl OwnError {
    /// Opens it.
    #[must_use]
    pub fn open() -> Self {
        let stderr = std::io::stderr();
        let may_wait = fstat(&stderr).is_ok_and(|stat| {
            let kind = FileType::from_raw_mode(stat.st_mode);
            matches!(kind, FileType::Fifo | FileType::CharacterDevice)
        });
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let anew = may_wait.then(|| openat(CWD, "/proc/self/fd/2", flags, Mode::empty()));
        let own = anew.and_then(Result::ok).map(PrivateFd::new);
        Self { own }
    }

    /// Writes what it takes at once; returns how many bytes that was.
    pub fn write(&self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            let written = match &self.own {
                Some(own) => uninterrupted(|| write(own, rest)),
                None => write_if_ready(rest),
            };
            match written {
                Ok(len @ 1..) => taken += len,
                Ok(0) | Err(_) => break,
            }
        }
        taken
    }
}

/// Writes to number 2 itself, where it cannot be opened anew: as much as is taken without waiting, unless another process
/// takes the room away at this very moment.
fn write_if_ready(bytes: &[u8]) -> Result<usize, Errno> {
    let stderr = std::io::stderr();
    let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    uninterrupted(|| poll(&mut fds, Some(&at_once)))?;
    if !fds[0].revents().contains(PollFlags::OUT) {
        return Err(Errno::AGAIN);
    }
    let bytes = &bytes[..bytes.len().min(PIPE_BUF)];
    uninterrupted(|| write(&stderr, bytes))
}
