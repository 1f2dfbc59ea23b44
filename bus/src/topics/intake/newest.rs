//! Finding the newest sample of all sources, for a subscriber that takes none; and waiting for a newer one.
//!
//! Its publishers do not look at it. One that is to tell it of its next sample is asked to, says so once, and is asked again by who
//! waits again: so there is at most one unread note of each.

use std::sync::Arc;

use ringway_shm::broadcast::{TakeError, Taken};
use ringway_shm::generation::Key;

use super::source::{Open, Origin, Owed, Phase, Source};
use super::{Batch, Before, SubscriberEnd, Took};
use crate::topics::wire::{Behind, Pairing, TopicWord};
use crate::urings::wire::UringWord;

/// What a look for the newest sample of one source found.
enum Newest {
    Found,
    Nothing,
    Over,
}

impl SubscriberEnd {
    /// Finds the newest sample: of a publisher that has published since, or unless it `is_new` the one that was found last.
    pub(in crate::topics) fn newest(&self, batch: &mut Batch, is_new: bool) -> Took {
        let mut owed = Owed::default();
        batch.clear();
        let mut guard = self.sources();
        let sources = &mut *guard;
        let count = sources.list.len();
        let first = sources.next;
        // First those with something new, from behind the one that was found last, and then that one.
        for step in 1..=2 * count {
            let wants_new = step <= count;
            if !wants_new && is_new {
                break;
            }
            let at = match wants_new {
                true => (first + step) % count,
                false => (first + step - 1) % count,
            };
            let source = &mut sources.list[at];
            match self.look_at(source, batch, wants_new, &mut owed) {
                Newest::Found => {
                    sources.next = at;
                    break;
                }
                Newest::Nothing => {}
                Newest::Over => {
                    let phase = std::mem::replace(&mut source.phase, Phase::Over);
                    owed.over.extend(phase.close());
                }
            }
        }
        let is_over = sources.is_over;
        drop(guard);
        self.settle(owed);
        match batch.len() {
            0 if is_over => Took::Over,
            0 => Took::Nothing,
            _ => Took::Samples,
        }
    }

    fn look_at(
        &self,
        source: &mut Source,
        batch: &mut Batch,
        wants_new: bool,
        owed: &mut Owed,
    ) -> Newest {
        let whose = (source.id, source.topic.as_ref());
        let Phase::Open(open) = &mut source.phase else {
            return Newest::Nothing;
        };
        if wants_new {
            open.is_hoarded = false;
        }
        // What came before it ended is found by the look that follows.
        let ends = open.ends();
        let found = open.newest(wants_new, batch.place());
        if open.lane.publisher_wants().is_some() {
            owed.ring.push(open.hold.origin().clone());
        }
        let taken = match found {
            Ok(Some(taken)) => taken,
            Ok(None) if ends => return Newest::Over,
            Ok(None) => return Newest::Nothing,
            Err(TakeError::Peer(violation)) => {
                owed.blame.push((open.hold.origin().clone(), violation));
                return Newest::Over;
            }
            Err(TakeError::Hoarding { .. }) => {
                open.is_hoarded = true;
                owed.is_hoarding = true;
                return Newest::Nothing;
            }
            Err(_) => return Newest::Over,
        };
        let published = open.published(batch.place());
        let filter = self.terms.filter.now(&self.clock);
        let is_wanted = filter.admits(taken.sequence, published);
        let (sequence, seen) = (taken.sequence, open.seen);
        if !is_wanted || open.is_unmapped(&taken, batch.place()) {
            // One that is too old is not looked at again; one whose segment is not mapped yet is, when it is: that wakes.
            if is_wanted {
                open.is_hoarded = true;
            } else {
                open.seen = seen.max(sequence);
            }
            open.pass_over(taken, owed);
            open.before = Before::default();
            return Newest::Nothing;
        }
        open.seen = seen.max(sequence);
        open.before = Before {
            missed: match seen {
                0 => 0,
                _ => sequence.saturating_sub(seen + 1),
            },
            filtered: 0,
        };
        batch.push(open.arrived(whose, taken, published));
        Newest::Found
    }

    /// Has each publisher tell of its next sample, who has registered; look once more afterwards.
    pub(super) fn ask_for_newer(self: &Arc<Self>) {
        let mut here = Vec::new();
        let mut there = Vec::new();
        let mut sources = self.sources();
        for source in &mut sources.list {
            let number = source.id.number();
            let Phase::Open(open) = &mut source.phase else {
                continue;
            };
            // A released lease, or a segment that is mapped, wakes by itself.
            if open.is_hoarded {
                continue;
            }
            match open.hold.origin() {
                Origin::Here(end) => here.push((Arc::clone(end), open.seen)),
                Origin::There(peer) if !std::mem::replace(&mut open.is_asked, true) => {
                    there.push((Arc::clone(peer), number, open.seen));
                }
                Origin::There(_) => {}
            }
        }
        drop(sources);
        for (publisher, seen) in here {
            publisher.tell_of_newer(self.id, seen);
        }
        for (peer, publisher, seen) in there {
            let pairing = Pairing {
                subscriber: self.id.number(),
                publisher,
            };
            peer.say(&UringWord::Topic(TopicWord::Awaits { pairing, seen }));
        }
    }

    /// A note has come for one of its sources.
    pub(crate) fn noted(&self, note: Key) {
        if self.terms.behind == Behind::Newest {
            let mut sources = self.sources();
            let open = sources
                .list
                .iter_mut()
                .find_map(|source| match &mut source.phase {
                    Phase::Open(open) if open.hold.note() == Some(note) => Some(open),
                    _ => None,
                });
            if let Some(open) = open {
                open.is_asked = false;
            }
        }
        self.wake();
    }
}

impl Open {
    /// The newest sample, into `words`; one that was found before only unless it is to be new.
    fn newest(&mut self, is_new: bool, words: &mut [u64]) -> Result<Option<Taken>, TakeError> {
        let newest = self.lane.newest()?;
        if is_new && newest <= self.seen {
            return Ok(None);
        }
        let found = self.lane.latest(words)?;
        if found.is_none() {
            // Given up by its publisher: it is not waited for again.
            self.seen = self.seen.max(newest);
        }
        Ok(found)
    }
}
