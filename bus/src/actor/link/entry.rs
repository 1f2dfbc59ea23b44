//! One link, at one of its two: a waker on the list of those who wait for the other's end.

use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use super::LinkDown;
use super::peers::Asked;
use crate::actor::monitor::Mortal;
use crate::addr::ActorId;
use crate::exit::ExitReason;
use crate::peering::NodeId;
use crate::shared::Living;
use crate::wait_list::WaitKey;

/// One link, at one of its two.
pub(super) struct Link {
    pub(super) other: Box<dyn Mortal>,
    pub(super) key: WaitKey,
    pub(super) ringer: Waker,
    pub(super) abroad: Option<Abroad>,
    pub(super) asked: Option<Asked>,
}

/// A partner of another process.
#[derive(Clone, Copy)]
pub(super) struct Abroad {
    pub(super) node: NodeId,
    /// It has been told of the link, or has told of it.
    pub(super) is_known: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.other.forget(&mut self.key);
    }
}

/// The end of a partner.
pub(in crate::actor) struct Exit {
    pub(in crate::actor) down: LinkDown,
    pub(in crate::actor) abroad: Option<NodeId>,
    pub(in crate::actor) asked: Option<Asked>,
}

/// Woken when a partner has ended.
struct Ringer {
    own: Weak<dyn Living>,
    who: ActorId,
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(own) = self.own.upgrade()
            && let Some(links) = own.core().links_if_any()
        {
            links.hear(own.core(), self.who);
        }
    }
}

impl Mortal for Arc<dyn Living> {
    fn poll_ended(&self, key: &mut WaitKey, cx: &TaskContext<'_>) -> Poll<ExitReason> {
        self.core().poll_ended(key, cx)
    }

    fn forget(&self, key: &mut WaitKey) {
        self.core().ended_list().remove(key);
    }
}

impl Link {
    pub(super) fn new(
        own: &Arc<dyn Living>,
        who: ActorId,
        other: Box<dyn Mortal>,
        abroad: Option<Abroad>,
        asked: Option<Asked>,
    ) -> Self {
        let own = Arc::downgrade(own);
        Self {
            other,
            key: WaitKey::default(),
            ringer: Waker::from(Arc::new(Ringer { own, who })),
            abroad,
            asked,
        }
    }
}
