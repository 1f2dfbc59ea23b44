//! What the kernel does for us: memory files, bells, sockets, locks, processes. Linux 6.1 or later.
//!
//! Every call that can fail says so in a [`SysError`] that names the call; nothing here panics, raises a signal or leaves
//! a descriptor open on exec. Interrupted calls are repeated. No protocol lives here: what is passed over a socket, and
//! what a byte of a lock file means, is decided above.

pub mod epoll;
pub mod eventfd;
pub mod fork;
pub mod group;
pub mod inherit;
pub mod launch;
pub mod limit;
pub mod lock;
pub mod membarrier;
pub mod memfd;
pub mod pipe;
pub mod process;
pub mod signal;
pub mod socket;

use std::io;

use rustix::io::Errno;

/// A system call that failed: which one, and with what error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed")]
pub struct SysError {
    call: &'static str,
    #[source]
    errno: Errno,
}

impl SysError {
    pub(crate) const fn new(call: &'static str, errno: Errno) -> Self {
        Self { call, errno }
    }

    /// Returns the name of the call, with its command where it has several: `fcntl(F_ADD_SEALS)`.
    #[must_use]
    pub const fn call(&self) -> &'static str {
        self.call
    }

    /// Returns the error number that the kernel gave.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        self.errno
    }
}

impl From<SysError> for io::Error {
    /// Keeps the call's name: the `SysError` becomes the inner error.
    fn from(error: SysError) -> Self {
        Self::new(error.errno.kind(), error)
    }
}

/// Names the call that produced an `Errno`.
pub(crate) trait Named<T> {
    fn named(self, call: &'static str) -> Result<T, SysError>;
}

impl<T> Named<T> for Result<T, Errno> {
    fn named(self, call: &'static str) -> Result<T, SysError> {
        self.map_err(|errno| SysError::new(call, errno))
    }
}

impl<T> Named<T> for io::Result<T> {
    fn named(self, call: &'static str) -> Result<T, SysError> {
        // An error without a number was made up by the wrapper from its arguments.
        self.map_err(|e| SysError::new(call, Errno::from_io_error(&e).unwrap_or(Errno::INVAL)))
    }
}

/// Repeats `call` for as long as a signal interrupts it.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn an_error_names_its_call_and_keeps_the_cause() {
        let error = Err::<(), _>(Errno::NOSPC).named("fallocate").unwrap_err();

        assert_eq!(error.to_string(), "fallocate failed");
        assert!(
            error
                .source()
                .is_some_and(|cause| cause.to_string().contains("No space"))
        );
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn an_interrupted_call_is_repeated() {
        let mut answers = [Err(Errno::INTR), Err(Errno::INTR), Ok(7)].into_iter();

        assert_eq!(uninterrupted(|| answers.next().unwrap()), Ok(7));
    }
}
