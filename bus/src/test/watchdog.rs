//! What ends a test that hangs.

use std::io::{Write as _, stderr};
use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Ends the whole process, with a word on who it was, unless it is dropped in time: a test that waits for what never comes
/// would else hang for ever.
///
/// It goes by the system's clock, whatever clock nodes go by. Give it far more than the test takes on a loaded machine.
///
/// ```
/// use ringway::prelude::*;
/// use ringway::test::Watchdog;
///
/// let _dog = Watchdog::new(secs(60));
/// // ... what may hang
/// ```
#[derive(Debug)]
#[must_use = "it watches until it is dropped"]
pub struct Watchdog {
    /// Its drop is the message.
    _guard: Sender<()>,
}

impl Watchdog {
    /// Begins to watch; what takes longer than `patience` hangs.
    ///
    /// # Panics
    ///
    /// When the system has no thread for it.
    pub fn new(patience: Duration) -> Self {
        let (guard, dropped) = channel();
        // The harness names the thread of a test after it.
        let whose = thread::current().name().unwrap_or("a thread").to_owned();
        let watch = move || {
            if dropped.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                // Not by `eprintln`, which the harness would keep to itself until the end of the test.
                let said = format!("watchdog: {whose} has not ended after {patience:?}\n");
                let _ = stderr().write_all(said.as_bytes());
                abort();
            }
        };
        let thread = thread::Builder::new().name("watchdog".to_owned());
        let started = thread.spawn(watch);
        started.expect("the system has a thread for a watchdog");
        Self { _guard: guard }
    }
}
