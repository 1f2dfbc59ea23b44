//! What can be said of an ask before it is polled: its deadline, its priority, and how often it may be sent.

use std::time::Duration;

use super::asking::{Asking, Stage};
use super::{Ask, Progress};
use crate::clock::Nanos;
use crate::message::{Message, Parcel, Sendable};
use crate::priority::Priority;
use crate::send::redeliver::{Redeliver, RedeliveredAsk};
use crate::send::way::Way;

impl<'a, S: Sendable> Ask<'a, S> {
    /// Has the message sent to the next life of its receiver, in order, when the one that it reached dies before it has
    /// handled it to its end; at most `times` more often than once if the handler had begun.
    ///
    /// That takes an address that follows: found by [`lookup`](crate::Node::lookup), or a supervisor's. The address of one life
    /// has no next one. The message is copied for each attempt. Its handler sees which attempt it is
    /// ([`Context::attempt`](crate::Context::attempt)), and by [`Context::message_id`](crate::Context::message_id) whether it
    /// has had the message before: a receiver may die after the effect of a message and before its reply, so each is handled *at
    /// least* once. What was answered is never sent again; and nothing is sent again by a process that is dead itself.
    ///
    /// A message whose receivers all end after they took it is poison: after the last attempt it is a
    /// [dead letter](crate::DeadLetter), and the asker gets [`AskError::Poisoned`](crate::AskError::Poisoned). Lives
    /// that end before they took it do not count.
    ///
    /// # Panics
    ///
    /// When it was polled before.
    pub fn redeliver(self, times: u32) -> RedeliveredAsk<'a, S>
    where
        S: Redeliver,
    {
        let keep = <S as Redeliver>::keep as fn(&S) -> S;
        match self.0 {
            Progress::Fresh(fresh) => {
                let to = (Way::Local(fresh.route), fresh.follow);
                RedeliveredAsk::new(to, (fresh.message, keep), times, fresh.wait)
            }
            Progress::Again(again) if again.is_fresh() => {
                let priority = again.urgency();
                let parts = again.into_parts();
                let (to, message, wait) = parts.expect("looked at a moment ago");
                let message = (S::from_parcel(message), keep);
                RedeliveredAsk::new(to, message, times, wait).priority(priority)
            }
            Progress::Asking(mut asking) if asking.stage.fresh().is_some() => {
                let (wait, priority) = asking.stage.fresh().unwrap_or_default();
                let to = (asking.sending.way, asking.sending.follow);
                let message = (asking.sending.take_back(), keep);
                RedeliveredAsk::new(to, message, times, wait).priority(priority)
            }
            _ => panic!("an ask was polled before it was told to be redelivered"),
        }
    }

    /// Has the message sent once, also to an actor that is [set](crate::ActorBuilder::redeliver) to have it redelivered; without
    /// effect once it was polled.
    pub fn once(self) -> Self {
        let Self(Progress::Again(again)) = self else {
            return self;
        };
        if !again.is_fresh() {
            return Self(Progress::Again(again));
        }
        let priority = again.urgency();
        let ((way, follow), message, wait) = again.into_parts().expect("looked at a moment ago");
        let plain = Self::plain(way, follow, S::from_parcel(message));
        plain.deadline(wait).priority(priority)
    }

    /// Waits for the reply no longer than `deadline`, from when the ask is first polled; without effect after that. The
    /// default is 5 s. Waits of a second and more are up to a tick of the kernel longer (1 to 10 ms), never shorter.
    #[inline]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        match &mut self.0 {
            Progress::Fresh(fresh) => fresh.wait = deadline,
            Progress::Asking(asking) => {
                if let Stage::Fresh(wait) | Stage::FreshHigh(wait) = &mut asking.stage {
                    *wait = deadline;
                }
            }
            Progress::Again(again) => again.set_deadline(deadline),
            Progress::Local(_) | Progress::Over => {}
        }
        self
    }

    /// Sends it with this [`Priority`], which is normal unless told otherwise; without effect once this was polled. Its reply has
    /// none: it goes back by a way of its own.
    pub fn priority(self, priority: Priority) -> Self {
        match (self.0, priority) {
            (Progress::Fresh(fresh), Priority::High) => {
                let (way, stage) = (Way::Local(fresh.route), Stage::FreshHigh(fresh.wait));
                let asking = Asking::fresh(way, fresh.follow, fresh.message, stage);
                Self(Progress::Asking(asking))
            }
            (Progress::Asking(mut asking), priority) => {
                if let Some((wait, _)) = asking.stage.fresh() {
                    asking.stage = match priority {
                        Priority::Normal => Stage::Fresh(wait),
                        Priority::High => Stage::FreshHigh(wait),
                    };
                }
                Self(Progress::Asking(asking))
            }
            (Progress::Again(again), priority) => {
                Self(Progress::Again(Box::new(again.priority(priority))))
            }
            (progress, _) => Self(progress),
        }
    }

    /// Waits up to a point in time, which may be none, and is sent once; before it is polled.
    pub(crate) fn by(self, deadline: Nanos) -> Self {
        let mut asking = match self.once().0 {
            Progress::Fresh(fresh) => {
                let (way, follow) = (Way::Local(fresh.route), fresh.follow);
                Asking::fresh(way, follow, fresh.message, Stage::Sending(None))
            }
            Progress::Asking(asking) => asking,
            begun => return Self(begun),
        };
        let now = asking.sending.way.clock().now();
        (asking.sending.began, asking.sending.deadline) = (now, deadline);
        if let Some((_, priority)) = asking.stage.fresh() {
            asking.sending.set_priority(priority);
            asking.stage = Stage::Sending(None);
        }
        Self(Progress::Asking(asking))
    }
}

/// The same message once more; who calls this has seen that it can be copied.
pub(in crate::send) fn keep_parcel<M: Message + ?Sized>(parcel: &Parcel<M>) -> Parcel<M> {
    parcel
        .keep()
        .expect("can-be-kept: looked at before it was sent")
}
