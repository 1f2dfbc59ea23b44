//! A bus of a test's own, and a pair of nodes on it.

use std::path::{Path, PathBuf};

use super::quiet::{Quiescent, quiescent};
use crate::config::NodeConfig;
use crate::error::AttachError;
use crate::node::lookup::Deadline;
use crate::node::{Node, block_on};
use crate::peering::NodeId;

/// A bus that nobody else is on; its directory, under the system's temporary one, goes with it.
///
/// Drop it after its nodes.
#[derive(Debug)]
pub struct TestBus {
    directory: PathBuf,
}

impl TestBus {
    /// A bus with a directory that no other has.
    ///
    /// # Panics
    ///
    /// When the system has no chance to draw a name by.
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        Self::named("bus")
    }

    /// The same, with a directory whose name says whose it is: it outlives a test that is killed.
    ///
    /// # Panics
    ///
    /// When the system has no chance to draw a name by.
    pub fn named(name: &str) -> Self {
        let id = NodeId::random().expect("the system draws random numbers");
        Self {
            directory: std::env::temp_dir().join(format!("ringway-test-{name}-{id}")),
        }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The configuration of a node on it, to be changed at will.
    pub fn config(&self, node: impl Into<String>) -> NodeConfig {
        NodeConfig::on("test")
            .named(node)
            .directory(&self.directory)
    }

    /// A node on it, with the defaults.
    ///
    /// # Errors
    ///
    /// See [`AttachError`].
    pub fn attach(&self, node: impl Into<String>) -> Result<Node, AttachError> {
        Node::attach(self.config(node))
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        // A bus that nobody attached to has no directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Two nodes of this process that know each other, on a bus of their own: what passes between them takes the way between two
/// processes.
///
/// ```
/// use ringway::prelude::*;
/// use ringway::test::{Pair, TestClock};
///
/// let clock = TestClock::new();
/// let pair = Pair::with(|config| config.clock(&clock))?;
/// assert_eq!(pair.near.peers()[0].id, pair.far.id());
/// # Ok::<_, ringway::AttachError>(())
/// ```
#[derive(Debug)]
pub struct Pair {
    /// One of them.
    pub near: Node,
    /// The other one.
    pub far: Node,
    /// After both.
    bus: TestBus,
}

impl Pair {
    /// Two nodes with the defaults; returns when they are connected.
    ///
    /// # Errors
    ///
    /// See [`AttachError`].
    pub fn new() -> Result<Self, AttachError> {
        Self::with(|config| config)
    }

    /// Two nodes whose configurations `adjust` has changed.
    ///
    /// # Errors
    ///
    /// See [`AttachError`].
    pub fn with(mut adjust: impl FnMut(NodeConfig) -> NodeConfig) -> Result<Self, AttachError> {
        let bus = TestBus::new();
        let near = Node::attach(adjust(bus.config("near")))?;
        let far = Node::attach(adjust(bus.config("far")))?;
        for (node, other) in [(&near, &far), (&far, &near)] {
            let (shared, id) = (node.shared(), other.id());
            let met = async {
                let is_met = || node.peers().iter().any(|peer| peer.id == id).then_some(());
                Deadline::never(shared).until(&shared.changes, is_met).await
            };
            block_on(Some(shared.clone()), met);
        }
        Ok(Self { near, far, bus })
    }

    /// Waits until neither has anything left to do; see [`Node::quiescent`].
    pub fn quiescent(&self) -> Quiescent {
        quiescent([&self.near, &self.far])
    }

    /// Their bus.
    pub fn bus(&self) -> &TestBus {
        &self.bus
    }
}
