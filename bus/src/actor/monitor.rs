//! Monitors: an actor is told, by an ordinary message, that another one has ended.
//!
//! A monitor is an entry on the list of those who wait for the other's end, with a waker that notes which monitor it was
//! and wakes the watching actor's task. While all live there is nothing else: no task, no thread, and a look at one flag
//! for each message that the watcher handles.
//!
//! A [`Down`] takes no room in the mailbox: it waits in the watcher's own hands, until what the dead one had sent before is
//! handled. What that is, is looked up when the end is heard of: of an actor of this node, what lies in the mailbox at that
//! moment; of one on another node, what lies in the urings of that node. Each is counted down as it is taken.
//!
//! # Invariants
//! - **once**: a monitor leaves the table when its end is heard of, and only then makes a `Down`.
//! - **behind**: who has ended has sent what it sent before its end was published; so the look finds all of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use ringway_macros::Message;
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::Relaxed;
use serde::{Deserialize, Serialize};
use slab::Slab;

use super::cell::{Cell, LocalRoute};
use super::letter::Handed;
use super::link::{Asked, LinkDown};
use super::port::ReplyPort;
use super::{Accepts, Actor};
use crate::addr::ActorId;
use crate::exit::ExitReason;
use crate::inbox::LaneMark;
use crate::mailbox::Batch;
use crate::message::Message;
use crate::peering::NodeId;
use crate::priority::Priority;
use crate::remote::RemoteEnd;
use crate::shared::{Living, lock};
use crate::wait_list::WaitKey;

/// An actor that was monitored has ended.
///
/// It arrives as any message does, once for each [`Context::monitor`](crate::Context::monitor), at an actor that has it in its
/// `handles(..)`. Being a message, it can also be sent by anybody who wants to: who must know compares `monitor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(serial, name = "ringway.Down")]
pub struct Down {
    /// Who has ended: what the [`id`](crate::Addr::id) of the monitored address is. An actor that is started again is
    /// another one, with another id.
    pub who: ActorId,
    /// The monitor that this comes from.
    pub monitor: MonitorId,
    /// Why it has ended.
    pub reason: ExitReason,
    /// The last words of its process: of a process that died, and that this node had started, the last 4 KiB of its standard
    /// error, as [`ChildProcess::stderr_tail`](crate::ChildProcess::stderr_tail) has them; known for the last 64 that had any.
    ///
    /// Empty for an actor that ended while its process went on, and for every monitor in a process that is not the parent: what a
    /// process writes is its parent's to know, who may send it on.
    pub stderr_tail: String,
}

/// Identifies a monitor of one actor; no other monitor of that actor ever has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Message)]
#[message(serial, name = "ringway.MonitorId")]
pub struct MonitorId(u64);

/// What can be monitored: the address of an actor, and of who handles a message.
pub trait Monitored: sealed::Watchable {}

impl<T: sealed::Watchable> Monitored for T {}

pub(crate) mod sealed {
    use super::{ActorId, Arc, Mortal, NodeId, RemoteEnd};

    /// How to watch for an end.
    #[expect(
        unnameable_types,
        reason = "sealed: only addresses of this crate can be monitored"
    )]
    pub trait Watchable {
        #[doc(hidden)]
        fn watched(&self) -> Watched;
    }

    #[expect(unnameable_types, reason = "sealed")]
    pub struct Watched {
        pub(crate) who: ActorId,
        /// The node that it runs on, if that is another one.
        pub(crate) abroad: Option<NodeId>,
        pub(crate) target: Box<dyn Mortal>,
    }

    impl std::fmt::Debug for Watched {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Watched")
                .field("who", &self.who)
                .finish_non_exhaustive()
        }
    }

    impl Watched {
        pub(crate) fn at_home(who: ActorId, target: Box<dyn Mortal>) -> Self {
            Self {
                who,
                abroad: None,
                target,
            }
        }

        pub(crate) fn abroad(who: ActorId, end: &Arc<RemoteEnd>) -> Self {
            Self {
                who,
                abroad: Some(end.key.node),
                target: Box::new(Arc::clone(end)),
            }
        }
    }
}

/// Something that ends, and has a list of those who wait for that.
pub(crate) trait Mortal: Send + Sync {
    fn poll_ended(&self, key: &mut WaitKey, cx: &TaskContext<'_>) -> Poll<ExitReason>;
    fn forget(&self, key: &mut WaitKey);
    /// The actor itself, if it is one of this process.
    fn living(&self) -> Option<Weak<dyn Living>> {
        None
    }
}

impl<A: Actor> Mortal for Arc<Cell<A>> {
    fn living(&self) -> Option<Weak<dyn Living>> {
        let living: Arc<dyn Living> = Arc::clone(self) as Arc<dyn Living>;
        Some(Arc::downgrade(&living))
    }

    fn poll_ended(&self, key: &mut WaitKey, cx: &TaskContext<'_>) -> Poll<ExitReason> {
        self.core().poll_ended(key, cx)
    }

    fn forget(&self, key: &mut WaitKey) {
        self.core().ended_list().remove(key);
    }
}

impl<M: Message + ?Sized> Mortal for Arc<dyn LocalRoute<M>> {
    fn living(&self) -> Option<Weak<dyn Living>> {
        Some(Arc::downgrade(&Arc::clone(self).living()))
    }

    fn poll_ended(&self, key: &mut WaitKey, cx: &TaskContext<'_>) -> Poll<ExitReason> {
        self.core().poll_ended(key, cx)
    }

    fn forget(&self, key: &mut WaitKey) {
        self.core().ended_list().remove(key);
    }
}

impl Mortal for Arc<RemoteEnd> {
    fn poll_ended(&self, key: &mut WaitKey, cx: &TaskContext<'_>) -> Poll<ExitReason> {
        RemoteEnd::poll_ended(self, key, cx)
    }

    fn forget(&self, key: &mut WaitKey) {
        self.ended.remove(key);
    }
}

/// Which monitors may have something to say.
pub(super) struct Bell {
    is_rung: AtomicBool,
    places: Mutex<Vec<usize>>,
    /// The watcher's task.
    task: Waker,
}

impl Bell {
    /// Has the watcher look.
    pub(super) fn ring(&self) {
        // Relaxed: the wake that follows makes the task run again, and see it.
        self.is_rung.store(true, Relaxed);
        self.task.wake_by_ref();
    }
}

/// The waker of one monitor.
struct Ringer {
    bell: Arc<Bell>,
    place: usize,
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        lock(&self.bell.places).push(self.place);
        self.bell.ring();
    }
}

/// One monitor, while the other lives.
struct Watch {
    monitor: MonitorId,
    who: ActorId,
    abroad: Option<NodeId>,
    target: Box<dyn Mortal>,
    key: WaitKey,
    ringer: Waker,
}

impl Watch {
    fn look(&mut self) -> Poll<ExitReason> {
        let cx = TaskContext::from_waker(&self.ringer);
        self.target.poll_ended(&mut self.key, &cx)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.target.forget(&mut self.key);
    }
}

/// What is to be handled before a `Down`.
enum Ahead {
    /// So many letters of the mailbox, by their priority.
    Letters { normal: usize, high: usize },
    /// What lies in urings, up to these places.
    Entries(Vec<LaneMark>),
}

impl Ahead {
    /// What an actor that has ended now, here or on another node, had sent.
    fn of<A: Actor>(abroad: Option<NodeId>, cell: &Cell<A>, batch: &Batch<A::Letters>) -> Self {
        match abroad {
            None => Self::Letters {
                normal: cell.mailbox().ahead(batch),
                high: cell.mailbox().ahead_high(),
            },
            Some(node) => {
                let inbox = cell.core().inbox_if_any();
                Self::Entries(inbox.map_or_else(Vec::new, |inbox| inbox.marks(node)))
            }
        }
    }
}

/// An end that was heard of.
struct Notice<L> {
    /// By which it was heard of; nothing for a link.
    monitor: Option<MonitorId>,
    letter: L,
    ahead: Ahead,
    /// A peer has asked for the link: it counts until it is handled.
    _asked: Option<Asked>,
}

/// The monitors of one actor.
pub(super) struct Monitors<L> {
    bell: Arc<Bell>,
    watches: Slab<Watch>,
    /// In the order in which they were heard of.
    notices: VecDeque<Notice<L>>,
    /// A `Down` whose turn has come.
    due: Option<L>,
    letter: Option<fn(Down) -> L>,
    /// What the end of a link becomes, if exits are trapped.
    link_letter: Option<fn(LinkDown) -> L>,
    last: u64,
}

/// An actor's monitors, if it has ever made one.
pub(super) type MaybeMonitors<L> = Option<Box<Monitors<L>>>;

impl<L> Monitors<L> {
    /// Starts without any, for an actor with this task.
    pub(super) fn new(task: &Waker) -> Self {
        Self {
            bell: Arc::new(Bell {
                is_rung: AtomicBool::new(false),
                places: Mutex::default(),
                task: task.clone(),
            }),
            watches: Slab::new(),
            notices: VecDeque::new(),
            due: None,
            letter: None,
            link_letter: None,
            last: 0,
        }
    }

    /// Has the ends of links become messages; returns what is rung at one.
    pub(super) fn trap<A: Accepts<LinkDown, Letters = L>>(&mut self) -> Arc<Bell> {
        self.link_letter = Some(|down| A::letter(Handed::Value(down), ReplyPort::tell()));
        Arc::clone(&self.bell)
    }

    /// Watches from now on; an end that has come already is heard of at the next look.
    pub(super) fn add<A: Accepts<Down, Letters = L>>(
        &mut self,
        watched: sealed::Watched,
    ) -> MonitorId {
        self.letter = Some(|down| A::letter(Handed::Value(down), ReplyPort::tell()));
        self.last += 1;
        let monitor = MonitorId(self.last);
        let place = self.watches.vacant_key();
        let ringer = Arc::new(Ringer {
            bell: Arc::clone(&self.bell),
            place,
        });
        let mut watch = Watch {
            monitor,
            who: watched.who,
            abroad: watched.abroad,
            target: watched.target,
            key: WaitKey::default(),
            ringer: Waker::from(Arc::clone(&ringer)),
        };
        if watch.look().is_ready() {
            ringer.wake();
        }
        self.watches.insert(watch);
        monitor
    }

    /// Lets go of a monitor; `false` if its `Down` has been handled, or handed to the handler, already.
    pub(super) fn remove(&mut self, monitor: MonitorId) -> bool {
        let place = self
            .watches
            .iter()
            .find(|(_, watch)| watch.monitor == monitor)
            .map(|(place, _)| place);
        if let Some(place) = place {
            drop(self.watches.remove(place));
            return true;
        }
        let before = self.notices.len();
        self.notices
            .retain(|notice| notice.monitor != Some(monitor));
        self.notices.len() < before
    }

    /// Whether the turn of a `Down` has come, which [`take_due`](Self::take_due) takes.
    #[inline]
    pub(super) fn has_due<A: Actor<Letters = L>>(
        &mut self,
        cell: &Cell<A>,
        batch: &Batch<L>,
    ) -> bool {
        // Relaxed: see `Ringer`.
        if self.bell.is_rung.load(Relaxed) {
            self.hear(cell, batch);
        }
        if self.notices.is_empty() {
            return false;
        }
        self.due = self.next_due(cell, batch);
        self.due.is_some()
    }

    /// Takes it.
    pub(super) fn take_due(&mut self) -> Option<L> {
        self.due.take()
    }

    #[cold]
    fn next_due<A: Actor<Letters = L>>(&mut self, cell: &Cell<A>, batch: &Batch<L>) -> Option<L> {
        let is_due = |notice: &Notice<L>| match &notice.ahead {
            Ahead::Letters { normal, high } => {
                (*normal == 0 || !cell.mailbox().has_letter(batch))
                    && (*high == 0 || !cell.mailbox().has_high())
            }
            Ahead::Entries(marks) => marks.iter().all(LaneMark::is_passed),
        };
        let place = self.notices.iter().position(is_due)?;
        let notice = self.notices.remove(place)?;
        Some(notice.letter)
    }

    /// A letter of the mailbox was taken.
    #[inline]
    pub(super) fn passed_letter(&mut self, priority: Priority) {
        for notice in &mut self.notices {
            if let Ahead::Letters { normal, high } = &mut notice.ahead {
                let count = match priority {
                    Priority::Normal => normal,
                    Priority::High => high,
                };
                *count = count.saturating_sub(1);
            }
        }
    }

    /// Looks at those that have rung.
    #[cold]
    fn hear<A: Actor<Letters = L>>(&mut self, cell: &Cell<A>, batch: &Batch<L>) {
        // Relaxed: who rings later stores it again, after the place.
        self.bell.is_rung.store(false, Relaxed);
        let places = std::mem::take(&mut *lock(&self.bell.places));
        for place in places {
            // Its place may be another's by now, which then is looked at once more than it needs.
            let Some(watch) = self.watches.get_mut(place) else {
                continue;
            };
            let Poll::Ready(reason) = watch.look() else {
                continue;
            };
            let watch = self.watches.remove(place);
            let wards = &cell.core().shared().wards;
            let stderr_tail = watch
                .abroad
                .filter(|_| reason.is_of_process())
                .and_then(|node| wards.last_words(node));
            let down = Down {
                who: watch.who,
                monitor: watch.monitor,
                reason,
                stderr_tail: stderr_tail.unwrap_or_default(),
            };
            if let Some(letter) = self.letter {
                self.notices.push_back(Notice {
                    monitor: Some(watch.monitor),
                    letter: letter(down),
                    ahead: Ahead::of(watch.abroad, cell, batch),
                    _asked: None,
                });
            }
        }
        if let (Some(letter), Some(links)) = (self.link_letter, cell.core().links_if_any()) {
            for exit in links.take_exits() {
                self.notices.push_back(Notice {
                    monitor: None,
                    letter: letter(exit.down),
                    ahead: Ahead::of(exit.abroad, cell, batch),
                    _asked: exit.asked,
                });
            }
        }
    }
}
