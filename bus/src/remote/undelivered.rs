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
use crate::wait_list::{WaitKey, WaitList};

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

/// What came back from the lives after the first that an address follows.
pub(crate) trait Later: Send + Sync {
    /// Of the life that was reached after this one; of the oldest that is kept if this one is not.
    fn after(&self, returns: &Arc<Returns>) -> Option<Arc<Returns>>;
    /// Woken when another life was reached.
    fn moved(&self) -> &WaitList;
    /// Whether no other will be.
    fn is_over(&self) -> bool;
}

/// The messages of one type that came back to one address, oldest first; ends when the receiver has ended and all
/// have been read. That of an address that follows goes on with the next life then, and ends with this node. Dropping it loses
/// nothing: another stream of the same address goes on.
///
/// What comes back while there is no such stream is a [dead letter](crate::DeadLetter) at once; it is kept all the same, as
/// far as there is room, for a stream that is made later.
pub struct UndeliveredStream<M: Message + ?Sized> {
    returns: Arc<Returns>,
    key: WaitKey,
    /// For an address that follows.
    later: Option<Arc<dyn Later>>,
    moved: WaitKey,
    of: PhantomData<fn() -> Box<M>>,
}

impl<M: Message + ?Sized> UndeliveredStream<M> {
    pub(crate) fn new(returns: Arc<Returns>, later: Option<Arc<dyn Later>>) -> Self {
        returns.listen(M::TYPE_ID);
        Self {
            returns,
            key: WaitKey::default(),
            later,
            moved: WaitKey::default(),
            of: PhantomData,
        }
    }

    /// Takes the next message that has come back already; never waits.
    pub fn try_next(&mut self) -> Option<Undelivered<M>> {
        loop {
            match self.returns.take() {
                (None, true) if self.goes_on() => {}
                (returned, _) => return returned,
            }
        }
    }

    /// All of an ended life has been read: goes on with the next one, if one was reached.
    fn goes_on(&mut self) -> bool {
        let Some(next) = self.later.as_ref().and_then(|it| it.after(&self.returns)) else {
            return false;
        };
        next.listen(M::TYPE_ID);
        self.let_go();
        self.returns = next;
        true
    }

    fn let_go(&mut self) {
        self.returns.readers().remove(&mut self.key);
        self.returns.stop_listening(M::TYPE_ID);
    }
}

impl<M: Message + ?Sized> Stream for UndeliveredStream<M> {
    type Item = Undelivered<M>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let (mut registered, mut waits_for_life) = (false, false);
        loop {
            let (returned, has_ended) = this.returns.take();
            if returned.is_some() {
                return Poll::Ready(returned);
            }
            if !has_ended {
                if registered {
                    return Poll::Pending;
                }
                this.returns.readers().register(&mut this.key, cx);
                registered = true;
            } else if this.goes_on() {
                registered = false;
            } else {
                let Some(later) = this.later.as_ref().filter(|it| !it.is_over()) else {
                    return Poll::Ready(None);
                };
                if waits_for_life {
                    return Poll::Pending;
                }
                later.moved().register(&mut this.moved, cx);
                waits_for_life = true;
            }
        }
    }
}

impl<M: Message + ?Sized> Drop for UndeliveredStream<M> {
    fn drop(&mut self) {
        self.let_go();
        if let Some(later) = &self.later {
            later.moved().remove(&mut self.moved);
        }
    }
}

impl<M: Message + ?Sized> std::fmt::Debug for UndeliveredStream<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UndeliveredStream").finish_non_exhaustive()
    }
}
