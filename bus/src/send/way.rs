//! The way of a message to its receiver: into a mailbox of this process, or into a uring.
//!
//! One state machine for tells and asks: it offers the message, waits for whatever stands in the way, and offers again,
//! until the message is accepted, the deadline passes, or waiting cannot help.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ringway_shm::generation::Key;
use ringway_shm::heap::HeapError;
use ringway_shm::sys::fork;

use super::redeliver::About;
use super::{Follow, LoanError, SendError};
use crate::actor::Undone;
use crate::actor::cell::LocalRoute;
use crate::actor::port::ReplyPort;
use crate::addr::follow::Successors;
use crate::addr::{ActorId, Recipient};
use crate::clock::{Clock, Nanos};
use crate::completion;
use crate::driver::timer::TimerKey;
use crate::exit::ExitReason;
use crate::loan::Loan;
use crate::mailbox::{Overflow, Refused};
use crate::message::{Fill, InPlace, Message, Parcel, Sendable};
use crate::node::lookup::Deadline;
use crate::priority::Priority;
use crate::remote::ops::OpKind;
use crate::remote::undelivered::Undelivered;
use crate::remote::{Obstacle, Outgoing, RemoteEnd};
use crate::shared::Shared;
use crate::token::TokenizeError;
use crate::wait_list::WaitKey;

/// Where a message is to be sent, and how urgent it is. Which life it is for is looked up as it is sent.
pub(crate) enum To<'a, M: Message + ?Sized> {
    Life(Way<'a, M>),
    Follows(&'a dyn Successors<M>),
    /// The same, whatever the receiver is set to: it is sent once.
    FollowsOnce(&'a dyn Successors<M>),
    /// The same three, with high priority.
    LifeHigh(Way<'a, M>),
    FollowsHigh(&'a dyn Successors<M>),
    FollowsOnceHigh(&'a dyn Successors<M>),
}

impl<'a, M: Message + ?Sized> To<'a, M> {
    /// The way to the life that there is, or was last.
    #[inline]
    pub(super) fn way(&self) -> Way<'a, M> {
        match *self {
            Self::Life(way) | Self::LifeHigh(way) => way,
            Self::Follows(follow)
            | Self::FollowsOnce(follow)
            | Self::FollowsHigh(follow)
            | Self::FollowsOnceHigh(follow) => follow.way(),
        }
    }

    #[inline]
    pub(super) fn priority(&self) -> Priority {
        match self {
            Self::Life(_) | Self::Follows(_) | Self::FollowsOnce(_) => Priority::Normal,
            Self::LifeHigh(_) | Self::FollowsHigh(_) | Self::FollowsOnceHigh(_) => Priority::High,
        }
    }

    pub(super) fn with(&self, priority: Priority) -> Self {
        match (priority, self) {
            (Priority::Normal, Self::Life(way) | Self::LifeHigh(way)) => Self::Life(*way),
            (Priority::High, Self::Life(way) | Self::LifeHigh(way)) => Self::LifeHigh(*way),
            (Priority::Normal, Self::Follows(it) | Self::FollowsHigh(it)) => Self::Follows(*it),
            (Priority::High, Self::Follows(it) | Self::FollowsHigh(it)) => Self::FollowsHigh(*it),
            (Priority::Normal, Self::FollowsOnce(it) | Self::FollowsOnceHigh(it)) => {
                Self::FollowsOnce(*it)
            }
            (Priority::High, Self::FollowsOnce(it) | Self::FollowsOnceHigh(it)) => {
                Self::FollowsOnceHigh(*it)
            }
        }
    }

    /// The same, to be sent once.
    pub(super) fn once(&self) -> Self {
        match *self {
            Self::Life(way) => Self::Life(way),
            Self::LifeHigh(way) => Self::LifeHigh(way),
            Self::Follows(it) | Self::FollowsOnce(it) => Self::FollowsOnce(it),
            Self::FollowsHigh(it) | Self::FollowsOnceHigh(it) => Self::FollowsOnceHigh(it),
        }
    }

    /// Where another life is found when that has ended.
    #[inline]
    pub(super) fn follow(&self) -> Follow<'a, M> {
        match *self {
            Self::Life(_) | Self::LifeHigh(_) => None,
            Self::Follows(follow)
            | Self::FollowsOnce(follow)
            | Self::FollowsHigh(follow)
            | Self::FollowsOnceHigh(follow) => Some(follow),
        }
    }
}

/// Where a message goes.
pub(crate) enum Way<'a, M: Message + ?Sized> {
    Local(&'a dyn LocalRoute<M>),
    Remote(&'a Arc<RemoteEnd>),
}

impl<M: Message + ?Sized> Clone for Way<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Message + ?Sized> Copy for Way<'_, M> {}

impl<M: Message + ?Sized> Way<'_, M> {
    /// Who is at its end.
    pub(super) fn actor(&self) -> ActorId {
        match self {
            Self::Local(route) => ActorId::of(route.core()),
            Self::Remote(end) => ActorId::at(end),
        }
    }

    /// The same for one who keeps it; `None` when the actor has ended.
    pub(super) fn own(&self) -> Option<Recipient<M>> {
        Some(match self {
            Self::Local(route) => Recipient::local(route.core().own_route()?),
            Self::Remote(end) => Recipient::remote(Arc::clone(end)),
        })
    }

    /// How often the receiver is set to have messages of this type sent again; 0 for those that cannot be copied, too.
    #[inline]
    pub(super) fn redeliver(&self) -> u32 {
        if M::KEEP.is_none() {
            return 0;
        }
        match self {
            Self::Local(route) => route.core().redeliver(),
            Self::Remote(end) => end.redeliver(),
        }
    }

    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        match self {
            Self::Local(route) => Some(Arc::clone(route.core().shared())),
            Self::Remote(end) => end.shared(),
        }
    }
}

impl<'a, M: Message + ?Sized> Way<'a, M> {
    /// The way for what has this priority: to another process, a uring of its own. In this process the letter is handed over
    /// with its priority.
    #[inline]
    pub(super) fn with(self, priority: Priority) -> Self {
        match self {
            Self::Remote(end) => Self::Remote(end.of(priority)),
            Self::Local(route) => Self::Local(route),
        }
    }

    /// The clock of the node that sends; without the feature `test` there is only one, and nothing is looked up.
    #[inline]
    pub(super) fn clock(&self) -> &'a Clock {
        #[cfg(feature = "test")]
        match self {
            Self::Local(route) => &route.core().shared().clock,
            Self::Remote(end) => &end.clock,
        }
        #[cfg(not(feature = "test"))]
        &Clock {}
    }
}

impl<M: InPlace + ?Sized> Way<'_, M>
where
    M::Access: Fill<M::View>,
{
    /// Reserves a message where this way leads.
    pub(crate) fn loan(&self, items: usize) -> Result<Loan<M>, LoanError> {
        match self {
            Self::Local(_) => Loan::private(items).map_err(|bytes| LoanError::Memory { bytes }),
            Self::Remote(end) => {
                let shared = end.shared().ok_or(LoanError::Detached)?;
                end.recover();
                let room = completion::room(OpKind::Tell, end);
                match Loan::for_entry(&end.heap, items, room) {
                    Err(HeapError::Full { .. }) => {
                        shared.sweep_replies();
                        Ok(Loan::for_entry(&end.heap, items, room)?)
                    }
                    loan => Ok(loan?),
                }
            }
        }
    }

    /// The same, waiting for blocks to come back.
    pub(crate) async fn loan_timeout(
        &self,
        items: usize,
        timeout: Duration,
    ) -> Result<Loan<M>, LoanError> {
        let Self::Remote(end) = self else {
            return self.loan(items);
        };
        let shared = end.shared().ok_or(LoanError::Detached)?;
        let mut full = None;
        let look = || match self.loan(items) {
            Err(LoanError::Heap(error @ HeapError::Full { .. }))
                if shared.has_lent() || shared.has_retiring() =>
            {
                full = Some(error);
                None
            }
            loan => Some(loan),
        };
        let deadline = Deadline::new(&shared, timeout);
        let loan = deadline.until(&end.blocks, look).await;
        loan.unwrap_or_else(|| Err(LoanError::Heap(full.expect("looked at least once"))))
    }
}

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

    /// Tells a receiver that has room: straight, without most of this. Returns what has still to be sent.
    #[inline]
    pub(super) fn beyond_straight_tell(way: Way<'a, S::Message>, message: S) -> Option<Self> {
        if fork::check().is_err() {
            return Some(Self::new(way, message, Wanted::Nothing));
        }
        let route = match way {
            Way::Local(route) => route,
            Way::Remote(end) => {
                let load = Self::beyond_straight_push(end, message.into_parcel())?;
                return Some(Self::of_load(way, load, Wanted::Nothing));
            }
        };
        match route.push(message.into_parcel().into(), ReplyPort::tell()) {
            Ok(()) => None,
            Err((handed, _, _)) => Some(Self::of_load(
                way,
                Load::Parcel(handed.into()),
                Wanted::Nothing,
            )),
        }
    }

    /// The same, to another process. What stands in its way is found out when it is offered again.
    #[inline]
    fn beyond_straight_push(
        end: &Arc<RemoteEnd>,
        parcel: Parcel<S::Message>,
    ) -> Option<Load<S::Message>> {
        match completion::pack(parcel, OpKind::Tell, Nanos::NONE, end, || ()) {
            Ok(mut outgoing) => match end.submit(&mut outgoing) {
                Ok(_) => None,
                Err(_) => Some(Load::Packed(Box::new(outgoing))),
            },
            Err(error) => Some(Load::Parcel(error.into_parts().0)),
        }
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

    fn offer_local(
        &mut self,
        route: &dyn LocalRoute<S::Message>,
    ) -> Result<Option<Key>, Offered<S>> {
        let Load::Parcel(parcel) = std::mem::replace(&mut self.load, Load::Gone) else {
            return Ok(None);
        };
        let port = match &mut self.wanted {
            Wanted::Nothing => ReplyPort::tell(),
            Wanted::Reply(port) => port.take().unwrap_or_else(ReplyPort::tell),
            Wanted::Again(_) => ReplyPort::tell(), // an ask makes its port before it is offered
        };
        let pushed = match self.priority {
            Priority::Normal => route.push(parcel.into(), port),
            Priority::High => route.push_high(parcel.into(), port),
        };
        let (handed, port, refused) = match pushed {
            Ok(()) => return Ok(None),
            Err(refused) => refused,
        };
        self.load = Load::Parcel(handed.into());
        if let Wanted::Reply(kept) = &mut self.wanted {
            *kept = Some(port);
        }
        Err(match refused {
            Refused::Full if route.overflow() == Overflow::Fail => {
                Offered::Fails(SendError::Full {
                    message: self.take_back(),
                })
            }
            Refused::Full => Offered::MayWait,
            Refused::Closed(reason) => Offered::Fails(SendError::Ended {
                message: self.take_back(),
                reason,
            }),
        })
    }

    fn offer_remote(&mut self, end: &Arc<RemoteEnd>) -> Result<Option<Key>, Offered<S>> {
        match std::mem::replace(&mut self.load, Load::Gone) {
            Load::Parcel(parcel) => {
                let mut outgoing = self.pack(end, parcel)?;
                end.submit(&mut outgoing).map_err(|obstacle| {
                    self.load = Load::Packed(Box::new(outgoing));
                    self.not_accepted(end, obstacle)
                })
            }
            Load::Packed(mut outgoing) => end.submit(&mut outgoing).map_err(|obstacle| {
                self.load = Load::Packed(outgoing);
                self.not_accepted(end, obstacle)
            }),
            Load::Gone => Ok(None),
        }
    }

    /// What becomes of a message that the uring did not accept.
    fn not_accepted(&mut self, end: &RemoteEnd, obstacle: Obstacle) -> Offered<S> {
        if !matches!(obstacle, Obstacle::Full) {
            return self.stopped_by(obstacle);
        }
        match end.overflow() {
            Overflow::Wait | Overflow::DropOldest => Offered::MayWait,
            Overflow::DropNewest => Offered::Dropped,
            Overflow::Fail => Offered::Fails(SendError::Full {
                message: self.take_back(),
            }),
        }
    }

    /// The receiver's policy drops what meets a full uring; here, as nothing of it can reach the receiver.
    fn drop_newest(&mut self) -> Sent<S> {
        if let Some(shared) = self.shared() {
            shared.count_undone(&Undone::Dropped);
        }
        let parcel = self.unload();
        match (&self.wanted, self.way) {
            (Wanted::Nothing, Way::Remote(end)) => {
                end.returns.push(Undelivered {
                    message: Some(parcel),
                    taken: false,
                    why: Undone::Dropped,
                });
                Sent::Away(None)
            }
            _ => Sent::Dropped(S::from_parcel(parcel)),
        }
    }

    /// What stands in the way of the message.
    fn stopped_by(&mut self, obstacle: Obstacle) -> Offered<S> {
        match obstacle {
            Obstacle::Refused(refusal) => Offered::Fails(SendError::Refused {
                message: self.take_back(),
                refusal,
            }),
            Obstacle::Ended(reason) => Offered::Fails(SendError::Ended {
                message: self.take_back(),
                reason,
            }),
            // Nobody is left who could open it, or take completions.
            _ if self.shared().is_none() => Offered::Fails(SendError::Ended {
                message: self.take_back(),
                reason: ExitReason::Shutdown,
            }),
            _ => Offered::MayWait,
        }
    }

    fn pack(
        &mut self,
        end: &RemoteEnd,
        parcel: Parcel<S::Message>,
    ) -> Result<Outgoing, Offered<S>> {
        let kind = if matches!(self.wanted, Wanted::Nothing) {
            OpKind::Tell
        } else {
            OpKind::Ask
        };
        // A tell's deadline is that of its wait for room: what was sent in time is handled.
        let deadline = match kind {
            OpKind::Tell => Nanos::NONE,
            OpKind::Ask => self.deadline,
        };
        let make_room = || {
            if let Some(shared) = end.shared() {
                shared.sweep_replies();
            }
        };
        let packed = match &self.wanted {
            Wanted::Again(about) => {
                completion::pack_again(parcel, (**about).into(), deadline, end, make_room)
            }
            _ => completion::pack(parcel, kind, deadline, end, make_room),
        };
        let error = match packed {
            Ok(outgoing) => return Ok(outgoing),
            Err(error) => error,
        };
        self.not_packed(end, error)
    }

    /// What stands in the way of a message that could not be encoded.
    #[cold]
    fn not_packed(
        &mut self,
        end: &RemoteEnd,
        error: TokenizeError<S::Message>,
    ) -> Result<Outgoing, Offered<S>> {
        let may_wait = completion::is_full(&error) && self.waits_for_blocks();
        let (parcel, cause) = error.into_parts();
        self.load = Load::Parcel(parcel);
        // A receiver that is not there any more says more than a full heap.
        if let Some(Err(obstacle)) = end.open_result() {
            return Err(self.stopped_by(obstacle));
        }
        if may_wait {
            return Err(Offered::MayWait);
        }
        let message = self.take_back();
        Err(Offered::Fails(SendError::Unpacked { message, cause }))
    }

    /// Whether blocks of this node are on their way back, and this may wait for them.
    fn waits_for_blocks(&mut self) -> bool {
        let is_patient = self.patience == Patience::Waits;
        let has_deadline = self.deadline != Nanos::NONE;
        is_patient
            && self
                .shared()
                .is_some_and(|shared| shared.has_lent() || (has_deadline && shared.has_retiring()))
    }

    /// The message as it was handed over.
    pub(super) fn take_back(&mut self) -> S {
        S::from_parcel(self.unload())
    }

    fn unload(&mut self) -> Parcel<S::Message> {
        let parcel = std::mem::replace(&mut self.load, Load::Gone).into_parcel(self.way);
        parcel.expect("unsent: it is taken back once, from what it was packed into")
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

    pub(super) fn priority(&self) -> Priority {
        self.priority
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

/// What became of a message that was not refused.
pub(super) enum Sent<S> {
    /// On its way; the op beside it is that of a remote ask, or of a block.
    Away(Option<Key>),
    /// An ask that was dropped by its receiver's policy.
    Dropped(S),
}

/// Why an offer was not accepted.
enum Offered<S> {
    MayWait,
    /// The receiver's policy drops it.
    Dropped,
    Fails(SendError<S>),
}
