//! A program with roles, for the tests of child processes: its parent plays the scene that the first argument names.
//!
//! A scene asserts its own outcome; one that fails ends its process with a code other than 0. Children get the same
//! arguments and so come to the same place, where [`Roles`] makes them play their roles.

mod actors;
mod prober;
mod scenes;

use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use ringway::ExitCode;
use ringway::prelude::*;

use self::actors::{Counter, Failing, Nested, Parent};
use self::prober::Prober;
use self::scenes::addresses::Keeper;
use self::scenes::delegating::Office;
use self::scenes::following::Racer;
use self::scenes::grouped::Sailor;
use self::scenes::linked::Knot;

/// Longer than any scene takes on a loaded machine; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The error of the parent's closure.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let scene = std::env::args().nth(1).unwrap_or_default();
    if scene == "naive" {
        return scenes::naive();
    }
    // Every process of a family does without threads of its node if the test says so.
    let config = NodeConfig::on("test");
    let config = match std::env::var_os("RINGWAY_TEST_NO_WORKERS") {
        Some(_) => config.workers(Workers::Caller),
        None => config,
    };
    let mut roles = Roles::with(config)
        .actor::<Counter>("counter")
        .actor::<Failing>("failing")
        .actor::<Parent>("parent")
        .actor::<Nested>("nested")
        .actor::<Keeper>("keeper")
        .actor::<Racer>("racer")
        .actor::<Knot>("knot")
        .actor::<Sailor>("sailor")
        .actor::<Prober>("prober")
        .actor::<Office>("office");
    if std::env::var_os("RINGWAY_TEST_SIGNALS").is_some() {
        roles = roles.stop_on_signals(StopLadder::new().stop(secs(60)));
    }
    roles.run(|node| async move {
        watch();
        scenes::play(&scene, node).await
    })
}

/// Ends this process, loudly, if it takes too long.
fn watch() {
    thread::spawn(|| {
        let (_open, never) = channel::<()>();
        if never.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("watchdog: no end after {PATIENCE:?}");
            abort();
        }
    });
}
