//! What the unit tests of the node layer share: directories of their own, nodes whose notices can be waited for, and
//! processes that play a scene.

pub(crate) mod liar;
pub(crate) mod pair;
pub(crate) mod scene;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ringway_shm::generation::Key;

use crate::config::NodeConfig;
use crate::control::{Core, Upper};
use crate::frame::UringFrame;
use crate::peering::{Closure, Death, NodeId, Peer};

/// Waiting longer than this means that something hangs. Generous: both cores may be busy with other tests.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(120);

/// Waits until something is true that no notice tells of.
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < WATCHDOG, "{what} did not happen");
        std::thread::yield_now();
    }
}

/// A directory that is removed, with all in it, when the test ends.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("ringway-test-{}", NodeId::random().unwrap()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The directory of the bus that `TestNode::attach` joins.
    pub(crate) fn bus(&self) -> PathBuf {
        self.0.join("root").join("test")
    }

    /// The names in the bus directory, without the files of name locks.
    pub(crate) fn sockets(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.bus()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with("names.")).collect()
    }

    pub(crate) fn config(&self, name: &str) -> NodeConfig {
        NodeConfig::on("test")
            .named(name)
            .directory(self.0.join("root"))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the layer above was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    Connected(NodeId),
    Frame(NodeId, UringFrame),
    Closed(NodeId, Closure),
    Dead(NodeId, Death),
    NamesChanged(NodeId),
    HeapAcknowledged(NodeId, Key),
}

/// A layer above that remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    heard: Mutex<Vec<Notice>>,
    changed: Condvar,
}

impl Notices {
    fn note(&self, notice: Notice) {
        self.heard.lock().unwrap().push(notice);
        self.changed.notify_all();
    }

    /// Has the control thread wait at its next notice.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Vec<Notice>> {
        self.heard.lock().unwrap()
    }

    pub(crate) fn all(&self) -> Vec<Notice> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until `is_true`, which is asked again after every notice.
    pub(crate) fn wait_until(&self, what: &str, mut is_true: impl FnMut(&[Notice]) -> bool) {
        let heard = self.heard.lock().unwrap();
        let (heard, timeout) = self
            .changed
            .wait_timeout_while(heard, WATCHDOG, |heard| !is_true(heard))
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "{what} did not happen; heard {heard:#?}"
        );
    }

    pub(crate) fn wait_for(&self, notice: &Notice) {
        self.wait_until(&format!("{notice:?}"), |heard| heard.contains(notice));
    }
}

impl Upper for Notices {
    fn connected(&self, peer: &Arc<Peer>) {
        self.note(Notice::Connected(peer.id()));
    }

    fn frame(&self, peer: &Arc<Peer>, frame: UringFrame) {
        self.note(Notice::Frame(peer.id(), frame));
    }

    fn closed(&self, peer: &Arc<Peer>, reason: &Closure) {
        self.note(Notice::Closed(peer.id(), reason.clone()));
    }

    fn dead(&self, peer: &Arc<Peer>, how: Death) {
        self.note(Notice::Dead(peer.id(), how));
    }

    fn names_changed(&self, peer: &Arc<Peer>) {
        self.note(Notice::NamesChanged(peer.id()));
    }

    fn heap_acknowledged(&self, peer: &Arc<Peer>, segment: Key) {
        self.note(Notice::HeapAcknowledged(peer.id(), segment));
    }
}

/// An attached node that detaches when dropped.
#[derive(Debug)]
pub(crate) struct TestNode {
    pub(crate) core: Arc<Core>,
    pub(crate) notices: Arc<Notices>,
}

impl TestNode {
    pub(crate) fn attach(temp: &TempDir, name: &str) -> Self {
        Self::attach_with(temp.config(name))
    }

    pub(crate) fn attach_with(config: NodeConfig) -> Self {
        let notices = Arc::new(Notices::default());
        let core = Core::attach(config, notices.clone(), |_| {}).unwrap();
        Self { core, notices }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.core.id()
    }

    /// Whether the control thread has read this name on a peer's card.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.core
            .peers()
            .iter()
            .any(|peer| peer.replica().find(name).is_some())
    }

    /// Waits until the peering with `other` stands on this side.
    pub(crate) fn meet(&self, other: NodeId) -> Arc<Peer> {
        self.notices.wait_for(&Notice::Connected(other));
        self.core
            .peer(other)
            .unwrap_or_else(|| panic!("{other} was connected and is gone"))
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.core.detach();
    }
}
