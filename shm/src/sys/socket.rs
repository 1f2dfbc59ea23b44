//! Sequenced-packet sockets between nodes: whole messages, each with descriptors, in order, until one end is gone.
//!
//! Non-blocking, close-on-exec, no SIGPIPE. A name is bound and found through a descriptor of its directory
//! (`/proc/self/fd/N/name`), so the directory's path may be longer than the 108 bytes of a socket address, and may be
//! renamed meanwhile.
#![allow(
    unsafe_code,
    reason = "rustix reads a peer's pid as never 0, which it is in a foreign pid namespace"
)]

mod error;

use std::ffi::c_int;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags,
    SocketType, accept_with, bind, connect, listen, recvmsg, sendmsg, shutdown, socket_with,
    socketpair,
};
use rustix::process::Pid;

pub use self::error::{AcceptError, ConnectError, RecvError, SendError};
use super::fork::PrivateFd;
use super::{Named, SysError, uninterrupted};

/// Descriptors that one message can carry: the kernel's own bound.
pub const FDS_MAX: usize = 253;

const SOCKET_FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);
#[expect(clippy::cast_possible_truncation, reason = "three integers")]
const CRED_LEN: libc::socklen_t = size_of::<libc::ucred>() as libc::socklen_t;
const CONTROL_LEN: usize = rustix::cmsg_space!(ScmRights(FDS_MAX));

/// A message as it came.
#[derive(Debug)]
pub struct Received {
    /// How many bytes of the buffer it fills.
    pub len: usize,
    /// The descriptors that came with it, in order. Close-on-exec; nothing else about them is known.
    pub fds: Vec<OwnedFd>,
    /// The message was longer than the buffer; its rest is gone.
    pub truncated: bool,
    /// Descriptors were lost for want of room in this process's table; those that came were closed, `fds` is empty.
    pub fds_lost: bool,
}

/// Who is at the other end, as the kernel noted when it connected, or began to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCred {
    /// Its process; `None` when it is not visible in our pid namespace.
    pub pid: Option<Pid>,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// A socket that other nodes connect to.
#[derive(Debug)]
pub struct Listener {
    fd: PrivateFd,
}

impl Listener {
    /// Creates the socket `name` in the directory `dir` and listens.
    ///
    /// # Errors
    ///
    /// `bind` with EADDRINUSE when the name exists, with EINVAL when it is empty, has a slash or is too long.
    pub fn bind(dir: impl AsFd, name: &str, backlog: i32) -> Result<Self, SysError> {
        let address = address(dir.as_fd(), name).named("bind")?;
        let fd = socket().named("socket")?;
        bind(&fd, &address).named("bind")?;
        listen(&fd, backlog).named("listen")?;
        Ok(Self {
            fd: PrivateFd::new(fd),
        })
    }

    /// Takes a queued connection; `None` when there is none.
    ///
    /// # Errors
    ///
    /// See [`AcceptError`].
    pub fn accept(&self) -> Result<Option<SeqPacket>, AcceptError> {
        loop {
            return match uninterrupted(|| accept_with(&self.fd, SOCKET_FLAGS)) {
                Ok(fd) => Ok(Some(SeqPacket::from(fd))),
                Err(Errno::AGAIN) => Ok(None),
                Err(Errno::CONNABORTED) => continue,
                Err(Errno::MFILE | Errno::NFILE) => Err(AcceptError::TooManyFiles),
                Err(errno) => Err(SysError::new("accept4", errno).into()),
            };
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct SeqPacket {
    fd: PrivateFd,
}

impl SeqPacket {
    /// Connects to the socket `name` in the directory `dir`. Never waits.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub fn connect(dir: impl AsFd, name: &str) -> Result<Self, ConnectError> {
        let refuse = |call, errno| match errno {
            Errno::CONNREFUSED => ConnectError::Refused,
            Errno::NOENT => ConnectError::Missing,
            Errno::AGAIN => ConnectError::Busy,
            Errno::ACCESS | Errno::PERM => ConnectError::Denied,
            Errno::MFILE | Errno::NFILE => ConnectError::TooManyFiles,
            errno => SysError::new(call, errno).into(),
        };
        let address = address(dir.as_fd(), name).named("connect")?;
        let fd = socket().map_err(|errno| refuse("socket", errno))?;
        uninterrupted(|| connect(&fd, &address)).map_err(|errno| refuse("connect", errno))?;
        Ok(Self::from(fd))
    }

    /// Creates two ends that are connected to each other.
    ///
    /// # Errors
    ///
    /// `socketpair`: too many descriptors.
    pub fn pair() -> Result<(Self, Self), SysError> {
        let (one, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SOCKET_FLAGS,
            None,
        )
        .named("socketpair")?;
        Ok((Self::from(one), Self::from(other)))
    }

    /// Sends `bytes` and copies of `fds` as one message, or nothing. Never waits.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Panics
    ///
    /// When `bytes` is empty, which the other end could not tell from the connection's end, or with more than [`FDS_MAX`]
    /// descriptors.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), SendError> {
        assert!(
            !bytes.is_empty(),
            "an empty message means the end of the connection"
        );
        assert!(
            fds.len() <= FDS_MAX,
            "{} descriptors in one message, the limit is {FDS_MAX}",
            fds.len()
        );
        let mut space = [MaybeUninit::uninit(); CONTROL_LEN];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            let fits = control.push(SendAncillaryMessage::ScmRights(fds));
            debug_assert!(fits, "room for FDS_MAX descriptors");
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match uninterrupted(|| sendmsg(&self.fd, &[IoSlice::new(bytes)], &mut control, flags)) {
            Ok(_) => Ok(()), // A sequenced packet is sent whole.
            Err(Errno::AGAIN) => Err(SendError::WouldBlock),
            Err(Errno::TOOMANYREFS) => Err(SendError::TooManyInFlight),
            Err(Errno::NOBUFS | Errno::NOMEM) => Err(SendError::NoMemory),
            Err(Errno::MSGSIZE) => Err(SendError::TooLarge { len: bytes.len() }),
            Err(Errno::PIPE) => Err(SendError::Closed),
            Err(Errno::CONNRESET) => Err(SendError::Reset),
            Err(errno) => Err(SysError::new("sendmsg", errno).into()),
        }
    }

    /// Receives one message into `buffer`, with its descriptors. Never waits.
    ///
    /// # Errors
    ///
    /// See [`RecvError`].
    pub fn recv(&self, buffer: &mut [u8]) -> Result<Received, RecvError> {
        let mut space = [MaybeUninit::uninit(); CONTROL_LEN];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let outcome = uninterrupted(|| {
            recvmsg(
                &self.fd,
                &mut [IoSliceMut::new(buffer)],
                &mut control,
                flags,
            )
        });
        let message = match outcome {
            Ok(message) if message.bytes == 0 => return Err(RecvError::Closed),
            Ok(message) => message,
            Err(Errno::AGAIN) => return Err(RecvError::WouldBlock),
            Err(Errno::NOBUFS | Errno::NOMEM) => return Err(RecvError::NoMemory),
            Err(Errno::CONNRESET) => return Err(RecvError::Reset),
            Err(errno) => return Err(SysError::new("recvmsg", errno).into()),
        };
        // The buffer has room for all that a message can carry, so what is missing met a full table.
        let fds_lost = message.flags.contains(ReturnFlags::CTRUNC);
        let fds = if fds_lost {
            Vec::new()
        } else {
            descriptors(&mut control)
        };
        let truncated = message.flags.contains(ReturnFlags::TRUNC);
        Ok(Received {
            len: message.bytes,
            fds,
            truncated,
            fds_lost,
        })
        // Descriptors that were not taken out of `control` are closed with it.
    }

    /// Lets the other end send no more: what it has sent can still be received, then comes the end. Ends also what is
    /// sent by others who hold the other end.
    ///
    /// # Errors
    ///
    /// `shutdown`, when this is not a connection.
    pub fn refuse_more(&self) -> Result<(), SysError> {
        shutdown(&self.fd, Shutdown::Read).named("shutdown")
    }

    /// Ends the connection for both ends, also while others hold this one: each receives what was sent, then the end.
    ///
    /// # Errors
    ///
    /// `shutdown`, when this is not a connection.
    pub fn hang_up(&self) -> Result<(), SysError> {
        shutdown(&self.fd, Shutdown::Both).named("shutdown")
    }

    /// Returns who is at the other end.
    ///
    /// # Errors
    ///
    /// `getsockopt(SO_PEERCRED)`, when this is not a connection.
    pub fn peer_cred(&self) -> Result<PeerCred, SysError> {
        let mut cred = libc::ucred {
            pid: 0,
            uid: u32::MAX,
            gid: u32::MAX,
        };
        let mut len = CRED_LEN;
        let fd: c_int = self.fd.as_fd().as_raw_fd();
        // SAFETY: the descriptor is open while `self` lives; the kernel writes at most `len` bytes, which is the size of
        // `cred`, a record of plain integers, and keeps no pointer.
        let code = unsafe {
            libc::getsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut cred).cast(),
                &raw mut len,
            )
        };
        if code == -1 {
            return Err(std::io::Error::last_os_error()).named("getsockopt(SO_PEERCRED)");
        }
        Ok(PeerCred {
            pid: Pid::from_raw(cred.pid),
            uid: cred.uid,
            gid: cred.gid,
        })
    }
}

impl From<OwnedFd> for SeqPacket {
    /// Takes a connection that was inherited. It must be non-blocking for others; here every call is, anyway.
    fn from(fd: OwnedFd) -> Self {
        Self {
            fd: PrivateFd::new(fd),
        }
    }
}

impl AsFd for SeqPacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn descriptors(control: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            fds.extend(passed);
        }
    }
    fds
}

fn socket() -> Result<OwnedFd, Errno> {
    socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SOCKET_FLAGS,
        None,
    )
}

fn address(dir: BorrowedFd<'_>, name: &str) -> Result<SocketAddrUnix, Errno> {
    if name.is_empty() || name.contains('/') {
        return Err(Errno::INVAL);
    }
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}
