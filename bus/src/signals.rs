//! SIGINT and SIGTERM as the beginning of an orderly stop, for programs that ask for it.
//!
//! Nothing is installed before somebody asks. Then the first signal is noted, and one thread wakes those who wait for it and
//! begins to stop the nodes; the second one ends the process at once, as the system does it.

use std::io;
use std::sync::{Arc, Mutex, Weak};

use ringway_shm::sys::epoll::{Epoll, Interest};
use ringway_shm::sys::process::Signal;
use ringway_shm::sys::signal::{Asked, note_asking};

use crate::node::{Node, stop};
use crate::shared::{Shared, lock};
use crate::stop::StopLadder;
use crate::trace::{debug, warning};
use crate::wait_list::WaitList;

/// What waits for the first of the signals.
pub(crate) struct Signals {
    asked: Asked,
    /// Woken when it has come.
    pub(crate) changes: WaitList,
    nodes: Mutex<Vec<(Weak<Shared>, StopLadder)>>,
}

impl Signals {
    /// Those of this process, noted from the first call on.
    pub(crate) fn get() -> io::Result<Arc<Self>> {
        static SIGNALS: Mutex<Option<Arc<Signals>>> = Mutex::new(None);
        let mut signals = lock(&SIGNALS);
        if let Some(signals) = &*signals {
            return Ok(Arc::clone(signals));
        }
        let epoll = Epoll::create()?;
        let new = Arc::new(Self {
            asked: note_asking()?,
            changes: WaitList::default(),
            nodes: Mutex::default(),
        });
        epoll.add(new.asked.bell(), 0, Interest::Read)?;
        let theirs = Arc::clone(&new);
        let thread = std::thread::Builder::new().name("ringway-signals".to_owned());
        thread.spawn(move || theirs.watch(&epoll))?;
        Ok(Arc::clone(signals.insert(new)))
    }

    /// The signal that has come, if one has.
    pub(crate) fn came(&self) -> Option<Signal> {
        self.asked.signal()
    }

    fn watch(&self, epoll: &Epoll) {
        if let Err(error) = epoll.wait(&mut Vec::new(), None) {
            warning!(%error, "signals are not watched");
            let _ = error;
            return;
        }
        debug!(signal = self.came().map(Signal::as_raw), "asked to end");
        self.changes.wake_all();
        let nodes = std::mem::take(&mut *lock(&self.nodes));
        for (node, ladder) in nodes {
            node.upgrade()
                .and_then(|shared| stop::begin(&shared, ladder));
        }
    }

    fn stop(&self, shared: &Arc<Shared>, ladder: StopLadder) {
        lock(&self.nodes).push((Arc::downgrade(shared), ladder));
        // It may have come before, and the thread have looked.
        if self.came().is_some() {
            stop::begin(shared, ladder);
        }
    }
}

impl Node {
    /// Has the first SIGINT or SIGTERM begin to [stop](Self::stop) the node by that ladder; [`left`](Self::left) tells when it
    /// is done. The second one ends the process at once.
    ///
    /// This sets what the whole process does about both signals, once, and starts a thread that waits for them; a program
    /// with handlers of its own calls `stop` from there instead. Programs with roles: see
    /// [`Roles::stop_on_signals`](crate::Roles::stop_on_signals).
    ///
    /// # Errors
    ///
    /// The system has no descriptor or no thread left.
    pub fn stop_on_signals(&self, ladder: StopLadder) -> io::Result<()> {
        Signals::get()?.stop(self.shared(), ladder);
        Ok(())
    }
}
