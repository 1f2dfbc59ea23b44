//! The directory of a bus: found by rule, refused when others could tamper with it, then used by file descriptor
//! only, so that neither its path's length nor a later rename matters.
//!
//! It holds one socket per node, named by the node's id and never by a reused name; temporary names of sockets that
//! are not listening yet; and the 64 files of name locks, which are never removed.
//!
//! # If a side dies
//! | after… | the others find | repaired by |
//! |---|---|---|
//! | creating a directory, before its group is set | a directory of the owner alone | the next attach of its owner |
//! | binding, before the rename | a temporary name that refuses | whoever meets it unlinks it |
//! | the rename | a socket that refuses | whoever meets it unlinks it |

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ringway_shm::sys::SysError;
use ringway_shm::sys::lock::LockFile;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags};
use rustix::io::Errno;
use thiserror::Error;

use crate::access::Access;
use crate::config::NodeConfig;
use crate::peering::NodeId;

const OWNER_ONLY: Mode = Mode::RWXU;
/// The set-group-id bit hands the directory's group on to the sockets and files in it.
const OWNER_AND_GROUP: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::SGID);
/// Times that a directory may vanish between its creation and its opening.
const CREATE_TRIES: u32 = 16;

/// What the choice of a directory depends on, apart from the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) ringway_dir: Option<OsString>,
    pub(crate) runtime_dir: Option<OsString>,
    pub(crate) temporary: PathBuf,
    pub(crate) uid: u32,
}

impl Surroundings {
    pub(crate) fn of_process() -> Self {
        Self {
            ringway_dir: std::env::var_os("RINGWAY_DIR").filter(|dir| !dir.is_empty()),
            runtime_dir: std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()),
            temporary: std::env::temp_dir(),
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    /// Where buses live: the configured place, `$RINGWAY_DIR`, `$XDG_RUNTIME_DIR/ringway` when that directory exists
    /// and is this user's, else a directory of this user in the system's temporary one.
    fn root(&self, explicit: Option<&PathBuf>) -> PathBuf {
        if let Some(dir) = explicit {
            return dir.clone();
        }
        if let Some(dir) = &self.ringway_dir {
            return PathBuf::from(dir);
        }
        match self.runtime_dir.as_ref().map(PathBuf::from) {
            Some(dir) if self.is_usable_runtime(&dir) => dir.join("ringway"),
            _ => self.temporary.join(format!("ringway-{}", self.uid)),
        }
    }

    /// An unset, missing, foreign or shared runtime directory is passed over: under `sudo` it is another user's.
    fn is_usable_runtime(&self, dir: &Path) -> bool {
        let Ok(stat) = rustix::fs::stat(dir) else {
            return false;
        };
        dir.is_absolute()
            && FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            && stat.st_uid == self.uid
            && !Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH)
    }
}

/// The open directory of one bus.
#[derive(Debug)]
pub(crate) struct BusDirectory {
    fd: OwnedFd,
    path: PathBuf,
    has_group: bool,
}

/// One name in a bus directory that is, or was, a node's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SocketName {
    /// Bound, perhaps not listening yet; its owner renames it.
    Starting(NodeId),
    /// Listening from its first moment; refusing means that its owner is gone.
    Node(NodeId),
}

impl SocketName {
    pub(crate) fn file_name(self) -> String {
        match self {
            Self::Starting(id) => format!(".{id}.new"),
            Self::Node(id) => id.to_string(),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name
            .strip_prefix('.')
            .and_then(|rest| rest.strip_suffix(".new"))
        {
            Some(id) => NodeId::parse(id).map(Self::Starting),
            None => NodeId::parse(name).map(Self::Node),
        }
    }
}

impl BusDirectory {
    /// Finds or creates the directory of the configured bus, refusing what others could tamper with.
    pub(crate) fn open(config: &NodeConfig, around: &Surroundings) -> Result<Self, DirectoryError> {
        let root = around.root(config.explicit_directory());
        if let Some(parent) = root
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            let created = DirBuilder::new().recursive(true).mode(0o700).create(parent);
            created.map_err(|source| system(parent, "mkdir", source))?;
        }
        let check = Check {
            uid: around.uid,
            access: config.policy(),
        };
        let root_fd = check.open_or_create(CWD, &root, &root)?;
        let path = root.join(config.bus());
        let fd = check.open_or_create(root_fd.as_fd(), Path::new(config.bus()), &path)?;
        Ok(Self {
            fd,
            path,
            has_group: config.policy().directory_group().is_some(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All names of sockets, in no order; may be stale at once.
    pub(crate) fn sockets(&self) -> io::Result<Vec<SocketName>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            found.extend(entry?.file_name().to_str().ok().and_then(SocketName::parse));
        }
        Ok(found)
    }

    /// Takes a name away. A name that is gone already is no error: several nodes meet the same stale socket.
    pub(crate) fn unlink(&self, name: SocketName) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name.file_name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A refusal of the system's that is this directory's.
    pub(crate) fn refused(&self, error: SysError) -> DirectoryError {
        system(&self.path, error.call(), error.errno().into())
    }

    /// Gives a listening socket its final name. `false` says that the temporary name vanished: somebody met the
    /// socket between `bind` and `listen`, found it refusing, and unlinked it.
    pub(crate) fn publish(&self, id: NodeId) -> io::Result<bool> {
        let (from, to) = (
            SocketName::Starting(id).file_name(),
            SocketName::Node(id).file_name(),
        );
        let published = rustix::fs::chmodat(&self.fd, &from, self.file_mode(), AtFlags::empty())
            .and_then(|()| rustix::fs::renameat(&self.fd, &from, &self.fd, &to));
        match published {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens one of the files whose bytes are the locks of names, creating it on first use.
    pub(crate) fn open_name_file(&self, index: u8) -> Result<LockFile, SysError> {
        let file = LockFile::open(&self.fd, &format!("names.{index:02x}"), self.file_mode())?;
        if self.has_group {
            // The umask may have taken the group's bits away; for a file of another user that user has seen to it.
            let _ = rustix::fs::fchmod(&file, self.file_mode());
        }
        Ok(file)
    }

    /// Tells whether a node's socket is still there.
    pub(crate) fn has(&self, name: SocketName) -> bool {
        rustix::fs::statat(&self.fd, name.file_name(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// The permissions of a file in the directory: the group's too, where the policy admits one.
    fn file_mode(&self) -> Mode {
        let owner = Mode::RUSR | Mode::WUSR;
        if self.has_group {
            owner | Mode::RGRP | Mode::WGRP
        } else {
            owner
        }
    }
}

impl AsFd for BusDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The rule that a directory must satisfy.
struct Check<'a> {
    uid: u32,
    access: &'a Access,
}

impl Check<'_> {
    fn open_or_create(
        &self,
        at: BorrowedFd<'_>,
        name: &Path,
        shown: &Path,
    ) -> Result<OwnedFd, DirectoryError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..CREATE_TRIES {
            match rustix::fs::openat(at, name, flags, Mode::empty()) {
                Ok(fd) => return self.examine(fd, shown),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(why_not_opened(at, name, shown, error)),
            }
            match rustix::fs::mkdirat(at, name, OWNER_ONLY) {
                Ok(()) | Err(Errno::EXIST) => {} // another node may have been faster
                Err(error) => return Err(system(shown, "mkdir", error.into())),
            }
        }
        Err(system(shown, "open", Errno::NOENT.into()))
    }

    /// Judges an open directory, then opens it to the policy's group if it is ours.
    fn examine(&self, fd: OwnedFd, shown: &Path) -> Result<OwnedFd, DirectoryError> {
        let stat = rustix::fs::fstat(&fd).map_err(|error| system(shown, "fstat", error.into()))?;
        let (path, mode) = (shown.to_owned(), Mode::from_raw_mode(stat.st_mode));
        if !self.access.trusts_owner(self.uid, stat.st_uid) {
            return Err(DirectoryError::Foreign {
                path,
                owner: stat.st_uid,
                own: self.uid,
            });
        }
        let group_writes = mode.contains(Mode::WGRP) && !self.access.trusts_group(stat.st_gid);
        if mode.contains(Mode::WOTH) || group_writes {
            let (mode, group) = (stat.st_mode & 0o7777, stat.st_gid);
            return Err(DirectoryError::WritableByOthers { path, mode, group });
        }
        if stat.st_uid == self.uid
            && let Some(group) = self.access.directory_group()
            && (stat.st_gid != group || mode != OWNER_AND_GROUP)
        {
            let opened = rustix::fs::fchown(&fd, None, Some(Gid::from_raw(group)))
                .and_then(|()| rustix::fs::fchmod(&fd, OWNER_AND_GROUP));
            opened.map_err(|error| system(shown, "chown", error.into()))?;
        }
        Ok(fd)
    }
}

/// Tells a symbolic link, which `open` reports as "not a directory", from the other reasons.
fn why_not_opened(at: BorrowedFd<'_>, name: &Path, shown: &Path, error: Errno) -> DirectoryError {
    let path = shown.to_owned();
    let kind = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)
        .map(|stat| FileType::from_raw_mode(stat.st_mode));
    match kind {
        Ok(FileType::Symlink) => DirectoryError::Symlink { path },
        Ok(kind) if kind != FileType::Directory => DirectoryError::NotADirectory { path },
        _ => system(shown, "open", error.into()),
    }
}

fn system(path: &Path, call: &'static str, source: io::Error) -> DirectoryError {
    DirectoryError::System {
        path: path.to_owned(),
        call,
        source,
    }
}

/// A bus directory that cannot be used, or must not be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Whoever made the link could point it elsewhere later.
    #[error("bus directory {} is a symbolic link", .path.display())]
    Symlink {
        /// The directory.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("bus directory {} is not a directory", .path.display())]
    NotADirectory {
        /// What stands there.
        path: PathBuf,
    },
    /// Its owner could replace sockets and locks.
    #[error("bus directory {} belongs to uid {owner}, this node runs as uid {own}", .path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// This node's user.
        own: u32,
    },
    /// Users whom the access policy does not admit could replace sockets and locks.
    #[error("bus directory {} has mode {mode:04o} and gid {group}, others than the policy admits can write", .path.display())]
    WritableByOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Its group.
        group: u32,
    },
    /// The system refused.
    #[error("{call} on bus directory {} failed", .path.display())]
    System {
        /// The directory.
        path: PathBuf,
        /// The call that failed.
        call: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
