//! What failed after a tell's `Ok`: per address, the messages that came back, and why.

mod returns;
mod shelf;

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

pub(super) use self::returns::Queued;
pub(crate) use self::returns::Readers;
pub use self::returns::Returns;
pub(crate) use self::shelf::{Raw, Shelf};
use crate::actor::Undone;
use crate::message::{Message, Parcel};
use crate::wait_list::WaitKey;

/// A tell that had returned `Ok` and was not handled to its end.
///
/// # Examples
///
/// What had no effect goes to the successor; what had begun is for the program to judge.
///
/// ```
/// # use ringway::prelude::*;
/// # async fn resend<M, A>(old: &Addr<A>, new: &Addr<A>) -> Result<u64, BoxError>
/// # where M: Message + ?Sized, A: Actor + ringway::Accepts<M> {
/// let mut in_doubt = 0;
/// let mut failed = old.undelivered::<M>(); // ends when the old actor has, and all have been read
/// while let Some(Undelivered { message, taken, why, .. }) = failed.next().await {
///     match message {
///         Some(message) if !taken => new.tell(message).await.map_err(|error| error.to_string())?,
///         _ => {
///             eprintln!("in doubt: {why}");
///             in_doubt += 1;
///         }
///     }
/// }
/// # Ok(in_doubt) }
/// ```
pub struct Undelivered<M: Message + ?Sized> {
    /// The message; `None` when it was taken and its bytes are gone with the receiver. `tell` and `ask` take it as it is;
    /// [`into_value`](Parcel::into_value) gives what is inside.
    pub message: Option<Parcel<M>>,
    /// Whether its handler had begun. If not, it had no effect and is safe to send again.
    pub taken: bool,
    /// Why it was not handled.
    pub why: Undone,
}

impl<M: Message + ?Sized> std::fmt::Debug for Undelivered<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Undelivered")
            .field("type", &M::NAME)
            .field("message", &self.message.is_some())
            .field("taken", &self.taken)
            .field("why", &self.why)
            .finish()
    }
}

/// The messages of one type that came back to one address, oldest first; ends when the receiver has ended and all
/// have been read. Dropping it loses nothing: another stream of the same address goes on.
///
/// What comes back while there is no such stream is a [dead letter](crate::DeadLetter) at once; it is kept all the same, as
/// far as there is room, for a stream that is made later.
pub struct UndeliveredStream<M: Message + ?Sized> {
    returns: Arc<Returns>,
    key: WaitKey,
    of: PhantomData<fn() -> Box<M>>,
}

impl<M: Message + ?Sized> UndeliveredStream<M> {
    pub(crate) fn new(returns: Arc<Returns>) -> Self {
        returns.listen(M::TYPE_ID);
        Self {
            returns,
            key: WaitKey::default(),
            of: PhantomData,
        }
    }

    /// Takes the next message that has come back already; never waits.
    pub fn try_next(&mut self) -> Option<Undelivered<M>> {
        self.returns.take().0
    }
}

impl<M: Message + ?Sized> Stream for UndeliveredStream<M> {
    type Item = Undelivered<M>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        for registered in [false, true] {
            match this.returns.take() {
                (Some(returned), _) => return Poll::Ready(Some(returned)),
                (None, true) => return Poll::Ready(None),
                (None, false) if registered => return Poll::Pending,
                (None, false) => this.returns.readers().register(&mut this.key, cx),
            }
        }
        Poll::Pending
    }
}

impl<M: Message + ?Sized> Drop for UndeliveredStream<M> {
    fn drop(&mut self) {
        self.returns.readers().remove(&mut self.key);
        self.returns.stop_listening(M::TYPE_ID);
    }
}

impl<M: Message + ?Sized> std::fmt::Debug for UndeliveredStream<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UndeliveredStream").finish_non_exhaustive()
    }
}
