//! A gate at which an actor under test waits until its test lets it on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll};

use crate::shared::lock;
use crate::wait_list::{WaitKey, WaitList};

/// A gate, shut at first: who comes to [`pass`](Self::pass) waits there until somebody lets it on. Cloned, it is the same gate:
/// an actor under test has one end, its test the other.
///
/// It holds a handler where the test wants it, for as long as the test looks at what happens meanwhile: at a full mailbox, at
/// an asker that waits, at an actor that is stopped in the middle of its work.
///
/// ```
/// use ringway::prelude::*;
/// use ringway::test::{Gate, TestBus};
///
/// #[derive(Actor)]
/// #[actor(handles(u32))]
/// struct Slow(Gate);
///
/// impl Handler<u32> for Slow {
///     async fn handle(&mut self, _: u32, _cx: &mut Context<Self>) {
///         self.0.pass().await;
///     }
/// }
///
/// let bus = TestBus::new();
/// let node = bus.attach("node")?;
/// let gate = Gate::new();
/// let slow = node.actor(Slow(gate.clone())).mailbox(1).spawn()?;
/// slow.tell(1).wait()?;
/// gate.wait_for(1); // its handler has begun
/// slow.tell(2).wait()?;
/// assert!(matches!(slow.try_tell(3), Err(SendError::Full { .. })));
/// gate.open();
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Woken when some may pass.
    moved: WaitList,
    /// Woken when one more waits.
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    /// So many may pass though it is shut.
    passes: usize,
    waiting: usize,
}

impl Gate {
    /// A gate that is shut.
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes the gate, now or when it may.
    pub fn pass(&self) -> Pass {
        Pass {
            gate: Arc::clone(&self.0),
            key: WaitKey::default(),
            waits: false,
        }
    }

    /// Lets one pass: one that waits, or the next that comes.
    pub fn let_one_pass(&self) {
        self.change(|state| state.passes += 1);
    }

    /// Lets all pass, those that wait and those that come.
    pub fn open(&self) {
        self.change(|state| state.is_open = true);
    }

    /// Shuts it again, also for those whom [`let_one_pass`](Self::let_one_pass) would have let on.
    pub fn shut(&self) {
        self.change(|state| (state.is_open, state.passes) = (false, 0));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.0.state));
        self.0.moved.wake_all();
    }

    /// How many wait; may be stale at once.
    pub fn waiting(&self) -> usize {
        lock(&self.0.state).waiting
    }

    /// Blocks the calling thread until so many wait, or more. Not for a thread that has to drive their node itself.
    pub fn wait_for(&self, count: usize) {
        let mut state = lock(&self.0.state);
        while state.waiting < count {
            let woken = self.0.arrived.wait(state);
            state = woken.unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// The way through a [`Gate`].
///
/// # Cancel safety
///
/// Dropped before it is ready, it leaves its turn to another.
#[must_use = "nobody passes until this is awaited"]
pub struct Pass {
    gate: Arc<Shared>,
    key: WaitKey,
    waits: bool,
}

impl Pass {
    fn try_pass(&mut self) -> bool {
        let mut state = lock(&self.gate.state);
        let may_pass = state.is_open || state.passes > 0;
        if may_pass && !state.is_open {
            state.passes -= 1;
        }
        if self.waits == may_pass {
            self.waits = !may_pass;
            match self.waits {
                true => state.waiting += 1,
                false => state.waiting -= 1,
            }
        }
        drop(state);
        if self.waits {
            self.gate.arrived.notify_all();
        }
        may_pass
    }
}

impl Future for Pass {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let gate = Arc::clone(&this.gate);
        gate.moved.register(&mut this.key, cx);
        match this.try_pass() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.moved.remove(&mut self.key);
        if self.waits {
            lock(&self.gate.state).waiting -= 1;
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&*lock(&self.0.state)).finish()
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("waits", &self.waits)
            .finish_non_exhaustive()
    }
}
