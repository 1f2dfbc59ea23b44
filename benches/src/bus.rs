//! The bus of a measurement; its directory goes with it.

use std::path::PathBuf;

/// A bus that nobody else is on.
#[derive(Debug)]
pub(crate) struct Bus {
    directory: PathBuf,
}

impl Bus {
    pub(crate) fn new() -> Self {
        let name = format!(
            "ringway-bench-{}-{}",
            std::process::id(),
            crate::clock::system_nanos()
        );
        Self {
            directory: std::env::temp_dir().join(name),
        }
    }

    /// Its directory as others are told it: without spaces, unless the system's own directory for such has some.
    pub(crate) fn directory(&self) -> String {
        self.directory.display().to_string()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // A run that failed early has none.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
