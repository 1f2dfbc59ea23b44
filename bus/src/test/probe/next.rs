//! Waiting for the next message of a probe, or for one that is as expected.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use super::Probe;
use super::received::Received;
use crate::message::Message;
use crate::node::block_on;
use crate::wait_list::WaitKey;

/// A wait for the next message of a [`Probe`](super::Probe): await it, or [`wait`](Self::wait).
///
/// # Cancel safety
///
/// Dropped before it is ready, it has taken nothing.
#[must_use = "nothing is waited for until this is awaited"]
pub struct NextReceived<'a, M: Message + ?Sized> {
    pub(super) probe: &'a mut Probe<M>,
    pub(super) key: WaitKey,
}

impl<M: Message + ?Sized> NextReceived<'_, M> {
    /// Blocks the calling thread until a message has come.
    ///
    /// # Panics
    ///
    /// In a handler, or in a future that a node's `run_until` runs: await it there.
    pub fn wait(self) -> Received<M> {
        let node = Arc::clone(&self.probe.node);
        block_on(Some(node), self)
    }
}

// Nothing in it is pinned.
impl<M: Message + ?Sized> Unpin for NextReceived<'_, M> {}

impl<M: Message + ?Sized> Future for NextReceived<'_, M> {
    type Output = Received<M>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Received<M>> {
        let this = self.get_mut();
        if let Some(received) = this.probe.try_next() {
            return Poll::Ready(received);
        }
        this.probe.desk.came.register(&mut this.key, cx);
        this.probe.try_next().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<M: Message + ?Sized> Drop for NextReceived<'_, M> {
    fn drop(&mut self) {
        self.probe.desk.came.remove(&mut self.key);
    }
}

impl<M: Message + ?Sized> fmt::Debug for NextReceived<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.probe, f)
    }
}

/// A wait for a certain message: await it, or [`wait`](Self::wait).
#[must_use = "nothing is waited for until this is awaited"]
pub struct Expect<'a, M: Message + ?Sized> {
    pub(super) next: NextReceived<'a, M>,
    pub(super) expected: M::Arrival,
    pub(super) caller: &'static Location<'static>,
}

impl<M: Message + ?Sized> Expect<'_, M>
where
    M::Arrival: PartialEq + fmt::Debug,
{
    /// Blocks the calling thread until a message has come.
    ///
    /// # Panics
    ///
    /// When it is another; and in a handler, or in a future that a node's `run_until` runs: await it there.
    pub fn wait(self) -> Received<M> {
        compare(self.next.wait(), &self.expected, self.caller)
    }
}

/// # Panics
///
/// When the message is another.
///
/// # Cancel safety
///
/// Dropped before it is ready, it has taken nothing.
impl<'a, M: Message + ?Sized> IntoFuture for Expect<'a, M>
where
    M::Arrival: PartialEq + fmt::Debug,
{
    type Output = Received<M>;
    type IntoFuture = Pin<Box<dyn Future<Output = Received<M>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { compare(self.next.await, &self.expected, self.caller) })
    }
}

impl<M: Message + ?Sized> fmt::Debug for Expect<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.next, f)
    }
}

/// Returns the message if it is the expected one.
fn compare<M: Message + ?Sized>(
    received: Received<M>,
    expected: &M::Arrival,
    caller: &'static Location<'static>,
) -> Received<M>
where
    M::Arrival: PartialEq + fmt::Debug,
{
    let came = &received.arrival;
    assert!(
        came == expected,
        "expected at {caller}: {expected:?}\nbut another message came: {came:?}"
    );
    received
}
