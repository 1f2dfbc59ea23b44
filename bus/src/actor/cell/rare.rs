//! What most actors never need, made on first use: a name, an inbox, links, debts, and what runs beside the actor.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::Poll;

use ringway_shm::generation::Key;

use super::CellCore;
use super::end::Lost;
use crate::actor::later::Debts;
use crate::actor::link::Links;
use crate::actor::pipe::Beside;
use crate::exit::ExitReason;
use crate::inbox::{Inbox, Orphan};
use crate::remote::undelivered::Returns;
use crate::shared::lock;
use crate::wait_list::WaitList;

/// What is needed by actors with a name, that other processes reach, that are waited for, or that end.
#[derive(Default)]
pub(super) struct Rare {
    /// The mailbox of other processes; made when the actor becomes reachable for them.
    pub(super) inbox: OnceLock<Arc<Inbox>>,
    pub(super) name: OnceLock<String>,
    /// How often its messages are sent again, when it dies, by addresses that find its next life; unset for never.
    pub(super) redeliver: OnceLock<u32>,
    /// How the last life ended of an actor that was started again.
    pub(super) last_exit: OnceLock<ExitReason>,
    pub(super) outcome: OnceLock<ExitReason>,
    pub(super) ended: WaitList,
    /// The answers that it owes.
    pub(super) debts: OnceLock<Arc<Debts>>,
    pub(super) late: Mutex<Late>,
    pub(super) links: OnceLock<Box<Links>>,
    pub(super) beside: OnceLock<Arc<Beside>>,
}

/// What can be made while the actor ends: whoever makes it sees the end, or the end sees it.
#[derive(Default)]
pub(super) struct Late {
    pub(super) why: Option<ExitReason>,
    pub(super) returns: Option<Arc<Returns>>,
    /// The actor's place in the registry, once peers may reach it.
    pub(super) key: Option<Key>,
    /// Peers cannot reach it any more.
    pub(super) is_withdrawn: bool,
    /// It may be a member of groups.
    pub(super) has_joined: bool,
    pub(super) ended: Option<ExitReason>,
    /// What was in hand when the actor ended, of a sender that is dead.
    pub(super) orphan: Option<Orphan>,
    /// What had been put aside, of senders that are not told.
    pub(super) lost: Vec<Lost>,
}

impl CellCore {
    pub(super) fn rare(&self) -> &Rare {
        self.rare.get_or_init(Rare::default)
    }

    pub(super) fn late(&self) -> MutexGuard<'_, Late> {
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
    pub(in crate::actor) fn last_exit(&self) -> Option<&ExitReason> {
        self.rare.get()?.last_exit.get()
    }

    /// How often its messages are sent again, by its setting.
    #[inline]
    pub(crate) fn redeliver(&self) -> u32 {
        let rare = self.rare.get();
        rare.and_then(|rare| rare.redeliver.get().copied())
            .unwrap_or(0)
    }

    /// The answers that the actor owes.
    pub(in crate::actor) fn debts(&self) -> Arc<Debts> {
        Arc::clone(self.rare().debts.get_or_init(Arc::default))
    }

    /// The same, if there are any.
    pub(in crate::actor) fn debts_if_any(&self) -> Option<&Arc<Debts>> {
        self.rare.get()?.debts.get()
    }

    /// The inbox, if peers can reach the actor.
    #[inline]
    pub(in crate::actor) fn inbox_if_any(&self) -> Option<&Arc<Inbox>> {
        self.rare.get()?.inbox.get()
    }

    /// The actor's links, if it has ever had one.
    pub(in crate::actor) fn links_if_any(&self) -> Option<&Links> {
        Some(&**self.rare.get()?.links.get()?)
    }

    pub(in crate::actor) fn links(&self) -> &Links {
        self.rare().links.get_or_init(Box::default)
    }

    /// What runs beside the actor.
    pub(in crate::actor) fn beside(&self) -> &Arc<Beside> {
        self.rare().beside.get_or_init(Arc::default)
    }

    fn beside_if_any(&self) -> Option<&Arc<Beside>> {
        self.rare.get()?.beside.get()
    }

    /// The actor has ended; the reason is kept while something still runs beside it.
    pub(in crate::actor) fn leave_alone(&self, reason: ExitReason) -> Poll<ExitReason> {
        match self.beside_if_any() {
            Some(beside) => beside.leave(reason),
            None => Poll::Ready(reason),
        }
    }

    /// The reason that was kept, once nothing runs beside it any more.
    pub(in crate::actor) fn poll_alone(&self) -> Poll<Option<ExitReason>> {
        self.beside_if_any()
            .map_or(Poll::Ready(None), |it| it.poll_left())
    }
}
