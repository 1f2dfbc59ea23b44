//! What tests share: a bus of their own, and a watchdog.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part, and a failure here fails the test"
)]

use std::path::{Path, PathBuf};
use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use ringway::prelude::*;

pub(crate) mod probe;
pub(crate) mod stage;

/// Longer than any test takes on a loaded machine; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A bus that nobody else is on; its directory goes with it.
pub(crate) struct Bus {
    directory: PathBuf,
}

impl Bus {
    /// `name` is that of the test.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("ringway-{name}-{}", std::process::id());
        Self {
            directory: std::env::temp_dir().join(name),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn config(&self, node: &str) -> NodeConfig {
        NodeConfig::on("test")
            .named(node)
            .directory(&self.directory)
    }

    pub(crate) fn attach(&self, node: &str) -> Node {
        Node::attach(self.config(node)).unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // A bus that nobody attached to has no directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Ends this process, loudly, unless the returned guard is dropped in time.
pub(crate) fn watch() -> Watchdog {
    let (guard, dropped) = channel();
    thread::spawn(move || {
        if dropped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("watchdog: no end after {PATIENCE:?}");
            abort();
        }
    });
    Watchdog(guard)
}

/// Dropped at the end of what is watched.
pub(crate) struct Watchdog(#[expect(dead_code, reason = "its drop is the message")] Sender<()>);
