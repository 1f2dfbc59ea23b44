//! An ask that went straight into a mailbox of this process: nothing of what waiting for room or another process needs.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::actor::cell::LocalRoute;
use crate::actor::letter::Handed;
use crate::actor::port::{Answer, ReplyPort};
use crate::actor::reply::Asker;
use crate::clock::Nanos;
use crate::driver::timer::TimerKey;
use crate::message::Message;
use crate::send::Way;

/// The wait for the reply of a letter that is with its receiver.
pub(super) struct LocalAsk<'a, M: Message + ?Sized> {
    route: &'a dyn LocalRoute<M>,
    asker: Asker<Answer<M>>,
    pub(super) began: Nanos,
    pub(super) deadline: Nanos,
    timer: Option<TimerKey>,
}

/// An ask that the mailbox did not accept at once, and the two sides of its reply.
pub(super) struct Refused<M: Message + ?Sized> {
    pub(super) handed: Handed<M>,
    pub(super) port: ReplyPort<M>,
    pub(super) asker: Asker<Answer<M>>,
    pub(super) began: Nanos,
    pub(super) deadline: Nanos,
}

/// What a look at the reply found.
pub(super) enum Look<T> {
    /// What came; `None` when the handler did not come to its end.
    Come(Option<T>),
    Overdue,
    Wait,
}

impl<'a, M: Message + ?Sized> LocalAsk<'a, M> {
    /// Puts the letter into the mailbox; its reply wakes the waker of `cx`.
    #[inline]
    pub(super) fn begin(
        route: &'a dyn LocalRoute<M>,
        handed: Handed<M>,
        wait: Duration,
        cx: &Context<'_>,
    ) -> Result<Self, Box<Refused<M>>> {
        let (began, deadline) = Way::Local(route).clock().begin(wait);
        let (port, asker) = ReplyPort::ask(deadline, cx.waker());
        match route.push(handed, port) {
            Ok(()) => {
                let mut ask = Self {
                    route,
                    asker,
                    began,
                    deadline,
                    timer: None,
                };
                let queue = &route.core().shared().queue;
                if !(Nanos::is_long(wait) && queue.mind_later(cx.waker())) {
                    ask.arm(cx);
                }
                Ok(ask)
            }
            Err((handed, port, _)) => Err(Box::new(Refused {
                handed,
                port,
                asker,
                began,
                deadline,
            })),
        }
    }

    /// Looks for the reply, and after that at the deadline.
    #[inline]
    pub(super) fn look(&mut self, cx: &Context<'_>) -> Look<Answer<M>> {
        match self.asker.poll(cx) {
            Poll::Ready(answer) => Look::Come(answer),
            Poll::Pending if self.way().clock().has_passed(self.deadline) => Look::Overdue,
            Poll::Pending => {
                self.arm(cx);
                Look::Wait
            }
        }
    }

    /// Arms the deadline's timer, or renews its waker.
    #[inline]
    fn arm(&mut self, cx: &Context<'_>) {
        let shared = self.route.core().shared();
        match self.timer {
            Some(timer) => shared.timers.rewake(timer, cx.waker()),
            None => self.timer = Some(shared.arm_timer(self.deadline, cx.waker())),
        }
    }

    pub(super) fn way(&self) -> Way<'a, M> {
        Way::Local(self.route)
    }

    /// How long it has waited.
    #[cold]
    pub(super) fn waited(&self) -> Duration {
        self.way().clock().now().since(self.began)
    }

    /// Its timer, to be disarmed by who takes it.
    pub(super) fn take_timer(&mut self) -> Option<TimerKey> {
        self.timer.take()
    }
}

impl<M: Message + ?Sized> Drop for LocalAsk<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.route.core().shared().timers.disarm(timer);
        }
        if let Some(Ok(_)) = self.asker.give_up() {
            self.route.core().unread_reply::<M>();
        }
    }
}
