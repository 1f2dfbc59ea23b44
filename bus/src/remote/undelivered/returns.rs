//! The messages that came back to one address, for those who read them now or later.
//!
//! What comes back while nobody listens for its type is a dead letter at once, counted and shown; it stays here all the same,
//! and shares its message with those who were shown it. What comes back while somebody listens becomes a dead letter only
//! when it is lost: there is no room for it any more, or nobody has an address.

mod kept;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ringway_shm::block::Block;
use ringway_shm::card::Counter;
use ringway_shm::words::EntryWords;

pub(in crate::remote) use self::kept::Queued;
use self::kept::{Begun, Kept, Place, Queue, RETURNS_MAX, make_room};
use super::Undelivered;
use super::shelf::{Item, Raw, Shelf};
use crate::actor::Undone;
use crate::dead::{DeadLetter, DeadReason, Whom};
use crate::exit::ExitReason;
use crate::message::{Message, Parcel, TypeId};
use crate::priority::Priority;
use crate::queue::UndeliveredToken;
use crate::shared::Shared;
use crate::wait_list::WaitList;

/// Who reads what comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Streams, each of one type, while there are any.
    Streams,
    /// Who sends tokens reads what came back at the same place.
    Sender,
}

/// The messages that came back to one address.
pub struct Returns {
    shared: Weak<Shared>,
    whom: Whom,
    read_by: Readers,
    queue: Mutex<Queue>,
    readers: WaitList,
}

impl std::fmt::Debug for Returns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Returns").finish_non_exhaustive()
    }
}

impl Returns {
    pub(crate) fn new(shared: &Arc<Shared>, whom: Whom, read_by: Readers) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::downgrade(shared),
            whom,
            read_by,
            queue: Mutex::default(),
            readers: WaitList::default(),
        })
    }

    pub(crate) fn push<M: Message + ?Sized>(&self, returned: Undelivered<M>) {
        self.push_item(Item::typed(returned));
    }

    /// Queues an entry that came back, under the lock of its end; what it returns is owed outside of it.
    pub(in crate::remote) fn queue_raw(&self, raw: Raw) -> Queued {
        self.queue_item(Item::Raw(raw))
    }

    /// The same of one that was taken, and whose slots have been used again.
    pub(in crate::remote) fn queue_gone(&self, type_id: TypeId, why: Undone) -> Queued {
        self.queue_item(Item::Gone(type_id, why))
    }

    /// Tells the readers of what was queued.
    pub(in crate::remote) fn announce(&self, queued: impl IntoIterator<Item = Queued>) {
        for Queued {
            letter,
            gave_way,
            begun,
        } in queued
        {
            self.publish(letter);
            self.lose(gave_way);
            self.lose(begun.map(Begun::unknown));
        }
        self.readers.wake_all();
    }

    /// The handler of a tell of this process began and did not come to its end.
    pub(crate) fn begun<M: Message + ?Sized>(&self) {
        self.push_begun(Begun::Typed(|why| {
            Item::typed(Undelivered::<M> {
                message: None,
                taken: true,
                why,
            })
        }));
    }

    /// The same, of one whose message is still there.
    pub(crate) fn begun_with<M: Message + ?Sized>(&self, message: Parcel<M>) {
        self.push_begun(Begun::Whole(Box::new(move |why| {
            Item::typed(Undelivered {
                message: Some(message),
                taken: true,
                why,
            })
        })));
    }

    /// The same, for a tell in another process, under the lock of its end.
    pub(in crate::remote) fn queue_begun(&self, words: EntryWords, block: Option<Block>) -> Queued {
        self.keep_begun(Begun::Raw(words, block))
    }

    fn push_begun(&self, begun: Begun) {
        self.announce([self.keep_begun(begun)]);
    }

    /// Keeps it until its actor has ended, or queues it if it has.
    fn keep_begun(&self, begun: Begun) -> Queued {
        let mut queue = self.lock();
        if let Some(reason) = queue.ended.clone() {
            drop(queue);
            return self.queue_item(begun.because(Undone::Ended(reason)));
        }
        let begun_before = make_room(&mut queue.begun);
        queue.begun.push_back(begun);
        Queued {
            letter: None,
            gave_way: None,
            begun: begun_before,
        }
    }

    fn push_item(&self, item: Item) {
        self.announce([self.queue_item(item)]);
    }

    fn queue_item(&self, item: Item) -> Queued {
        let mut queue = self.lock();
        let (kept, letter) = self.shelve(item, &queue);
        let gave_way = make_room(&mut queue.items);
        queue.items.push_back(kept);
        Queued {
            letter,
            gave_way,
            begun: None,
        }
    }

    /// What is kept of an item, and the letter that it is if nobody listens for it.
    fn shelve(&self, item: Item, queue: &Queue) -> (Kept, Option<DeadLetter>) {
        let type_id = item.message_type();
        if self.read_by == Readers::Sender || queue.is_listened(type_id) {
            return (Kept::new(item), None);
        }
        let letter = self.letter(&item);
        let is_shared = self
            .shared
            .upgrade()
            .is_some_and(|shared| shared.dead.is_listened());
        if !is_shared {
            let kept = Kept {
                is_shown: true,
                ..Kept::new(item)
            };
            return (kept, Some(letter));
        }
        let shelf = Shelf::new(item, &self.shared);
        let kept = Kept {
            type_id,
            place: Place::Shared(shelf.clone()),
            is_shown: true,
        };
        (kept, Some(letter.with(shelf)))
    }

    fn letter(&self, item: &Item) -> DeadLetter {
        let mut letter = self
            .whom
            .letter(item.message_type(), item.why().clone().into());
        letter.type_name = item.type_name().or(letter.type_name);
        letter.taken = item.taken();
        letter
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, letters: impl IntoIterator<Item = DeadLetter>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        for letter in letters {
            let letter = letter.sent_by(shared.core().id());
            shared.dead_letter_of_own(letter);
        }
    }

    /// What nobody will read is a dead letter, unless it was one before. User code may be dropped, so not under the lock.
    fn lose(&self, lost: impl IntoIterator<Item = Kept>) {
        let unseen = lost.into_iter().filter(|kept| !kept.is_shown);
        let items = unseen.filter_map(|kept| kept.place.take());
        self.publish(items.map(|item| {
            let letter = self.letter(&item);
            letter.with(Shelf::new(item, &self.shared))
        }));
    }

    /// Counts messages of which nobody can be told any more.
    pub(in crate::remote) fn count_lost(&self, lost: u64) {
        if lost > 0
            && let Some(shared) = self.shared.upgrade()
        {
            shared.count(Counter::DeadLetters, lost);
        }
    }

    /// A reply came for an asker that had given up.
    pub(in crate::remote) fn unread_reply(&self, asked: Option<TypeId>) {
        if let Some(shared) = self.shared.upgrade() {
            let letter = self.whom.letter(asked, DeadReason::ReplyUnread);
            let letter = letter.taken().sent_by(shared.core().id());
            shared.dead.publish(letter);
        }
    }

    /// Who had asked gave the message up before it came back.
    pub(crate) fn count_cancelled(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.count_undone(&Undone::Cancelled);
        }
    }

    /// What has high priority is about to be sent by a second uring; `false` if the receiver has ended.
    #[must_use]
    pub(in crate::remote) fn add_high(&self) -> bool {
        let mut queue = self.lock();
        queue.has_high = queue.ended.is_none();
        queue.has_high
    }

    /// Says that nothing more of this priority will come back: the receiver has ended. What has high priority may also come
    /// back with the rest.
    pub(crate) fn end(&self, priority: Priority, reason: &ExitReason) {
        let mut queue = self.lock();
        match priority {
            Priority::Normal => {
                queue.ending.get_or_insert_with(|| reason.clone());
            }
            Priority::High => queue.has_high = false,
        }
        let Some(reason) = queue.ending.clone().filter(|_| !queue.has_high) else {
            return;
        };
        queue.ended.get_or_insert_with(|| reason.clone());
        // They were taken before those that came back untaken.
        let begun = std::mem::take(&mut queue.begun);
        let mut letters = Vec::new();
        for begun in begun.into_iter().rev() {
            let why = Undone::Ended(reason.clone());
            let (kept, letter) = self.shelve(begun.because(why), &queue);
            queue.items.push_front(kept);
            letters.extend(letter);
        }
        let beyond = queue.items.len().saturating_sub(RETURNS_MAX);
        let displaced: Vec<_> = queue.items.drain(..beyond).collect();
        drop(queue);
        self.publish(letters.into_iter().rev());
        self.lose(displaced);
        self.readers.wake_all();
    }

    /// Those who wait for a change.
    pub(crate) fn readers(&self) -> &WaitList {
        &self.readers
    }

    /// A stream reads messages of this type from now on.
    pub(super) fn listen(&self, type_id: TypeId) {
        let mut queue = self.lock();
        match queue.listeners.iter_mut().find(|it| it.0 == type_id) {
            Some((_, streams)) => *streams += 1,
            None => queue.listeners.push((type_id, 1)),
        }
    }

    /// One of them is dropped.
    pub(super) fn stop_listening(&self, type_id: TypeId) {
        let mut queue = self.lock();
        if let Some((_, streams)) = queue.listeners.iter_mut().find(|it| it.0 == type_id) {
            *streams -= 1;
        }
        queue.listeners.retain(|(_, streams)| *streams > 0);
    }

    /// Takes the oldest returned token of a queue, whatever its type; `None` beside `true` when there will be no more.
    pub(crate) fn take_token(&self) -> (Option<UndeliveredToken>, bool) {
        let mut queue = self.lock();
        let kept = queue.items.pop_front();
        let has_ended = queue.ended.is_some();
        drop(queue);
        let item = kept.and_then(|kept| kept.place.take());
        (item.and_then(Item::into_token), has_ended)
    }

    /// Takes the oldest returned message of type `M`; `None` beside `true` when there will be no more.
    pub(super) fn take<M: Message + ?Sized>(&self) -> (Option<Undelivered<M>>, bool) {
        loop {
            let mut queue = self.lock();
            let mut items = queue.items.iter();
            let found = items.position(|kept| kept.type_id == Some(M::TYPE_ID));
            let kept = found.and_then(|index| queue.items.remove(index));
            let has_ended = queue.ended.is_some();
            drop(queue);
            let Some(kept) = kept else {
                return (None, has_ended);
            };
            // Of one that was shown as a dead letter the message may have been taken there: then all of it was.
            if let Some(item) = kept.place.take() {
                return (item.open(&self.shared), has_ended);
            }
        }
    }
}

impl Drop for Returns {
    /// Nobody has an address, or a stream, any more.
    fn drop(&mut self) {
        let queue = self.queue.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (items, begun) = (
            std::mem::take(&mut queue.items),
            std::mem::take(&mut queue.begun),
        );
        self.lose(begun.into_iter().map(Begun::unknown));
        self.lose(items);
    }
}
