//! A bus in a directory of its own, for examples that consist of two processes: the program starts itself again, and
//! nobody else is on the bus.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::{env, fs, io, process};

use ringway::prelude::*;

/// A bus directory that is removed when this is dropped.
pub(crate) struct OwnBus {
    directory: PathBuf,
}

impl OwnBus {
    /// Chooses a directory; the first node that attaches creates it.
    pub(crate) fn new(example: &str) -> Self {
        Self {
            directory: env::temp_dir().join(format!("ringway-{example}-{}", process::id())),
        }
    }

    /// Returns the configuration with which this process attaches. The other one has the directory in its environment:
    /// for it, `Node::attach("demo")` is the same bus.
    pub(crate) fn config(&self) -> NodeConfig {
        NodeConfig::on("demo").directory(&self.directory)
    }

    /// Starts this very program once more, with `role` as its argument.
    pub(crate) fn start(&self, role: &str) -> io::Result<Child> {
        Command::new(env::current_exe()?)
            .arg(role)
            .env("RINGWAY_DIR", &self.directory)
            .spawn()
    }
}

impl Drop for OwnBus {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("{} stays: {error}", self.directory.display());
        }
    }
}
