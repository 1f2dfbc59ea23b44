//! Those who read a lane: how they come, are woken, and go.

use std::sync::{Arc, Weak};

use ringway_shm::broadcast::{MemberId, Policy};
use ringway_shm::generation::Key;
use ringway_shm::layout::CursorLayout;
use ringway_shm::region::PeerRegion;

use super::{Owed, PublisherEnd, Sending};
use crate::peering::NodeId;
use crate::shared::lock;
use crate::topics::intake::SubscriberEnd;
use crate::topics::label::TopicEndId;
use crate::topics::wire::JoinRefusal;
use crate::urings::PeerUrings;

/// Readers of one publisher, at most.
const READERS_MAX: usize = 1024;

/// One who reads the lane.
pub(super) struct Reader {
    pub(super) id: TopicEndId,
    pub(super) member: MemberId,
    pub(super) to: To,
}

/// How a reader is woken.
#[derive(Clone)]
pub(in crate::topics) enum To {
    Here(Weak<SubscriberEnd>),
    /// By a note of that name.
    There {
        peer: Arc<PeerUrings>,
        note: Key,
    },
}

impl To {
    /// Has the reader look at the lane. The caller holds no lock.
    pub(super) fn wake(&self) {
        match self {
            Self::Here(end) => {
                if let Some(end) = end.upgrade() {
                    end.wake();
                }
            }
            Self::There { peer, note } => {
                peer.note(*note);
                peer.ring_bell();
            }
        }
    }
}

/// A reader's request.
pub(in crate::topics) struct Request<'a> {
    pub(in crate::topics) id: TopicEndId,
    pub(in crate::topics) to: To,
    pub(in crate::topics) half: &'a PeerRegion,
    pub(in crate::topics) claims: CursorLayout,
    pub(in crate::topics) policy: Policy,
    /// It takes no samples, and is not looked at.
    pub(in crate::topics) is_onlooker: bool,
}

impl PublisherEnd {
    /// Has one more read the lane; the next publish is its. Returns the sequence behind which it begins.
    pub(in crate::topics) fn join(&self, request: Request<'_>) -> Result<u64, JoinRefusal> {
        let mut sending = self.sending();
        if sending.is_over {
            return Err(JoinRefusal::NoSuchPublisher);
        }
        if sending.readers.len() == READERS_MAX {
            let text = format!("it has {READERS_MAX} subscribers");
            return Err(JoinRefusal::NoRoom(text));
        }
        if sending.readers.iter().any(|it| it.id == request.id) {
            return Err(JoinRefusal::Malformed);
        }
        let Some(lane) = &mut sending.lane else {
            return Err(JoinRefusal::NoSuchPublisher);
        };
        let Request {
            id,
            to,
            half,
            claims,
            policy,
            is_onlooker,
        } = request;
        let joined = lane
            .join(half, claims, policy, self.terms.history)
            .map_err(|_| JoinRefusal::Malformed)?;
        let member = joined.member;
        if is_onlooker {
            lane.overlook(member);
        }
        sending.readers.push(Reader { id, member, to });
        Ok(joined.after)
    }

    /// A reader reads nothing any more, or is dead; returns the note that it was woken by, if it was.
    pub(in crate::topics) fn leave(&self, id: TopicEndId) -> Option<Key> {
        self.forget(|reader| reader.id == id).pop()
    }

    /// A node says nothing more, and may still read: its cursors do not count any more.
    pub(in crate::topics) fn disregard(&self, node: NodeId) {
        let mut guard = self.sending();
        let sending = &mut *guard;
        let mut has_any = false;
        for reader in sending.readers.iter().filter(|it| it.id.node() == node) {
            if let Some(lane) = &mut sending.lane {
                lane.disregard(reader.member);
                has_any = true;
            }
        }
        drop(guard);
        if has_any {
            self.wake_all();
        }
    }

    /// A node is dead.
    pub(in crate::topics) fn forget_node(&self, node: NodeId) {
        self.forget(|reader| reader.id.node() == node);
    }

    fn forget(&self, is_gone: impl Fn(&Reader) -> bool) -> Vec<Key> {
        let mut owed = Owed::default();
        let mut notes = Vec::new();
        let mut guard = self.sending();
        let sending = &mut *guard;
        let before = sending.readers.len();
        let lane = &mut sending.lane;
        sending.readers.retain(|reader| {
            let goes = is_gone(reader);
            if goes {
                if let Some(lane) = lane {
                    lane.leave(reader.member);
                }
                if let To::There { note, .. } = reader.to {
                    notes.push(note);
                }
            }
            !goes
        });
        let has_changed = before != sending.readers.len();
        if has_changed {
            let readers = &sending.readers;
            let is_here = |id: &TopicEndId| readers.iter().any(|reader| reader.id == *id);
            sending.awaiting.retain(is_here);
            sending.reclaim(&mut owed);
        }
        let rest = sending.take_rest();
        drop(guard);
        if has_changed {
            self.wake_all();
        }
        self.let_go(rest);
        owed.pay();
        notes
    }

    /// Those who read the lane.
    pub(in crate::topics) fn readers(&self) -> Vec<TopicEndId> {
        let sending = self.sending();
        sending.readers.iter().map(|reader| reader.id).collect()
    }

    /// A subscriber to a pattern will not read it.
    pub(in crate::topics) fn declined_by(&self, id: TopicEndId) {
        let mut declined = lock(&self.declined);
        if declined.len() < READERS_MAX && !declined.contains(&id) {
            declined.push(id);
        }
    }

    /// Those of `subscribers` that do not read it, and have not said that they will not.
    pub(in crate::topics) fn missing_of(&self, subscribers: Vec<TopicEndId>) -> Vec<TopicEndId> {
        let (readers, declined) = (self.readers(), lock(&self.declined));
        let missing = subscribers.into_iter();
        missing
            .filter(|it| !readers.contains(it) && !declined.contains(it))
            .collect()
    }

    /// How many read it.
    pub(in crate::topics) fn reader_count(&self) -> usize {
        self.sending().readers.len()
    }

    /// Tells a reader that is not looked at of the next sample behind that of `seen`, once; at once if there is one.
    pub(in crate::topics) fn tell_of_newer(&self, id: TopicEndId, seen: u64) {
        let mut sending = self.sending();
        let Some(reader) = sending.readers.iter().find(|reader| reader.id == id) else {
            return;
        };
        let is_there = match &sending.lane {
            Some(lane) if !sending.is_over => lane.tail() > seen,
            _ => true,
        };
        let to = is_there.then(|| reader.to.clone());
        if to.is_none() && !sending.awaiting.contains(&id) {
            sending.awaiting.push(id);
        }
        drop(sending);
        if let Some(to) = to {
            to.wake();
        }
    }
}

impl Sending {
    /// Collects those who wait for a newer sample and are not looked at.
    #[cold]
    pub(super) fn name_awaiting(&mut self, owed: &mut Owed) {
        for id in self.awaiting.drain(..) {
            let reader = self.readers.iter().find(|reader| reader.id == id);
            owed.wake.extend(reader.map(|reader| reader.to.clone()));
        }
    }
}
