//! An ask as a future: first the short way into a mailbox of this process, then the long one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::FusedFuture;
use ringway_shm::sys::fork;

use super::answer::undone;
use super::asking::{Asking, Stage};
use super::local::{LocalAsk, Look};
use super::{Arrival, Ask, Fresh, Progress, ReplyOf};
use crate::message::{Message, Parcel, Semantics as _, Sendable};
use crate::send::AskError;
use crate::send::way::Way;

// Nothing in it is pinned.
impl<S: Sendable> Unpin for Ask<'_, S> {}

impl<S: Sendable> Future for Ask<'_, S> {
    type Output = Result<Arrival<S>, AskError<S>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Each way has a function of its own: results may be large, and where nothing is optimized each has its places on the
        // stack.
        let this = self.get_mut();
        match this.0 {
            Progress::Local(_) => this.poll_local(cx),
            _ => this.poll_other(cx),
        }
    }
}

impl<S: Sendable> Ask<'_, S> {
    /// Looks for the reply of a receiver of this process.
    #[inline]
    fn poll_local(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival<S>, AskError<S>>> {
        let Progress::Local(ask) = &mut self.0 else {
            return Poll::Pending;
        };
        let error = match ask.look(cx) {
            Look::Wait => return Poll::Pending,
            Look::Come(Some(Ok(reply))) => {
                self.0 = Progress::Over;
                // Made where the caller wants it: a result is large, and is not copied again.
                let reply = Parcel::Value(reply);
                return Poll::Ready(Ok(<ReplyOf<S> as Message>::Semantics::arrive(reply)));
            }
            Look::Come(Some(Err(failure))) => undone(*failure, ask.waited()),
            Look::Overdue => AskError::Deadline {
                waited: ask.waited(),
            },
            Look::Come(None) => {
                self.0 = Progress::Asking(Asking::ending(ask));
                return self.poll_other(cx);
            }
        };
        self.0 = Progress::Over;
        Poll::Ready(Err(error))
    }

    /// Sends, or goes on with what is not with a receiver of this process yet.
    #[inline]
    fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival<S>, AskError<S>>> {
        if matches!(self.0, Progress::Fresh(_)) && self.has_begun(cx) {
            return Poll::Pending;
        }
        match &mut self.0 {
            Progress::Asking(asking) => asking.poll(cx),
            Progress::Again(again) => Pin::new(&mut **again)
                .poll(cx)
                .map_err(|error| error.map(S::from_parcel)),
            _ => panic!("an ask was polled after it was ready"),
        }
    }

    /// Sends straight, if the receiver has room.
    #[inline]
    fn has_begun(&mut self, cx: &Context<'_>) -> bool {
        let Progress::Fresh(fresh) = std::mem::replace(&mut self.0, Progress::Over) else {
            return false;
        };
        let Fresh {
            route,
            follow,
            message,
            wait,
        } = fresh;
        if fork::check().is_err() {
            let fresh = Asking::fresh(Way::Local(route), follow, message, Stage::Fresh(wait));
            self.0 = Progress::Asking(fresh);
            return false;
        }
        match LocalAsk::begin(route, message.into_parcel().into(), wait, cx) {
            Ok(local) => {
                self.0 = Progress::Local(local);
                true
            }
            Err(refused) => {
                self.0 = Progress::Asking(Asking::refused(route, follow, *refused));
                false
            }
        }
    }
}

impl<S: Sendable> FusedFuture for Ask<'_, S> {
    fn is_terminated(&self) -> bool {
        match &self.0 {
            Progress::Asking(asking) => matches!(asking.stage, Stage::Over),
            Progress::Again(again) => again.is_over(),
            Progress::Fresh(_) | Progress::Local(_) => false,
            Progress::Over => true,
        }
    }
}
