//! A message on its way to its receiver: one state machine for tells and asks.
//!
//! It offers the message, waits for whatever stands in the way, and offers again, until the message is accepted, the
//! deadline passes, or waiting cannot help.

mod offer;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ringway_shm::generation::Key;
use ringway_shm::sys::fork;

use self::offer::Offered;
use super::redeliver::About;
use super::way::Way;
use super::{Follow, SendError};
use crate::actor::port::ReplyPort;
use crate::clock::Nanos;
use crate::driver::timer::TimerKey;
use crate::message::{Message, Parcel, Sendable};
use crate::priority::Priority;
use crate::remote::Outgoing;
use crate::shared::Shared;
use crate::wait_list::WaitKey;

/// Whether a full mailbox is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    None,
    Waits,
}

/// What the message is at the moment.
pub(super) enum Load<M: Message + ?Sized> {
    Parcel(Parcel<M>),
    /// Encoded for a uring that had no room yet. Boxed: rare, and larger than all else in a future.
    Packed(Box<Outgoing>),
    Gone,
}

/// What kind of answer is wanted.
pub(super) enum Wanted<M: Message + ?Sized> {
    /// None: a tell.
    Nothing,
    /// A reply, through this port if the receiver is local.
    Reply(Option<ReplyPort<M>>),
    /// A reply to what may be sent more than once, until there is a port.
    Again(Box<About>),
}

/// A message on its way.
pub(super) struct Sending<'a, S: Sendable> {
    pub(super) way: Way<'a, S::Message>,
    /// Where another life is found when the one that the way leads to has ended.
    pub(super) follow: Follow<'a, S::Message>,
    load: Load<S::Message>,
    pub(super) wanted: Wanted<S::Message>,
    pub(super) began: Nanos,
    pub(super) deadline: Nanos,
    patience: Patience,
    priority: Priority,
    room: WaitKey,
    blocks: WaitKey,
    timer: Option<TimerKey>,
    /// The node, once it was needed.
    shared: Option<Arc<Shared>>,
}

// Nothing in it is pinned: the message is moved until it is sent.
impl<S: Sendable> Unpin for Sending<'_, S> {}

/// What became of a message that was not refused.
pub(super) enum Sent<S> {
    /// On its way; the op beside it is that of a remote ask, or of a block.
    Away(Option<Key>),
    /// An ask that was dropped by its receiver's policy.
    Dropped(S),
}

impl<'a, S: Sendable> Sending<'a, S> {
    #[inline]
    pub(super) fn new(way: Way<'a, S::Message>, message: S, wanted: Wanted<S::Message>) -> Self {
        Self::of_load(way, Load::Parcel(message.into_parcel()), wanted)
    }

    /// The same of a message that may be encoded already.
    #[inline]
    pub(super) fn of_load(
        way: Way<'a, S::Message>,
        load: Load<S::Message>,
        wanted: Wanted<S::Message>,
    ) -> Self {
        Self {
            way,
            follow: None,
            load,
            wanted,
            began: Nanos::NONE,
            deadline: Nanos::NONE,
            patience: Patience::Waits,
            priority: Priority::Normal,
            room: WaitKey::default(),
            blocks: WaitKey::default(),
            timer: None,
            shared: None,
        }
    }

    /// A tell of high priority.
    #[cold]
    #[inline(never)]
    pub(super) fn high(way: Way<'a, S::Message>, message: S) -> Self {
        let mut sending = Self::new(way, message, Wanted::Nothing);
        sending.set_priority(Priority::High);
        sending
    }

    /// The node that minds the deadline, without counting one more who holds it where that is not needed.
    fn node(&mut self) -> Option<&Arc<Shared>> {
        match self.way {
            Way::Local(route) => Some(route.core().shared()),
            Way::Remote(_) => self.shared(),
        }
    }

    /// The node that sends.
    fn shared(&mut self) -> Option<&Arc<Shared>> {
        if self.shared.is_none() {
            self.shared = self.way.shared();
        }
        self.shared.as_ref()
    }

    /// Gives it this priority, before it is offered.
    #[inline]
    pub(super) fn set_priority(&mut self, priority: Priority) {
        self.priority = priority;
        self.way = self.way.with(priority);
    }

    pub(super) fn patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    pub(super) fn priority(&self) -> Priority {
        self.priority
    }

    /// Offers the message.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Sent<S>, SendError<S>>> {
        if fork::check().is_err() {
            return Poll::Ready(Err(SendError::Forked {
                message: self.take_back(),
            }));
        }
        for may_wait in [false, true] {
            let offered = match self.way {
                Way::Local(route) => self.offer_local(route),
                Way::Remote(end) => self.offer_remote(end),
            };
            match offered {
                Ok(op) => return Poll::Ready(Ok(Sent::Away(op))),
                Err(Offered::Dropped) => return Poll::Ready(Ok(self.drop_newest())),
                Err(Offered::Fails(error)) => return Poll::Ready(Err(error)),
                Err(Offered::MayWait) if self.patience == Patience::None => {
                    return Poll::Ready(Err(SendError::Full {
                        message: self.take_back(),
                    }));
                }
                Err(Offered::MayWait) if self.way.clock().has_passed(self.deadline) => {
                    let waited = self.waited();
                    let message = self.take_back();
                    return Poll::Ready(Err(SendError::Deadline { message, waited }));
                }
                Err(Offered::MayWait) if !may_wait => self.wait(cx),
                Err(Offered::MayWait) => {}
            }
        }
        self.arm(cx);
        Poll::Pending
    }

    fn wait(&mut self, cx: &Context<'_>) {
        match self.way {
            Way::Local(route) => route.room(self.priority).register(&mut self.room, cx),
            Way::Remote(end) => {
                if let Load::Parcel(_) = self.load {
                    end.blocks.register(&mut self.blocks, cx);
                }
                end.room.register(&mut self.room, cx);
                end.wait_for_room();
            }
        }
    }

    /// How long it has been on its way.
    pub(super) fn waited(&self) -> Duration {
        self.way.clock().now().since(self.began)
    }

    /// Takes a timer over that was armed for the deadline.
    pub(super) fn take_over(&mut self, timer: Option<TimerKey>) {
        self.timer = timer;
    }

    /// Whether the deadline's timer was armed: it may have fired.
    pub(super) fn is_armed(&self) -> bool {
        self.timer.is_some()
    }

    /// Arms the deadline's timer, or renews its waker.
    pub(super) fn arm(&mut self, cx: &Context<'_>) {
        let (due, armed) = (self.deadline, self.timer);
        if due == Nanos::NONE {
            return;
        }
        let Some(shared) = self.node() else {
            return;
        };
        match armed {
            Some(timer) => shared.timers.rewake(timer, cx.waker()),
            None => self.timer = Some(shared.arm_timer(due, cx.waker())),
        }
    }

    /// The message as it was handed over.
    pub(super) fn take_back(&mut self) -> S {
        S::from_parcel(self.unload())
    }

    fn unload(&mut self) -> Parcel<S::Message> {
        let parcel = std::mem::replace(&mut self.load, Load::Gone).into_parcel(self.way);
        parcel.expect("unsent: it is taken back once, from what it was packed into")
    }
}

impl<S: Sendable> Drop for Sending<'_, S> {
    fn drop(&mut self) {
        match self.way {
            // Most never waited for room, and a list is made when it is asked for.
            Way::Local(route) if self.room.is_registered() => {
                route.room(self.priority).remove(&mut self.room);
            }
            Way::Remote(end) if self.room.is_registered() || self.blocks.is_registered() => {
                end.room.remove(&mut self.room);
                end.blocks.remove(&mut self.blocks);
            }
            Way::Local(_) | Way::Remote(_) => {}
        }
        if let Some(timer) = self.timer
            && let Some(shared) = self.node()
        {
            shared.timers.disarm(timer);
        }
    }
}
