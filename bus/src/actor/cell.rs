//! What stands for an actor while it lives, and a little longer: its mailbox, its inbox, and how it ended.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use ringway_shm::generation::Key;
use ringway_shm::once::OnceBox;
#[cfg(feature = "test")]
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use ringway_shm::sync::{AtomicU32, fence};

use super::later::Debts;
use super::letter::Handed;
use super::link::Links;
use super::pipe::Beside;
use super::port::{Back, ReplyPort};
use super::{Accepts, Actor};
use crate::addr::ActorId;
use crate::dead::{DeadLetter, DeadReason, Types, Whom};
use crate::exit::ExitReason;
use crate::inbox::{Inbox, Orphan};
use crate::mailbox::{Mailbox, Overflow, Pushed, Refused};
use crate::message::Message;
use crate::number::Number;
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::remote::undelivered::{Readers, Returns};
use crate::shared::{CellOf, Living, Shared, lock};
use crate::wait_list::{WaitKey, WaitList};

/// Bits of the control lane: the actor is to stop, or to end at once.
const STOPS: u32 = 1;
const DIES: u32 = 2;
/// It is to stop when it has nothing left to do.
const DRAINS: u32 = 8;
/// A bit beside them: its start hook has succeeded.
const STARTED: u32 = 4;
/// Another: there is, or was, something of high priority, here or in a uring.
const HIGH: u32 = 16;

/// The part of a cell that does not depend on the actor's type.
pub(crate) struct CellCore {
    shared: Arc<Shared>,
    number: Number,
    /// The actor's place among those that end with the node.
    place: AtomicU32,
    /// The control lane: what is asked of the actor, before any message.
    control: AtomicU32,
    /// Wakes the actor's task; set before anybody else has the cell.
    task: OnceLock<Waker>,
    /// What most actors never need; made on first use.
    rare: OnceBox<Rare>,
    /// A hook or handler has begun and not ended.
    #[cfg(feature = "test")]
    is_handling: AtomicBool,
    /// Messages until it panics; 0 for never.
    #[cfg(feature = "test")]
    crash: AtomicU32,
}

/// What is needed by actors with a name, that other processes reach, that are waited for, or that end.
#[derive(Default)]
struct Rare {
    /// The mailbox of other processes; made when the actor becomes reachable for them.
    inbox: OnceLock<Arc<Inbox>>,
    name: OnceLock<String>,
    /// How often its messages are sent again, when it dies, by addresses that find its next life; unset for never.
    redeliver: OnceLock<u32>,
    /// How the last life ended of an actor that was started again.
    last_exit: OnceLock<ExitReason>,
    outcome: OnceLock<ExitReason>,
    ended: WaitList,
    /// The answers that it owes.
    debts: OnceLock<Arc<Debts>>,
    late: Mutex<Late>,
    links: OnceLock<Box<Links>>,
    beside: OnceLock<Arc<Beside>>,
}

/// What can be made while the actor ends: whoever makes it sees the end, or the end sees it.
#[derive(Default)]
struct Late {
    why: Option<ExitReason>,
    returns: Option<Arc<Returns>>,
    /// The actor's place in the registry, once peers may reach it.
    key: Option<Key>,
    /// Peers cannot reach it any more.
    is_withdrawn: bool,
    /// It may be a member of groups.
    has_joined: bool,
    ended: Option<ExitReason>,
    /// What was in hand when the actor ended, of a sender that is dead.
    orphan: Option<Orphan>,
    /// What had been put aside, of senders that are not told.
    lost: Vec<Lost>,
}

/// Makes the dead letter of a message whose actor has ended, and so.
pub(crate) type Lost = Box<dyn FnOnce(&ExitReason) -> DeadLetter + Send>;

/// What became of an actor's new place in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Now,
    /// It has another.
    Before,
    /// It needs none any more.
    Ended,
}

/// An actor's cell: what its local addresses hold.
pub(crate) struct Cell<A: Actor> {
    core: CellCore,
    mailbox: Mailbox<A::Letters>,
}

/// What an actor is told on its control lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    /// Nothing; but there may be messages of high priority.
    HasHigh,
    Drain(ExitReason),
    Stop(ExitReason),
    Die(ExitReason),
}

impl CellCore {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Rare::default)
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        lock(&self.rare().late)
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.rare.get()?.name.get().map(String::as_str)
    }

    /// Says that this is not the actor's first life; before it runs.
    pub(crate) fn is_again(&self, last_exit: ExitReason) {
        let _ = self.rare().last_exit.set(last_exit); // once a life
    }

    /// How its last life ended, if it is not the first.
    pub(super) fn last_exit(&self) -> Option<&ExitReason> {
        self.rare.get()?.last_exit.get()
    }

    pub(crate) fn number(&self) -> Number {
        self.number
    }

    /// How often its messages are sent again, by its setting.
    #[inline]
    pub(crate) fn redeliver(&self) -> u32 {
        let rare = self.rare.get();
        rare.and_then(|rare| rare.redeliver.get().copied())
            .unwrap_or(0)
    }

    /// Whether peers can reach the actor, or it has ended: nothing is left to be done for its addresses to be passed on.
    pub(crate) fn is_settled(&self) -> bool {
        self.rare.get().is_some_and(|rare| {
            let late = lock(&rare.late);
            late.key.is_some() || late.is_withdrawn
        })
    }

    /// Keeps the actor's place in the registry until its end, unless it has one or has ended.
    pub(crate) fn settle(&self, key: Key) -> Settled {
        let mut late = self.late();
        match late.key {
            _ if late.is_withdrawn => Settled::Ended,
            Some(_) => Settled::Before,
            None => {
                late.key = Some(key);
                Settled::Now
            }
        }
    }

    /// Takes the actor out of what peers can reach, for good.
    fn withdraw(&self) {
        let (key, has_joined) = {
            let mut late = self.late();
            late.is_withdrawn = true;
            (late.key.take(), late.has_joined)
        };
        if has_joined {
            self.shared.leave_groups(None, self.number);
        }
        // Relaxed: set before the task ran.
        let place = self.place.load(Relaxed);
        self.shared.actor_ended(place, self.number, key);
    }

    /// Whom the actor's messages are for.
    pub(crate) fn whom(&self) -> Whom {
        Whom {
            actor: ActorId::new(self.shared.core().id(), self.number),
            name: self.name().map(Arc::from),
            // Messages of this process know their names.
            types: Types::Accepted(&[]),
        }
    }

    /// The handler in hand does not come to its end, and its sender is dead.
    pub(crate) fn abandon(&self, orphan: Orphan) {
        self.late().orphan = Some(orphan);
    }

    /// A message that was put aside is not handled again, and its sender is not told.
    pub(super) fn lose(&self, lost: Lost) {
        self.late().lost.push(lost);
    }

    fn publish_orphan(&self, orphan: Orphan, types: Types, reason: &ExitReason) {
        let whom = Whom {
            types,
            ..self.whom()
        };
        let letter = whom.letter(orphan.type_id, DeadReason::Ended(reason.clone()));
        self.shared
            .dead_letter_of_own(letter.taken().sent_by(orphan.sender));
    }

    /// A reply of this actor had come, and its asker went without reading it.
    #[cold]
    pub(crate) fn unread_reply<M: Message + ?Sized>(&self) {
        self.unheard_reply::<M>(self.shared.core().id());
    }

    /// The same of an asker of another node, whose process is dead.
    #[cold]
    pub(crate) fn unheard_reply<M: Message + ?Sized>(&self, sender: NodeId) {
        let letter = DeadLetter::of::<M>(&self.whom(), DeadReason::ReplyUnread).taken();
        self.shared.dead.publish(letter.sent_by(sender));
    }

    /// It is about to join a group; `false` if it has ended. Who has joined looks once more whether it has.
    pub(crate) fn joins(&self) -> bool {
        let mut late = self.late();
        late.has_joined = true;
        !late.is_withdrawn
    }

    /// Whether peers cannot reach it any more, nor will.
    pub(crate) fn has_withdrawn(&self) -> bool {
        self.late().is_withdrawn
    }

    /// A route to this very actor for one who keeps it; `None` when it has ended.
    pub(crate) fn own_route<M: Message + ?Sized>(&self) -> Option<Arc<dyn LocalRoute<M>>> {
        // Relaxed: set before the task ran.
        let place = self.place.load(Relaxed);
        let (cell, accepted) = self.shared.cell_of(place, self.number)?;
        let mut routes = accepted.iter();
        routes.find_map(|it| it.route_of(Arc::clone(&cell)))
    }

    /// What came back to the actor's addresses.
    pub(crate) fn returns(&self) -> Arc<Returns> {
        let mut late = self.late();
        let ended = late.ended.clone();
        let make = || {
            let returns = Returns::new(&self.shared, self.whom(), Readers::Streams);
            // Nobody else has it: this waits for no lock and wakes nobody.
            ended
                .iter()
                .for_each(|reason| returns.end(Priority::Normal, reason));
            returns
        };
        Arc::clone(late.returns.get_or_insert_with(make))
    }

    /// The answers that the actor owes.
    pub(super) fn debts(&self) -> Arc<Debts> {
        Arc::clone(self.rare().debts.get_or_init(Arc::default))
    }

    /// The same, if there are any.
    pub(super) fn debts_if_any(&self) -> Option<&Arc<Debts>> {
        self.rare.get()?.debts.get()
    }

    /// The inbox, if peers can reach the actor.
    #[inline]
    pub(super) fn inbox_if_any(&self) -> Option<&Arc<Inbox>> {
        self.rare.get()?.inbox.get()
    }

    /// How the actor ended, if it has.
    pub(crate) fn outcome(&self) -> Option<&ExitReason> {
        self.rare.get()?.outcome.get()
    }

    /// The start hook has succeeded.
    ///
    /// SeqCst actor-started: pairs with the fence in `WaitList::register`. This sets `STARTED` and then looks for
    /// waiters, a waiter makes the list, registers, and then looks at `STARTED`: not both can miss the other.
    pub(crate) fn publish_start(&self) {
        // Relaxed: ordered by the fence.
        self.control.fetch_or(STARTED, Relaxed);
        fence(SeqCst);
        if let Some(rare) = self.rare.get() {
            rare.ended.wake_all();
        }
    }

    /// Waits until the start hook has succeeded, or for the end that came instead.
    pub(crate) fn poll_started(
        &self,
        key: &mut WaitKey,
        cx: &Context<'_>,
    ) -> Poll<Result<(), ExitReason>> {
        self.ended_list().register(key, cx);
        self.start_result().map_or(Poll::Pending, Poll::Ready)
    }

    /// How the start hook went, once that is known; who waits for it is on the list of those who wait for the end.
    pub(crate) fn start_result(&self) -> Option<Result<(), ExitReason>> {
        // Relaxed: ordered by the fence of who has registered.
        if self.control.load(Relaxed) & STARTED != 0 {
            return Some(Ok(()));
        }
        self.outcome().map(|reason| Err(reason.clone()))
    }

    /// Waits for the end.
    pub(crate) fn poll_ended(&self, key: &mut WaitKey, cx: &Context<'_>) -> Poll<ExitReason> {
        if let Some(reason) = self.outcome() {
            return Poll::Ready(reason.clone());
        }
        let ended = self.ended_list();
        ended.register(key, cx);
        match self.outcome() {
            Some(reason) => {
                ended.remove(key);
                Poll::Ready(reason.clone())
            }
            None => Poll::Pending,
        }
    }

    pub(crate) fn ended_list(&self) -> &WaitList {
        &self.rare().ended
    }

    /// The actor's links, if it has ever had one.
    pub(super) fn links_if_any(&self) -> Option<&Links> {
        Some(&**self.rare.get()?.links.get()?)
    }

    pub(super) fn links(&self) -> &Links {
        self.rare().links.get_or_init(Box::default)
    }

    pub(crate) fn told(&self) -> Told {
        // Acquire control-told: pairs with what `tell_control` sets.
        match self.control.load(Acquire) & !STARTED {
            0 => Told::Nothing,
            HIGH => Told::HasHigh,
            bits => self.told_to_end(bits),
        }
    }

    /// Whether there may be messages of high priority; after a look at what it was told.
    pub(super) fn has_high(&self) -> bool {
        // Relaxed: what is to be seen was acquired in `told`.
        self.control.load(Relaxed) & HIGH != 0
    }

    /// There is about to be something of high priority: its sender wakes the actor after this.
    pub(crate) fn opens_high(&self) {
        // Relaxed: it is never taken back, and who has set it wakes the actor.
        if self.control.load(Relaxed) & HIGH == 0 {
            // AcqRel control-told: pairs with the load in `told`.
            self.control.fetch_or(HIGH, AcqRel);
        }
    }

    #[cold]
    fn told_to_end(&self, bits: u32) -> Told {
        let why = self.late().why.clone().unwrap_or(ExitReason::Stopped);
        if bits & DIES != 0 {
            Told::Die(why)
        } else if bits & STOPS != 0 {
            Told::Stop(why)
        } else {
            Told::Drain(why)
        }
    }

    /// Notes whether a hook or handler has begun and not ended.
    #[cfg(feature = "test")]
    pub(super) fn note_handling(&self, is_handling: bool) {
        // Relaxed: who asks has heard that nobody is at work.
        self.is_handling.store(is_handling, Relaxed);
    }

    /// Has the handler of the nth message from now panic.
    #[cfg(feature = "test")]
    pub(crate) fn crash_at(&self, nth: u64) {
        // Relaxed: the message that is to bring it about is sent after it.
        let nth = u32::try_from(nth).unwrap_or(u32::MAX);
        self.crash.store(nth, Relaxed);
    }

    #[cfg(feature = "test")]
    pub(super) fn crash_if_due(&self) {
        // Relaxed: as above; only the actor counts down.
        match self.crash.load(Relaxed) {
            0 => {}
            left => {
                self.crash.store(left - 1, Relaxed);
                assert!(left > 1, "a test has this actor panic");
            }
        }
    }

    /// The waker of the actor's task; there is one before the actor runs.
    pub(super) fn task(&self) -> Option<&Waker> {
        self.task.get()
    }

    /// What runs beside the actor.
    pub(super) fn beside(&self) -> &Arc<Beside> {
        self.rare().beside.get_or_init(Arc::default)
    }

    fn beside_if_any(&self) -> Option<&Arc<Beside>> {
        self.rare.get()?.beside.get()
    }

    /// The actor has ended; the reason is kept while something still runs beside it.
    pub(super) fn leave_alone(&self, reason: ExitReason) -> Poll<ExitReason> {
        match self.beside_if_any() {
            Some(beside) => beside.leave(reason),
            None => Poll::Ready(reason),
        }
    }

    /// The reason that was kept, once nothing runs beside it any more.
    pub(super) fn poll_alone(&self) -> Poll<Option<ExitReason>> {
        self.beside_if_any()
            .map_or(Poll::Ready(None), |it| it.poll_left())
    }

    /// Wakes the actor's task.
    pub(crate) fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    fn tell_control(&self, bit: u32, reason: ExitReason) {
        {
            let mut late = self.late();
            if bit == DIES {
                late.why = Some(reason);
            } else {
                late.why.get_or_insert(reason);
            }
        }
        // AcqRel control-told: pairs with the load in `told`; a kill is not taken back by a later stop.
        self.control.fetch_or(bit, AcqRel);
        self.wake();
    }

    /// Asks for an orderly end before the next message.
    pub(crate) fn stop(&self, reason: ExitReason) {
        self.tell_control(STOPS, reason);
    }

    /// Asks for an orderly end as soon as there is no message: none of those that other processes have sent by now, either.
    pub(crate) fn drain(&self, reason: ExitReason) {
        // Before it is told: a lane that nobody has noted yet would not hold it up.
        if let Some(inbox) = self.inbox_if_any() {
            inbox.schedule_all();
        }
        self.tell_control(DRAINS, reason);
    }

    /// Ends the actor at the next `await` of its handler.
    pub(crate) fn kill(&self, reason: ExitReason) {
        self.tell_control(DIES, reason);
    }
}

impl<A: Actor> Cell<A> {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        name: Option<String>,
        (capacity, overflow): (usize, Overflow),
        redeliver: u32,
    ) -> Arc<Self> {
        let core = CellCore {
            shared: Arc::clone(shared),
            number: shared.numbers.next(),
            place: AtomicU32::new(0),
            control: AtomicU32::new(0),
            task: OnceLock::new(),
            rare: OnceBox::new(),
            #[cfg(feature = "test")]
            is_handling: AtomicBool::new(false),
            #[cfg(feature = "test")]
            crash: AtomicU32::new(0),
        };
        if let Some(name) = name {
            let _ = core.rare().name.set(name);
        }
        if redeliver > 0 {
            let _ = core.rare().redeliver.set(redeliver);
        }
        Arc::new(Self {
            core,
            mailbox: Mailbox::new(capacity, overflow),
        })
    }

    pub(crate) fn core(&self) -> &CellCore {
        &self.core
    }

    pub(crate) fn mailbox(&self) -> &Mailbox<A::Letters> {
        &self.mailbox
    }

    /// Gives the cell its task's waker, and a place among those that end with the node.
    pub(crate) fn begin(&self, task: Waker, place: u32) {
        let _ = self.core.task.set(task);
        // Relaxed: set before the task runs.
        self.core.place.store(place, Relaxed);
    }

    /// The inbox, made if need be. It wakes the task whether or not that has looked at it before.
    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        let late = self.core.late();
        let inbox = self.core.rare().inbox.get_or_init(|| {
            let (capacity, overflow) = (self.mailbox.capacity(), self.mailbox.overflow());
            let whom = Whom {
                types: Types::Accepted(A::ACCEPTED),
                ..self.core.whom()
            };
            let inbox = Inbox::new(capacity, overflow, self.core.task.get(), whom);
            Arc::new(inbox.redelivering(self.core.redeliver()))
        });
        let ended = late.ended.clone();
        drop(late);
        if let Some(reason) = ended {
            inbox.close(&reason);
        }
        inbox
    }

    /// The mailbox's policy has dropped a letter.
    fn dropped_letter(&self, letter: A::Letters) {
        self.core.shared.count_undone(&super::Undone::Dropped);
        let (why, returns) = (&super::Undone::Dropped, &*self.core.returns());
        A::give_back(letter, &Back::Untaken { why, returns });
    }

    /// Wakes the task for a letter that was queued as the only one of its priority.
    fn wake_for(&self, priority: Priority) {
        if priority == Priority::High {
            self.core.opens_high();
        }
        self.core.wake();
    }

    /// Messages dropped by the mailbox's policy so far, of this process and of others.
    pub(super) fn dropped(&self) -> u64 {
        let inbox = self.core.inbox_if_any();
        self.mailbox.dropped() + inbox.map_or(0, |inbox| inbox.dropped())
    }

    /// Publishes the end: what is queued goes back to its senders, the name is free, and all who wait are told.
    pub(crate) fn publish_end(&self, reason: ExitReason) {
        let letters = self.mailbox.close(&reason);
        if !letters.is_empty() {
            let (why, returns) = (super::Undone::Ended(reason.clone()), self.core.returns());
            for letter in letters {
                let (why, returns) = (&why, &*returns);
                A::give_back(letter, &Back::Untaken { why, returns });
            }
        }
        // Before the peers are told: who hears of the end may take the name over.
        self.core.withdraw();
        let (returns, orphan, lost) = {
            let mut late = self.core.late();
            late.ended = Some(reason.clone());
            let (orphan, lost) = (late.orphan.take(), std::mem::take(&mut late.lost));
            (late.returns.clone(), orphan, lost)
        };
        for lost in lost {
            self.core.shared.dead_letter_of_own(lost(&reason));
        }
        if let Some(orphan) = orphan {
            let types = Types::Accepted(A::ACCEPTED);
            self.core.publish_orphan(orphan, types, &reason);
        }
        if let Some(inbox) = self.core.inbox_if_any() {
            inbox.close(&reason);
        }
        if let Some(returns) = returns {
            returns.end(Priority::Normal, &reason);
        }
        let rare = self.core.rare();
        let _ = rare.outcome.set(reason.clone());
        rare.ended.wake_all();
        if let Some(links) = rare.links.get() {
            links.end(&self.core, &reason);
        }
        self.mailbox.wake_waiting();
    }
}

impl<A: Actor> Cell<A> {
    /// Queues a message that did not go straight. A function of its own: beside that other way, what is handed over would be
    /// copied before the mailbox's lock.
    #[inline(never)]
    fn queue<M>(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)>
    where
        A: Accepts<M>,
        M: Message + ?Sized,
    {
        let pushed = self
            .mailbox
            .push_of((handed, port), |(handed, port)| A::letter(handed, port));
        // Not beside anything else, with which it would be moved: it has room for a letter.
        match pushed {
            Ok(Pushed::Queued) => Ok(()),
            Ok(Pushed::First) => {
                self.core.wake();
                Ok(())
            }
            Ok(Pushed::Displaced(letter) | Pushed::Dropped(letter)) => {
                self.dropped_letter(letter);
                Ok(())
            }
            Err(((handed, port), refused)) => Err((handed, port, refused)),
        }
    }
}

/// What a local address of some message type reaches: a cell of any actor that accepts it.
pub(crate) trait LocalRoute<M: Message + ?Sized>: Send + Sync {
    /// Queues a message; on refusal the message and the port come back.
    fn push(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)>;
    /// The same, of high priority.
    fn push_high(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)>;
    /// Queues tells from the first on, while there is room; those left are as they were.
    fn push_all(&self, handed: &mut VecDeque<Handed<M>>, priority: Priority)
    -> Result<(), Refused>;
    fn core(&self) -> &CellCore;
    fn overflow(&self) -> Overflow;
    fn room(&self, priority: Priority) -> &WaitList;
    fn make_reachable(self: Arc<Self>) -> Result<(), crate::node::SpawnError>;
    fn living(self: Arc<Self>) -> Arc<dyn Living>;
}

impl<A, M> LocalRoute<M> for Cell<A>
where
    A: Accepts<M>,
    M: Message + ?Sized,
{
    fn push(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)> {
        let Some(place) = self.mailbox.claim() else {
            return self.queue(handed, port);
        };
        place.fill_with(|| A::letter(handed, port));
        self.core.wake();
        Ok(())
    }

    #[cold]
    fn push_high(
        &self,
        handed: Handed<M>,
        port: ReplyPort<M>,
    ) -> Result<(), (Handed<M>, ReplyPort<M>, Refused)> {
        let lane = self.mailbox.lane(Priority::High);
        match lane.push_of((handed, port), |(handed, port)| A::letter(handed, port)) {
            Ok(Pushed::Queued) => {}
            Ok(Pushed::First) => self.wake_for(Priority::High),
            Ok(Pushed::Displaced(letter) | Pushed::Dropped(letter)) => self.dropped_letter(letter),
            Err(((handed, port), refused)) => return Err((handed, port, refused)),
        }
        Ok(())
    }

    fn push_all(
        &self,
        handed: &mut VecDeque<Handed<M>>,
        priority: Priority,
    ) -> Result<(), Refused> {
        let letter = |handed| A::letter(handed, ReplyPort::tell());
        if self.mailbox.lane(priority).push_all(handed, letter)? {
            self.wake_for(priority);
        }
        Ok(())
    }

    fn core(&self) -> &CellCore {
        &self.core
    }

    fn overflow(&self) -> Overflow {
        self.mailbox.overflow()
    }

    fn room(&self, priority: Priority) -> &WaitList {
        self.mailbox.lane(priority).room()
    }

    fn make_reachable(self: Arc<Self>) -> Result<(), crate::node::SpawnError> {
        crate::node::make_reachable(&self)
    }

    fn living(self: Arc<Self>) -> Arc<dyn Living> {
        self
    }
}

impl<A: Actor> Living for Cell<A> {
    fn end(&self, reason: ExitReason) {
        self.core.stop(reason);
    }

    fn drain(&self, reason: ExitReason) {
        self.core.drain(reason);
    }

    fn kill(&self, reason: ExitReason) {
        self.core.kill(reason);
    }

    fn ended(&self) -> &WaitList {
        self.core.ended_list()
    }

    fn has_ended(&self) -> bool {
        self.core.outcome().is_some()
    }

    #[cfg(feature = "test")]
    fn is_at_rest(&self) -> bool {
        // Relaxed: see `note_handling`.
        !self.core.is_handling.load(Relaxed)
    }

    fn core(&self) -> &CellCore {
        &self.core
    }

    fn cell_of(self: Arc<Self>, number: Number) -> Option<CellOf> {
        let is_it = self.core.number == number;
        is_it.then_some((self as Arc<dyn Any + Send + Sync>, A::ACCEPTED))
    }
}

impl std::fmt::Debug for CellCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CellCore")
            .field("number", &self.number)
            .field("name", &self.name())
            .field("outcome", &self.outcome())
            .finish_non_exhaustive()
    }
}
