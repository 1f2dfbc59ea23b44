//! What a program decides about its node before it attaches, each value with its default, its bounds and its check.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use thiserror::Error;

use crate::access::Access;
use crate::clock::Clock;

/// Peers that a node can have at a time: the slots that a heap's acknowledgement words have room for.
pub(crate) const PEERS_MAX: u16 = 256;
/// Bytes of the longest bus name: it is one component of a path (NAME_MAX is 255).
pub(crate) const BUS_NAME_MAX: usize = 100;
/// Bytes of the longest node name, as of any name on a card.
pub(crate) const NODE_NAME_MAX: usize = 120;

const HEAP_LIMIT: u64 = 1 << 30; // 1 GiB of address space; memory is reserved by the segment, as needed
const HEAP_FIRST: u64 = 1 << 20; // 1 MiB: enough for small messages, cheap to reserve at attach
const HEAP_SEGMENT_MAX: u64 = 1 << 30; // one message can be as large as one segment
const RINGS_LIMIT: u64 = 256 << 20; // thousands of urings of 256 entries
const RINGS_FIRST: u64 = 256 << 10; // a dozen urings, reserved at attach
const REGISTRY_CAPACITY: u32 = 4096; // actors, urings and segments of one node

/// How a node joins its bus. `NodeConfig::on("demo")` is what `Node::attach("demo")` uses.
///
/// Buses live in [`directory`](Self::directory), else in `$RINGWAY_DIR`, else in `$XDG_RUNTIME_DIR/ringway`, else in
/// `ringway-<uid>` in the system's temporary directory; each is a directory of its name in there. Programs meet when both agree:
/// what runs as a service or in a container often has another environment than a shell. An `$XDG_RUNTIME_DIR` that is not a
/// directory of this user's alone to write to is passed over.
///
/// # Examples
///
/// ```
/// use ringway::{Access, NodeConfig};
///
/// let config = NodeConfig::on("demo").named("camera").heap_limit(64 << 20).access(Access::same_user());
/// assert_eq!(config.bus(), "demo");
/// ```
#[derive(Debug, Clone)]
pub struct NodeConfig {
    bus: String,
    name: Option<String>,
    directory: Option<PathBuf>,
    access: Access,
    pub(crate) limits: Limits,
    /// Whether this process has taken the role that its environment names, or was given none.
    pub(crate) role_taken: bool,
    pub(crate) workers: Workers,
    #[cfg(feature = "test")]
    pub(crate) test_clock: Option<crate::test::TestClock>,
}

/// Who runs a node's actors and drives its urings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// So many threads of the node's own. The first drives, all run actors. Handlers run outside of any other runtime: a
    /// timer or socket of tokio's panics there, unless the handler enters that runtime by a `Handle` of it.
    Threads(NonZeroUsize),
    /// None: the thread that calls [`Node::run_until`](crate::Node::run_until) or a `wait()`, or
    /// [`Node::drive`](crate::Node::drive) on the user's executor, where handlers may use all that it offers. Between the
    /// calls nothing moves, no deadline passes either: `block_on` alone, which drives no node, would wait for ever.
    Caller,
}

impl Workers {
    /// Threads that run actors, of the node's own or the caller's.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Threads(count) => count.get(),
            Self::Caller => 1,
        }
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self::Threads(NonZeroUsize::MIN)
    }
}

/// The bounds of a node's memory and of its books.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) heap: u64,
    pub(crate) heap_first: u64,
    pub(crate) heap_segment_max: u64,
    pub(crate) rings: u64,
    pub(crate) rings_first: u64,
    pub(crate) registry: u32,
}

impl NodeConfig {
    /// Starts from the defaults, on the bus named `bus`: 1 to 100 bytes, no `/`, no control characters, not starting
    /// with a dot (checked when the node attaches).
    pub fn on(bus: impl Into<String>) -> Self {
        Self {
            bus: bus.into(),
            name: None,
            directory: None,
            access: Access::same_user(),
            limits: Limits {
                heap: HEAP_LIMIT,
                heap_first: HEAP_FIRST,
                heap_segment_max: HEAP_SEGMENT_MAX,
                rings: RINGS_LIMIT,
                rings_first: RINGS_FIRST,
                registry: REGISTRY_CAPACITY,
            },
            role_taken: false,
            workers: Workers::default(),
            #[cfg(feature = "test")]
            test_clock: None,
        }
    }

    /// Names the node, for errors, events and observers; at most 120 bytes. The default is the program's file name
    /// and process id. Names of nodes need not be unique.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Puts the bus under `directory`, whatever the environment says. Another program finds it there by the same call, or by
    /// `RINGWAY_DIR` in its environment. What does not exist yet is made.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets who may join; the default is [`Access::same_user`].
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Bounds the memory of messages that this node lends, in bytes; the default is 1 GiB. It is taken from the system by the
    /// segment. Of empty segments one is kept; one that is larger than the first and has held nothing for five seconds goes back
    /// too, unless it was [reserved](ringway_shm::heap::Heap::reserve).
    #[must_use]
    pub fn heap_limit(mut self, bytes: u64) -> Self {
        self.limits.heap = bytes;
        self
    }

    /// Bounds the memory of this node's urings, in bytes; the default is 256 MiB. It is taken from the system by the segment
    /// of up to 16 MiB, as urings are opened; a segment in which none has been for five seconds goes back, when all peers have
    /// unmapped it, but for the first one.
    ///
    /// A uring takes 17.1 KiB of the sender's limit and 9.1 KiB of the receiver's, of which one peer may have half: by default
    /// a node has room for some 15,000 urings to others, and one peer for 14,000 to its actors.
    #[must_use]
    pub fn rings_limit(mut self, bytes: u64) -> Self {
        self.limits.rings = bytes;
        self
    }

    /// Sets how many actors, urings and segments the node's registry has room for; the default is 4096.
    #[must_use]
    pub fn registry_capacity(mut self, entries: u32) -> Self {
        self.limits.registry = entries;
        self
    }

    /// Sets who runs the node's actors; the default is one thread.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Self {
        self.workers = workers;
        self
    }

    /// Has the node go by a clock that the test sets: see [`TestClock`](crate::test::TestClock).
    #[cfg(feature = "test")]
    #[must_use]
    pub fn clock(mut self, clock: &crate::test::TestClock) -> Self {
        self.test_clock = Some(clock.clone());
        self
    }

    /// What the node goes by.
    pub(crate) fn node_clock(&self) -> Clock {
        #[cfg(feature = "test")]
        if let Some(clock) = &self.test_clock {
            return Clock::test(clock.of_node());
        }
        Clock::default()
    }

    /// The same for a child process, which joins its parent's bus.
    pub(crate) fn in_role(mut self, bus: &str, root: PathBuf, name: String) -> Self {
        bus.clone_into(&mut self.bus);
        self.role_taken = true;
        self.directory(root).named(name)
    }

    /// The name of the bus.
    pub fn bus(&self) -> &str {
        &self.bus
    }

    pub(crate) fn explicit_directory(&self) -> Option<&PathBuf> {
        self.directory.as_ref()
    }

    pub(crate) fn policy(&self) -> &Access {
        &self.access
    }

    /// The node's name, or the program's with its process id.
    pub(crate) fn node_name(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| default_name(std::process::id()))
    }

    /// Checks all that can be checked before the system is asked for anything.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_bus_name(&self.bus)?;
        let name = self.node_name();
        if name.is_empty() || name.len() > NODE_NAME_MAX {
            return Err(ConfigError::NodeName { name });
        }
        if self.limits.registry == 0 {
            return Err(ConfigError::EmptyRegistry);
        }
        Ok(())
    }
}

fn check_bus_name(bus: &str) -> Result<(), ConfigError> {
    let reason = if bus.is_empty() {
        "it is empty"
    } else if bus.len() > BUS_NAME_MAX {
        "it is longer than 100 bytes"
    } else if bus.starts_with('.') {
        "it starts with a dot"
    } else if bus.contains('/') || bus.chars().any(char::is_control) {
        "it contains a slash or a control character"
    } else {
        return Ok(());
    };
    Err(ConfigError::BusName {
        bus: bus.to_owned(),
        reason,
    })
}

/// The program's file name and `pid`, cut to what a card holds.
fn default_name(pid: u32) -> String {
    let program = std::env::args_os().next().map(PathBuf::from);
    let stem = program
        .as_deref()
        .and_then(|path| path.file_name())
        .map(|name| name.to_string_lossy());
    let mut stem: String = stem.as_deref().unwrap_or("node").to_owned();
    while stem.len() > NODE_NAME_MAX - 11 {
        stem.pop(); // leaves room for a dash and ten digits
    }
    format!("{stem}-{pid}")
}

impl<S: Into<String>> From<S> for NodeConfig {
    fn from(bus: S) -> Self {
        Self::on(bus)
    }
}

/// A configuration that no node can have.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The bus name cannot be a directory's name.
    #[error("bus name {bus:?} of {} bytes is not usable: {reason}", .bus.len())]
    BusName {
        /// The name, as given.
        bus: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The node's name does not fit on its card.
    #[error("node name {name:?} has {} bytes, allowed are 1 to {NODE_NAME_MAX}", .name.len())]
    NodeName {
        /// The name, as given.
        name: String,
    },
    /// A registry without entries has no room for the node's own rings.
    #[error("a registry of 0 entries has no room for anything")]
    EmptyRegistry,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bus_names_are_checked() {
        for good in ["demo", "robot-1", "Ü", &"x".repeat(100)] {
            assert!(NodeConfig::on(good).check().is_ok(), "{good:?}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a\nb",
            "a\0b",
            &"x".repeat(101),
        ] {
            let error = NodeConfig::on(bad).check().expect_err(bad);
            assert!(matches!(error, ConfigError::BusName { .. }), "{error}");
        }
    }

    #[test]
    fn node_names_are_checked() {
        assert!(NodeConfig::on("b").check().is_ok(), "the default name fits");
        let long = NodeConfig::on("b")
            .named("n".repeat(121))
            .check()
            .expect_err("too long");
        assert!(
            long.to_string().contains("121 bytes, allowed are 1 to 120"),
            "{long}"
        );
        assert!(NodeConfig::on("b").named("").check().is_err());
    }
}
