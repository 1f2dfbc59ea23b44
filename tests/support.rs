//! What tests share: a bus of their own, and a watchdog.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part, and a failure here fails the test"
)]

use std::ops::Deref;
use std::time::Duration;

use ringway::prelude::*;
use ringway::test::{TestBus, Watchdog};

pub(crate) mod probe;
pub(crate) mod stage;

/// Longer than any test takes on a loaded machine; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The kit's bus, on which every attach is to succeed.
pub(crate) struct Bus(TestBus);

impl Bus {
    /// `name` is that of the test.
    pub(crate) fn new(name: &str) -> Self {
        Self(TestBus::named(name))
    }

    pub(crate) fn attach(&self, node: &str) -> Node {
        self.0.attach(node).unwrap()
    }
}

impl Deref for Bus {
    type Target = TestBus;

    fn deref(&self) -> &TestBus {
        &self.0
    }
}

/// Ends this process, loudly, unless what it returns is dropped in time.
pub(crate) fn watch() -> Watchdog {
    Watchdog::new(PATIENCE)
}
